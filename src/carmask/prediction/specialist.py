"""The gate of a specialist: which photos are of its studio, and whether what it says of them is to be believed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.geometry import Size
from carmask.model.info import Specialist
from carmask.prediction.probability_map import ProbabilityMap

#: Of a localisation map: what is certainly background, and how far from its contour the two may differ, in its pixels.
_BACKGROUND, _NEAR = 0.1, 2
#: Background's colours are those of pixels at least this far from the car, in pixels of the localisation map.
_AROUND = 3
#: (rows, columns) of the grid that a background is described by.
GRID: Size = (4, 6)
#: A cell says something if at least this share of it is background.
_SHOWN = 0.3


def background_cells(pixels: Photo, coarse: ProbabilityMap) -> NDArray[np.float32]:
    """The colours of what lies around the car, on a coarse grid.

    Args:
        pixels: uint8 (height, width, 3), RGB: the photo at any size.
        coarse: the localisation stage's map of the whole photo.

    Returns:
        float32 (``*GRID``, 3): the mean RGB of background in each cell, 0 to 255; NaN in cells that the car fills.
    """
    height, width = coarse.probability.shape
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.float32)
    side = 2 * _AROUND + 1
    car = (coarse.probability > _BACKGROUND).astype(np.uint8)
    shown = (cv2.dilate(car, np.ones((side, side), np.uint8)) == 0).astype(np.float32)
    share, colours = (
        cv2.resize(values, GRID[::-1], interpolation=cv2.INTER_AREA) for values in (shown, small * shown[..., None])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = colours / share[..., None]
    return np.where(share[..., None] < _SHOWN, np.float32(np.nan), cells).astype(np.float32)


def background_distance(cells: NDArray[np.float32], specialist: Specialist) -> float:
    """How far a photo's background is from that of the specialist's studio.

    Args:
        cells: float32 (``*GRID``, 3), of ``background_cells``.
        specialist: of the model.

    Returns:
        The root mean square of the differences, in deviations; infinite if the car fills the photo.
    """
    known = ~np.isnan(cells)
    if not known.any():
        return float("inf")
    differences = (cells - np.array(specialist.mean)) / np.array(specialist.deviation)
    return float(np.sqrt(np.mean(differences[known] ** 2)))


def is_familiar(pixels: Photo, coarse: ProbabilityMap, specialist: Specialist) -> bool:
    """Whether a photo's background is that of the specialist's studio.

    Args:
        pixels: uint8 (height, width, 3), RGB: the photo at any size.
        coarse: the localisation stage's map of the whole photo.
        specialist: of the model.
    """
    return background_distance(background_cells(pixels, coarse), specialist) <= specialist.distance


def disagreement(fine: ProbabilityMap, coarse: ProbabilityMap, threshold: float, located: float) -> float:
    """How much one of two maps calls car and the other does not, away from the second one's contour.

    Args:
        fine: the specialist's map, of any crop.
        coarse: the localisation stage's map of the whole photo.
        threshold: from which ``fine`` is car.
        located: from which ``coarse`` is car.

    Returns:
        The pixels on which they differ, as a fraction of those that ``coarse`` calls car; infinite without any.
    """
    size = coarse.probability.shape[0], coarse.probability.shape[1]
    one, other = fine.seen_in(coarse.crop, size) >= threshold, coarse.probability >= located
    if not other.any():
        return float("inf")
    side = 2 * _NEAR + 1
    contour = cv2.morphologyEx(other.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((side, side), np.uint8)) > 0
    return float(((one != other) & ~contour).sum() / other.sum())
