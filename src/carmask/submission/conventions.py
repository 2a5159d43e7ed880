"""Conventions other than the challenge's: which of them the file alone shows, and how they are put in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from carmask.data.mask_source import Runs
from carmask.geometry import Size
from carmask.submission.finding import Finding
from carmask.submission.frames import last_pixel, likely_heights
from carmask.submission.read import Reading
from carmask.words import by_number, counted

#: A convention is only believed if at least this fraction of the images agrees with it.
AGREE = 0.9
_ENDS = {
    "last": "the second number of each run is its last pixel; write its length instead",
    "after": "the second number of each run is the pixel after its last one (start + length); write its length instead",
}
_EITHER = (
    "the second number of each run is its last pixel or the pixel after it, and not its length; write the length "
    "instead; true masks or photos show which of both it is"
)
_INVERTED = "the runs are the background; encode the car"
_MIRRORED = {"left-right": "mirrored left and right", "up-down": "upside down", "both": "turned by 180 degrees"}
_COLUMNS = "the masks are numbered column by column; the challenge numbers row by row: encode mask, not mask.T"


def conventions_of_file(parsed: Mapping[str, Runs], size: Size, length: int | None) -> list[Finding]:
    """Find the convention that the file alone shows.

    Args:
        parsed: runs by image.
        size: (height, width) of the photos.
        length: of the rows, if it is not the photos' width.

    Returns:
        At most one finding. It has no reading where the file shows that something is wrong, but not exactly what.
    """
    filled = [runs for runs in parsed.values() if len(runs) >= 3]
    if filled and np.mean([bool((runs[:, 1] >= runs[:, 0]).all()) for runs in filled]) >= AGREE:
        # A run of one pixel ends where it starts. Without such runs both kinds of end are possible.
        if any(bool((runs[:, 1] == runs[:, 0]).any()) for runs in filled):
            return [Finding("ends", _ENDS["last"], reading=Reading(size, ends="last"))]
        return [Finding("ends", _EITHER)]
    whole = size[0] * size[1]
    if filled and np.mean([runs[0, 0] <= 1 and runs[-1].sum() >= whole for runs in filled]) >= AGREE:
        return [Finding("inverted", _INVERTED, reading=Reading(size, inverted=True))]
    first = [runs for runs in parsed.values() if len(runs) and int(runs[:, 0].min()) == 0]
    if length is None:
        if not first:
            return []
        told = (
            f"{counted(len(first), 'mask')} {by_number(len(first), 'starts', 'start')} at pixel 0: starts "
            "are counted from 0, they count from 1: add 1 to each"
        )
        return [Finding("off-by-one", told, reading=Reading(size, shift=-1))]
    height, width = size
    last = last_pixel(parsed.values())
    if abs(length - height) <= 1 and last > length * height:
        return [Finding("column-major", _COLUMNS, reading=Reading(size, order="columns"))]
    rows = likely_heights(length, last, size)
    frame = f"{length}x{rows[0]}" if rows else f"{length} wide"
    told = (
        f"written at width {length} ({frame}, as far as the file alone shows), but the photos are {width}x{height}: "
        "bring each mask to their size and encode it again; true masks or photos show how, and what it would score"
    )
    return [Finding("frame", told)]


def describe_reading(reading: Reading, size: Size) -> tuple[str, str]:
    """The kind of a reading, and what to do about it, in words."""
    height, width = reading.frame
    if reading.ends:
        beside = f", and {describe_shift(reading.shift, size[1])}" if reading.shift else ""
        return "ends", _ENDS[reading.ends] + beside
    if reading.inverted:
        return "inverted", _INVERTED
    if reading.mirror:
        return "mirrored", f"the masks are {_MIRRORED[reading.mirror]}; turn them back before they are encoded"
    if reading.order == "columns":
        return "column-major", _COLUMNS + (f", and {describe_shift(reading.shift, size[0])}" if reading.shift else "")
    if reading.frame != size:
        how = {
            "stretched": "each mask was resized to it",
            "nearest": "each mask was resized to it, by nearest neighbour",
            "start": "cut off or filled up at the right and bottom",
            "centre": "cut off or filled up evenly on both sides",
            "end": "cut off or filled up at the left and top",
        }[reading.place]
        beside = f", and {describe_shift(reading.shift, width)}" if reading.shift else ""
        return "frame", f"written at width {width} ({width}x{height}; {how}){beside}; re-encode at {size[1]}"
    kind = "off-by-one" if abs(reading.shift) == 1 else "shift"
    change = "subtract" if reading.shift > 0 else "add"
    return kind, f"{describe_shift(reading.shift, size[1])}: {change} {abs(reading.shift)}"


def describe_shift(shift: int, width: int) -> str:
    """A shift of all starts, in words: pixels along the row, or rows."""
    rows = round(shift / width)
    along = shift - rows * width
    if not rows:
        amount = "one pixel" if abs(along) == 1 else f"{abs(along)} pixels"
        cause = "; they seem to be counted from 0, they count from 1" if along == -1 else ""
        return f"all starts are {amount} too {'large' if along > 0 else 'small'}{cause}"
    amount = "one row" if abs(rows) == 1 else f"{abs(rows)} rows"
    beside = f" and {abs(along)} px too far {'right' if along > 0 else 'left'}" if along else ""
    return f"all masks lie {amount} too {'low' if rows > 0 else 'high'}{beside}"
