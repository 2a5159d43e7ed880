"""U-Nets from scratch.

Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597. ``UNet`` is that network with same padding in place of crops.
``BatchNormUNet`` is the form that went round in the Carvana challenge: BatchNorm, nearest-neighbour upsampling, three
convolutions on the way up; ``unet-small`` and ``unet-deep`` are two sizes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from carmask.networks.blocks import conv_bn_relu
from carmask.networks.network import SegmentationNetwork, car_channels_of

UNET_FILTERS = (64, 128, 256, 512, 1024)
SMALL_FILTERS = (32, 64, 128, 256, 512)
#: Seven levels and the centre. The source names no filters; these are those of the U-Net for 1024x1024 that was shared
#: in the challenge and that its description follows level by level.
DEEP_FILTERS = (8, 16, 32, 64, 128, 256, 512, 1024)


class _ScratchUNet(SegmentationNetwork):
    """The shape of all U-Nets: levels down, centre, levels up with the features from before each pooling."""

    def __init__(self, filters: Sequence[int], classes: int) -> None:
        super().__init__()
        if classes > 1:
            self.channels, self.car_channels = classes + 1, car_channels_of(classes)
        self.multiple = 2 ** (len(filters) - 1)
        self.head = nn.Conv2d(filters[0], self.channels, kernel_size=1)

    down: nn.ModuleList
    centre: nn.Module
    up: nn.ModuleList
    up_convs: nn.ModuleList

    def forward(self, images: Tensor) -> Tensor:
        """Predict: (batch, 3, h, w) to (batch, channels, h, w), h and w multiples of ``multiple``."""
        skips = []
        x = images
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.centre(x)
        for enlarge, level in zip(self.up, self.up_convs, strict=True):
            x = level(torch.cat([skips.pop(), enlarge(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits


class UNet(_ScratchUNet):
    """The original: two 3x3 convolutions with ReLU a level, 2x2 up-convolutions, no BatchNorm; weights as He et al."""

    def __init__(self, classes: int = 1, filters: Sequence[int] = UNET_FILTERS) -> None:
        super().__init__(filters, classes)
        ins = (3, *filters[:-2])
        self.down = nn.ModuleList(_two_convs(a, b) for a, b in zip(ins, filters[:-1], strict=True))
        self.centre = _two_convs(filters[-2], filters[-1])
        falling = list(reversed(filters))
        pairs = list(pairwise(falling))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, kernel_size=2, stride=2) for a, b in pairs)
        self.up_convs = nn.ModuleList(_two_convs(2 * b, b) for _, b in pairs)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                # The paper asks for a standard deviation of sqrt(2 / fan-in); of up-convolutions PyTorch takes fan-out.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)


class BatchNormUNet(_ScratchUNet):
    """Two (convolution, BatchNorm, ReLU) a level down and in the centre, three a level up, nearest upsampling."""

    def __init__(self, classes: int, filters: Sequence[int]) -> None:
        super().__init__(filters, classes)
        ins = (3, *filters[:-2])
        self.down = nn.ModuleList(_blocks(a, b, 2) for a, b in zip(ins, filters[:-1], strict=True))
        self.centre = _blocks(filters[-2], filters[-1], 2)
        falling = list(reversed(filters))
        pairs = list(pairwise(falling))
        self.up = nn.ModuleList(nn.Upsample(scale_factor=2.0, mode="nearest") for _ in pairs)
        self.up_convs = nn.ModuleList(_blocks(a + b, b, 3) for a, b in pairs)


class UNetSmall(BatchNormUNet):
    """Four levels from 32 filters: 22 convolutions with BatchNorm and ReLU, and the head of 33 parameters."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__(classes, SMALL_FILTERS)


class UNetDeep(BatchNormUNet):
    """Seven levels, for 1024x1024."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__(classes, DEEP_FILTERS)


def _two_convs(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_out, channels_out, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
    )


def _blocks(channels_in: int, channels_out: int, count: int) -> nn.Sequential:
    ins = [channels_in] + [channels_out] * (count - 1)
    return nn.Sequential(*(conv_bn_relu(each, channels_out) for each in ins))
