"""Layers that several networks share."""

from __future__ import annotations

from torch import nn


def conv_bn_relu(channels_in: int, channels_out: int) -> nn.Sequential:
    """3x3 convolution (same padding, no bias), BatchNorm, ReLU: (batch, in, h, w) to (batch, out, h, w)."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
