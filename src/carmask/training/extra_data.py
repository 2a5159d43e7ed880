"""What a training takes beside its main data set: extra sets, backgrounds, a start."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carmask.data.dataset import read_data
from carmask.data.split import Split, split_cars
from carmask.data.table import Example, find_photos, of_cars
from carmask.errors import RecipeError
from carmask.geometry import Size
from carmask.model.info import ExtraData
from carmask.training.dataset.cache import build_cache
from carmask.training.dataset.mixture import Mixture

#: The part of a extra set's cars that is kept from training, rounded up.
HELD_OUT = 0.5


@dataclass(frozen=True)
class Sources:
    """What a training takes beside its main data set.

    Attributes:
        extra: folders as ``read_data`` takes them, with car against background, each with the share of the photos
            trained on that comes from it. Half of its cars are kept from training.
        backgrounds: a folder of pictures without cars, to put cars in front of.
        initial_weights: weights of a run (safetensors) or a model file (ONNX) to begin with.
        encoder_weights: a safetensors file in place of the library's download.
    """

    extra: tuple[tuple[Path, float], ...] = ()
    backgrounds: Path | None = None
    initial_weights: Path | None = None
    encoder_weights: Path | None = None


@dataclass(frozen=True)
class ExtraSet:
    """A extra data, split.

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

    def validation(self) -> list[Example]:
        """What was kept from training."""
        return of_cars(self.examples, self.split.validation)


def read_extra(sources: Sources, *, seed: int) -> list[ExtraSet]:
    """Read and split the extra sets.

    Raises:
        DataError: if one is incomplete.
        RecipeError: if one has parts, two have the same name, or their shares do not leave the main set any photos.
    """
    found = []
    for data, share in sources.extra:
        examples, classes = read_data(data)
        if len(classes) > 1:
            raise RecipeError(f"{data}: parts cannot be mixed in; extra data is car against background")
        cars = {example.car for example in examples}
        split = split_cars(cars, math.ceil(len(cars) * HELD_OUT), seed=seed)
        found.append(ExtraSet(data.resolve().name, share, examples, split))
    if len({one.name for one in found}) < len(found):
        raise RecipeError("two extra data have folders of the same name; rename one")
    if not all(one.share > 0 for one in found) or sum(one.share for one in found) >= 1:
        raise RecipeError("the shares of extra data are fractions above 0 that add up to less than 1")
    return found


def build_mixture(
    trained_on: Sequence[Example],
    extra: Sequence[ExtraSet],
    backgrounds: Path | None,
    size: Size,
    folder: Path,
    *,
    whole: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Mixture:
    """Decode all that is trained on.

    Args:
        trained_on: photos of the main set.
        extra: extra sets.
        backgrounds: a folder of pictures, or None.
        size: (height, width) of the largest stage.
        folder: where decoded photos are kept.
        whole: place photos of the main set in ``size`` whole, if they have another shape; else they are stretched.
        progress: called with the number done and of all, for each set.

    Returns:
        The mixture.

    Raises:
        DataError: if a mask has another size than its photo, or ``backgrounds`` holds no pictures.
        PhotoError: if a photo or mask cannot be read.
        OutputError: if the disk has not enough room, or cannot be written.
    """
    main = build_cache(trained_on, size, folder, whole=whole, progress=progress)
    # Photos of extra sets have any shape, and are predicted with bars beside them.
    caches = [
        (build_cache(of_cars(one.examples, one.split.train), size, folder, whole=True, progress=progress), one.share)
        for one in extra
    ]
    pictures = None
    if backgrounds is not None:
        # Examples whose mask is empty: no car in them.
        empty = [Example(name, path, None, "", name, 0) for name, path in find_photos(backgrounds).items()]
        pictures = build_cache(empty, size, folder, progress=progress)
    return Mixture(main, caches, pictures=pictures)
