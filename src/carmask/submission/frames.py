"""Find the frame that masks were written for: the length of its rows, and its likely height."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from carmask.data.mask_source import Runs
from carmask.evaluation.overlap import overlap_of_runs
from carmask.geometry import Size

#: Row lengths that are tried when looking for the frame's width.
WIDTHS = range(64, 4097)
#: Runs of a mask that the row length is taken from; a car at 1918x1280 has about 1,500.
MOST_RUNS = 8000
#: Masks that the row length is taken from.
SAMPLE = 24
#: A frame that is one pixel wider or narrower than the photos is only believed if this fraction of the masks shows it.
ONE_OFF = 0.9


def row_length(runs: Runs) -> int | None:
    """Find how long the rows of a mask are from its runs alone.

    A car changes little from one row to the next. So a mask overlaps most with itself when it is moved along by
    exactly one row; at any other distance its contour is out of step everywhere.

    Args:
        runs: int64 (runs, 2): start and length.

    Returns:
        Pixels in a row, between 64 and 4096; None if the mask is too small to tell.
    """
    if len(runs) < 20:
        return None
    middle = len(runs) // 2
    runs = runs[max(0, middle - MOST_RUNS // 2) : middle + MOST_RUNS // 2]

    def overlap(shift: int) -> int:
        moved = runs.copy()
        moved[:, 0] += shift
        return overlap_of_runs(moved, runs).both

    coarse = max(WIDTHS[::8], key=overlap)
    # Beyond the coarse peak: twice a row length also overlaps well, and may do so better at a multiple of eight.
    near = range(max(WIDTHS.start, coarse - 8), min(WIDTHS.stop, coarse + 9))
    best = max(near, key=overlap)
    half = best // 2
    if half >= WIDTHS.start:
        around = max(range(max(WIDTHS.start, half - 8), half + 9), key=overlap)
        if overlap(around) > overlap(best):
            best = around
    return best


def likely_heights(width: int, last: int, size: Size) -> list[int]:
    """Heights that a frame of this width may have.

    Args:
        width: of the frame.
        last: the last pixel that is set in any mask, numbered from 1.
        size: (height, width) of the photos.

    Returns:
        The photo's own height, that of a square and that of the photo's shape (networks like multiples of 32), as far
        as all masks fit; the likeliest first.
    """
    exact = width * size[0] / size[1]
    shaped = (32 * round(exact / 32), round(exact))
    near = 0.9 < width / size[1] < 1.1
    options = (size[0], *shaped, width) if near else (*shaped, width, size[0])
    return list(dict.fromkeys(height for height in options if height * width >= last))


def odd_row_length(parsed: Mapping[str, Runs], size: Size) -> int | None:
    """The row length that most masks show, if it is not the photos' width.

    Args:
        parsed: runs by image.
        size: (height, width) of the photos.

    Returns:
        Pixels in a row; None if it is the photos' width, or if the masks do not tell.
    """
    filled = [runs for runs in parsed.values() if len(runs) >= 20]
    picked = filled[:: max(1, len(filled) // SAMPLE)][:SAMPLE]
    lengths = [length for runs in picked if (length := row_length(runs)) is not None]
    if not lengths:
        return None
    length = round(float(np.median(lengths)))
    away = abs(length - size[1])
    if not away or (away == 1 and np.mean([one == length for one in lengths]) < ONE_OFF):
        return None
    return length


def last_pixel(masks: Iterable[Runs]) -> int:
    """The last pixel that is set in any mask, numbered from 1; 0 if there is none."""
    return max((int((runs[:, 0] + runs[:, 1]).max()) - 1 for runs in masks if len(runs)), default=0)
