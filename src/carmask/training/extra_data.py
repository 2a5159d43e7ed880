"""What a training takes beside its main data set: extra data sets, backgrounds, initial weights, validation cars."""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from carmask.data.layouts import find_layout, read_data
from carmask.data.split import Split
from carmask.data.table import Example, of_cars
from carmask.errors import DataError, RecipeError
from carmask.geometry import Size
from carmask.images import list_folder, search_photos
from carmask.model.info import ExtraData, ModelInfo
from carmask.training.dataset.cache import build_cache
from carmask.training.dataset.mixture import Mixture
from carmask.training.split import check_unseen, split_extra

#: The part of an extra set's cars that is kept from training by default, rounded up.
HOLD_OUT = 0.5


class ExtraFolder(NamedTuple):
    """A folder with extra data.

    Attributes:
        folder: a data set as ``read_data`` takes it, with car against background, or a folder of such data sets; each
            sub-folder that is one is a data set of its own, and the others are ignored.
        share: of the photos trained on. Data sets of one folder divide it in proportion to their photos to train on.
        hold_out: the part of each data set's cars that is kept from training; see ``split_extra``.
        ranges: what is kept is a contiguous range of names, for data whose neighbouring photos are alike.
    """

    folder: Path
    share: float
    hold_out: float = HOLD_OUT
    ranges: bool = False


@dataclass(frozen=True)
class Sources:
    """What a training takes beside its main data set, and how the masks of all are read.

    Attributes:
        extra: extra data.
        backgrounds: a folder of pictures without cars, sub-folders included, to put cars in front of.
        initial_weights: weights of a run (safetensors) or a model file (ONNX) to begin with (fine-tuning).
        encoder_weights: a safetensors file in place of the library's download.
        validation_cars: of the main data set, in place of the recipe's choice; see ``split.choose_split``.
        layout: of the main data set, see ``read_data``; found out if it is None.
        mask_threshold: for grey, anti-aliased and JPEG masks of all data sets, see ``read_data``.
        localisation: a model file or the name of a shipped model, for networks that are guided: their localisation
            stage.
        base: a model file or the name of a shipped model, for refinement networks: the model whose contours they
            refine.
    """

    extra: tuple[ExtraFolder, ...] = ()
    backgrounds: Path | None = None
    initial_weights: Path | None = None
    encoder_weights: Path | None = None
    validation_cars: tuple[str, ...] = ()
    layout: str | None = None
    mask_threshold: int | None = None
    localisation: Path | None = None
    base: Path | None = None


@dataclass(frozen=True)
class ExtraSet:
    """An extra data set, split.

    Attributes:
        name: of its folder.
        share: of the photos trained on.
        examples: all of it.
        split: by car.
    """

    name: str
    share: float
    examples: list[Example] = field(repr=False)
    split: Split

    def describe(self) -> ExtraData:
        """What the model file says of it."""
        return ExtraData(
            name=self.name, share=self.share, training_cars=self.split.train, validation_cars=self.split.validation
        )

    def training(self) -> list[Example]:
        """What is trained on."""
        return of_cars(self.examples, self.split.train)

    def validation(self) -> list[Example]:
        """What is kept from training."""
        return of_cars(self.examples, self.split.validation)


def read_extra(
    extra: Sequence[ExtraFolder], *, seed: int, initial: ModelInfo | None = None, mask_threshold: int | None = None
) -> list[ExtraSet]:
    """Read and split the extra sets.

    Args:
        extra: the folders.
        seed: of the splits.
        initial: the description of the model whose weights the training is initialised with: its validation cars are
            kept.
        mask_threshold: for grey, anti-aliased and JPEG masks, see ``read_data``.

    Returns:
        The sets, in the order of the folders.

    Raises:
        DataError: if one is incomplete, or a folder is no data set and holds none.
        RecipeError: if one has parts, two have the same name, a split is not possible, or their shares do not leave the
            main set any photos.
    """
    if not all(one.share > 0 for one in extra) or sum(one.share for one in extra) >= 1:
        raise RecipeError("the shares of extra data are fractions above 0 that add up to less than 1")
    found = [
        one for given in extra for one in _read_folder(given, seed=seed, initial=initial, mask_threshold=mask_threshold)
    ]
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecipeError(f"two extra data sets have folders of the same name, {twice[0]}; rename one")
    return found


