"""Polygons drawn into masks, and masks traced as polygons.

Pixel (row r, column c) covers x from c to c + 1 and y from r to r + 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.geometry import Size

#: Corners may lie this many pixels outside the picture: people draw along its edge, and not to the pixel.
OUTSIDE = 2.0
Points = NDArray[np.int32]


def polygon_mask(corners: Sequence[float] | NDArray[np.float64], size: Size) -> Mask:
    """Draw a polygon: the pixels whose centres lie inside it, by the even-odd rule.

    A centre on the polygon itself is inside if the polygon lies left of it or above: so pycocotools rounds. Corners
    that ``skimage.measure.find_contours`` found lie so throughout, at halves.

    Args:
        corners: x, y, x, y, …; what lies outside the picture is cut off.
        size: (height, width).

    Returns:
        bool (height, width).
    """
    height, width = size
    # Corners that were percentages are a little off the halves that they were.
    start = np.asarray(corners, np.float64).reshape(-1, 2).round(6)
    end = np.roll(start, -1, axis=0)
    centres = np.arange(height) + 0.5
    edge, row = np.nonzero((start[:, 1, None] < centres) != (end[:, 1, None] < centres))
    along = (centres[row] - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + along * (end[edge, 0] - start[edge, 0])
    # The first pixel whose centre is right of the crossing; each crossing changes inside to outside from there on.
    column = np.clip(np.floor(x + 0.5), 0, width).astype(np.int64)
    changes = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    inside: Mask = np.cumsum(changes.astype(np.uint16), axis=1, dtype=np.uint16)[:, :width] % 2 == 1
    return inside


def polygons_mask(polygons: Sequence[Sequence[float]], size: Size) -> Mask:
    """Draw polygons: what lies in any of them; see ``polygon_mask``."""
    drawn = np.zeros(size, np.bool_)
    for polygon in polygons:
        drawn |= polygon_mask(polygon, size)
    return drawn


def box_corners(
    start: tuple[float, float], end: tuple[float, float], size: Size, *, angle: float, about: tuple[float, float]
) -> tuple[float, ...]:
    """The corners of a box that may be rotated: a polygon for ``polygon_mask``.

    Args:
        start: x and y of its upper left corner before it is rotated, in pixels.
        end: x and y of its lower right one.
        size: (height, width) of the picture.
        angle: degrees, clockwise as one sees it.
        about: x and y of the point that stays in place.

    Raises:
        DataError: if a number is not finite, or the box, where it is not rotated, lies outside the picture.
    """
    (x0, y0), (x1, y1) = start, end
    corners = [x0, y0, x1, y0, x1, y1, x0, y1]
    if not angle:
        return check_polygon(corners, size)
    if not np.isfinite([*corners, angle]).all():
        raise DataError("a box's corners and its rotation are not all numbers")
    # Not checked against the picture: where a box is rotated at an edge, its corners lie far outside.
    return tuple(rotated(np.array(corners).reshape(-1, 2), angle, about).ravel().tolist())


def rotated(points: NDArray[np.float64], angle: float, about: tuple[float, float]) -> NDArray[np.float64]:
    """Points (n, 2), x and y to the right and down, rotated about one by degrees, clockwise as one sees it."""
    radians = np.deg2rad(angle)
    cosine, sine = np.cos(radians), np.sin(radians)
    turned: NDArray[np.float64] = (points - about) @ np.array([[cosine, sine], [-sine, cosine]]) + about
    return turned


def ellipse_mask(centre: tuple[float, float], radii: tuple[float, float], size: Size, *, angle: float = 0.0) -> Mask:
    """Draw an ellipse: as a polygon of 360 corners; see ``polygon_mask``.

    Args:
        centre: x and y, in pixels.
        radii: along x and along y before it is rotated, in pixels.
        size: (height, width).
        angle: how far it is rotated about its centre: degrees, clockwise as one sees it.

    Returns:
        bool (height, width).

    Raises:
        DataError: if a number is not finite.
    """
    if not np.isfinite([*centre, *radii, angle]).all():
        raise DataError("an ellipse's centre, radii and rotation are not all numbers")
    around = np.array(cv2.ellipse2Poly((0, 0), (10_000, 10_000), 0, 0, 360, 1)) / 10_000 * radii + centre
    return polygon_mask(rotated(around, angle, centre).ravel(), size)


def check_polygon(polygon: Sequence[float], size: Size) -> tuple[float, ...]:
    """Return a polygon's corners as numbers if they can be drawn.

    Args:
        polygon: x, y, x, y, ….
        size: (height, width) of the picture.

    Raises:
        DataError: if there are fewer than three corners, or one lies more than 2 pixels outside the picture.
    """
    try:
        numbers = tuple(float(value) for value in polygon)
    except (TypeError, ValueError) as error:
        raise DataError("a polygon's corners are not numbers") from error
    if len(numbers) < 6 or len(numbers) % 2:
        raise DataError(f"a polygon has {len(numbers)} numbers; three corners or more have x and y each")
    for x, y in zip(numbers[::2], numbers[1::2], strict=True):
        # Written so that NaN fails.
        if not (-OUTSIDE <= x <= size[1] + OUTSIDE and -OUTSIDE <= y <= size[0] + OUTSIDE):
            raise DataError(f"a corner at ({x:g}, {y:g}) lies outside the picture of {size[1]}x{size[0]}")
    return numbers


def trace(mask: Mask) -> Points:
    """One closed line around all of a mask, through the centres of its outermost pixels.

    Holes are joined to what surrounds them by a bridge along a row, inside the mask, there and back; components are
    joined to the nearest one before by a straight bridge, which crosses what lies between. ``fill_line`` of it gives
    the mask, and the pixels under the bridges between components.

    Args:
        mask: bool (height, width), with a pixel.

    Returns:
        int32 (points, 2): columns and rows of pixels.
    """
    contours, tree = cv2.findContours(np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines: list[Points] = []
    for index in np.flatnonzero(tree[0, :, 3] < 0).tolist():
        holes = []
        child = int(tree[0, index, 2])
        while child >= 0:
            holes.append(contours[child][:, 0].astype(np.int32))
            child = int(tree[0, child, 0])
        outlines.append(_with_holes(contours[index][:, 0].astype(np.int32), holes))
    outlines.sort(key=len, reverse=True)
    line = outlines[0]
    for other in outlines[1:]:
        line = _bridged(line, other, *_nearest(line, other))
    return _straightened(line)


def fill_line(points: Points, size: Size) -> Mask:
    """The pixels on a closed line and inside it, by the even-odd rule.

    Args:
        points: int32 (points, 2): columns and rows of pixels.
        size: (height, width).

    Returns:
        bool (height, width).
    """
    drawn = np.zeros(size, np.uint8)
    cv2.fillPoly(drawn, [np.ascontiguousarray(points)], 1)
    return drawn.view(np.bool_)


def _with_holes(outline: Points, holes: Sequence[Points]) -> Points:
    """Join holes to their outline, each at its leftmost pixel, by a bridge to the left along the row."""
    line = outline
    # From left to right: whatever lies left of a hole in its row is joined already.
    for hole in sorted(holes, key=lambda points: int(points[:, 0].min())):
        leftmost = int(hole[:, 0].argmin())
        column, row = hole[leftmost]
        in_row = np.flatnonzero((line[:, 1] == row) & (line[:, 0] <= column))
        line = _bridged(line, hole, int(in_row[line[in_row, 0].argmax()]), leftmost)
    return line


def _bridged(line: Points, other: Points, at: int, start: int) -> Points:
    """One line that leaves for another at a point, goes round it from ``start``, and comes back the same way."""
    around = np.concatenate([other[start:], other[: start + 1]])
    return np.concatenate([line[: at + 1], around, line[at:]])


def _nearest(line: Points, other: Points) -> tuple[int, int]:
    """Which points of two lines lie nearest to each other, or nearly so where they have many."""
    some, few = line[:: max(1, len(line) // 2000)], other[:: max(1, len(other) // 500)]
    distances = ((some[:, None] - few) ** 2).sum(axis=2)
    one, two = np.unravel_index(int(distances.argmin()), distances.shape)
    return int(one) * max(1, len(line) // 2000), int(two) * max(1, len(other) // 500)


def _straightened(line: Points) -> Points:
    """Leave out points between two others in the same direction."""
    step = np.diff(line, axis=0, append=line[:1])
    turns = (step != np.roll(step, 1, axis=0)).any(axis=1)
    kept = line[turns]
    return kept if len(kept) >= 3 else np.resize(line if len(kept) == 0 else kept, (3, 2)).astype(np.int32)
