"""What a submission scores whose masks are right, but written by another convention, or made at a small size.

    python benchmarks/conventions.py [--data DIR] [--masks 128] [--record]

DIR has ``train_masks/``. True masks are written wrongly in each of the ways that are known to have been submitted, and
scored in the truth's frame as the challenge does: mean Dice, and mean IoU beside it. Then true masks are reduced by
area averaging and enlarged again in two ways: cut at one half and enlarged by nearest neighbour, and the other way
round. Masks are taken evenly over the folder by name, so of many cars and all views.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from _bench import HEIGHT, WIDTH, arguments, table
from carmask import geometry
from carmask.evaluation.overlap import overlap_of_runs
from carmask.formats.listing import find_masks
from carmask.formats.rle import mask_to_runs
from carmask.images import read_mask

Mask = NDArray[np.bool_]
Runs = NDArray[np.int64]


def framed(width: int, height: int) -> Callable[[Mask], Runs]:
    """Resized by nearest neighbour, and numbered in rows of that width."""
    return lambda mask: mask_to_runs(cv2.resize(mask.view(np.uint8), (width, height), interpolation=0) > 0)


def moved(pixels: int) -> Callable[[Mask], Runs]:
    """All starts so much too large."""

    def write(mask: Mask) -> Runs:
        runs = mask_to_runs(mask)
        runs[:, 0] += pixels
        return runs

    return write


def small(width: int, height: int, *, soft: bool) -> Callable[[Mask], Runs]:
    """Reduced and enlarged again: softly and then cut at one half, or cut first and enlarged by nearest neighbour."""

    def write(mask: Mask) -> Runs:
        share = geometry.resize(mask.astype(np.float32), (height, width))
        if soft:
            return mask_to_runs(geometry.resize(share, (HEIGHT, WIDTH)) >= 0.5)
        cut = (share >= 0.5).view(np.uint8)
        return mask_to_runs(cv2.resize(cut, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST_EXACT) > 0)

    return write


WRITTEN: dict[str, Callable[[Mask], Runs]] = {
    "as the challenge has it": mask_to_runs,
    "at 224x224, in rows of 224": framed(224, 224),
    "at 1912x1280, in rows of 1912": framed(1912, HEIGHT),
    "at 1920x1280, in rows of 1920": framed(1920, HEIGHT),
    "starts counted from 0": moved(-1),
    "starts one too large": moved(1),
    "starts two too large": moved(2),
    "column by column": lambda mask: mask_to_runs(np.ascontiguousarray(mask.T)),
    "the background for the car": lambda mask: mask_to_runs(~mask),
    "from 224x224, enlarged by nearest neighbour": small(224, 224, soft=False),
    "from 224x224, enlarged softly": small(224, 224, soft=True),
    "from 384x256, enlarged softly": small(384, 256, soft=True),
    "from 768x512, enlarged softly": small(768, 512, soft=True),
}


def main() -> None:
    """Score, print, and keep it if asked to."""
    given = arguments(__doc__, masks=128)
    folder = given.data / "train_masks"
    if not folder.is_dir():
        print(f"skipped: {folder} is not there")
        return
    files = list(find_masks(folder).values())
    chosen = [files[round(at)] for at in np.linspace(0, len(files) - 1, min(given.masks, len(files)))]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WRITTEN}
    for file in chosen:
        mask = read_mask(file)
        truth = mask_to_runs(mask)
        for name, write in WRITTEN.items():
            one = overlap_of_runs(write(mask), truth)
            found[name].append((one.dice, one.iou))
    rows = {name: [f"{value:.4f}" for value in np.mean(scores, axis=0)] for name, scores in found.items()}
    title = f"What masks without an error score, written otherwise or made small: {len(chosen)} true masks"
    table(title, ("mean Dice", "mean IoU"), rows, section="Submissions")


if __name__ == "__main__":
    main()
