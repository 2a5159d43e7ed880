"""Pictures side by side with captions, on one sheet; and a sheet of every augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.data import augment as changes
from carmask.data import warp
from carmask.data.quantize import quantize
from carmask.data.warp import SoftMask
from carmask.errors import DataError

_CAPTION = 22
_GAP = 6


class Tile(NamedTuple):
    """A captioned picture: uint8 (height, width, 3) RGB or (height, width) grey."""

    caption: str
    picture: NDArray[np.uint8]


def make_sheet(rows: Sequence[Sequence[Tile]], *, width: int = 320) -> Photo:
    """Lay tiles out in rows.

    Args:
        rows: each a row of tiles; they may be of different length.
        width: of each picture on the sheet, in pixels; the height follows.

    Returns:
        uint8 (height, width, 3), RGB, dark grey where there is nothing.
    """
    drawn = [[_draw(tile, width) for tile in row] for row in rows]
    columns = max(len(row) for row in drawn)
    heights = [max(tile.shape[0] for tile in row) for row in drawn]
    sheet = np.full((sum(heights) + _GAP * (len(rows) + 1), columns * (width + _GAP) + _GAP, 3), 40, np.uint8)
    top = _GAP
    for row, height in zip(drawn, heights, strict=True):
        for column, tile in enumerate(row):
            left = _GAP + column * (width + _GAP)
            sheet[top : top + tile.shape[0], left : left + width] = tile
        top += height + _GAP
    return sheet


def overlay(photo: Photo, mask: Mask) -> Photo:
    """Tint what the mask covers: uint8 (height, width, 3), RGB."""
    tinted = photo.astype(np.uint16)
    tinted[mask] = (tinted[mask] + np.array([2 * 30, 2 * 200, 2 * 80], np.uint16)) // 3
    return tinted.astype(np.uint8)


def augmentation_sheet(photo: Photo, mask: Mask, *, seed: int = 0) -> Photo:
    """Show every augmentation at the end of its range, and a few random combinations, each with its mask.

    Not those that make another scene: backgrounds, pictures without a car, and crops.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        seed: of the random combinations and of k-means.

    Returns:
        The sheet, uint8 RGB.

    Raises:
        DataError: if the mask has another size than the photo.
    """
    if mask.shape != photo.shape[:2]:
        raise DataError(f"the mask is {mask.shape[1]}x{mask.shape[0]}, the photo {photo.shape[1]}x{photo.shape[0]}")
    height = max(1, round(480 * mask.shape[0] / mask.shape[1]))
    photo = cv2.resize(photo, (480, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    soft = cv2.resize(mask.view(np.uint8) * np.uint8(255), (480, height), interpolation=cv2.INTER_AREA)
    soft = changes.binarise(soft.astype(np.uint8, copy=False))
    size = (height, 480)
    rng = np.random.default_rng(seed)

    def moved(matrix: warp.Matrix) -> tuple[Photo, SoftMask]:
        return warp.warp(photo, soft, matrix)

    small = changes.AugmentSettings(shift=0.1, scale=0.1, rotate=10)
    five = changes.AugmentSettings(five=0.5)
    shown: list[tuple[str, tuple[Photo, SoftMask]]] = [
        ("as it is", (photo, soft)),
        ("flip left-right", (photo[:, ::-1], soft[:, ::-1])),
        ("flip up-down", (photo[::-1], soft[::-1])),
        ("rotate +20", moved(warp.rotation(20))),
        ("rotate -20", moved(warp.rotation(-20))),
        ("zoom 0.8", moved(warp.zoom(0.8, 0.8))),
        ("zoom 0.8 x 1", moved(warp.zoom(0.8, 1.0))),
        ("shear +20", moved(warp.shear(20))),
        ("shear -20", moved(warp.shear(-20))),
        ("shift +0.2 +0.2", moved(warp.shift(0.2, 0.2, size=size))),
        ("shift -0.2 -0.2", moved(warp.shift(-0.2, -0.2, size=size))),
        ("shift, scale, rotate", changes.augment(photo, soft, small, rng=rng)),
        ("five, each p = 0.5", changes.augment(photo, soft, five, rng=rng)),
        ("five, again", changes.augment(photo, soft, five, rng=rng)),
        ("grey car", (changes.grey_car(photo, soft), soft)),
        ("brighter, more contrast", (changes.relight(photo, 1.15, 1.15), soft)),
        ("darker, less contrast", (changes.relight(photo, 0.85, 0.85), soft)),
        ("hue +10", (changes.turn_hue(photo, 10), soft)),
        ("stretch +0.15", changes.affine(photo, soft, shift=(0, 0), scale=1, degrees=0, stretch=1.15)),
        ("blur, 1.5 pixels", (changes.blur(photo, 1.5), soft)),
        ("noise, deviation 6", (changes.add_noise(photo, 6, rng=rng), soft)),
    ]
    tiles = [
        (Tile(name, np.ascontiguousarray(p)), Tile("", changes.binarise(np.ascontiguousarray(m))))
        for name, (p, m) in shown
    ]
    rows = [[tile for pair in tiles[at : at + 3] for tile in pair] for at in range(0, len(tiles), 3)]
    rows.append([Tile(f"{count} colours", quantize(photo, count, rng=rng)) for count in (2, 4, 8, 16)])
    return make_sheet(rows, width=240)


def _draw(tile: Tile, width: int) -> Photo:
    picture = np.ascontiguousarray(tile.picture)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    by = cv2.INTER_AREA if width <= picture.shape[1] else cv2.INTER_NEAREST
    drawn = np.full((height + _CAPTION, width, 3), 40, np.uint8)
    drawn[_CAPTION:] = cv2.resize(picture, (width, height), interpolation=by)
    if tile.caption:
        at, white = (4, _CAPTION - 7), (235, 235, 235)
        cv2.putText(drawn, tile.caption, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, white, 1, cv2.LINE_AA)
    return drawn
