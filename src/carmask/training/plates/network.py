"""The plate network: EfficientNet-Lite0 as ImageNet has trained it, to stride 16, and a head for three scales.

What ImageNet has taught stays as it is. The head joins features of strides 16, 8 and 4 from coarse to fine, as a
feature pyramid does (Lin et al. 2017, https://arxiv.org/abs/1612.03144), and tells plates as EAST tells text.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from carmask.training.small_networks import LiteEncoder

#: Channels of the encoder's features, of strides 4, 8 and 16.
CHANNELS = (24, 40, 80)
#: Of what the head tells: a plate, and its corners.
OUTPUTS = 9
#: Channels of the head at each of these strides.
_WIDE = (24, 32, 32)
#: A plate is rare: what the network says before it has learned anything.
_RARE = -4.0


class PlateEncoder(LiteEncoder):
    """From uint8 (batch, height, width, 3), RGB, to features of strides 4, 8 and 16."""

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of pictures."""
        _, fine, middle, coarse = self.stages(pixels)
        return fine, middle, coarse


class PlateHead(nn.Module):
    """From the encoder's features to float32 (batch, 9, height / 4, width / 4), for ``read_plates``."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide))
            for channels, wide in zip(CHANNELS, _WIDE, strict=True)
        )
        fine, middle, coarse = _WIDE
        self.coarse = nn.Sequential(
            _block(coarse, 1), _block(coarse, 2), _block(coarse, 4), nn.Conv2d(coarse, middle, 1)
        )
        self.middle = nn.Sequential(_block(middle, 1), _block(middle, 2), nn.Conv2d(middle, fine, 1))
        self.fine = nn.Sequential(_block(fine, 1), _block(fine, 1))
        self.tell = nn.Conv2d(fine, OUTPUTS, 1)
        with torch.no_grad():
            assert self.tell.bias is not None
            self.tell.bias[0] = _RARE

    def forward(self, features: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """What is told of features."""
        fine, middle, coarse = (inward(one) for inward, one in zip(self.inward, features, strict=True))
        wide = self.coarse(torch.relu(coarse))
        wide = self.middle(torch.relu(middle + nn.functional.interpolate(wide, scale_factor=2.0, mode="nearest")))
        wide = self.fine(torch.relu(fine + nn.functional.interpolate(wide, scale_factor=2.0, mode="nearest")))
        told: Tensor = self.tell(wide)
        return told


class _Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        """Features with what is added to them."""
        added: Tensor = torch.relu(features + self.inner(features))
        return added


def _block(wide: int, dilation: int) -> nn.Module:
    """A convolution of 3x3, added to what goes in."""
    return _Residual(
        nn.Sequential(nn.Conv2d(wide, wide, 3, padding=dilation, dilation=dilation, bias=False), nn.BatchNorm2d(wide))
    )
