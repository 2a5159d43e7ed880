"""The gate of a specialist: which photos are of its studio, and whether its map of them is used."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.model.behaviour import GateSettings
from carmask.model.info import Specialist
from carmask.prediction.probability_map import ProbabilityMap


def background_cells(
    pixels: Photo, coarse: ProbabilityMap, settings: GateSettings | None = None
) -> NDArray[np.float32]:
    """The colours of what lies around the car, on a coarse grid.

    Args:
        pixels: uint8 (height, width, 3), RGB: the photo at any size.
        coarse: the localisation stage's map of the whole photo.
        settings: the grid, and what is background; the defaults if None.

    Returns:
        float32 (``*settings.grid``, 3): the mean RGB of background in each cell, 0 to 255; NaN in cells that the car
        fills.
    """
    settings = settings or GateSettings()
    height, width = coarse.probability.shape
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.float32)
    side = 2 * settings.around + 1
    car = (coarse.probability > settings.background).astype(np.uint8)
    shown = (cv2.dilate(car, np.ones((side, side), np.uint8)) == 0).astype(np.float32)
    share, colours = (
        cv2.resize(values, settings.grid[::-1], interpolation=cv2.INTER_AREA)
        for values in (shown, small * shown[..., None])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = colours / share[..., None]
    return np.where(share[..., None] < settings.shown, np.float32(np.nan), cells).astype(np.float32)


def background_distance(cells: NDArray[np.float32], specialist: Specialist) -> float:
    """How far a photo's background is from that of the specialist's studio.

    Args:
        cells: float32 (rows, columns, 3), of ``background_cells``.
        specialist: of the model.

    Returns:
        The root mean square of the differences, in deviations; infinite if the car fills the photo.
    """
    known = ~np.isnan(cells)
    if not known.any():
        return float("inf")
    differences = (cells - np.array(specialist.mean)) / np.array(specialist.deviation)
    return float(np.sqrt(np.mean(differences[known] ** 2)))


def is_familiar(
    pixels: Photo, coarse: ProbabilityMap, specialist: Specialist, settings: GateSettings | None = None
) -> bool:
    """Whether a photo's background is that of the specialist's studio.

    Args:
        pixels: uint8 (height, width, 3), RGB: the photo at any size.
        coarse: the localisation stage's map of the whole photo.
        specialist: of the model.
        settings: of the model; the defaults if None.

    Returns:
        False also where the car fills the photo, and nothing of the background is seen.
    """
    return background_distance(background_cells(pixels, coarse, settings), specialist) <= specialist.distance


def disagreement(
    fine: ProbabilityMap,
    coarse: ProbabilityMap,
    threshold: float,
    located: float,
    settings: GateSettings | None = None,
) -> float:
    """How much one of two maps calls car and the other does not, away from the second one's contour.

    Args:
        fine: the specialist's map, of any crop.
        coarse: the localisation stage's map of the whole photo.
        threshold: from which ``fine`` is car.
        located: from which ``coarse`` is car.
        settings: how near to the contour nothing counts; the defaults if None.

    Returns:
        The pixels on which they differ, as a fraction of those that ``coarse`` calls car; infinite without any.
    """
    size = coarse.probability.shape[0], coarse.probability.shape[1]
    one, other = fine.seen_in(coarse.crop, size) >= threshold, coarse.probability >= located
    if not other.any():
        return float("inf")
    side = 2 * (settings or GateSettings()).near + 1
    contour = cv2.morphologyEx(other.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((side, side), np.uint8)) > 0
    return float(((one != other) & ~contour).sum() / other.sum())
