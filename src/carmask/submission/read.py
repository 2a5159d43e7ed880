"""How the runs of a submission are meant: in which frame, from which pixel on, in which order.

A submission that scores badly is often a good one, written for another reader. Each ``Reading`` is one way to read it;
with the truth of some images the right one can be found by trying.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.data.mask_source import Runs
from carmask.geometry import Size, resize
from carmask.rle import mask_to_runs
from carmask.submission.submission import overlap_of_runs

Place = Literal["stretched", "nearest", "start", "centre", "end"]

#: Row lengths that are tried when looking for the frame's width.
WIDTHS = range(64, 4097)
#: Shifts that are tried, in rows and in pixels along the row.
ROWS, ALONG = range(-2, 3), range(-3, 4)
#: Images that every way of reading is tried on; the best few are then tried on all.
FIRST = 6
#: Places that do not keep the photo's pixels.
RESIZED: tuple[Place, ...] = ("nearest", "stretched")
#: A frame is only taken for cut or filled up, not resized, if that fits better by this much; a shift of a resized one
#: must fit better by the second, for half a pixel comes from the resizing itself.
CLEAR, CLEAR_SHIFT = 0.0002, 0.003
#: Of resized frames that fit equally well up to this, the likeliest is taken.
GUESS = 0.0005


class Reading(NamedTuple):
    """One way to read runs.

    Attributes:
        frame: (height, width) of the picture they were written for.
        order: pixels are numbered row by row, or column by column.
        shift: how many pixels the starts are too large; negative if they are too small.
        ends: the second number of a run is its last pixel, not its length.
        inverted: the runs are the background.
        place: how the frame lies in the photo, if it is of another size: the photo resized to it, by our convention
            (``stretched``) or by that of nearest-neighbour functions, whose pixels begin at the corner (``nearest``);
            or cut off or filled up at its right and bottom (``start``), evenly (``centre``), or left and top (``end``).
    """

    frame: Size
    order: Literal["rows", "columns"] = "rows"
    shift: int = 0
    ends: bool = False
    inverted: bool = False
    place: Place = "start"


class Read(NamedTuple):
    """A mask as a reading gives it.

    Attributes:
        mask: bool, at the photo's size.
        lost: why it may not be exactly the mask that was meant; empty if it is.
    """

    mask: Mask
    lost: str


class Trial(NamedTuple):
    """A reading and the Dice of each image that it was tried on."""

    reading: Reading
    dice: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean Dice; 0 of no images."""
        return float(np.mean(self.dice)) if self.dice else 0.0


