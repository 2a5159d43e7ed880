"""Run-length encoding as the Carvana challenge writes it.

Pixels are numbered from 1, row by row from the top left; a mask is ``start length start length …`` over the runs of
car pixels. https://www.kaggle.com/c/carvana-image-masking-challenge, page "Evaluation".
"""

from __future__ import annotations

import re
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, check_mask
from carmask.errors import RLEError

#: Decimal text is written four digits at a time.
_QUAD = 10_000
_WELL_FORMED = re.compile(r"\s*(?:[0-9]+(?:\s+[0-9]+)*\s*)?")  # white space of any kind, digits of ASCII


def rle_encode(mask: Mask) -> str:
    """Encode a mask.

    Args:
        mask: bool (height, width).

    Returns:
        ``"start length …"``, starts numbered from 1 row by row; the empty string for an empty mask.

    Raises:
        ArrayError: if ``mask`` is not a bool array with two dimensions.
    """
    return _decimal(mask_to_runs(check_mask(mask)).ravel())


def rle_decode(text: str, height: int, width: int) -> Mask:
    """Decode a mask, strictly.

    Args:
        text: ``"start length …"``; the empty string is an empty mask.
        height: rows of the frame that the text was written for.
        width: columns of that frame.

    Returns:
        bool (height, width).

    Raises:
        RLEError: if the text is not pairs of whole numbers, a run is empty, starts before pixel 1, ends outside the
            frame, or runs overlap or are out of order. The message names the run. Also if it is no text, or the frame
            has no size.
    """
    _check_kinds(text, height, width)
    return runs_to_mask(check_runs(parse_runs(text), height, width), height, width)


def _check_kinds(text: object, *frame: object) -> None:
    if not isinstance(text, str):
        hint = "; read tables with keep_default_na=False, so that an empty cell is ''" if text != text else ""
        raise RLEError(f"run lengths are text, not {type(text).__name__}{hint}")
    if any(isinstance(side, bool) or not isinstance(side, Integral) or side < 0 for side in frame):
        raise RLEError(f"a frame of {frame[1]!r} x {frame[0]!r}: give height and width in whole pixels")


def mask_to_runs(mask: Mask) -> NDArray[np.int64]:
    """Find the runs of a mask.

    The mask is read once, as 64-bit words of eight pixels. Only words that differ from the one before can hold a
    change, unless a word of mixed pixels repeats, which stripes do and cars hardly ever. On a photo's mask these are
    one word in a hundred, and only they are looked at pixel by pixel.

    Args:
        mask: bool (height, width).

    Returns:
        int64 (runs, 2): start, numbered from 1, and length.
    """
    flat = np.ascontiguousarray(mask).ravel().view(np.uint8)
    changes = _changes(flat)
    if flat.size and flat[-1]:
        changes = np.append(changes, flat.size)
    runs = changes.reshape(-1, 2)
    runs[:, 1] -= runs[:, 0]
    runs[:, 0] += 1
    return runs


