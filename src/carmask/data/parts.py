"""Car parts: photos whose truth tells the parts of the car, in two forms.

* COCO: ``images/`` and ``annotations.json`` with ``images``, ``categories`` and ``annotations`` whose ``segmentation``
  is a list of polygons or uncompressed run lengths (https://cocodataset.org/#format-data). The DSMLR Car Parts data set
  is published so (Pasupa et al. 2021, https://doi.org/10.1007/s40747-021-00397-8). What ``carmask render --parts``
  wrote is read as well: ``train/`` and ``parts.json``.
* Index PNG: ``images/``, ``labels/NAME.png`` with a number for each pixel, and ``classes.txt``.

Arrays of the source are made into one of these by ``carmask.data.partsexport``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carmask.arrays import Mask
from carmask.data.classes import BACKGROUND, CLASSES, Classes, read_classes
from carmask.data.coco import polygon_mask, runs_mask
from carmask.data.labels import Labels, read_labels
from carmask.data.table import Example, car_and_view, find_masks, find_photos
from carmask.errors import DataError
from carmask.geometry import Size

ANNOTATIONS = "annotations.json"
#: What ``carmask render --parts`` calls the same.
RENDERED_ANNOTATIONS = "parts.json"
LABELS = "labels"
#: Corners may lie this many pixels outside the picture: people draw along its edge, and not to the pixel.
OUTSIDE = 2.0


@dataclass(frozen=True)
class Shape:
    """One annotation's pixels.

    Attributes:
        label: of the part, from 1.
        polygons: corners as x, y, x, y, … of each polygon.
        runs: COCO's run lengths, where there are no polygons.
    """

    label: int
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()

    def mask(self, size: Size) -> Mask:
        """Draw it: bool (height, width)."""
        if self.runs:
            return runs_mask(self.runs, size)
        drawn = np.zeros(size, np.bool_)
        for polygon in self.polygons:
            drawn |= polygon_mask(polygon, size)
        return drawn


@dataclass(frozen=True)
class PartsExample(Example):
    """A photo whose truth tells the parts of the car.

    Attributes:
        shapes: the annotations in the order they are drawn; those of index PNG files have none.
        size: (height, width) that the shapes are drawn in.
        classes: what the values of an index PNG mean.
    """

    shapes: tuple[Shape, ...] = ()
    size: Size = (0, 0)
    classes: Classes | None = None

    def read_labels(self) -> Labels:
        """Draw the shapes, later ones on top, or read the index PNG.

        Returns:
            uint8 (height, width): 0 background, else the number of the part, from 1.

        Raises:
            PhotoError: if the PNG cannot be read.
            DataError: if it holds a value that is no class.
        """
        if self.mask is not None and self.classes is not None:
            return self.classes.labels_of(read_labels(self.mask), self.mask)
        labels = np.zeros(self.size, np.uint8)
        for shape in self.shapes:
            labels[shape.mask(self.size)] = shape.label
        return labels

    def read_mask(self) -> Mask:
        """All parts together: bool (height, width)."""
        return self.read_labels() > 0


def is_parts(data: Path) -> bool:
    """Whether a folder is a data set of parts."""
    return (data / ANNOTATIONS).is_file() or (data / LABELS).is_dir()


def read_parts(data: Path) -> tuple[list[PartsExample], tuple[str, ...]]:
    """Read a data set of parts.

    Args:
        data: a folder of one of the forms above.

    Returns:
        The examples, sorted by name, and the names of the parts: label n is the n-th, counted from 1. A photo whose
        name is ``<car>_<view>`` belongs to that car; others are cars of their own.

    Raises:
        DataError: if a file is missing or is not what it should be; the message names the first fault.
        PhotoError: if a picture of labels cannot be read.
    """
    if (data / ANNOTATIONS).is_file():
        return _read_coco(data / ANNOTATIONS, data / "images")
    if (data / LABELS).is_dir():
        return _read_index(data)
    if (data / RENDERED_ANNOTATIONS).is_file():
        return _read_coco(data / RENDERED_ANNOTATIONS, data / "train")
    raise DataError(f"{data}: not a data set of parts: it has neither {ANNOTATIONS} nor {LABELS}/ with {CLASSES}")


def _read_index(data: Path) -> tuple[list[PartsExample], tuple[str, ...]]:
    classes = read_classes(data / CLASSES)
    photos, files = find_photos(data / "images"), find_masks(data / LABELS)
    lacking = [name for name in photos if name not in files]
    if lacking:
        raise DataError(f"{data}: {len(lacking)} of {len(photos)} photos have no labels, the first is {lacking[0]}")
    widowed = [name for name in files if name not in photos]
    if widowed:
        raise DataError(f"{data}: {len(widowed)} pictures of labels have no photo, the first is {widowed[0]}")
    examples = [
        PartsExample(name, photo, files[name], None, *car_and_view(name), classes=classes)
        for name, photo in photos.items()
    ]
    return examples, classes.names


def _read_coco(file: Path, folder: Path) -> tuple[list[PartsExample], tuple[str, ...]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{file}: not JSON: {error}") from error
    photos = {path.name: path for path in find_photos(folder).values()}
    try:
        categories = {str(one["id"]): str(one["name"]) for one in content["categories"]}
        names = tuple(name for name in categories.values() if name not in BACKGROUND)
        label_of = {key: names.index(name) + 1 if name in names else 0 for key, name in categories.items()}
        sizes = {str(one["id"]): (int(one["height"]), int(one["width"])) for one in content["images"]}
        shapes = _shapes(file, content["annotations"], label_of, sizes)
        examples = [_example(file, image, photos, shapes.get(str(image["id"]), ())) for image in content["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: not COCO annotations: {type(error).__name__} {error}") from error
    if not names or len(names) > 255 or len(set(names)) < len(names):
        raise DataError(f"{file}: {len(names)} parts; there must be 1 to 255, each with a name of its own")
    return sorted(examples, key=lambda example: example.name), names


def _shapes(
    file: Path, annotations: Iterable[Mapping[str, Any]], label_of: Mapping[str, int], sizes: Mapping[str, Size]
) -> dict[str, tuple[Shape, ...]]:
    found: dict[str, list[Shape]] = {}
    for number, annotation in enumerate(annotations, 1):
        image, category = str(annotation["image_id"]), str(annotation["category_id"])
        where = f"{file}: annotation {annotation.get('id', number)} of image {image}"
        if image not in sizes:
            raise DataError(f"{where}: there is no image of this number")
        if category not in label_of:
            raise DataError(f"{where}: category {category} is not among the categories ({', '.join(label_of)})")
        given = annotation["segmentation"]
        # Some tools write lists as text.
        shape = _shape(where, label_of[category], json.loads(given) if isinstance(given, str) else given, sizes[image])
        found.setdefault(image, []).append(shape)
    return {image: tuple(shapes) for image, shapes in found.items()}


def _shape(where: str, label: int, given: Any, size: Size) -> Shape:
    if isinstance(given, dict):
        if not isinstance(given["counts"], list):
            raise DataError(f"{where}: compressed run lengths; write them as a list of numbers, or polygons")
        try:
            runs_mask(given["counts"], size)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        return Shape(label, runs=tuple(int(count) for count in given["counts"]))
    polygons = tuple(tuple(float(value) for value in polygon) for polygon in given)
    for polygon in polygons:
        _check_polygon(where, polygon, size)
    return Shape(label, polygons)


def _check_polygon(where: str, polygon: Sequence[float], size: Size) -> None:
    if len(polygon) < 6 or len(polygon) % 2:
        raise DataError(f"{where}: a polygon has {len(polygon)} numbers; three corners or more have x and y each")
    for x, y in zip(polygon[::2], polygon[1::2], strict=True):
        # Written so that NaN fails.
        if not (-OUTSIDE <= x <= size[1] + OUTSIDE and -OUTSIDE <= y <= size[0] + OUTSIDE):
            raise DataError(f"{where}: a corner at ({x:g}, {y:g}) lies outside the picture of {size[1]}x{size[0]}")


def _example(
    file: Path, image: Mapping[str, Any], photos: Mapping[str, Path], shapes: tuple[Shape, ...]
) -> PartsExample:
    name = Path(str(image["file_name"])).name
    if name not in photos:
        raise DataError(f"{file}: {name} is annotated, but not among the photos")
    stem = Path(name).stem
    size = (int(image["height"]), int(image["width"]))
    return PartsExample(stem, photos[name], None, None, *car_and_view(stem), shapes=shapes, size=size)
