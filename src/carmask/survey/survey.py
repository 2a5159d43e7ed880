"""Look at every photo and mask of a data set: measure them, and note whatever is wrong."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.data.table import CarInfo, car_and_view, find_masks, find_photos, read_metadata, read_rle_csv
from carmask.errors import CarmaskError, DataError, PhotoError
from carmask.evaluation.contours import contour_length
from carmask.geometry import Size, resize
from carmask.images import read_mask, read_photo
from carmask.images.colour import to_lab
from carmask.prefetch import prefetch
from carmask.rle import rle_decode, rle_encode

#: Photos of each car of the challenge, one to a view.
VIEWS = 16
#: (height, width) of the mean masks and of the pictures on the sheets.
SMALL: Size = (214, 320)
#: Kinds of problem that are worth knowing, and not wrong.
REMARKS = frozenset({"at the edge"})
#: Colour of a contour drawn on a photo.
CONTOUR = (255, 64, 160)


class Problem(NamedTuple):
    """One thing that is wrong with the data.

    Attributes:
        kind: a short name: ``missing mask``, ``size``, ``not binary`` …
        where: the photo, mask, car or line it is about.
        what: what is wrong, in words.
    """

    kind: str
    where: str
    what: str


@dataclass(frozen=True)
class Facts:
    """What was measured of one photo and its mask.

    Attributes:
        name: the photo's stem.
        car: the car it shows.
        view: 1 to 16, or 0 where the name does not say.
        photo: the photo's file.
        mask: the mask's file; None where the masks come from a CSV.
        rle: the mask's run-length text.
        size: (height, width) of both.
        area: fraction of the photo that is car.
        contour: pixels of the contour.
        car_brightness: mean luma (ITU-R BT.601) of the car, 0 to 255; NaN without a car.
        background_brightness: the same of all else.
        car_colour: mean red, green, blue of the car.
        background_colour: the same of all else.
        difference: distance of the two mean colours in CIE L*a*b* (1976); NaN where one of them is missing.
        at_edge: whether the mask touches the edge of the picture.
    """

    name: str
    car: str
    view: int
    photo: Path
    mask: Path | None
    rle: str
    size: Size
    area: float
    contour: int
    car_brightness: float
    background_brightness: float
    car_colour: tuple[float, float, float]
    background_colour: tuple[float, float, float]
    difference: float
    at_edge: bool


@dataclass
class Survey:
    """All that was found in a data set.

    Attributes:
        facts: one for each photo with a good mask, sorted by name.
        problems: what is wrong.
        metadata: year, make and model by car; empty if the data set has no ``metadata.csv``.
        mean_masks: by view, the fraction of photos in which each pixel is car; float32 ``SMALL``.
        sheets: by car and view, the small photos with the contour drawn; uint8 (``*SMALL``, 3). Of some cars only.
        photos: how many photo files there are.
    """

    facts: list[Facts] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    metadata: Mapping[str, CarInfo] = field(default_factory=dict)
    mean_masks: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    sheets: dict[str, dict[int, Photo]] = field(default_factory=dict)
    photos: int = 0

    @property
    def cars(self) -> list[str]:
        """Names of the cars, sorted."""
        return sorted({one.car for one in self.facts})


class _Task(NamedTuple):
    name: str
    photo: Path
    mask: Path | None
    rle: str | None
    where: str
    sheet: bool


class _Seen(NamedTuple):
    facts: Facts
    photo_digest: bytes
    mask_digest: bytes
    small_mask: NDArray[np.float32]
    small_photo: Photo | None


def survey(data: Path, *, sheets: int = 40, progress: Callable[[int, int], None] | None = None) -> Survey:
    """Measure a data set. Whatever is wrong with single photos and masks is noted, and the rest goes on.

    Args:
        data: a folder with ``train/``, with ``train_masks/`` or ``train_masks.csv``, and perhaps ``metadata.csv``.
        sheets: how many cars to keep small photos of; they are spread evenly over the cars' names.
        progress: called with the number of photos done and of all.

    Returns:
        What was found.

    Raises:
        DataError: if a folder is missing or empty, or a CSV cannot be read.
    """
    photos = find_photos(data / "train")
    found = Survey(photos=len(photos))
    if (data / "metadata.csv").is_file():
        found.metadata = read_metadata(data / "metadata.csv")
    cars = sorted({car_and_view(name)[0] for name in photos})
    chosen = (
        {cars[i] for i in np.linspace(0, len(cars) - 1, min(sheets, len(cars))).round().astype(int)}
        if sheets
        else set()
    )
    tasks = _pair(data, photos, chosen, found.problems)
    digests: dict[str, dict[bytes, list[str]]] = {"photo": defaultdict(list), "mask": defaultdict(list)}
    sums: dict[int, NDArray[np.float64]] = {}
    for done, (task, looking) in enumerate(zip(tasks, prefetch(_look, tasks), strict=True), 1):
        try:
            seen = looking.result()
        except CarmaskError as error:
            found.problems.append(_problem(task, error))
        else:
            one = seen.facts
            found.facts.append(one)
            digests["photo"][seen.photo_digest].append(one.name)
            if one.area:
                digests["mask"][seen.mask_digest].append(one.name)
            sums.setdefault(one.view, np.zeros(SMALL))
            sums[one.view] += seen.small_mask
            if seen.small_photo is not None:
                found.sheets.setdefault(one.car, {})[one.view] = seen.small_photo
        if progress is not None:
            progress(done, len(tasks))
    counts = Counter(one.view for one in found.facts)
    found.mean_masks = {view: (total / counts[view]).astype(np.float32) for view, total in sorted(sums.items())}
    for kind, groups in digests.items():
        found.problems += [
            Problem(f"duplicate {kind}", names[0], f"the same {kind}, pixel by pixel, as {', '.join(names[1:])}")
            for names in groups.values()
            if len(names) > 1
        ]
    found.problems += _of_cars(found, photos)
    return found


def _pair(data: Path, photos: Mapping[str, Path], chosen: set[str], problems: list[Problem]) -> list[_Task]:
    masks: dict[str, Path] = {}
    runs: dict[str, tuple[int, str]] = {}
    if (data / "train_masks").is_dir():
        masks = find_masks(data / "train_masks")
    elif (data / "train_masks.csv").is_file():
        for line, (name, text) in enumerate(read_rle_csv(data / "train_masks.csv"), 2):
            stem = Path(name).stem
            if stem in runs:
                problems.append(Problem("double mask", f"train_masks.csv, line {line}", f"{name} has a row already"))
            runs.setdefault(stem, (line, text))
    else:
        raise DataError(f"{data}: has neither a folder train_masks/ nor a file train_masks.csv")
    known = masks.keys() | runs.keys()
    problems += [
        Problem("missing mask", path.name, "the photo has no mask")
        for name, path in photos.items()
        if name not in known
    ]
    problems += [
        Problem("missing photo", masks[name].name if name in masks else name, "the mask has no photo")
        for name in sorted(known - photos.keys())
    ]
    tasks = []
    for name, path in photos.items():
        if name in masks:
            tasks.append(_Task(name, path, masks[name], None, masks[name].name, car_and_view(name)[0] in chosen))
        elif name in runs:
            line, text = runs[name]
            where = f"train_masks.csv, line {line}"
            tasks.append(_Task(name, path, None, text, where, car_and_view(name)[0] in chosen))
    return tasks


def _look(task: _Task) -> _Seen:
    photo = read_photo(task.photo)
    size = photo.shape[0], photo.shape[1]
    mask = read_mask(task.mask) if task.mask is not None else rle_decode(task.rle or "", *size)
    if mask.shape != size:
        raise DataError(f"the mask is {mask.shape[1]}x{mask.shape[0]}, its photo {size[1]}x{size[0]}")
    small_mask = resize(mask.astype(np.float32), SMALL)
    return _Seen(
        _measure(task, photo, mask),
        _digest(photo),
        _digest(np.packbits(mask)),
        small_mask,
        outlined(resize(photo, SMALL), small_mask >= 0.5) if task.sheet else None,
    )


def _measure(task: _Task, photo: Photo, mask: Mask) -> Facts:
    car, view = car_and_view(task.name)
    inside = mask.view(np.uint8)
    area = int(np.count_nonzero(mask))
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))
    there, elsewhere = area > 0, area < mask.size
    colours = [
        tuple(float(v) for v in cv2.mean(photo, where)[:3]) if any_ else (float("nan"),) * 3
        for where, any_ in ((inside, there), (inside ^ 1, elsewhere))
    ]
    brightness = [
        float(cv2.mean(grey, where)[0]) if any_ else float("nan")
        for where, any_ in ((inside, there), (inside ^ 1, elsewhere))
    ]
    lab = to_lab(np.array(colours))
    edges = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return Facts(
        name=task.name,
        car=car,
        view=view,
        photo=task.photo,
        mask=task.mask,
        rle=task.rle if task.rle is not None else rle_encode(mask),
        size=(mask.shape[0], mask.shape[1]),
        area=area / mask.size,
        contour=contour_length(mask),
        car_brightness=brightness[0],
        background_brightness=brightness[1],
        car_colour=colours[0],  # type: ignore[arg-type]  # a tuple of three
        background_colour=colours[1],  # type: ignore[arg-type]
        difference=float(np.linalg.norm(lab[0] - lab[1])),
        at_edge=any(bool(edge.any()) for edge in edges),
    )


def outlined(photo: Photo, mask: Mask, colour: tuple[int, int, int] = CONTOUR, *, width: int = 1) -> Photo:
    """A copy of a photo with a mask's contour drawn along its inside.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        colour: red, green, blue.
        width: of the line, in pixels.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    drawn = photo.copy()
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=width)
    drawn[mask & (inner == 0)] = colour
    return drawn