def check_apart(used: Sequence[tuple[Sequence[Example], Split]]) -> None:
    """Refuse photos that one data set trains on and another one validates on: the score would be too high.

    Corrected masks are often of photos of the main set. Two photos are one if their names and their files agree.

    Args:
        used: the photos of each data set, and its cars by use.

    Raises:
        RecipeError: if there is such a photo.
    """
    held: dict[str, list[tuple[int, Path]]] = {}
    for number, (examples, split) in enumerate(used):
        for one in of_cars(examples, split.validation):
            held.setdefault(one.name, []).append((number, one.photo))
    for number, (examples, split) in enumerate(used):
        for one in of_cars(examples, split.train):
            for other, photo in held.get(one.name, ()):
                if other != number and _are_same(photo, one.photo):
                    raise RecipeError(
                        f"{one.photo}: to be trained on, and validated on as {photo}: the score would be too high; "
                        "take it out of one of the data sets"
                    )


def _are_same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:  # whoever reads it says so
        return False


def _read_folder(
    given: ExtraFolder, *, seed: int, initial: ModelInfo | None, mask_threshold: int | None
) -> list[ExtraSet]:
    sets = []
    for data in _data_sets(given.folder):
        examples, classes = read_data(data, mask_threshold=mask_threshold)
        if len(classes) > 1:
            raise RecipeError(f"{data}: parts cannot be mixed in; extra data is car against background")
        cars = {example.car for example in examples}
        split = split_extra(data, cars, given.hold_out, ranges=given.ranges, seed=seed, initial=initial)
        check_unseen(data, split.validation, cars, initial)
        sets.append((data.resolve().name, examples, split))
    photos = [len(of_cars(examples, split.train)) for _, examples, split in sets]
    return [
        ExtraSet(name, given.share * count / sum(photos), examples, split)
        for (name, examples, split), count in zip(sets, photos, strict=True)
    ]


def _data_sets(folder: Path) -> list[Path]:
    """The folder itself if it is a data set, else its sub-folders that are."""
    try:
        find_layout(folder)
    except DataError as error:
        # Whether it is complete is another question, which reading it answers.
        inner = list_folder(folder) if folder.is_dir() else []
        found = [path for path in inner if path.is_dir() and _is_data_set(path)]
        if not found:
            raise DataError(f"{error}; nor has it sub-folders that are") from error
        return found
    return [folder]


def _is_data_set(folder: Path) -> bool:
    try:
        find_layout(folder)
    except DataError:
        return False
    return True


def find_backgrounds(folder: Path) -> list[Example]:
    """The pictures of a folder and its sub-folders, as examples without a car.

    Raises:
        DataError: if there is no such folder, it holds no pictures, or a sub-folder cannot be read.
    """
    photos, left_out = search_photos(folder, recursive=True)
    for one in left_out:
        if one.failed:
            raise DataError(f"{one.path}: {one.reason}")
    if not photos:
        raise DataError(f"{folder}: no pictures in it or its sub-folders")
    names = [path.relative_to(folder).as_posix() for path in photos]
    # A mask of no runs is empty.
    return [Example(name, path, None, "", name, 0) for name, path in zip(names, photos, strict=True)]


def build_mixture(
    trained_on: Sequence[Example],
    extra: Sequence[ExtraSet],
    backgrounds: Sequence[Example],
    size: Size,
    folder: Path,
    *,
    whole: bool = False,
    views: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Mixture:
    """Decode all that is trained on.

    Args:
        trained_on: photos of the main set.
        extra: extra sets.
        backgrounds: from ``find_backgrounds``; empty for none.
        size: (height, width) of the largest stage.
        folder: where decoded photos are kept.
        whole: place photos of the main set in ``size`` whole, if they have another shape; else they are stretched.
        views: photos of the main set that stay together, see ``Mixture``.
        progress: called with the number done and of all, for each set.

    Returns:
        The mixture.

    Raises:
        DataError: if a mask has another size than its photo.
        PhotoError: if a photo or mask cannot be read.
        OutputError: if the disk has not enough room, or cannot be written.
    """
    main = build_cache(trained_on, size, folder, whole=whole, progress=progress)
    # Photos of extra sets have any shape, and are predicted with bars beside them.
    caches = [(build_cache(one.training(), size, folder, whole=True, progress=progress), one.share) for one in extra]
    pictures = build_cache(backgrounds, size, folder, progress=progress) if backgrounds else None
    return Mixture(main, caches, pictures=pictures, views=views)
