"""Read the runs of a submission as they were meant: in which frame, from which pixel on, in which order.

A submission of low score is often a good one that follows another convention. Each ``Reading`` is one convention.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np

from carmask.arrays import Mask
from carmask.data.mask_source import Runs
from carmask.geometry import Size, resize

Place = Literal["stretched", "nearest", "start", "centre", "end"]
Ends = Literal["", "last", "after"]
Mirror = Literal["", "left-right", "up-down", "both"]

#: Places that do not keep the photo's pixels.
RESIZED: tuple[Place, ...] = ("nearest", "stretched")


class Reading(NamedTuple):
    """One way to read runs.

    Attributes:
        frame: (height, width) of the picture they were written for.
        order: pixels are numbered row by row, or column by column.
        shift: how many pixels the starts are too large; negative if they are too small.
        ends: the second number of a run is not its length, but its ``last`` pixel, or the pixel ``after`` it (start +
            length).
        inverted: the runs are the background.
        mirror: the mask is mirrored: left and right, up and down (as pictures are whose rows are kept from the bottom
            up), or both, which is a half turn.
        place: how the frame lies in the photo, if it is of another size: the photo resized to it, by our convention
            (``stretched``) or by that of nearest-neighbour functions, whose pixels begin at the corner (``nearest``);
            or cut off or filled up at its right and bottom (``start``), evenly (``centre``), or left and top (``end``).
    """

    frame: Size
    order: Literal["rows", "columns"] = "rows"
    shift: int = 0
    ends: Ends = ""
    inverted: bool = False
    mirror: Mirror = ""
    place: Place = "start"


class ReadMask(NamedTuple):
    """A mask as a reading gives it.

    Attributes:
        mask: bool, at the photo's size.
        lost: why it may not be exactly the mask that was meant; empty if it is.
    """

    mask: Mask
    lost: str


def read(runs: Runs, reading: Reading, size: Size) -> ReadMask:
    """Read runs into a mask of the photo's size, by one convention.

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
        lengths = lengths - runs[:, 0] + (reading.ends == "last")
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
    if reading.mirror in {"left-right", "both"}:
        mask = mask[:, ::-1]
    if reading.mirror in {"up-down", "both"}:
        mask = mask[::-1]
    if reading.frame == size:
        return ReadMask(np.ascontiguousarray(mask), lost)
    if reading.place in RESIZED:
        nearest = cv2.resize(np.ascontiguousarray(mask).view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0
        enlarged = nearest if reading.place == "nearest" else resize(mask.astype(np.float32), size) >= 0.5
        return ReadMask(enlarged, f"a mask resized to {width}x{height} has not the photo's pixels")
    placed, missing = _place(mask, size, reading.place)
    return ReadMask(placed, lost or missing)


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
