"""What the plate network learns from: photos of cars, with the corners of their plates in a table."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from carmask.arrays import Photo
from carmask.errors import DataError
from carmask.images import open_photo
from carmask.prediction.plates import INPUT, Corners
from carmask.training.kept import kept
from carmask.words import counted

#: The car's box has this size in a crop, (height, width), and so much of it is around it, as far as the photo goes.
CROP = (INPUT[0] * 5 // 4, INPUT[1] * 5 // 4)
AROUND = 0.14
_COLUMNS = ("left", "top", "right", "bottom", "x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4")


class PlateLabel(NamedTuple):
    """Where the car and its plate are in a photo, in fractions of its width and height.

    Attributes:
        photo: path below the folder of all such photos, without suffix.
        box: left, top, right, bottom of the car.
        corners: float32 (4, 2), x and y, from the upper left one clockwise; None where no plate is seen.
    """

    photo: str
    box: tuple[float, float, float, float]
    corners: Corners | None


class PlateCrop(NamedTuple):
    """A car and a little around it, stretched.

    Attributes:
        pixels: uint8 (height, width, 3), RGB.
        box: left, top, right, bottom of the car in pixels.
        corners: float32 (4, 2) of the plate in pixels; None where there is none.
        photo: its label's path.
    """

    pixels: Photo
    box: tuple[float, float, float, float]
    corners: Corners | None
    photo: str


def read_labels(file: Path | None = None) -> list[PlateLabel]:
    """Read a table ``photo,left,top,right,bottom,x1,y1,x2,y2,x3,y3,x4,y4``; empty corners say that no plate is seen.

    Args:
        file: None for the one that the shipped network was trained with.

    Raises:
        DataError: if it is no such table.
    """
    file = Path(str(files("carmask.training.plates") / "labels.csv")) if file is None else file
    labels = []
    with file.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            try:
                left, top, right, bottom = (float(row[name]) for name in _COLUMNS[:4])
                given = [float(row[name]) for name in _COLUMNS[4:] if row[name]]
                corners = np.array(given, np.float32).reshape(4, 2) if given else None
            except (KeyError, ValueError, TypeError) as error:
                raise DataError(f"{file}: line {number}: not a row of photo,{','.join(_COLUMNS)}") from error
            labels.append(PlateLabel(row["photo"], (left, top, right, bottom), corners))
    return labels


def read_crops(
    root: Path, labels: list[PlateLabel], cache: Path, report: Callable[[str, int, int], None] = lambda *_: None
) -> list[PlateCrop]:
    """Read the cars; photos that are not there are left out.

    Args:
        root: the folder that the labels' paths start from.
        labels: photos, cars and plates.
        cache: keeps the crops; made if it is missing.
        report: called with what is being read, how much of it is, and of how much.

    Raises:
        DataError: if none of the photos is there.
    """
    cache.mkdir(parents=True, exist_ok=True)
    crops = []
    for done, label in enumerate(labels, 1):
        crop = kept(cache, repr(label[:2]), functools.partial(_read, root, label))
        if crop is None:
            continue
        crops.append(_with_places(crop, label))
        report("photos", done, len(labels))
    if not crops:
        raise DataError(f"{root}: none of {counted(len(labels), 'photo')} is there")
    return crops


def _read(root: Path, label: PlateLabel) -> Photo | None:
    paths = sorted(root.glob(f"{label.photo}.*"))
    return _stretched(open_photo(paths[0]).pixels, label) if paths else None


def _shown(label: PlateLabel) -> tuple[float, float, float, float]:
    left, top, right, bottom = label.box
    across, down = AROUND * (right - left), AROUND * (bottom - top)
    return max(0.0, left - across), max(0.0, top - down), min(1.0, right + across), min(1.0, bottom + down)


def _stretched(photo: Photo, label: PlateLabel) -> Photo:
    height, width = photo.shape[:2]
    left, top, right, bottom = _shown(label)
    piece = photo[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    size = (
        round(CROP[1] * (right - left) / (label.box[2] - label.box[0])),
        round(CROP[0] * (bottom - top) / (label.box[3] - label.box[1])),
    )
    method = cv2.INTER_AREA if piece.shape[1] > size[0] else cv2.INTER_LINEAR
    return cv2.resize(piece, size, interpolation=method).astype(np.uint8, copy=False)


def _with_places(pixels: Photo, label: PlateLabel) -> PlateCrop:
    left, top, right, bottom = _shown(label)
    start = np.array([left, top])
    scale = np.array([pixels.shape[1] / (right - left), pixels.shape[0] / (bottom - top)])
    box = ((np.array(label.box).reshape(2, 2) - start) * scale).ravel().tolist()
    corners = None if label.corners is None else ((label.corners - start) * scale).astype(np.float32)
    return PlateCrop(pixels, (box[0], box[1], box[2], box[3]), corners, label.photo)
