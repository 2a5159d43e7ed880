"""Drawn rooms to put a car in: a wall and a floor, in soft light from above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.geometry import Size

#: Where the wall meets the floor, as a fraction of the height from the top: the horizon that placed cars share.
HORIZON = 0.62
#: Raised with every change after which a scene looks another way.
REVISION = 1
#: Display values, RGB: the wall at the top and above the floor, the floor at the wall and at the lower edge.
_WALL = ((206, 210, 215), (238, 240, 242))
_FLOOR = ((186, 190, 196), (222, 225, 229))


def showroom(size: Size) -> Photo:
    """A light wall and a lighter floor, with light falling on the middle of the floor.

    Args:
        size: (height, width) wanted.

    Returns:
        uint8 (``*size``, 3), sRGB; the same for every call, dithered so that no steps are seen.
    """
    height, width = size
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None]
    up, down = np.clip(y / HORIZON, 0, 1)[..., None], np.clip((y - HORIZON) / (1 - HORIZON), 0, 1)[..., None]
    wall = _mix(_WALL, up**1.4)
    floor = _mix(_FLOOR, down**0.8)
    # The seam is rounded, as a photographer's cove is.
    seam = 1 / (1 + np.exp(np.clip((HORIZON - y) / 0.006, -60, 60)))[..., None]
    room = wall * (1 - seam) + floor * seam
    pool = np.exp(-(((x - 0.5) / 0.42) ** 2) - ((y - 0.84) / 0.16) ** 2)[..., None]
    glow = np.exp(-(((x - 0.5) / 0.55) ** 2) - ((y - 0.30) / 0.40) ** 2)[..., None]
    corners = 1 - 0.10 * np.clip(((x - 0.5) / 0.5) ** 2, 0, 1)[..., None]
    lit = (room + 20 * pool * seam + 10 * glow * (1 - seam)) * corners
    noise = np.random.default_rng(0).random((height, width, 1), np.float32)
    made: Photo = np.clip(np.floor(lit + noise), 0, 255).astype(np.uint8)
    return made


def _mix(colours: tuple[tuple[int, int, int], tuple[int, int, int]], share: NDArray[Any]) -> NDArray[Any]:
    first, last = (np.array(colour, np.float32) for colour in colours)
    mixed: NDArray[Any] = first * (1 - share) + last * share
    return mixed


#: By the names that a user writes.
SCENES: dict[str, Callable[[Size], Photo]] = {"showroom": showroom}
