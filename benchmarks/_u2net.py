"""The networks of rembg, u2net and u2netp, with random weights, as ONNX files: for their speed, not for their masks.

    python benchmarks/_u2net.py DIR

Written from the paper: Qin et al., U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection, 2020,
https://arxiv.org/abs/2005.09007, table 1 and figure 5; u2netp has 16 inner and 64 outer channels everywhere.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

#: (levels, inner, outer channels) of the eleven blocks; 0 levels stands for RSU-4F, dilated instead of pooled.
FULL = [(7, 32, 64), (6, 32, 128), (5, 64, 256), (4, 128, 512), (0, 256, 512), (0, 256, 512)]
FULL_UP = [(0, 256, 512), (4, 128, 256), (5, 64, 128), (6, 32, 64), (7, 16, 64)]
SMALL = [(levels, 16, 64) for levels, _, _ in FULL]
SMALL_UP = [(levels, 16, 64) for levels, _, _ in FULL_UP]


def conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def like(x: Tensor, other: Tensor) -> Tensor:
    """Enlarge to another map's size."""
    return interpolate(x, size=other.shape[2:], mode="bilinear")


class Block(nn.Module):
    """A residual U-block, RSU-L or RSU-4F."""

    def __init__(self, levels: int, inputs: int, inner: int, outer: int) -> None:
        super().__init__()
        self.pooled = levels > 0
        depth = levels or 4
        steps = [1] * (depth - 1) if self.pooled else [1, 2, 4]
        self.first = conv(inputs, outer)
        self.down = nn.ModuleList(conv(inner if n else outer, inner, step) for n, step in enumerate(steps))
        self.bottom = conv(inner, inner, 2 if self.pooled else 8)
        self.up = nn.ModuleList(
            conv(2 * inner, inner if n else outer, step) for n, step in reversed(list(enumerate(steps)))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run the block."""
        first = x = self.first(x)
        kept = []
        for number, layer in enumerate(self.down):
            x = layer(max_pool2d(x, 2, ceil_mode=True) if self.pooled and number else x)
            kept.append(x)
        x = self.bottom(x)
        for layer in self.up:
            skip = kept.pop()
            x = layer(torch.cat([like(x, skip), skip], 1))
        return first + x


class U2Net(nn.Module):
    """Six blocks down, five up, a side output of each."""

    def __init__(self, down: list[tuple[int, int, int]], up: list[tuple[int, int, int]]) -> None:
        super().__init__()
        outs = [outer for _, _, outer in down]
        self.down = nn.ModuleList(
            Block(levels, ([3, *outs])[n], inner, outer) for n, (levels, inner, outer) in enumerate(down)
        )
        blocks, below = [], outs[-1]
        for (levels, inner, outer), skip in zip(up, outs[-2::-1], strict=True):
            blocks.append(Block(levels, below + skip, inner, outer))
            below = outer
        self.up = nn.ModuleList(blocks)
        self.sides = nn.ModuleList(nn.Conv2d(n, 1, 3, padding=1) for n in [outs[-1], *(outer for _, _, outer in up)])
        self.fuse = nn.Conv2d(6, 1, 1)

    def forward(self, photo: Tensor) -> tuple[Tensor, ...]:
        """Seven maps, the fused one first."""
        x, kept = photo, []
        for number, block in enumerate(self.down):
            x = block(max_pool2d(x, 2, ceil_mode=True) if number else x)
            kept.append(x)
        maps = [x := kept.pop()]
        for block in self.up:
            skip = kept.pop()
            maps.append(x := block(torch.cat([like(x, skip), skip], 1)))
        sides = [like(side(found), photo) for side, found in zip(self.sides, maps, strict=True)]
        fused = self.fuse(torch.cat(sides, 1))
        return tuple(torch.sigmoid(found) for found in [fused, *reversed(sides)])


def main() -> None:
    """Write u2net.onnx and u2netp.onnx."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for name, down, up in (("u2netp", SMALL, SMALL_UP), ("u2net", FULL, FULL_UP)):
        network = U2Net(down, up).eval()
        file = folder / f"{name}.onnx"
        torch.onnx.export(
            network, (torch.zeros(1, 3, 320, 320),), file, dynamo=True, external_data=False, verbose=False
        )
        count = sum(weight.numel() for weight in network.parameters())
        print(f"{file}: {count:,} parameters, {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
