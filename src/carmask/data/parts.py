"""Car parts: photos with a polygon for each part, in COCO's form.

The layout: ``images/`` and ``annotations.json`` with ``images``, ``categories`` and ``annotations`` whose
``segmentation`` is a list of polygons (https://cocodataset.org/#format-data). The DSMLR Car Parts data set is published
so (Pasupa et al. 2021, https://doi.org/10.1007/s40747-021-00397-8).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.data.table import Example, find_photos
from carmask.errors import DataError

ANNOTATIONS = "annotations.json"
#: Categories of this name are what no polygon covers.
BACKGROUND = frozenset({"_background_", "background"})


@dataclass(frozen=True)
class PartsExample(Example):
    """A photo whose truth tells the parts of the car.

    Attributes:
        polygons: (label, corners as x, y, x, y, …) in the order they are drawn; labels count from 1.
        size: (height, width) that the polygons are drawn in.
    """

    polygons: tuple[tuple[int, tuple[float, ...]], ...] = ()
    size: tuple[int, int] = (0, 0)

    def read_labels(self) -> NDArray[np.uint8]:
        """Draw the polygons.

        Returns:
            uint8 (height, width): 0 background, else the number of the part, from 1.
        """
        labels = np.zeros(self.size, np.uint8)
        for label, corners in self.polygons:
            # COCO's coordinates have pixel centres at halves, OpenCV's at whole numbers; 4 bits of fraction.
            points = ((np.array(corners, np.float64).reshape(-1, 2) - 0.5) * 16).round().astype(np.int32)
            cv2.fillPoly(labels, [points], label, shift=4)
        return labels

    def read_mask(self) -> Mask:
        """All parts together: bool (height, width)."""
        return self.read_labels() > 0


def is_parts(data: Path) -> bool:
    """Whether a folder is a data set of parts."""
    return (data / ANNOTATIONS).is_file()


def read_parts(data: Path) -> tuple[list[PartsExample], tuple[str, ...]]:
    """Read a data set of parts; each photo is taken as a car of its own.

    Args:
        data: a folder with ``images/`` and ``annotations.json``.

    Returns:
        The examples, sorted by name, and the names of the parts: label n is the n-th, counted from 1.

    Raises:
        DataError: if a file is missing or is not what it should be; the message names the first fault.
    """
    file = data / ANNOTATIONS
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{file}: not JSON: {error}") from error
    photos = {path.name: path for path in find_photos(data / "images").values()}
    try:
        parts = [c for c in content["categories"] if c["name"] not in BACKGROUND]
        label_of = {str(part["id"]): label for label, part in enumerate(parts, start=1)}
        drawn = _polygons(content["annotations"], label_of)
        examples = [_example(image, photos, drawn.get(str(image["id"]), ())) for image in content["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: not COCO annotations with polygons: {type(error).__name__} {error}") from error
    if not parts or len(parts) > 255:
        raise DataError(f"{file}: {len(parts)} parts; there must be 1 to 255")
    return sorted(examples, key=lambda example: example.name), tuple(part["name"] for part in parts)


def _polygons(
    annotations: list[Mapping[str, Any]], label_of: Mapping[str, int]
) -> dict[str, tuple[tuple[int, tuple[float, ...]], ...]]:
    found: dict[str, list[tuple[int, tuple[float, ...]]]] = {}
    for annotation in annotations:
        # Some tools write lists as text.
        given = annotation["segmentation"]
        polygons = json.loads(given) if isinstance(given, str) else given
        for polygon in polygons:
            corners = tuple(float(value) for value in polygon)
            if len(corners) < 6 or len(corners) % 2:
                raise ValueError(f"a polygon of image {annotation['image_id']} has {len(corners)} numbers")
            found.setdefault(str(annotation["image_id"]), []).append(
                (label_of[str(annotation["category_id"])], corners)
            )
    return {image: tuple(polygons) for image, polygons in found.items()}


def _example(
    image: Mapping[str, Any], photos: Mapping[str, Path], polygons: tuple[tuple[int, tuple[float, ...]], ...]
) -> PartsExample:
    name = Path(str(image["file_name"])).name
    if name not in photos:
        raise DataError(f"{name}: annotated, but not among the photos")
    stem = Path(name).stem
    size = (int(image["height"]), int(image["width"]))
    return PartsExample(stem, photos[name], None, None, car=stem, view=0, polygons=polygons, size=size)
