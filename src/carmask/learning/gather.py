"""Bring corrected masks together, from output folders and data sets, as one data set with a name for each vehicle."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from carmask.batch.corrections import Corrections
from carmask.batch.measured import read_measured, vehicles
from carmask.batch.names import MANIFEST, STATE
from carmask.data.layouts import read_data
from carmask.data.split import Split, split_cars
from carmask.data.table import Example, read_examples
from carmask.errors import DataError, OutputError, UsageError
from carmask.images import encode_mask, make_folder, picture_size, read_mask, write_atomically
from carmask.words import counted

#: The part of the vehicles that is held out, and the fewest that must be, and that must be left to train on.
HOLD_OUT, LEAST_HELD, LEAST_TRAINED = 1 / 3, 3, 2
#: So many are held out if half of the vehicles are enough for that: fewer tell only large gains from chance.
ENOUGH_HELD = 6
#: Views of a vehicle that the names of its photos have room for; more are left out, and said.
_VIEWS = 99


class Pair(NamedTuple):
    """A photo with its corrected mask, before it is copied.

    Attributes:
        name: of the photo where it comes from.
        vehicle: that it shows, with where it comes from.
        photo: its file.
        mask: the mask as PNG.
    """

    name: str
    vehicle: str
    photo: Path
    mask: bytes


class Gathered(NamedTuple):
    """A data set of corrected photos.

    Attributes:
        folder: with ``train/`` and ``train_masks/``.
        split: its vehicles: to train on, and held out.
        names: where each photo comes from, by its name in the data set.
        problems: photos that could not be used, one line each.
    """

    folder: Path
    split: Split
    names: dict[str, str]
    problems: tuple[str, ...]

    def examples(self, vehicles: Sequence[str]) -> list[Example]:
        """Its photos of these vehicles."""
        wanted = set(vehicles)
        return [one for one in read_examples(self.folder) if one.car in wanted]


def gather(
    sources: Sequence[Path], folder: Path, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Gathered:
    """Copy corrected photos and their masks into one data set, and split it by vehicle.

    Args:
        sources: output folders of ``cut`` with corrected masks, and data sets as ``read_data`` takes them.
        folder: to write to.
        seed: of the split.
        progress: called with the number of photos copied and of all.

    Returns:
        The data set. The same photo from two sources is taken once, with the later source's mask.

    Raises:
        UsageError: if nothing was corrected in an output folder.
        DataError: if a source is none of both, or there are too few vehicles to hold some out.
        PhotoError: if what a file holds is no photo or mask.
        OutputError: if it cannot be written.
    """
    if not sources:
        raise UsageError("no corrected photos are given", argument="sources")
    found: dict[str, Pair] = {}
    problems: list[str] = []
    for number, source in enumerate(sources):
        pairs = _of_run(source, problems) if (source / STATE / MANIFEST).is_file() else _of_data(source)
        for pair in pairs:
            try:
                content = pair.photo.read_bytes()
            except OSError as error:
                problems.append(f"{pair.photo}: cannot be read: {error.strerror or error}")
                continue
            if picture_size(pair.photo, content) != read_mask(pair.photo, content=pair.mask).shape:
                problems.append(f"{pair.photo}: the photo and its mask differ in size")
                continue
            key = hashlib.sha256(content).hexdigest()
            found[key] = pair._replace(vehicle=f"s{number}-{pair.vehicle}")
    by_vehicle: dict[str, list[Pair]] = {}
    for pair in sorted(found.values(), key=lambda one: (one.vehicle, one.name)):
        by_vehicle.setdefault(pair.vehicle, []).append(pair)
    problems += [
        f"{vehicle}: {len(pairs)} corrected photos; the first {_VIEWS} are taken"
        for vehicle, pairs in by_vehicle.items()
        if len(pairs) > _VIEWS
    ]
    split = _split(by_vehicle, seed)
    names = _named(by_vehicle)
    for inner in ("train", "train_masks"):
        make_folder(folder / inner)
    kept: dict[str, str] = {}
    for done, (name, pair) in enumerate(names.items(), 1):
        write_atomically(folder / "train" / f"{name}{pair.photo.suffix.lower()}", pair.photo.read_bytes())
        write_atomically(folder / "train_masks" / f"{name}_mask.png", pair.mask)
        kept[name] = f"{pair.name} ({pair.photo})"
        if progress is not None:
            progress(done, len(names))
    cars = {vehicle: f"v{number:04}" for number, vehicle in enumerate(by_vehicle)}
    renamed = Split(tuple(cars[one] for one in split.train), tuple(cars[one] for one in split.validation))
    return Gathered(folder, renamed, kept, tuple(problems))


def _of_run(out: Path, problems: list[str]) -> Iterator[Pair]:
    store = Corrections.of(out / STATE)
    if store is None:
        raise UsageError(f"{out}: nothing was corrected here; 'carmask review {out}' does that")
    rows = read_measured(out)
    known = {row.name: (row.photo, car) for row, car in zip(rows, vehicles(rows), strict=True)}
    with store:
        corrected = list(store.corrected())
    if not corrected:
        raise UsageError(f"{out}: no photo has a corrected mask")
    for one in corrected:
        photo, car = known.get(one.name, (None, ""))
        assert one.mask is not None
        if photo is None:
            problems.append(f"{one.name}: no longer among the photos of {out}")
            continue
        try:
            digest = hashlib.sha256(photo.read_bytes()).hexdigest()
        except FileNotFoundError:
            problems.append(f"{photo}: there is no such photo any more")
        except OSError as error:
            problems.append(f"{photo}: cannot be read: {error.strerror or error}")
        else:
            if digest == one.photo:
                yield Pair(one.name, car, photo, one.mask)
            else:
                problems.append(f"{photo}: another photo than was corrected")


def _of_data(data: Path) -> Iterator[Pair]:
    examples, classes = read_data(data)
    if len(classes) > 1:
        raise DataError(f"{data}: masks of parts; learning needs masks of whole cars")
    for one in examples:
        yield Pair(one.name, f"{data}/{one.car}", one.photo, encode_mask(one.read_mask()))


def _split(by_vehicle: dict[str, list[Pair]], seed: int) -> Split:
    """Vehicles to train on and held out, by a hash of their names without the folders that they lie in."""
    least = LEAST_HELD + LEAST_TRAINED
    if len(by_vehicle) < least:
        raise DataError(
            f"{counted(sum(map(len, by_vehicle.values())), 'corrected photo')} of "
            f"{counted(len(by_vehicle), 'vehicle')}: learning needs {least} vehicles at least, for "
            f"{LEAST_HELD} are held out to test with; correct photos of others"
        )
    count = max(LEAST_HELD, round(HOLD_OUT * len(by_vehicle)), min(ENOUGH_HELD, len(by_vehicle) // 2))
    short = {re.sub(r".*/", "", vehicle) + f"#{vehicle[:3]}": vehicle for vehicle in by_vehicle}
    if len(short) < len(by_vehicle):
        short = {vehicle: vehicle for vehicle in by_vehicle}
    split = split_cars(short, count, seed=seed)
    return Split(tuple(short[one] for one in split.train), tuple(short[one] for one in split.validation))


def _named(by_vehicle: dict[str, list[Pair]]) -> dict[str, Pair]:
    """A name for each photo, ``v0003_01``: vehicles are told apart by what stands before the view."""
    return {
        f"v{number:04}_{view:02}": pair
        for number, pairs in enumerate(by_vehicle.values())
        for view, pair in enumerate(pairs[:_VIEWS], 1)
    }


def join_sets(folder: Path, parts: Sequence[tuple[str, Sequence[Example], int]]) -> None:
    """Make one data set of several, each photo of a part as often as is said.

    Args:
        folder: to write to; what it held is removed.
        parts: what names begin with, photos, and how often each is taken.

    Raises:
        OutputError: if it cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for inner in ("train", "train_masks"):
        make_folder(folder / inner)
    for prefix, examples, times in parts:
        for one in examples:
            mask = encode_mask(one.read_mask())
            for copy in range(times):
                name = f"{prefix}{copy}-{one.car}_{one.view:02}"
                _link(folder / "train" / f"{name}{one.photo.suffix.lower()}", one.photo.resolve())
                write_atomically(folder / "train_masks" / f"{name}_mask.png", mask)


def _link(place: Path, photo: Path) -> None:
    """Make a link to a photo.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        place.symlink_to(photo)
    except OSError as error:
        raise OutputError(f"{place}: the link cannot be made: {error.strerror or error}") from error