def _changes(flat: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Positions, from 0, of pixels that differ from the one before; the pixel before the first is background."""
    count = flat.size // 8
    found = []
    if count:
        # Little-endian on every machine: the first pixel is the lowest byte.
        words = flat[: 8 * count].view("<u8")
        flags = np.zeros(-(-count // 8) * 8, np.bool_)
        flags[0] = True
        np.not_equal(words[1:], words[:-1], out=flags[1:count])
        where = _positions(flags)
        differs = _differences(words, where)
        # Changes beyond a word's first pixel: the word is mixed, and if it repeats, its changes do.
        mixed = np.flatnonzero(differs > 0xFF)
        ends = np.append(where, count)[mixed + 1]
        repeats = ends - where[mixed] > 1
        if repeats.any():
            for start, end in zip(where[mixed[repeats]].tolist(), ends[repeats].tolist(), strict=True):
                flags[start:end] = True
            where = _positions(flags)
            differs = _differences(words, where)
        at = np.flatnonzero(differs.astype("<u8", copy=False).view(np.bool_))
        found.append(where[at >> 3] * 8 + (at & 7))
    if flat.size % 8:
        rest = np.diff(flat[8 * count :], prepend=flat[8 * count - 1 : 8 * count] if count else np.zeros(1, np.uint8))
        found.append(np.flatnonzero(rest) + 8 * count)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _positions(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where flags are set, few of them and eight times n in all: eight that are not are passed over as one number."""
    eights = flags.view(np.uint64)
    at = np.flatnonzero(eights != 0)
    inner = np.flatnonzero(eights[at].view(np.bool_))
    positions: NDArray[np.int64] = at[inner >> 3] * 8 + (inner & 7)
    return positions


def _differences(words: NDArray[np.uint64], where: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The words at ``where``, the first word among them: bytes of 1 for pixels unlike the one before, else 0."""
    here = words[where]
    before = words[where - 1] >> np.uint64(56)
    before[0] = 0
    # Each byte against the one before it, which the shift brings to its place.
    return here ^ (here << np.uint64(8) | before)


def _quads() -> NDArray[np.uint32]:
    """Four characters for 0 to 9999 at the front of a number, NUL for leading zeros; then for 0 to 9999 within it."""
    digits = np.arange(_QUAD)[:, None] // [1000, 100, 10, 1] % 10
    within = (digits + ord("0")).astype(np.uint8)
    front = np.where(np.cumsum(digits, axis=1) > 0, within, np.uint8(0))
    return np.concatenate([front, within]).view(np.uint32).ravel()


_QUADS = _quads()


def _decimal(numbers: NDArray[np.int64]) -> str:
    """Numbers above 0 as decimal text with a space between: four digits at a time, from a table."""
    columns = [np.full(len(numbers), ord(" "), np.uint32)]
    while numbers.any():
        higher = numbers // _QUAD
        columns.append(_QUADS[numbers - higher * _QUAD + _QUAD * (higher > 0)])
        numbers = higher
    return np.stack(columns[::-1], axis=1).tobytes().translate(None, b"\0").decode("ascii")[:-1]


def parse_runs(text: str) -> NDArray[np.int64]:
    """Read the numbers of a run-length text, without looking at what they mean.

    Args:
        text: ``"start length …"``.

    Returns:
        int64 (runs, 2): start and length as written.

    Raises:
        RLEError: if it is not an even count of whole numbers.
    """
    if not _WELL_FORMED.fullmatch(text):
        word = next(word for word in text.split() if not (word.isascii() and word.isdigit()))
        raise RLEError(f"{word[:40]!r} is not a whole number; runs are written 'start length start length …'")
    words = text.split()
    if len(words) % 2:
        raise RLEError(f"{len(words)} numbers: the last run, starting at {words[-1]}, has no length")
    if any(len(word) > 18 for word in words):
        raise RLEError("a number has more than 18 digits")
    return np.array(words, dtype=np.int64).reshape(-1, 2)


def check_runs(runs: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """Return ``runs`` unchanged if they are what a mask of this frame can give.

    Args:
        runs: int64 (runs, 2): start, numbered from 1, and length.
        height: rows of the frame.
        width: columns of the frame.

    Raises:
        RLEError: on the first run that is empty, out of the frame, out of order, or overlaps the one before it.
    """
    if not len(runs):
        return runs
    starts, lengths = runs[:, 0], runs[:, 1]
    ends = starts + lengths  # the pixel after the run
    if (lengths < 1).any():
        at = int(np.argmax(lengths < 1))
        raise RLEError(f"run {at + 1} ({_show(runs[at])}) has length 0")
    if (starts < 1).any():
        at = int(np.argmax(starts < 1))
        raise RLEError(f"run {at + 1} ({_show(runs[at])}) starts before pixel 1; pixels are numbered from 1")
    if (ends - 1 > height * width).any():
        at = int(np.argmax(ends - 1 > height * width))
        raise RLEError(
            f"run {at + 1} ({_show(runs[at])}) ends at pixel {ends[at] - 1}; a frame of {width}x{height} has "
            f"{height * width}"
        )
    early = starts[1:] < ends[:-1]
    if early.any():
        at = int(np.argmax(early)) + 1
        what = "overlaps" if starts[at] >= starts[at - 1] else "comes before"
        raise RLEError(f"run {at + 1} ({_show(runs[at])}) {what} run {at} ({_show(runs[at - 1])})")
    return runs


def runs_to_mask(runs: NDArray[np.int64], height: int, width: int) -> Mask:
    """Paint runs that ``check_runs`` has passed.

    Args:
        runs: int64 (runs, 2): start, numbered from 1, and length.
        height: rows of the frame.
        width: columns of the frame.

    Returns:
        bool (height, width).
    """
    flat = np.zeros(height * width, np.bool_)
    for start, length in runs.tolist():
        flat[start - 1 : start - 1 + length] = True
    return flat.reshape(height, width)


def _show(run: NDArray[np.int64]) -> str:
    return f"{run[0]} {run[1]}"
