"""COCO's shapes: polygons drawn as its own tools draw them, and run lengths (which, unlike polygons, keep holes).

Pixel (row r, column c) covers x from c to c + 1 and y from r to r + 1. COCO's uncompressed run lengths count column by
column and begin with the background: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.data.labels import Labels
from carmask.errors import DataError
from carmask.geometry import Size


def polygon_mask(corners: Sequence[float], size: Size) -> Mask:
    """Draw a polygon: the pixels whose centres lie inside it, by the even-odd rule.

    Args:
        corners: x, y, x, y, …; what lies outside the picture is cut off.
        size: (height, width).

    Returns:
        bool (height, width).
    """
    height, width = size
    start = np.asarray(corners, np.float64).reshape(-1, 2)
    end = np.roll(start, -1, axis=0)
    centres = np.arange(height) + 0.5
    edge, row = np.nonzero((start[:, 1, None] <= centres) != (end[:, 1, None] <= centres))
    along = (centres[row] - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + along * (end[edge, 0] - start[edge, 0])
    # The first pixel whose centre is not left of the crossing; each crossing changes inside to outside from there on.
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    changes = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    inside: Mask = np.cumsum(changes.astype(np.uint16), axis=1, dtype=np.uint16)[:, :width] % 2 == 1
    return inside


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's uncompressed run lengths of a mask, bool (height, width): background, part, background, …."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([changes, [flat.size]]) if flat.size else np.zeros(0, np.int64)
    lengths = np.diff(ends, prepend=0).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def runs_mask(counts: Sequence[int], size: Size) -> Mask:
    """The mask of COCO's uncompressed run lengths.

    Args:
        counts: pixels of background, part, background, … column by column.
        size: (height, width).

    Returns:
        bool (height, width).

    Raises:
        DataError: if they are negative or do not fill the picture exactly.
    """
    lengths = np.asarray(counts, np.int64)
    if (lengths.size and lengths.min() < 0) or int(lengths.sum()) != size[0] * size[1]:
        raise DataError(f"run lengths of {int(lengths.sum())} pixels in a picture of {size[1]}x{size[0]}")
    flat = np.repeat(np.arange(lengths.size) % 2 == 1, lengths)
    return flat.reshape(size, order="F")


def coco_of(pictures: Iterable[tuple[str, Labels]], names: Sequence[str]) -> dict[str, Any]:
    """Describe labelled pictures in COCO's terms: one annotation for each part of each picture.

    Args:
        pictures: file name and labels, uint8 (height, width), of each.
        names: of the labels from 1.

    Returns:
        The content of a COCO file: images, annotations, categories.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, labels) in enumerate(pictures, start=1):
        height, width = labels.shape
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for label in np.unique(labels[labels > 0]).tolist():
            mask = labels == label
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            x, y = int(columns[0]), int(rows[0])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": label,
                    "segmentation": {"size": [height, width], "counts": run_lengths(mask)},
                    "area": int(mask.sum()),
                    "bbox": [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1],
                    # Run lengths in COCO files go with this flag.
                    "iscrowd": 1,
                }
            )
    categories = [{"id": index, "name": name} for index, name in enumerate(names, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}
