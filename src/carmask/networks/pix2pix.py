"""The networks of the pix2pix sources: a pretrained encoder and a decoder of pix2pix upsampling blocks.

Encoders: MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381) and VGG19 (Simonyan & Zisserman 2015,
https://arxiv.org/abs/1409.1556), in torchvision's layout, cut after the last layer that is used. Decoder: blocks of
pix2pix (Isola et al. 2017, https://arxiv.org/abs/1611.07004) as TensorFlow's segmentation tutorial joins them.
The sources' published counts (Keras-style: parameters and BatchNorm's moving statistics) are kept in ``COUNTS`` of
tests/networks/test_counts.py, stage by stage.

Head: three channels, as the tutorial has for another data set, and as the sources left it; see ``car_channels_of``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from carmask.networks.blocks import conv_bn_relu, crop_like, doubling, pix2pix_upsample
from carmask.networks.mobilenetv2_unet import download_mobilenetv2
from carmask.networks.network import SegmentationNetwork, car_channels_of
from carmask.networks.weights import load_into, read_encoder_weights

#: Decoder filters as in the tutorial, and equal to the skips'.
TUTORIAL_FILTERS = (512, 256, 128, 64)
MATCHED_FILTERS = (576, 192, 144, 96)


class MobileNetV2Taps(nn.Sequential):
    """MobileNetV2 to the projecting convolution of Keras' ``block_16``, with the outputs that the sources tap.

    Keras' ``block_N`` is ``features[N + 1]`` here. A tapped block is run in two parts: to the expanded features, which
    are the skip, and on from there.
    """

    #: Blocks whose expanded features (after ReLU6) are skips: strides 2, 4, 8, 16.
    tapped = (2, 4, 7, 14)
    channels = (96, 144, 192, 576, 320)

    def __init__(self) -> None:
        from torchvision.models import mobilenet_v2

        features = mobilenet_v2(weights=None).features[:18]
        # The source takes the last projection before its BatchNorm.
        features[17].conv = features[17].conv[:3]
        super().__init__(*features)

    def forward(self, images: Tensor) -> list[Tensor]:
        """From (batch, 3, h, w) to the four skips, finest first, and the bottom (batch, 320, h/32, w/32)."""
        outputs = []
        x = images
        for index, block in enumerate(self):
            if index in self.tapped:
                layers = block.get_submodule("conv")
                for name, layer in layers.named_children():
                    x = layer(x)
                    if name == "0":
                        outputs.append(x)
            else:
                x = block(x)
        return [*outputs, x]


class VGG19Taps(nn.Sequential):
    """VGG19 to ``block5_conv1``, with the outputs of blocks 2, 3 and 4 before their pooling."""

    tapped = (8, 17, 26)
    channels = (128, 256, 512, 512)

    def __init__(self) -> None:
        from torchvision.models import vgg19

        super().__init__(*vgg19(weights=None).features[:30])
        for layer in self:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # the taps are used again

    def forward(self, images: Tensor) -> list[Tensor]:
        """From (batch, 3, h, w) to skips at h/2, h/4, h/8, finest first, and the bottom (batch, 512, h/16, w/16)."""
        outputs = []
        x = images
        for index, layer in enumerate(self):
            x = layer(x)
            if index in self.tapped:
                outputs.append(x)
        return [*outputs, x]


class SmallCNN(nn.ModuleList):
    """Four times a 2x2 convolution (same padding, ReLU) and 2x2 max-pooling; no BatchNorm.

    The source names neither filters nor skips: 32, 64, 128, 256 and the pooled features are our choice.
    """

    channels = (32, 64, 128, 256)

    def __init__(self) -> None:
        super().__init__()
        below = 3
        for filters in self.channels:
            # Same padding of an even kernel, as Keras has it: one more pixel below and to the right.
            padding, convolution = nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(below, filters, kernel_size=2)
            self.append(nn.Sequential(padding, convolution, nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True)))
            below = filters

    def forward(self, images: Tensor) -> list[Tensor]:
        """From (batch, 3, h, w) to skips at h/2, h/4, h/8, finest first, and the bottom (batch, 256, h/16, w/16)."""
        outputs = []
        x = images
        for level in self:
            x = level(x)
            outputs.append(x)
        return outputs


class Pix2PixNetwork(SegmentationNetwork):
    """An encoder with taps; each decoder stage doubles the size and gets its skip; a head doubles once more."""

    encoder: nn.Module

    def __init__(
        self, encoder: MobileNetV2Taps | VGG19Taps | SmallCNN, stages: Sequence[nn.Module], head: int, classes: int
    ) -> None:
        """Join the parts.

        Args:
            encoder: gives the skips, finest first, and the bottom.
            stages: one for each skip, coarsest first.
            head: channels that enter the head.
            classes: what is told from background: 1 for the car, or the number of parts.
        """
        super().__init__()
        self.channels, self.car_channels = max(3, classes + 1), car_channels_of(classes)
        self.encoder = encoder
        self.stages = nn.ModuleList(stages)
        self.head = doubling(head, self.channels, bias=True)

    def forward(self, images: Tensor) -> Tensor:
        """Predict a score for each class and pixel: (batch, 3, h, w) to (batch, channels, h, w)."""
        *skips, x = self.encoder(images)
        for stage in self.stages:
            skip = skips.pop()
            x = torch.cat([crop_like(stage(x), skip), skip], dim=1)
        return crop_like(self.head(x), images)


class MobileNetV2Pix2Pix(Pix2PixNetwork):
    """MobileNetV2 with pix2pix upsampling; linear outputs."""

    encoder: MobileNetV2Taps

    def __init__(self, classes: int = 1, filters: Sequence[int] = TUTORIAL_FILTERS) -> None:
        encoder = MobileNetV2Taps()
        *skips, below = encoder.channels
        stages = []
        for skip, count in zip(reversed(skips), filters, strict=True):
            stages.append(pix2pix_upsample(below, count))
            below = count + skip
        super().__init__(encoder, stages, below, classes)

    def load_encoder(self, file: Path | None) -> None:
        """Load ImageNet weights; see ``SegmentationNetwork.load_encoder``."""
        state = read_encoder_weights(file, download_mobilenetv2)
        load_into(self.encoder, state, prefix="features.", what="MobileNetV2 in torchvision's layout", source=file)


class MobileNetV2Pix2PixMatched(MobileNetV2Pix2Pix):
    """The same with as many decoder filters as the skips have, and sigmoid on the outputs.

    The source's first loss of 0.10 and best of 0.03 are below what cross-entropy can reach on a softmax of values in
    [0, 1] (0.55), so its Keras loss took the sigmoids as unnormalised probabilities: p = s / sum of s. Softmax over
    ``log s`` is that.
    """

    def __init__(self, classes: int = 1) -> None:
        super().__init__(classes, MATCHED_FILTERS)

    def forward(self, images: Tensor) -> Tensor:
        """As ``Pix2PixNetwork.forward``; the scores are logarithms of sigmoids."""
        return nn.functional.logsigmoid(super().forward(images))


class VGG19Pix2Pix(Pix2PixNetwork):
    """VGG19 with three decoder stages of two 3x3 blocks each, the first of which doubles the size."""

    encoder: VGG19Taps
    multiple = 16

    def __init__(self, classes: int = 1) -> None:
        encoder = VGG19Taps()
        *skips, below = encoder.channels
        stages = []
        for skip in reversed(skips):
            stages.append(nn.Sequential(pix2pix_upsample(below, skip), conv_bn_relu(skip, skip)))
            below = 2 * skip
        super().__init__(encoder, stages, below, classes)

    def load_encoder(self, file: Path | None) -> None:
        """Load ImageNet weights; see ``SegmentationNetwork.load_encoder``."""
        state = read_encoder_weights(file, _download_vgg19)
        load_into(self.encoder, state, prefix="features.", what="VGG19 in torchvision's layout", source=file)


class CNNSmall(Pix2PixNetwork):
    """The self-built CNN with three pix2pix upsampling steps."""

    encoder: SmallCNN

    def __init__(self, classes: int = 1) -> None:
        encoder = SmallCNN()
        *skips, below = encoder.channels
        stages = []
        for skip in reversed(skips):
            stages.append(pix2pix_upsample(below, skip))
            below = 2 * skip
        super().__init__(encoder, stages, below, classes)


def _download_vgg19() -> dict[str, Tensor]:
    from torchvision.models import VGG19_Weights

    return dict(VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True))
