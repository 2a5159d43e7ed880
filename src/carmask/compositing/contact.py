"""Where a car touches the floor: the line through its tyres, from the mask's lower contour alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask

#: Slope of the line, rows by columns, up to which it is the floor's and not a bumper's.
_FLAT = 0.25
_Floats = NDArray[np.float32]


def lower_contour(car: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The lowest pixel of the car in each column that has any.

    Args:
        car: bool (height, width), not empty.

    Returns:
        The columns, ascending, and the lowest row of the car in each.
    """
    columns = np.flatnonzero(car.any(axis=0))
    return columns, car.shape[0] - 1 - np.argmax(car[::-1, columns], axis=0)


def contact_line(
    columns: NDArray[np.intp], bottom: NDArray[np.intp], wide: float, beyond: float = 0.08
) -> tuple[_Floats, _Floats]:
    """The line that a car stands on, at each column, and how much of the car is above it there.

    The line is the lower convex hull of the contour (rows grow downwards), by Andrew's monotone chain (A. M. Andrew,
    "Another efficient algorithm for convex hulls in two dimensions", Information Processing Letters 9, 1979).

    Args:
        columns: of the car, ascending, two or more.
        bottom: the lowest row of the car in each.
        wide: the car's width in pixels.
        beyond: how far past the outer wheels the car is taken to be above the line, in parts of its width.

    Returns:
        float32, the row of the line in each column; and float32 in [0, 1]: 1 between the outer wheels, falling to 0.
    """
    chain: list[tuple[float, float]] = []
    for x, y in zip(columns.tolist(), bottom.tolist(), strict=True):
        while len(chain) > 1 and _turn(chain[-2], chain[-1], (x, y)) >= 0:
            chain.pop()
        chain.append((x, y))
    line_x, line_y = (np.array(values) for values in zip(*chain, strict=True))
    # The longest side lies between two wheels; bumpers stand over beyond them.
    longest = int(np.argmax(np.diff(line_x)))
    lowest = float(line_x[np.argmax(line_y)])
    first, last = min(float(line_x[longest]), lowest), max(float(line_x[longest + 1]), lowest)
    # A long flat side is the car's other face, seen at an angle; a bumper's way up from a wheel is steep.
    flat = np.abs(np.diff(line_y)) <= _FLAT * np.diff(line_x)
    for at in range(len(flat) - 1, -1, -1):
        if flat[at] and line_x[at] < first <= line_x[at + 1]:
            first = float(line_x[at])
    for at in range(len(flat)):
        if flat[at] and line_x[at] <= last < line_x[at + 1]:
            last = float(line_x[at + 1])
    over = np.maximum(first - columns, columns - last)
    below = np.clip(1 - np.maximum(over, 0) / (beyond * wide), 0, 1)
    return np.interp(columns, line_x, line_y).astype(np.float32), below.astype(np.float32)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
