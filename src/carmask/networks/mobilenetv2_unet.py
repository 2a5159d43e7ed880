"""A light U-Net on a MobileNetV2 encoder: segmentation for one studio, the specialist of the shipped models.

Encoder: MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381) in torchvision's layout, without its last
1x1 convolution to 1,280 channels, which serves classification and would be 40 % of the decoder's first stage.
Decoder: U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597) with few filters, to stride 2 only.
Head: sub-pixel convolution (Shi et al. 2016, https://arxiv.org/abs/1609.05158) from stride 2 to full size. A decoder
stage at full size would cost as much time as all the others together.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from carmask.networks.blocks import conv_bn_relu
from carmask.networks.network import SegmentationNetwork, car_channels_of
from carmask.networks.weights import load_into, read_encoder_weights

#: Indices into ``mobilenet_v2().features`` whose outputs are the skips (strides 2, 4, 8, 16) and the bottom (32).
TAPS = (1, 3, 6, 13, 17)
ENCODER_CHANNELS = (16, 24, 32, 96, 320)
DECODER_CHANNELS = (128, 64, 48, 32)


class MobileNetV2UNet(SegmentationNetwork):
    """Car against background; fully convolutional.

    Attributes:
        multiple: height and width of the input must be multiples of this.
    """

    multiple = 32

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        if classes > 1:
            self.channels, self.car_channels = classes + 1, car_channels_of(classes)
        self.encoder = mobilenet_v2(weights=None).features[: TAPS[-1] + 1]
        below = ENCODER_CHANNELS[-1]
        stages = []
        for skip, filters in zip(reversed(ENCODER_CHANNELS[:-1]), DECODER_CHANNELS, strict=True):
            stages.append(nn.Sequential(conv_bn_relu(below + skip, filters), conv_bn_relu(filters, filters)))
            below = filters
        self.decoder = nn.ModuleList(stages)
        self.head = nn.Conv2d(below, 4 * self.channels, kernel_size=3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Predict one logit for each pixel (or a score for each class).

        Args:
            images: float32 (batch, 3, height, width), RGB, normalised with ImageNet's mean and standard deviation;
                height and width multiples of 32.

        Returns:
            float32 (batch, channels, height, width): one channel is the logit of car.
        """
        taps = []
        x = images
        for index, layer in enumerate(self.encoder):
            x = layer(x)
            if index in TAPS:
                taps.append(x)
        x = taps.pop()
        for stage in self.decoder:
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = stage(torch.cat([x, taps.pop()], dim=1))
        return nn.functional.pixel_shuffle(self.head(x), 2)

    def load_encoder(self, file: Path | None) -> None:
        """Load ImageNet weights into the encoder.

        Args:
            file: a safetensors file with torchvision's names (``features.0.0.weight`` …), or None to download
                torchvision's ``IMAGENET1K_V2`` weights (checked by torchvision against the hash in their name).

        Raises:
            WeightsError: if the file is unreadable or is not of this encoder, or the download fails.
        """
        state = read_encoder_weights(file, download_mobilenetv2)
        load_into(self.encoder, state, prefix="features.", what="MobileNetV2 in torchvision's layout", source=file)


class GuidedMobileNetV2UNet(MobileNetV2UNet):
    """The same network with a coarse map of the car beside the photo: a segmentation stage after a localisation stage.

    The map is a fourth input channel, and is put beside the skips of strides 16, 8 and 4, averaged: what is car comes
    from the map, where its contour runs from the photo. All weights on it start at zero, so the network starts as the
    one without.
    """

    guided = True
    #: Strides at which the map is put beside the skips.
    GUIDED_STRIDES = (16, 8, 4)

    def __init__(self, classes: int = 1) -> None:
        super().__init__(classes)
        self.encoder[0][0] = _one_channel_more(self.encoder[0][0])
        for stage in list(self.decoder)[: len(self.GUIDED_STRIDES)]:
            assert isinstance(stage, nn.Sequential)
            stage[0][0] = _one_channel_more(stage[0][0])  # type: ignore[operator, index]

    def forward(self, images: Tensor, guide: Tensor | None = None) -> Tensor:
        """Predict one logit for each pixel (or a score for each class).

        Args:
            images: float32 (batch, 3, height, width), RGB, normalised with ImageNet's mean and standard deviation;
                height and width multiples of 32.
            guide: float32 (batch, 1, height, width) in [-1, 1]: twice a coarser probability of car less 1; None where
                nothing is known.

        Returns:
            float32 (batch, channels, height, width): one channel is the logit of car.
        """
        if guide is None:
            guide = torch.zeros_like(images[:, :1])
        return nn.functional.pixel_shuffle(self.head(self._features(torch.cat([images, guide], dim=1))), 2)

    def _features(self, given: Tensor) -> Tensor:
        """From the photo and its map, (batch, 4, height, width), to the decoder's features at stride 2."""
        guide = given[:, 3:]
        taps = []
        x: Tensor = given
        for index, layer in enumerate(self.encoder):
            x = layer(x)
            if index in TAPS:
                taps.append(x)
        x = taps.pop()
        for number, stage in enumerate(self.decoder):
            beside = taps.pop()
            if number < len(self.GUIDED_STRIDES):
                small = nn.functional.avg_pool2d(guide, self.GUIDED_STRIDES[number])
                beside = torch.cat([beside, small], dim=1)
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = stage(torch.cat([x, beside], dim=1))
        return x

    def load_encoder(self, file: Path | None) -> None:
        """Load ImageNet weights into the encoder; those on the map stay zero. See ``MobileNetV2UNet.load_encoder``."""
        plain = MobileNetV2UNet()
        plain.load_encoder(file)
        widen_into(self.encoder, plain.encoder.state_dict())


def _one_channel_more(layer: nn.Module) -> nn.Conv2d:
    """The convolution with one more input channel, the last one, on which its weights are zero."""
    assert isinstance(layer, nn.Conv2d)
    wide = nn.Conv2d(
        layer.in_channels + 1,
        layer.out_channels,
        kernel_size=layer.kernel_size,  # type: ignore[arg-type]
        stride=layer.stride,  # type: ignore[arg-type]
        padding=layer.padding,  # type: ignore[arg-type]
        bias=layer.bias is not None,
    )
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : layer.in_channels] = layer.weight
        if wide.bias is not None and layer.bias is not None:
            wide.bias.copy_(layer.bias)
    return wide


def widen(given: Tensor, own: Tensor) -> Tensor | None:
    """Weights of a network without a map, for the same one with it: zeros for the last input channel.

    Args:
        given: (out, in, height, width), of a convolution.
        own: what they are for.

    Returns:
        Weights of ``own``'s shape; None if they differ in more than one input channel.
    """
    if given.ndim != 4 or own.ndim != 4 or own.shape[1] != given.shape[1] + 1:
        return None
    if (own.shape[0], *own.shape[2:]) != (given.shape[0], *given.shape[2:]):
        return None
    return torch.cat([given, torch.zeros_like(given[:, :1])], dim=1)


def widen_into(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Load the weights of a network without a map into the same one with it."""
    own = module.state_dict()
    fitting = {}
    for name, value in state.items():
        wide = widen(value, own[name]) if name in own and value.shape != own[name].shape else None
        fitting[name] = value if wide is None else wide
    module.load_state_dict(fitting)


def download_mobilenetv2() -> dict[str, Tensor]:
    """Fetch torchvision's ``IMAGENET1K_V2`` weights, checked against the hash in their name."""
    from torchvision.models import MobileNet_V2_Weights

    return dict(MobileNet_V2_Weights.IMAGENET1K_V2.get_state_dict(progress=True, check_hash=True))