def _of_cars(found: Survey, photos: Mapping[str, Path]) -> list[Problem]:
    problems = []
    by_car: dict[str, list[int]] = defaultdict(list)
    for name in photos:
        car, view = car_and_view(name)
        by_car[car].append(view)
    for car, views in by_car.items():
        if views == [0]:
            problems.append(Problem("name", car, "the name does not say car and view: <car>_<two digits>"))
        elif len(views) < VIEWS:
            absent = sorted(set(range(1, VIEWS + 1)) - set(views))
            numbers = ", ".join(f"{view:02d}" for view in absent)
            problems.append(Problem("views", car, f"{len(views)} of {VIEWS} views; missing: {numbers}"))
    if found.metadata:
        problems += [
            Problem("metadata", car, "not in metadata.csv") for car in sorted(by_car) if car not in found.metadata
        ]
    sizes = Counter(one.size for one in found.facts)
    if len(sizes) > 1:
        (height, width), _ = sizes.most_common(1)[0]
        problems += [
            Problem("size", one.name, f"{one.size[1]}x{one.size[0]}, where most photos are {width}x{height}")
            for one in found.facts
            if one.size != (height, width)
        ]
    problems += [Problem("empty mask", one.name, "no car in the mask") for one in found.facts if not one.area]
    problems += [
        Problem("at the edge", one.name, "the mask touches the edge of the photo") for one in found.facts if one.at_edge
    ]
    return problems


def _problem(task: _Task, error: CarmaskError) -> Problem:
    message = str(error)
    if "not a binary mask" in message:
        return Problem("not binary", task.where, message.partition(": ")[2])
    if isinstance(error, PhotoError):
        return Problem(
            "unreadable", task.where if task.mask and str(task.mask) in message else task.photo.name, message
        )
    return Problem("size" if isinstance(error, DataError) else "run-length text", task.where, message)


def _digest(array: Sequence[int] | NDArray[np.uint8]) -> bytes:
    pixels = np.ascontiguousarray(array)
    return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
