"""Layers that several networks share."""

from __future__ import annotations

from torch import Tensor, nn


def conv_bn_relu(
    channels_in: int, channels_out: int, *, kernel: int = 3, dilation: int = 1, stride: int = 1
) -> nn.Sequential:
    """Convolution (same padding, no bias), BatchNorm, ReLU: (batch, in, h, w) to (batch, out, h, w)."""
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(
            channels_in,
            channels_out,
            kernel_size=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def doubling(channels_in: int, channels_out: int, *, bias: bool) -> nn.ConvTranspose2d:
    """3x3 transposed convolution, stride 2: (batch, in, h, w) to (batch, out, 2 h, 2 w).

    The padding makes it the transpose of torchvision's 3x3 convolutions of stride 2, which the skips come from.
    """
    return nn.ConvTranspose2d(
        channels_in, channels_out, kernel_size=3, stride=2, padding=1, output_padding=1, bias=bias
    )


def pix2pix_upsample(channels_in: int, channels_out: int) -> nn.Sequential:
    """The upsampling block of TensorFlow's pix2pix example: transposed convolution, BatchNorm, ReLU; doubles the size.

    Isola et al. 2017, https://arxiv.org/abs/1611.07004; without its optional dropout.
    """
    return nn.Sequential(doubling(channels_in, channels_out, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU(True))


def crop_like(x: Tensor, other: Tensor) -> Tensor:
    """Cut the bottom and right of ``x`` to the height and width of ``other``.

    Halving an odd size rounds up, so doubling it again gives one pixel too many.
    """
    return x[..., : other.shape[-2], : other.shape[-1]]