def read(runs: Runs, reading: Reading, size: Size) -> Read:
    """Read runs into a mask of the photo's size.

    Args:
        runs: int64 (runs, 2), as written; they need not fit any frame.
        reading: how.
        size: (height, width) of the photo.

    Returns:
        The mask, and what may be lost.
    """
    height, width = reading.frame
    starts, lengths = runs[:, 0] - 1 - reading.shift, runs[:, 1]
    if reading.ends:
        lengths = lengths - runs[:, 0] + 1
    first, last = np.clip(starts, 0, height * width), np.clip(starts + lengths, 0, height * width)
    lost = (
        "" if np.array_equal(first, starts) and np.array_equal(last, starts + lengths) else "runs lie outside the frame"
    )
    # +1 where a run begins, -1 where it ends: overlaps add up to more than 1, and nothing is painted twice.
    steps = np.zeros(height * width + 1, np.int32)
    good = last > first
    np.add.at(steps, first[good], 1)
    np.add.at(steps, last[good], -1)
    flat = np.cumsum(steps[:-1]) > 0
    mask = flat.reshape(height, width) if reading.order == "rows" else flat.reshape(width, height).T
    if reading.inverted:
        mask = ~mask
    if reading.frame == size:
        return Read(np.ascontiguousarray(mask), lost)
    if reading.place in RESIZED:
        nearest = cv2.resize(np.ascontiguousarray(mask).view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0
        enlarged = nearest if reading.place == "nearest" else resize(mask.astype(np.float32), size) >= 0.5
        return Read(enlarged, f"a mask resized to {width}x{height} has not the photo's pixels")
    placed, missing = _place(mask, size, reading.place)
    return Read(placed, lost or missing)


def _place(mask: Mask, size: Size, place: Place) -> tuple[Mask, str]:
    """Cut a mask down, or fill it up, to a size."""
    placed = np.zeros(size, np.bool_)
    inner: list[slice] = []
    outer: list[slice] = []
    touching = False
    for axis, (have, want) in enumerate(zip(mask.shape, size, strict=True)):
        spare = abs(have - want)
        before = {"centre": spare // 2, "end": spare}.get(place, 0)
        inner.append(slice(before, before + want) if have > want else slice(None))
        outer.append(slice(before, before + have) if have < want else slice(None))
        if have < want:
            # What was cut off is not known. Where the mask does not reach the cut, nothing was.
            edge = mask if axis == 0 else mask.T
            touching |= bool((before > 0 and edge[0].any()) or (before < spare and edge[-1].any()))
    kept = mask[inner[0], inner[1]]
    placed[outer[0], outer[1]] = kept
    if np.count_nonzero(kept) < np.count_nonzero(mask):
        return placed, "car pixels lie outside the photo"
    return placed, "the mask reaches the edge at which pixels are missing" if touching else ""


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


def find_reading(
    runs: Mapping[str, Runs], truth: Mapping[str, Runs], size: Size, *, length: int | None = None
) -> tuple[Trial, Trial]:
    """Try all ways to read a submission on images whose truth is known.

    Args:
        runs: the submission's, by image.
        truth: the true ones of the same images, in the photo's frame.
        size: (height, width) of the photos.
        length: of the rows, if ``row_length`` found it to be other than the photo's.

    Returns:
        The reading as the judge does, and the best one; the latter is the former if none is better.
    """
    names = list(truth)
    some = names[:: max(1, len(names) // FIRST)][:FIRST]
    plain = Reading(size)
    best = _best(_plain_readings(size), some, runs, truth, size)
    if best.mean < 0.9:
        framed = list(_framed_readings(runs, size, length))
        resized = _best([one for one in framed if one.place in RESIZED], some, runs, truth, size, near=GUESS)
        placed = _best([one for one in framed if one.place not in RESIZED], some, runs, truth, size)
        exact = placed.mean > resized.mean + CLEAR
        other = placed if exact else resized
        if other.mean > best.mean:
            near = [other.reading._replace(shift=shift) for shift in (-1, 1)]
            shifted = _best(near, some, runs, truth, size)
            best = shifted if shifted.mean > other.mean + (CLEAR if exact else CLEAR_SHIFT) else other
    return _try(plain, names, runs, truth, size), _try(best.reading, names, runs, truth, size)


def _plain_readings(size: Size) -> Iterator[Reading]:
    """Ways to read in the photo's own frame."""
    for row in sorted(ROWS, key=abs):
        for along in sorted(ALONG, key=abs):
            yield Reading(size, shift=row * size[1] + along)
    for shift in (0, -1, 1):
        yield Reading(size, order="columns", shift=shift)
        yield Reading(size, ends=True, shift=shift)
        yield Reading(size, inverted=True, shift=shift)


def _framed_readings(runs: Mapping[str, Runs], size: Size, length: int | None) -> Iterator[Reading]:
    """Ways to read in another frame: its width is the row length, its height is one of the likely ones."""
    if length is None:
        return
    last = max((int((one[:, 0] + one[:, 1]).max()) - 1 for one in runs.values() if len(one)), default=0)
    seen: dict[Reading, None] = {}
    for width in (length, length - 1, length + 1):
        for height in likely_heights(width, last, size):
            # What is cut or filled up must be small beside the photo.
            alike = all(0.8 < have / want < 1.25 for have, want in zip((height, width), size, strict=True))
            places: tuple[Place, ...] = ("start", "centre", "end", *RESIZED) if alike else RESIZED
            seen |= dict.fromkeys(Reading((height, width), place=place) for place in places)
    yield from seen


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


def _best(
    readings: Iterator[Reading] | Sequence[Reading],
    names: Sequence[str],
    runs: Mapping[str, Runs],
    truth: Mapping[str, Runs],
    size: Size,
    *,
    near: float = 0.0,
) -> Trial:
    """The first reading, the likeliest, whose mean is the highest or as ``near`` to it."""
    trials = [_try(reading, names, runs, truth, size) for reading in readings]
    highest = max((trial.mean for trial in trials), default=0.0)
    return next((trial for trial in trials if trial.mean >= highest - near), Trial(Reading(size), ()))


def _try(
    reading: Reading, names: Sequence[str], runs: Mapping[str, Runs], truth: Mapping[str, Runs], size: Size
) -> Trial:
    return Trial(reading, tuple(_dice(runs[name], reading, truth[name], size) for name in names))


def _dice(runs: Runs, reading: Reading, truth: Runs, size: Size) -> float:
    simple = reading.frame == size and reading.order == "rows" and not (reading.ends or reading.inverted)
    if simple and _rising(runs):
        moved = runs.copy()
        moved[:, 0] -= reading.shift
        return overlap_of_runs(moved, truth).dice
    return overlap_of_runs(mask_to_runs(read(runs, reading, size).mask), truth).dice


def _rising(runs: NDArray[np.int64]) -> bool:
    return bool((runs[1:, 0] >= runs[:-1, 0] + runs[:-1, 1]).all())
