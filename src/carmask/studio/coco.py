"""Part labels as files: index PNG, and COCO with run lengths (which, unlike polygons, keep holes).

COCO's uncompressed run lengths count column by column and begin with the background:
https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from carmask.errors import PhotoError
from carmask.images import write_atomically
from carmask.studio.parts import PARTS

# Neighbouring labels get hues that are far apart.
_COLOURS = [colorsys.hsv_to_rgb(i * 0.381966 % 1, 0.75, 0.6 + 0.4 * (i % 2)) for i in range(len(PARTS))]
#: A colour for each label, uint8 (labels, 3), RGB; the background is black.
PALETTE: NDArray[np.uint8] = (np.array([(0, 0, 0), *_COLOURS]) * 255).round().astype(np.uint8)


def write_labels(path: Path, labels: NDArray[np.uint8]) -> None:
    """Write part labels as a palette PNG whose indices are the labels.

    Args:
        path: where to; its folder must exist.
        labels: uint8 (height, width), 0 background, others as ``PARTS``.

    Raises:
        OutputError: if it cannot be written.
    """
    image = Image.fromarray(labels)
    image.putpalette(PALETTE.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Read what ``write_labels`` wrote.

    Returns:
        uint8 (height, width).

    Raises:
        PhotoError: if it cannot be read or is not an index PNG.
    """
    try:
        with Image.open(path) as image:
            if image.mode != "P":
                raise PhotoError(f"{path}: not an index PNG (its mode is {image.mode})")
            return np.asarray(image, np.uint8)
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise PhotoError(f"{path}: cannot be read: {error}") from error


def coco_of(pictures: Iterable[tuple[str, NDArray[np.uint8]]]) -> dict[str, Any]:
    """Describe labelled pictures in COCO's terms: one annotation for each part of each picture.

    Args:
        pictures: file name and labels, uint8 (height, width), of each.

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
    categories = [{"id": index, "name": name} for index, name in enumerate(PARTS, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's uncompressed run lengths of a mask, bool (height, width): background, part, background, …."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([changes, [flat.size]]) if flat.size else np.zeros(0, np.int64)
    lengths = np.diff(ends, prepend=0).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths
