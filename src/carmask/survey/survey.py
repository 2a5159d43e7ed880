"""Go through every photo and mask of a data set: measure them, and note whatever is wrong."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.data.layouts import find_layout, list_pairs, read_data
from carmask.data.table import CarInfo, Example, car_and_view, find_metadata, read_metadata
from carmask.errors import DataError, PhotoError, RLEError
from carmask.failures import Failure, describe_failure
from carmask.formats.listing import file_stem, find_masks, find_photos
from carmask.formats.rle_table import RleRow, find_mask_table, read_rle_table
from carmask.geometry import Size, resize
from carmask.images import read_photo
from carmask.prefetch import prefetch
from carmask.survey.facts import Facts, measure_photo
from carmask.survey.problems import Problem, duplicate_problems, mask_problems, name_problems

#: (height, width) of the mean masks and of the pictures on the sheets.
SMALL: Size = (214, 320)


class SmallView(NamedTuple):
    """A photo and its mask, made small for a sheet: uint8 (``*SMALL``, 3), RGB, and bool ``SMALL``."""

    photo: Photo
    mask: Mask


@dataclass
class Survey:
    """All that was found in a data set.

    Attributes:
        facts: one for each photo with a good mask, sorted by name.
        problems: what is wrong.
        metadata: year, make and model by car; empty if the data set has no ``metadata.csv``.
        mean_masks: by view, the fraction of photos in which each pixel is car; float32 ``SMALL``.
        sheets: by car and view, the small photos and masks. Of some cars only.
        photos: how many photo files there are.
        failures: photos that could not be measured; each is among the problems, too.
    """

    facts: list[Facts] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    metadata: Mapping[str, CarInfo] = field(default_factory=dict)
    mean_masks: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    sheets: dict[str, dict[int, SmallView]] = field(default_factory=dict)
    photos: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def cars(self) -> list[str]:
        """Names of the cars, sorted."""
        return sorted({one.car for one in self.facts})


class _Task(NamedTuple):
    """A photo to measure; ``where`` its mask is, for messages, and whether it goes on a sheet."""

    example: Example
    where: str
    sheet: bool


class _Measured(NamedTuple):
    facts: Facts
    photo_digest: bytes
    mask_digest: bytes
    small_mask: NDArray[np.float32]
    small_photo: Photo | None


def survey(
    data: Path,
    *,
    sheets: int = 40,
    layout: str | None = None,
    mask_threshold: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Measure a data set. Whatever is wrong with single photos and masks is noted, and the others are measured.

    Args:
        data: a folder in one of the layouts of ``data.layouts``, and perhaps with ``metadata.csv``.
        sheets: how many cars to keep small photos of; they are spread evenly over the cars' names.
        layout: the name of the layout; found out if it is None.
        mask_threshold: for grey and JPEG masks: values from this one up are car.
        progress: called with the number of photos done and of all.

    Returns:
        What was found.

    Raises:
        UsageError: if there is no such layout.
        DataError: if a folder is missing or empty, or a CSV cannot be read.
    """
    found = Survey()
    examples, where, names = _list(data, find_layout(data, layout), mask_threshold, found)
    if (metadata := find_metadata(data)) is not None:
        found.metadata = read_metadata(metadata)
    cars = sorted({example.car for example in examples})
    chosen = (
        {cars[i] for i in np.linspace(0, len(cars) - 1, min(sheets, len(cars))).round().astype(int)}
        if sheets
        else set()
    )
    tasks = [_Task(example, where[example.name], example.car in chosen) for example in examples]
    collected = _Collected()
    for done, (task, measuring) in enumerate(zip(tasks, prefetch(_measure, tasks), strict=True), 1):
        try:
            measured = measuring.result()
        except Exception as error:  # noqa: BLE001  # whatever one photo raises, the others go on
            found.failures.append(describe_failure(task.example.photo.name, error))
            found.problems.append(_problem(task, error))
        else:
            collected.add(measured)
            one = measured.facts
            found.facts.append(one)
            if measured.small_photo is not None:
                small = SmallView(measured.small_photo, measured.small_mask >= 0.5)
                found.sheets.setdefault(one.car, {})[one.view] = small
        if progress is not None:
            progress(done, len(tasks))
    found.mean_masks = collected.mean_masks()
    for kind, groups in collected.digests.items():
        found.problems += duplicate_problems(kind, groups.values())
    found.problems += name_problems(names, found.metadata) + mask_problems(found.facts)
    return found


