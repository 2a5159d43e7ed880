"""Find a data set's photos and pair each with its mask, car and view.

The layout is the challenge's: ``train/<car>_<view>.jpg`` with ``train_masks/<car>_<view>_mask.gif`` or, in place of
that folder, ``train_masks.csv`` (``img,rle_mask``). Other picture formats do as well.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.content import digest_bytes, digest_file
from carmask.formats.csv_file import find_csv, open_csv
from carmask.formats.csv_text import CsvRow, csv_rows
from carmask.formats.listing import composed, find_masks, find_photos
from carmask.formats.rle import rle_decode
from carmask.formats.rle_table import find_mask_table, read_rle_table
from carmask.geometry import Size
from carmask.images import picture_size, read_mask
from carmask.words import by_number, counted

_CAR_AND_VIEW = re.compile(r"(?P<car>.+)_(?P<view>\d{2})", re.DOTALL)
#: What cameras and people who number their photos write before the number: it names no car.
_CAMERA = re.compile(
    r"(img|image|imgp|dsc[nf]?|_mg|pict?|picture|photo|foto|bild|gopr|dji|pxl|mvimg|p(?=\d{6}))[\d_ -]*", re.IGNORECASE
)

#: How Roboflow calls an image of its exports: the photo's name, its suffix and a hash. Augmented, one photo is several.
_ROBOFLOW = re.compile(r"(?P<photo>.+?)(_(jpe?g|png|webp|bmp|tiff?|heic|avif))?\.rf\.[0-9a-z]{16,}", re.I | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One photo with its true mask.

    Attributes:
        name: the photo's stem, ``<car>_<view>``.
        photo: the photo's file.
        mask: the mask's file, or None where ``rle`` holds it.
        rle: the mask's run-length text, in the photo's frame.
        car: the car it shows; the name itself where that has not the form ``<car>_<view>``.
        view: 1 to 16, or 0 where the name does not say.
        threshold: for grey masks, see ``read_mask``.
    """

    name: str
    photo: Path
    mask: Path | None
    rle: str | None
    car: str
    view: int
    threshold: int | None = None

    def read_mask(self) -> Mask:
        """Read or decode the true mask.

        Returns:
            bool (height, width).

        Raises:
            DataError: if the photo has none.
            PhotoError: if the file cannot be read, or is not binary.
            RLEError: if the run-length text does not fit the photo.
        """
        if self.mask is not None:
            return read_mask(self.mask, self.threshold)
        if self.rle is None:
            raise DataError(f"{self.name}: the data set has no mask of this photo")
        height, width = picture_size(self.photo)
        return rle_decode(self.rle, height, width)

    def read_mask_of(self, size: Size) -> Mask:
        """Read the true mask of the photo, which is of this (height, width); see ``read_mask``.

        Raises:
            DataError: if the mask has another size.
        """
        mask = self.read_mask()
        self.check_size(mask, size)
        return mask

    def check_size(self, truth: NDArray[Any], size: Size) -> None:
        """Refuse a true mask, or true labels, of another size than the photo's (height, width).

        Raises:
            DataError: it names the mask.
        """
        if truth.shape != size:
            raise DataError(
                f"{self.mask or self.name}: the mask is {truth.shape[1]}x{truth.shape[0]}, its photo "
                f"{size[1]}x{size[0]}"
            )

    def fingerprint(self) -> str:
        """What changes when the truth does: the run-length text, or the mask's file and time; and the threshold."""
        truth = self.rle or (f"{self.mask}:{self.mask.stat().st_mtime_ns}" if self.mask else "")
        return truth if self.threshold is None else f"{truth}:{self.threshold}"

    def digest(self) -> str:
        """What changes when the truth does, the same wherever its files lie and whenever these were written."""
        runs = (self.rle or "").encode("utf-8", "surrogateescape")
        truth = digest_bytes(runs) if self.mask is None else digest_file(self.mask)
        return truth if self.threshold is None else f"{truth}:{self.threshold}"


@dataclass(frozen=True)
class CarInfo:
    """A row of ``metadata.csv``."""

    year: str
    make: str
    model: str
    trim1: str
    trim2: str


def car_and_view(name: str) -> tuple[str, int]:
    """Split ``<car>_<view>`` (two digits).

    A name of another form is a car of its own, view 0; so is a camera's number, such as ``IMG_0001``, ``DSC_07`` or
    ``photo_12``: photos that are numbered one after the other are not views of one car. Copies of one photo that
    Roboflow has augmented are of one car, whatever that one's name is.
    """
    if copy := _ROBOFLOW.fullmatch(name):
        name = copy["photo"]
    found = _CAR_AND_VIEW.fullmatch(name)
    return (found["car"], int(found["view"])) if found and not _CAMERA.fullmatch(found["car"]) else (name, 0)


