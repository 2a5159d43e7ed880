"""Move photo and mask by one affine map: the geometric operations of the sources, as matrices.

A matrix maps a pixel of the result to the place in the photo that it is taken from, in coordinates (row, column, 1)
counted from the photo's centre: the direction and order in which the sources write theirs (Keras' preprocessing), so
they can be compared entry by entry. For the same number theirs turn and shift the other way; their ranges are the same
on both sides of zero. To do A and then B is the product ``A @ B``.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.geometry import Size

#: uint8 (height, width): 255 times the fraction of the pixel that is car.
SoftMask = NDArray[np.uint8]
#: float64 (3, 3), last row (0, 0, 1).
Matrix = NDArray[np.float64]


def rotation(degrees: float) -> Matrix:
    """Turn about the centre; positive degrees turn the picture counter-clockwise, as one looks at it."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float64).T


def zoom(down: float, across: float) -> Matrix:
    """Show this fraction of height and width, enlarged: below 1 zooms in towards the centre."""
    return np.diag([down, across, 1.0])


def shear(degrees: float) -> Matrix:
    """Shear: ``[[1, sin, 0], [0, cos, 0], [0, 0, 1]]``."""
    radians = math.radians(degrees)
    return np.array([[1, math.sin(radians), 0], [0, math.cos(radians), 0], [0, 0, 1]], np.float64)


def shift(down: float, right: float, *, size: Size) -> Matrix:
    """Move the picture by fractions of its height, down, and width, to the right: float64 (3, 3)."""
    return np.array([[1, 0, -down * size[0]], [0, 1, -right * size[1]], [0, 0, 1]], np.float64)


def warp(photo: Photo, mask: SoftMask, matrix: Matrix, *, labels: bool = False) -> tuple[Photo, SoftMask]:
    """Take each pixel from where the matrix says, by one bilinear resampling.

    What comes in at the border is the photo's own edge, repeated, and background in the mask: the studio goes on, the
    car does not.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width).
        matrix: float64 (3, 3) as above.
        labels: the mask holds labels, between which nothing can be interpolated: take the nearest.

    Returns:
        Arrays of the same shapes.
    """
    height, width = mask.shape
    # OpenCV's coordinates are (column, row), from the first pixel.
    swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float64)
    centre = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]], np.float64)
    whole = (centre @ swap @ matrix @ swap @ np.linalg.inv(centre))[:2]
    by = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    mask_by = (cv2.INTER_NEAREST if labels else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(photo, whole, (width, height), flags=by, borderMode=cv2.BORDER_REPLICATE)
    moved_mask = cv2.warpAffine(mask, whole, (width, height), flags=mask_by, borderMode=cv2.BORDER_CONSTANT)
    return moved.astype(np.uint8, copy=False), moved_mask.astype(np.uint8, copy=False)