class _Collected:
    """What all photos together show: which are alike, and where their masks lie."""

    def __init__(self) -> None:
        self.digests: dict[str, dict[bytes, list[str]]] = {"photo": defaultdict(list), "mask": defaultdict(list)}
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._counts: Counter[int] = Counter()

    def add(self, measured: _Measured) -> None:
        one = measured.facts
        self.digests["photo"][measured.photo_digest].append(one.name)
        if one.area:  # empty masks are all alike
            self.digests["mask"][measured.mask_digest].append(one.name)
        self._sums.setdefault(one.view, np.zeros(SMALL))
        self._sums[one.view] += measured.small_mask
        self._counts[one.view] += 1

    def mean_masks(self) -> dict[int, NDArray[np.float32]]:
        """By view, in their order."""
        return {view: (total / self._counts[view]).astype(np.float32) for view, total in sorted(self._sums.items())}


def _list(
    data: Path, layout: str, threshold: int | None, found: Survey
) -> tuple[list[Example], dict[str, str], list[str]]:
    """The photos that have a mask, and where each mask is; what has no partner is a problem.

    The names are those of all photos, and of masks without one that are of the same cars: a view of which one half is
    missing is no missing view besides.
    """
    pairs = list_pairs(data, layout)
    if layout == "carvana":
        photos = find_photos(data / "train")
        masks, texts, where = _carvana_masks(data, found.problems)
    elif pairs is not None:
        photos, masks, texts = dict(pairs.photos), dict(pairs.masks), {}
        where = {name: file.name for name, file in masks.items()}
    else:
        examples = read_data(data, layout=layout, mask_threshold=threshold)[0]
        found.photos = len(examples)
        where = {one.name: one.mask.name if one.mask else one.photo.name for one in examples}
        return examples, where, list(where)
    found.photos = len(photos)
    known = masks.keys() | texts.keys()
    found.problems += [
        Problem("missing mask", path.name, "the photo has no mask")
        for name, path in photos.items()
        if name not in known
    ]
    found.problems += [
        Problem("missing photo", masks[name].name if name in masks else name, "the mask has no photo")
        for name in sorted(known - photos.keys())
    ]
    examples = [
        Example(name, photo, masks.get(name), texts.get(name), *car_and_view(name), threshold=threshold)
        for name, photo in photos.items()
        if name in known
    ]
    cars = {car_and_view(name)[0] for name in photos}
    alone = [name for name in known - photos.keys() if car_and_view(name)[0] in cars]
    return examples, where, [*photos, *alone]


def _carvana_masks(data: Path, problems: list[Problem]) -> tuple[dict[str, Path], dict[str, str], dict[str, str]]:
    """Files or texts of the masks by the photo's name, and where each is."""
    if (data / "train_masks").is_dir():
        masks = find_masks(data / "train_masks")
        return masks, {}, {name: file.name for name, file in masks.items()}
    table = find_mask_table(data)
    if table is None:
        raise DataError(f"{data}: has neither a folder train_masks/ nor a file train_masks.csv")
    rows: dict[str, RleRow] = {}
    for row in read_rle_table(table).rows:
        first = rows.setdefault(file_stem(row.name), row)
        if first is not row:
            told = f"{row.name} has a row already, in line {first.line}"
            problems.append(Problem("double mask", f"{table.name}, line {row.line}", told))
    texts = {name: row.text for name, row in rows.items()}
    return {}, texts, {name: f"{table.name}, line {row.line}" for name, row in rows.items()}


def _measure(task: _Task) -> _Measured:
    example = task.example
    photo, mask = read_photo(example.photo), example.read_mask()
    size = photo.shape[0], photo.shape[1]
    if mask.shape != size:
        raise DataError(f"the mask is {mask.shape[1]}x{mask.shape[0]}, its photo {size[1]}x{size[0]}")
    return _Measured(
        measure_photo(example.name, (example.photo, example.mask), photo, mask, rle=example.rle),
        _digest(photo),
        _digest(np.packbits(mask)),
        resize(mask.astype(np.float32), SMALL),
        resize(photo, SMALL) if task.sheet else None,
    )


def _problem(task: _Task, error: Exception) -> Problem:
    message = str(error)
    if "not a binary mask" in message:
        return Problem("not binary", task.where, message.partition(": ")[2])
    if isinstance(error, RLEError):
        return Problem("run-length text", task.where, message)
    if isinstance(error, DataError):
        return Problem("size", task.where, message)
    of_mask = task.example.mask is not None and str(task.example.mask) in message
    where = task.where if of_mask else task.example.photo.name
    return Problem(
        "unreadable", where, message if isinstance(error, PhotoError) else describe_failure(where, error).reason
    )


def _digest(array: NDArray[np.uint8]) -> bytes:
    pixels = np.ascontiguousarray(array)
    return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
