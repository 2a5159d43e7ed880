"""What the view network learns from: the challenge's cars, whose names say the view, and others labelled by eye."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.data.layouts import read_data
from carmask.data.table import Example
from carmask.errors import DataError
from carmask.geometry import resize
from carmask.images import open_photo, search_photos
from carmask.model.network import Network
from carmask.prediction.predict import predict
from carmask.training.kept import kept
from carmask.training.views.samples import CarCrop, crop_car
from carmask.words import counted

_Array = TypeVar("_Array", NDArray[np.uint8], NDArray[np.float32])

#: Photos are read at this longer side.
_SIDE = 640
#: Every so many pictures without a car.
_PICTURES = 6


class Label(NamedTuple):
    """The view of a photo, as a person saw it.

    Attributes:
        photo: path below the folder of all such photos, without suffix.
        view: 1 to 16.
    """

    photo: str
    view: int


def read_labels(file: Path | None = None) -> list[Label]:
    """Read a table ``photo,view``.

    Args:
        file: None for the one that the shipped network was trained with.

    Raises:
        DataError: if it is no such table.
    """
    file = Path(str(files("carmask.training.views") / "labels.csv")) if file is None else file
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    try:
        return [Label(row["photo"], int(row["view"])) for row in rows]
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{file}: not a table of photo,view") from error


class Crops:
    """Reads cars out of photos, and keeps them in a folder: the photos are large, and read but once."""

    def __init__(self, cache: Path, report: Callable[[str, int, int], None] = lambda *_: None) -> None:
        """Name the folder.

        Args:
            cache: made if it is missing.
            report: called with what is being read, how much of it is, and of how much.
        """
        cache.mkdir(parents=True, exist_ok=True)
        self._cache, self._report = cache, report

    def studio(self, data: Path, cars: Iterable[str]) -> list[CarCrop]:
        """Cars of the challenge, with their true masks, by name.

        Args:
            data: a data set whose names say the view.
            cars: which of them.

        Raises:
            DataError: if none of them is there.
        """
        wanted = set(cars)
        found = [one for one in read_data(data)[0] if one.car in wanted and one.view]
        if not found:
            raise DataError(f"{data}: none of {counted(len(wanted), 'car')} is there")
        crops = []
        for done, one in enumerate(found, 1):
            crop = self._kept(one.name, lambda one=one: _true_car(one))  # type: ignore[misc]
            if crop is not None:
                crops.append(CarCrop(crop, one.view, exact=True))
            self._report("studio photos", done, len(found))
        return crops

    def wild(self, root: Path, labels: list[Label], network: Network) -> list[CarCrop]:
        """Cars of other places, with the masks that a model gives them; photos that are not there are left out.

        Args:
            root: the folder that the labels' paths start from.
            labels: photos and their views.
            network: finds the cars.
        """
        crops = []
        for done, label in enumerate(labels, 1):
            paths = sorted(root.glob(f"{label.photo}.*"))
            crop = self._kept(label.photo, lambda paths=paths: _found_car(paths[0], network)) if paths else None  # type: ignore[misc]
            if crop is not None:
                crops.append(CarCrop(crop, label.view, exact=False))
            self._report("other photos", done, len(labels))
        return crops

    def _kept(self, name: str, make: Callable[[], NDArray[np.uint8] | None]) -> NDArray[np.uint8] | None:
        def made() -> NDArray[np.uint8]:
            crop = make()
            return np.zeros(0, np.uint8) if crop is None else crop  # no car: not looked for again

        crop = kept(self._cache, name, made)
        return crop if crop is not None and crop.size else None


def read_pictures(folder: Path) -> list[Photo]:
    """Some of the pictures below a folder, small.

    Raises:
        DataError: if there are none.
    """
    photos = sorted(search_photos(folder, recursive=True)[0])[::_PICTURES]
    if not photos:
        raise DataError(f"{folder}: no pictures")
    return [_small(open_photo(photo).pixels, 200) for photo in photos]


def _true_car(example: Example) -> NDArray[np.uint8] | None:
    photo, mask = open_photo(example.photo).pixels, example.read_mask().astype(np.uint8) * np.uint8(255)
    return crop_car(_small(photo, _SIDE), _small(mask, _SIDE))


def _found_car(path: Path, network: Network) -> NDArray[np.uint8] | None:
    photo = open_photo(path).pixels
    soft = predict(network, photo).probability_map.enlarged()
    return crop_car(_small(photo, _SIDE), np.rint(_small(soft, _SIDE) * 255).astype(np.uint8))


def _small(pixels: _Array, side: int) -> _Array:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    return resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))
