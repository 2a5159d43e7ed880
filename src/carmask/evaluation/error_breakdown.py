"""Break the wrong pixels of a mask down: by distance to the true contour, by region, and on a map of the car."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.evaluation.contours import distance_to_contour
from carmask.geometry import Size, box_of

#: Upper ends of the classes of distance in pixels; the last class is beyond.
DISTANCES = (1, 2, 3, 5, 10, 20, 50)
#: Regions of the picture, by height within the rectangle that holds the true car, from its top (0) to its bottom (1).
REGIONS = (("roof", 0.15), ("windows", 0.45), ("body", 0.75), ("wheels and ground", np.inf))
#: Extra pixels farther than this from the car are a region of their own.
FAR = 50
AWAY = "away from the car"
#: (height, width) of the map that is laid over the car.
MAP: Size = (48, 72)
#: The map reaches this much beyond the car on each side, as a fraction of its height and width.
MARGIN = 0.12


class ErrorBreakdown(NamedTuple):
    """Counts of wrong pixels of one photo, or of several added up; index 0 are extra pixels, 1 missed ones.

    Attributes:
        by_distance: int64 (2, len(DISTANCES) + 1).
        by_region: int64 (2, len(REGIONS) + 1): ``REGIONS``, then what is away from the car.
        map: whole numbers (2, *MAP): of one photo of the least type that holds them, for thousands are kept.
    """

    by_distance: NDArray[np.int64]
    by_region: NDArray[np.int64]
    map: NDArray[np.integer]

    @property
    def wrong(self) -> int:
        """How many pixels are wrong."""
        return int(self.by_distance.sum())


def error_breakdown(prediction: Mask, truth: Mask) -> ErrorBreakdown:
    """Count where a mask is wrong.

    The distance of a wrong pixel is that to the nearest pixel of the other kind in the truth: a contour that is off by
    one pixel gives wrong pixels at distance 1.

    Args:
        prediction: bool (height, width).
        truth: bool (height, width), of the same size.

    Returns:
        The counts. Without a true car, all wrong pixels are away from it and none are on the map.
    """
    found = _none(np.uint8)
    wrong = prediction ^ truth
    around = box_of(wrong | truth)
    if around is None or not wrong.any():
        return found
    # One pixel around: the nearest pixel of the other kind may be just outside.
    rows, columns = around.slices(1)
    depth = distance_to_contour(truth[rows, columns])
    ys, xs = np.nonzero(wrong[rows, columns])
    missed = truth[rows, columns][ys, xs].astype(np.int64)
    distance = depth[ys, xs]
    # Classes are closed above: distance 1 belongs to the first.
    np.add.at(found.by_distance, (missed, np.searchsorted(DISTANCES, distance - 1e-4)), 1)
    car = box_of(truth)
    if car is None:
        found.by_region[0, -1] = len(ys)
        return found
    down = (ys + rows.start + 0.5 - car.top) / (car.bottom - car.top)
    across = (xs + columns.start + 0.5 - car.left) / (car.right - car.left)
    region = np.searchsorted([end for _, end in REGIONS], down, side="right")
    region[(missed == 0) & (distance > FAR)] = len(REGIONS)
    np.add.at(found.by_region, (missed, region), 1)
    span = 1 + 2 * MARGIN
    row, column = ((down + MARGIN) / span * MAP[0]).astype(int), ((across + MARGIN) / span * MAP[1]).astype(int)
    on_map = (down > -MARGIN) & (across > -MARGIN) & (row < MAP[0]) & (column < MAP[1])
    counts = np.zeros((2, *MAP), np.int64)
    np.add.at(counts, (missed[on_map], row[on_map], column[on_map]), 1)
    return found._replace(map=counts.astype(np.min_scalar_type(int(counts.max()))))


def add_up(parts: Sequence[ErrorBreakdown]) -> ErrorBreakdown:
    """The breakdown of several photos together."""
    added = _none()
    for part in parts:
        for sums, counts in zip(added, part, strict=True):
            sums += counts
    return added


def _none(of_map: type[np.integer] = np.int64) -> ErrorBreakdown:
    return ErrorBreakdown(
        np.zeros((2, len(DISTANCES) + 1), np.int64),
        np.zeros((2, len(REGIONS) + 1), np.int64),
        np.zeros((2, *MAP), of_map),
    )


def distance_names() -> list[str]:
    """The classes of distance, in words."""
    starts = (0, *DISTANCES[:-1])
    inner = [
        f"{end}" if end - start == 1 else f"{start + 1} – {end}" for start, end in zip(starts, DISTANCES, strict=True)
    ]
    return [*inner, f"over {DISTANCES[-1]}"]


def region_names() -> list[str]:
    """The regions, in words."""
    return [*(name for name, _ in REGIONS), AWAY]
