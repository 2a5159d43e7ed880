"""A light U-Net on an EfficientNet-Lite2 encoder: the localisation stage of the shipped default model.

Encoder: EfficientNet-Lite2 (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, after Tan
& Le 2019, https://arxiv.org/abs/1905.11946), without squeeze-and-excitation and with ReLU6, so that it can be computed
in 8 bits; timm's layers and names. Decoder: U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597) to stride
4 only: which object is the car needs few pixels and a wide view. Head: sub-pixel convolution (Shi et al. 2016,
https://arxiv.org/abs/1609.05158) from stride 4 to full size.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from carmask.images.normalisation import MEANS_AND_STDS
from carmask.networks.blocks import conv_bn_relu
from carmask.networks.network import SegmentationNetwork, car_channels_of
from carmask.networks.weights import download_timm, load_into, read_encoder_weights

#: timm's name of the encoder.
ENCODER = "tf_efficientnet_lite2"
#: What is subtracted from values of 0 to 255, and what the rest is divided by, where the ImageNet weights were trained.
LITE_MEAN, LITE_SCALE = 127.0, 128.0
#: Filters of the decoder's stages, from stride 16 to stride 4.
DECODER_CHANNELS = (128, 64, 48)


class EfficientNetLite2UNet(SegmentationNetwork):
    """Car against background at a small size; fully convolutional.

    Attributes:
        multiple: height and width of the input must be multiples of this.
    """

    multiple = 32
    scale: Tensor
    shift: Tensor

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        import timm

        if classes > 1:
            self.channels, self.car_channels = classes + 1, car_channels_of(classes)
        self.encoder = timm.create_model(ENCODER, features_only=True, pretrained=False)
        channels: list[int] = self.encoder.feature_info.channels()  # type: ignore[union-attr, operator]
        below = channels[-1]
        # What is the prominent car depends on the whole photo; it starts without effect.
        self.context = nn.Conv2d(below, below, kernel_size=1)
        nn.init.zeros_(self.context.weight)
        nn.init.zeros_(self.context.bias)  # type: ignore[arg-type]
        stages = []
        for skip, filters in zip(reversed(channels[1:-1]), DECODER_CHANNELS, strict=True):
            stages.append(nn.Sequential(conv_bn_relu(below + skip, filters), conv_bn_relu(filters, filters)))
            below = filters
        self.decoder = nn.ModuleList(stages)
        self.head = nn.Conv2d(below, 16 * self.channels, kernel_size=3, padding=1)
        # From ImageNet's normalisation, which all networks take, to that of the encoder's weights.
        mean, std = (torch.tensor(values).view(3, 1, 1) * 255.0 for values in MEANS_AND_STDS["imagenet"])
        self.register_buffer("scale", std / LITE_SCALE, persistent=False)
        self.register_buffer("shift", (mean - LITE_MEAN) / LITE_SCALE, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Predict one logit for each pixel (or a score for each class).

        Args:
            images: float32 (batch, 3, height, width), RGB, normalised with ImageNet's mean and standard deviation;
                height and width multiples of 32.

        Returns:
            float32 (batch, channels, height, width): one channel is the logit of car.
        """
        _, *skips, x = self.encoder(images * self.scale + self.shift)
        x = x + self.context(x.mean((2, 3), keepdim=True))
        for stage in self.decoder:
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = stage(torch.cat([x, skips.pop()], dim=1))
        return nn.functional.pixel_shuffle(self.head(x), 4)

    def load_encoder(self, file: Path | None) -> None:
        """Load ImageNet weights into the encoder.

        Args:
            file: a safetensors file with timm's names (``conv_stem.weight`` …), or None for timm's download.

        Raises:
            WeightsError: if the file is unreadable or is not of this encoder, or the download fails.
        """
        state = read_encoder_weights(file, partial(download_timm, ENCODER))
        load_into(self.encoder, state, prefix="model.", what="EfficientNet-Lite2 in timm's layout", source=file)