def read_examples(data: Path, *, complete: bool = True) -> list[Example]:
    """Pair the photos of a data set with their masks.

    Args:
        data: a folder with ``train/``, and ``train_masks/`` or ``train_masks.csv``.
        complete: refuse photos without a mask; without it they are examples whose mask cannot be read.

    Returns:
        One example for each photo, sorted by name.

    Raises:
        DataError: if a folder is missing or empty, a photo has no mask, or a CSV has two rows for one.
    """
    photos = find_photos(data / "train")
    masks: dict[str, Path] = {}
    runs: dict[str, str] = {}
    if (data / "train_masks").is_dir():
        masks = find_masks(data / "train_masks")
    elif (table := find_mask_table(data)) is not None:
        runs = {stem: row.text for stem, row in read_rle_table(table).by_stem().items()}
    else:
        raise DataError(f"{data}: has neither a folder train_masks/ nor a file train_masks.csv")
    if complete:
        require_masks(data, list(photos), masks.keys() | runs.keys())
    return [
        Example(name, photo, masks.get(name), runs.get(name), *car_and_view(name)) for name, photo in photos.items()
    ]


def require_masks(data: Path, photos: Sequence[str], masks: Container[str]) -> None:
    """Refuse a data set in which a photo has no mask.

    Args:
        data: the data set, for messages.
        photos: their names.
        masks: names of the photos that have one.

    Raises:
        DataError: how many have none, and the first.
    """
    lacking = [name for name in photos if name not in masks]
    if lacking:
        raise DataError(
            f"{data}: {len(lacking)} of {counted(len(photos), 'photo')} "
            f"{by_number(len(lacking), 'has', 'have')} no mask, the first is {lacking[0]}"
        )


def find_metadata(data: Path) -> Path | None:
    """The ``metadata.csv`` of a data set, plain or compressed; None if it has none."""
    return find_csv(data, "metadata")


def read_metadata(file: Path) -> dict[str, CarInfo]:
    """Read the challenge's ``metadata.csv`` (``id,year,make,model,trim1,trim2``).

    Args:
        file: a CSV, or one that is compressed by gzip or zip.

    Returns:
        What is known of each car, by its id.

    Raises:
        DataError: if the file cannot be read, lacks a column, has two rows for a car, or ends in a quoted cell.
    """
    found: dict[str, CarInfo] = {}
    lines: dict[str, int] = {}
    try:
        with open_csv(file) as (stream, _):
            rows = (row for row in csv_rows(stream) if row.cells)
            header = next(rows, CsvRow(1, [])).cells
            for line, cells in rows:
                row = dict(zip(header, [*cells, *[""] * len(header)], strict=False))
                car = composed(row["id"])
                if lines.setdefault(car, line) != line:
                    raise DataError(f"{file}: line {line}: {car} has a row already, in line {lines[car]}")
                found[car] = CarInfo(*(row[name] for name in ("year", "make", "model", "trim1", "trim2")))
    except (csv.Error, KeyError) as error:
        raise DataError(f"{file}: not a table with id,year,make,model,trim1,trim2 ({error})") from error
    return found


def read_cars(file: Path) -> tuple[str, ...]:
    """Read a list of cars, one name a line; blank lines and lines that begin with ``#`` are skipped.

    Raises:
        DataError: if the file cannot be read or names no car.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as a list of cars: {error}") from error
    cars = tuple(composed(line) for line in lines if line and not line.startswith("#"))
    if not cars:
        raise DataError(f"{file}: names no car; write one a line")
    return cars


def of_cars(examples: Sequence[Example], cars: Iterable[str]) -> list[Example]:
    """Keep the examples of these cars.

    Raises:
        DataError: if a car has no photo among the examples.
    """
    wanted = set(cars)
    absent = sorted(wanted - {example.car for example in examples})
    if absent:
        raise DataError(
            f"{len(absent)} of {counted(len(wanted), 'car')} {by_number(len(absent), 'has', 'have')} no photo "
            f"in the data, the first is {absent[0]}"
        )
    return [example for example in examples if example.car in wanted]


def sample(examples: Sequence[Example], count: int) -> list[Example]:
    """Some examples, evenly from the first to the last: of all cars and of all views; each once.

    Args:
        examples: what to choose from.
        count: how many; all of them if there are no more.
    """
    if not examples:
        return []
    # One step more than a whole number of cars at a time: the sample goes through the cars and through the views.
    step = len(examples) // max(1, count) + 1
    # A step that shares a factor with the number of examples comes back to the first one too early.
    while len(examples) // math.gcd(step, len(examples)) < min(count, len(examples)):
        step += 1
    return list(dict.fromkeys(examples[index * step % len(examples)] for index in range(count)))
