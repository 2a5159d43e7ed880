"""A U-Net over all views of one car at once: the photos around a turntable as a volume, views as its depth.

3D U-Net: Çiçek et al. 2016, https://arxiv.org/abs/1606.06650. Here only height and width are halved: all levels have
every view.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from carmask.networks.network import SegmentationNetwork, car_channels_of

VIEWS_FILTERS = (8, 16, 32, 64)


class ViewsConv(nn.Module):
    """3x3 convolution in each view, and over three neighbouring views or one; the first view neighbours the last.

    A convolution of kernel 3x3x3 over a volume is one of kernel 3x3 over the channels of a view, the one before it and
    the one after it, side by side; so it is computed as one, which CPUs are much faster at. No bias.
    """

    def __init__(self, channels_in: int, channels_out: int, *, depth: int) -> None:
        """Make the layer.

        Args:
            channels_in: of each view.
            channels_out: of each view.
            depth: the kernel's depth: 3, or 1 for a convolution of each view by itself.
        """
        super().__init__()
        self.depth = depth
        self.conv = nn.Conv2d(depth * channels_in, channels_out, kernel_size=3, padding=1, bias=False)

    def forward(self, views: Tensor) -> Tensor:
        """Convolve: (views, in, h, w) to (views, out, h, w)."""
        if self.depth > 1:
            before = torch.cat([views[-1:], views[:-1]])
            after = torch.cat([views[1:], views[:1]])
            views = torch.cat([before, views, after], dim=1)
        found: Tensor = self.conv(views)
        return found


class UNet3DViews(SegmentationNetwork):
    """A small 3D U-Net: three levels and a centre of two (convolution, BatchNorm, ReLU), kernel 3x3x3.

    The batch is the volume: the views of one car, in order, all the way around. ``Recipe.views`` trains it so. A photo
    by itself is a volume of one view, which is its own neighbour.
    """

    multiple = 8
    depth = 3

    def __init__(self, classes: int = 1) -> None:
        """Make the network for a number of classes besides background."""
        super().__init__()
        if classes > 1:
            self.channels, self.car_channels = classes + 1, car_channels_of(classes)
        ins = (3, *VIEWS_FILTERS[:-2])
        self.down = nn.ModuleList(self._level(a, b) for a, b in zip(ins, VIEWS_FILTERS[:-1], strict=True))
        self.centre = self._level(VIEWS_FILTERS[-2], VIEWS_FILTERS[-1])
        self.up = nn.ModuleList(self._level(a + b, b) for a, b in pairwise(reversed(VIEWS_FILTERS)))
        self.head = nn.Conv2d(VIEWS_FILTERS[0], self.channels, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """Predict all views: (views, 3, h, w) to (views, channels, h, w), h and w multiples of 8."""
        skips, x = [], images
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.centre(x)
        for level in self.up:
            x = level(torch.cat([skips.pop(), nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")], dim=1))
        logits: Tensor = self.head(x)
        return logits

    def _level(self, channels_in: int, channels_out: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for each in (channels_in, channels_out):
            convolution = ViewsConv(each, channels_out, depth=self.depth)
            layers += [convolution, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)


class UNet3DViewsApart(UNet3DViews):
    """The same with kernel 1 in depth: view by view. What knowing the other views is worth is measured against it."""

    depth = 1
