"""What two strokes mend: Dice before and after, on the photos that the model gets most wrong.

    python benchmarks/mending.py FOLDER... [--photos 20] [--strokes 2] [--model default]

FOLDER has photos/ and labels/ (values above 0 are the car). All photos are predicted; of the worst tenth by true Dice
the worst ``--photos`` are mended. A stroke is what a person would draw, by a script: along the true contour where it
borders the largest remaining error, some pixels beyond both ends, with an unsteady hand (a random walk of about 1.5
pixels). It is then snapped to the photo's edge (``carmask.review.snapping``), within one hundredth of its width. A
stroke after which the mask is worse is undone, and counts. The truth decides where a stroke is drawn, nothing else.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from _bench import table
from carmask.images import PHOTO_SUFFIXES, read_photo
from carmask.model.runtime import load_model
from carmask.prediction.predict import predict
from carmask.review.snapping import snap

#: Pixels beyond both ends of the wrong stretch.
BEYOND = 8
#: Stretches that are closer than this share of the contour are drawn in one.
GAP = 0.04


class Case(NamedTuple):
    """A photo with its true and its predicted mask."""

    name: str
    photo: np.ndarray
    true: np.ndarray
    mask: np.ndarray


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="with photos/ and labels/")
    parser.add_argument("--photos", type=int, default=20, help="default 20")
    parser.add_argument("--strokes", type=int, default=2, help="default 2")
    parser.add_argument("--show", type=Path, metavar="DIR", help="write the masks before and after here")
    parser.add_argument("--model", default="default", help="a model file, or the name of a shipped model")
    given = parser.parse_args()
    network = load_model(given.model)
    cases = [
        Case(photo.stem, pixels, true, predict(network, pixels).mask)
        for folder in given.folders
        for photo, pixels, true in pairs(folder)
    ]
    scores = np.array([dice(case.mask, case.true) for case in cases])
    worst = np.argsort(scores)[: max(1, len(cases) // 10)][: given.photos]
    rows: dict[str, list[float]] = {}
    for number in worst:
        case, mask = cases[number], cases[number].mask
        drawn, seconds, undone = 0.0, 0.0, 0
        for count in range(given.strokes):
            path = stroke(mask, case.true, seed=1000 * int(number) + count, skip=undone)
            if path is None:
                break
            drawn += len(path)
            started = time.perf_counter()
            after = snap(case.photo, mask, path, max(3.0, 0.01 * case.photo.shape[1]))
            seconds += time.perf_counter() - started
            if dice(after, case.true) < dice(mask, case.true):
                undone += 1  # a person sees that, and it was a stroke all the same
            else:
                mask = after
        if given.show:
            show(given.show / f"{case.name}.jpg", case, mask)
        around = sum(len(contour) for contour in contours(case.true))
        rows[case.name] = [scores[number], dice(mask, case.true), drawn / around, undone, 1e3 * seconds]
    before, after = (float(np.mean([row[at] for row in rows.values()])) for at in (0, 1))
    columns = ["Dice before", "after", "drawn, of the contour", "strokes undone", "ms to snap"]
    rows["mean"] = [float(np.mean([row[at] for row in rows.values()])) for at in range(5)]
    table(f"the worst {len(rows) - 1} of {len(cases)} photos, {given.strokes} strokes each", columns, rows)
    print(f"mended: {(after - before) / (1 - before):.0%} of what was missing")


def show(file: Path, case: Case, mask: np.ndarray) -> None:
    """The photo with the true contour in green and a mask in red, before and after."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sides = []
    for one in (case.mask, mask):
        side = case.photo.copy()
        side[one] = side[one] // 2 + np.array([127, 0, 0], np.uint8)
        for line in contours(case.true):
            cv2.polylines(side, [line.astype(np.int32)], True, (0, 255, 0))
        sides.append(side)
    Image.fromarray(np.concatenate(sides, axis=1)).save(file)


def pairs(folder: Path) -> list[tuple[Path, np.ndarray, np.ndarray]]:
    """Photos with their true masks."""
    labels = {path.stem: path for path in sorted((folder / "labels").iterdir())}
    found = []
    for photo in sorted((folder / "photos").iterdir()):
        if photo.suffix.lower() in PHOTO_SUFFIXES and photo.stem in labels:
            true = np.asarray(Image.open(labels[photo.stem]))
            true = (true if true.ndim == 2 else true.max(axis=2)) > 0
            if true.any():
                found.append((photo, read_photo(photo), true))
    return found


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice's coefficient."""
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / total if total else 1.0


def contours(mask: np.ndarray) -> list[np.ndarray]:
    """Contours of components and holes, float (points, 2), x and y."""
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [contour[:, 0].astype(np.float64) + 0.5 for contour in found]


def stroke(mask: np.ndarray, true: np.ndarray, seed: int, skip: int = 0) -> np.ndarray | None:
    """Where a person would draw next: (points, 2), or None; the largest errors, where that was undone, skipped."""
    wrong = (mask != true).view(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(wrong, connectivity=8)
    lines = contours(true)
    for label in 1 + np.argsort(-stats[1:count, cv2.CC_STAT_AREA])[skip:]:
        near = cv2.dilate((labels == label).view(np.uint8), np.ones((5, 5), np.uint8))
        marks = [near[line[:, 1].astype(int), line[:, 0].astype(int)] > 0 for line in lines]
        best = int(np.argmax([mark.sum() for mark in marks]))
        if marks[best].sum() >= 5:
            return shaken(stretch(lines[best], marks[best]), seed)
    return None


def stretch(line: np.ndarray, mark: np.ndarray) -> np.ndarray:
    """The longest marked stretch of a closed line, short gaps bridged, and some points beyond its ends."""
    length = len(line)
    at = np.flatnonzero(mark)
    gaps = np.diff(np.append(at, at[0] + length))
    breaks = np.flatnonzero(gaps > max(2 * BEYOND, GAP * length))
    if not len(breaks):
        return np.concatenate([line, line[:1]])  # all the way round
    starts, ends = at[(breaks + 1) % len(at)], at[np.roll(breaks, -1)]
    spans = (ends - starts) % length
    first, span = int(starts[np.argmax(spans)]) - BEYOND, int(spans.max()) + 2 * BEYOND
    return line[np.arange(first, first + min(span, length)) % length]


def shaken(line: np.ndarray, seed: int) -> np.ndarray:
    """The same, drawn by hand."""
    noise = np.random.default_rng(seed).normal(0, 1, (len(line) + 30, 2))
    smooth = np.stack([np.convolve(noise[:, axis], np.ones(15) / 15, "same") for axis in (0, 1)], axis=1)[15:-15]
    return line + smooth / max(1e-9, float(smooth.std())) * 1.5


if __name__ == "__main__":
    main()
