"""Find the convention that a submission follows, by trying all known ones on images whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.data.mask_source import Runs
from carmask.evaluation.overlap import overlap_of_runs
from carmask.formats.rle import mask_to_runs
from carmask.geometry import Size
from carmask.submission.conventions import AGREE
from carmask.submission.frames import last_pixel, likely_heights
from carmask.submission.read import RESIZED, Mirror, Place, Reading, read

#: Shifts that are tried, in rows and in pixels along the row.
ROWS, ALONG = range(-2, 3), range(-3, 4)
_MIRRORS: tuple[Mirror, ...] = ("left-right", "up-down", "both")
#: Images that every reading is tried on; the best one is then tried on all.
FIRST = 6
#: A frame is only taken for cut or filled up, not resized, if that fits better by this much; a shift of a resized one
#: must fit better by the second, for half a pixel comes from the resizing itself.
CLEAR, CLEAR_SHIFT = 0.0002, 0.003
#: A reading is only believed if mean Dice rises by this much.
GAIN = 0.0005
#: Of resized frames that fit equally well up to this, the likeliest is taken.
GUESS = 0.0005


class Trial(NamedTuple):
    """A reading and the Dice of each image that it was tried on."""

    reading: Reading
    dice: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean Dice; 0 of no images."""
        return float(np.mean(self.dice)) if self.dice else 0.0


def find_reading(
    runs: Mapping[str, Runs], truth: Mapping[str, Runs], size: Size, *, length: int | None = None
) -> tuple[Trial, Trial]:
    """Try all ways to read a submission on images whose truth is known.

    Args:
        runs: the submission's, by image.
        truth: the true ones of the same images, in the photo's frame.
        size: (height, width) of the photos.
        length: of the rows, if ``odd_row_length`` found that it is not the photo's width.

    Returns:
        The reading by the challenge's convention, and the best one; the latter is the former if none is better.
    """
    names = list(truth)
    some = names[:: max(1, len(names) // FIRST)][:FIRST]
    plain = Reading(size)
    best = _best(_plain_readings(size), some, runs, truth, size)
    if best.mean < 0.9:
        framed = list(_framed_readings(runs, size, length))
        resized = _best([one for one in framed if one.place in RESIZED], some, runs, truth, size, near=GUESS)
        placed = _best([one for one in framed if one.place not in RESIZED], some, runs, truth, size)
        # A picture filled up by one column and made smaller by nearest neighbour has lost that column, and no other.
        exact = placed.mean > resized.mean + CLEAR or (placed.dice != () and placed.dice == resized.dice)
        other = placed if exact else resized
        if other.mean > best.mean:
            near = [other.reading._replace(shift=shift) for shift in (-1, 1)]
            shifted = _best(near, some, runs, truth, size)
            best = shifted if shifted.mean > other.mean + (CLEAR if exact else CLEAR_SHIFT) else other
    found = _try(best.reading, names, runs, truth, size)
    if found.reading.shift and found.reading._replace(shift=0) != plain:
        # Masks of another convention are a little off, too: a shift besides must be as sure as one by itself.
        still = _try(found.reading._replace(shift=0), names, runs, truth, size)
        found = found if is_better(found, still) else still
    return _try(plain, names, runs, truth, size), found


def is_better(one: Trial, other: Trial) -> bool:
    """Whether a reading explains masks better than another: in the mean, and of nearly all images."""
    gained = np.array(one.dice) > np.array(other.dice)
    return one.mean - other.mean > GAIN and bool(np.mean(gained) >= AGREE)


def _plain_readings(size: Size) -> Iterator[Reading]:
    """Ways to read in the photo's own frame."""
    for row in sorted(ROWS, key=abs):
        for along in sorted(ALONG, key=abs):
            yield Reading(size, shift=row * size[1] + along)
    for shift in (0, -1, 1):
        yield Reading(size, order="columns", shift=shift)
        yield Reading(size, ends="last", shift=shift)
        yield Reading(size, ends="after", shift=shift)
        yield Reading(size, inverted=True, shift=shift)
    for mirror in _MIRRORS:
        yield Reading(size, mirror=mirror)


def _framed_readings(runs: Mapping[str, Runs], size: Size, length: int | None) -> Iterator[Reading]:
    """Ways to read in another frame: its width is the row length, its height is one of the likely ones.

    Where the row length is not known to be another, the frame may still be a pixel wider or narrower than the photos.
    """
    last = last_pixel(runs.values())
    seen: dict[Reading, None] = {}
    for width in (size[1] - 1, size[1] + 1) if length is None else (length, length - 1, length + 1):
        for height in likely_heights(width, last, size):
            # What is cut or filled up must be small beside the photo.
            alike = all(0.8 < have / want < 1.25 for have, want in zip((height, width), size, strict=True))
            places: tuple[Place, ...] = ("start", "centre", "end", *RESIZED) if alike else RESIZED
            seen |= dict.fromkeys(Reading((height, width), place=place) for place in places)
    yield from seen


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
    plain = reading.order == "rows" and not (reading.ends or reading.inverted or reading.mirror)
    if plain and reading.frame == size and _rising(runs):
        moved = runs.copy()
        moved[:, 0] -= reading.shift
        return overlap_of_runs(moved, truth).dice
    return overlap_of_runs(mask_to_runs(read(runs, reading, size).mask), truth).dice


def _rising(runs: NDArray[np.int64]) -> bool:
    return bool((runs[1:, 0] >= runs[:-1, 0] + runs[:-1, 1]).all())
