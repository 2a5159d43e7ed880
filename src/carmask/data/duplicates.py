"""Near-duplicates among photos: found, so that no split has one on each side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.data.table import Example
from carmask.images import open_reduced

#: Photos are compared in grey at this width and height: enough to tell any two scenes apart, too few for JPEG's noise.
SIDE = 24
#: Correlation from which two photos are the same scene. In the 400 DSMLR photos three pairs lie at 0.990 or above, the
#: next at 0.875, which shows two different cars.
ALIKE = 0.95
_AT_ONCE = 1024


def near_duplicates(photos: Sequence[Path]) -> list[tuple[int, int, float]]:
    """Find pairs of photos of one scene: copies, re-encoded, resized, retouched or mirrored.

    Another view of the same car is not found by this.

    Args:
        photos: files.

    Returns:
        Pairs of places in ``photos``, the smaller first, and their correlation, the most alike first.

    Raises:
        PhotoError: if a photo cannot be read.
    """
    if not photos:
        return []
    small = np.stack([_small(photo) for photo in photos])
    plain, mirrored = _unit(small), _unit(small[:, :, ::-1])
    found = []
    for start in range(0, len(photos), _AT_ONCE):
        rows = plain[start : start + _AT_ONCE]
        alike = np.maximum(rows @ plain.T, rows @ mirrored.T)
        for row, column in np.argwhere(alike >= ALIKE):
            if start + row < column:
                found.append((start + int(row), int(column), float(alike[row, column])))
    return sorted(found, key=lambda pair: -pair[2])


def group_cars(examples: Sequence[Example]) -> dict[str, str]:
    """Join cars that have near-duplicate photos.

    Args:
        examples: photos.

    Returns:
        For each car the group it belongs to, named after the group's first car in the order of names.

    Raises:
        PhotoError: if a photo cannot be read.
    """
    group = {example.car: example.car for example in examples}

    def head(car: str) -> str:
        while group[car] != car:
            car = group[car]
        return car

    for one, other, _ in near_duplicates([example.photo for example in examples]):
        first, second = sorted((head(examples[one].car), head(examples[other].car)))
        group[second] = first
    return {car: head(car) for car in group}


def _small(photo: Path) -> NDArray[np.float32]:
    pixels = open_reduced(photo, lambda _: (4 * SIDE, 4 * SIDE)).pixels
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)


def _unit(small: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = small.reshape(len(small), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    # A photo of one colour is like no other.
    length = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3)
    return np.asarray(flat / length, np.float32)
