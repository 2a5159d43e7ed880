"""Edits of a mask: what the tools of the review page do, on arrays.

Points are (x, y) in pixels of the photo, measured from its top left corner: pixel (0, 0) covers 0 to 1 in both.
Every function returns a new mask of the same size and leaves its argument alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask

#: float (points, 2): x and y.
Stroke: TypeAlias = NDArray[np.floating]
Tool = Literal["snap", "smooth", "fill", "remove"]


def fill_hole(mask: Mask, point: Sequence[float]) -> Mask:
    """Fill the hole that a point lies in: background that is enclosed by car (4-connected).

    Args:
        mask: bool (height, width).
        point: x, y.

    Returns:
        bool (height, width); unchanged if the point lies on the car, or its background reaches the photo's edge.
    """
    labels, label = _component(~mask, point, connectivity=4)
    if not label:
        return mask.copy()
    hole = labels == label
    edges = hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any()
    return mask.copy() if edges else mask | hole


def remove_component(mask: Mask, point: Sequence[float]) -> Mask:
    """Remove the connected component (8-connected) of the car that a point lies in.

    Args:
        mask: bool (height, width).
        point: x, y.

    Returns:
        bool (height, width); unchanged if the point lies on background.
    """
    labels, label = _component(mask, point, connectivity=8)
    return mask & (labels != label) if label else mask.copy()


def smooth(mask: Mask, stroke: Stroke | None, radius: float) -> Mask:
    """Make the contour smooth: a Gaussian of a third of the radius, cut at one half.

    Args:
        mask: bool (height, width).
        stroke: only within ``radius`` of this; None for all of it.
        radius: in pixels.

    Returns:
        bool (height, width).
    """
    if stroke is None:
        return _blurred(mask, radius)
    where = _bounds(stroke, 2.5 * radius + 2, mask.shape)
    offset = np.array([where[1].start, where[0].start])
    part = mask[where]
    if not part.size:  # it lies beside the photo
        return mask.copy()
    zone = near(stroke - offset, radius, part.shape)
    result = mask.copy()
    result[where] = np.where(zone, _blurred(part, radius), part)
    return result


def near(stroke: Stroke, radius: float, size: tuple[int, ...]) -> Mask:
    """Which pixels' centres lie within ``radius`` of a stroke, to an eighth of a pixel.

    Args:
        stroke: (points, 2).
        radius: in pixels.
        size: (height, width).

    Returns:
        bool (height, width).
    """
    zone = np.zeros(size[:2], np.uint8)
    if not len(stroke):
        return zone.astype(np.bool_)
    where = _bounds(stroke, radius + 2, size)
    part = zone[where]
    if part.size:
        # Pixel centres lie at halves. The distance to the drawn line, which passes through pixels, is corrected below.
        fine = np.full((part.shape[0], part.shape[1]), np.inf, np.float32)
        rows, columns = np.mgrid[where[0], where[1]].astype(np.float32) + np.float32(0.5)
        starts = stroke[:-1] if len(stroke) > 1 else stroke
        ends = stroke[1:] if len(stroke) > 1 else stroke
        for (x0, y0), (x1, y1) in zip(starts.tolist(), ends.tolist(), strict=True):
            _segment(fine, rows, columns, (x0, y0, x1, y1), radius, where)
        part[fine <= radius * radius] = 1
    return zone.astype(np.bool_)


def polygon(corners: Stroke, size: tuple[int, ...]) -> Mask:
    """Which pixels lie, by half of their area or more, inside a polygon (even-odd rule).

    Args:
        corners: (points, 2); may lie outside of the picture.
        size: (height, width).

    Returns:
        bool (height, width).
    """
    inside = np.zeros(size[:2], np.bool_)
    where = _bounds(corners, 2, size)
    height, width = where[0].stop - where[0].start, where[1].stop - where[1].start
    if height <= 0 or width <= 0:
        return inside
    # Filled at four times the size: OpenCV fills every pixel that the outline touches.
    fine = np.zeros((4 * height, 4 * width), np.uint8)
    points = (corners - np.array([where[1].start, where[0].start])) * 4 - 0.5
    cv2.fillPoly(fine, [np.round(points * 16).astype(np.int32)], 255, shift=4)
    inside[where] = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA) >= 128
    return inside


def _segment(
    fine: NDArray[np.float32],
    rows: NDArray[np.float32],
    columns: NDArray[np.float32],
    line: tuple[float, float, float, float],
    radius: float,
    where: tuple[slice, slice],
) -> None:
    """Lower squared distances to those from one line segment, within its reach."""
    x0, y0, x1, y1 = line
    top, left = where[0].start, where[1].start
    box = (
        slice(max(0, int(min(y0, y1) - radius - 1) - top), max(0, int(max(y0, y1) + radius + 2) - top)),
        slice(max(0, int(min(x0, x1) - radius - 1) - left), max(0, int(max(x0, x1) + radius + 2) - left)),
    )
    across, down = columns[box] - np.float32(x0), rows[box] - np.float32(y0)
    length = (x1 - x0) ** 2 + (y1 - y0) ** 2
    share = np.clip((across * (x1 - x0) + down * (y1 - y0)) / length, 0, 1) if length > 1e-9 else np.float32(0)
    distance = (across - share * (x1 - x0)) ** 2 + (down - share * (y1 - y0)) ** 2
    np.minimum(fine[box], distance, out=fine[box])


def _bounds(points: Stroke, margin: float, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns that hold the points and a margin, cut to the picture."""
    low, high = np.floor(points.min(axis=0) - margin), np.ceil(points.max(axis=0) + margin)
    left, top = (int(np.clip(value, 0, side)) for value, side in zip(low, (size[1], size[0]), strict=True))
    right, bottom = (int(np.clip(value, 0, side)) for value, side in zip(high, (size[1], size[0]), strict=True))
    return slice(top, max(top, bottom)), slice(left, max(left, right))


def _component(mask: Mask, point: Sequence[float], *, connectivity: int) -> tuple[NDArray[np.int32], int]:
    """The connected components of a mask, and the label of that with the point in it; 0 if there is none."""
    column, row = int(np.floor(point[0])), int(np.floor(point[1]))
    if not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column]):
        return np.zeros((0, 0), np.int32), 0
    _, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=connectivity)
    return labels.astype(np.int32, copy=False), int(labels[row, column])


def _blurred(mask: Mask, radius: float) -> Mask:
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.5, radius / 3), borderType=cv2.BORDER_REPLICATE)
    result: Mask = soft >= 0.5
    return result
