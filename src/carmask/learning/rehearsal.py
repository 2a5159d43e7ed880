"""Photos of what a model knew before: with them in the mixture it does not forget, and it is tested on them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from carmask.data.layouts import read_data
from carmask.data.split import split_cars
from carmask.data.table import Example, of_cars, sample
from carmask.errors import DataError
from carmask.model.info import ModelInfo
from carmask.words import counted

#: Photos that are trained on and tested on, at most.
TRAINED, TESTED = 96, 48
#: Cars that are tested on, at least: the spread over cars says what chance explains.
LEAST_TESTED = 2


class Rehearsal(NamedTuple):
    """Photos of what the model knew.

    Attributes:
        about: what they are, for the reader.
        trained: to train on.
        tested: to test on; of other cars, which the model was not trained on if that is known.
    """

    about: str
    trained: list[Example]
    tested: list[Example]


def find_rehearsal(data: Path | None, info: ModelInfo, *, seed: int = 0) -> Rehearsal:
    """Choose photos to rehearse.

    Args:
        data: the data set that the model was trained on, or another one of what it is to keep; None for the rendered
            cars that come with carmask.
        info: the model's; of its own data the cars that it was not trained on are tested on, if they are two or more.
        seed: of the split of other data.

    Returns:
        The photos.

    Raises:
        DataError: if the data set is incomplete, or has photos of fewer than three cars.
    """
    folder = shipped_examples() if data is None else data
    examples, classes = read_data(folder)
    if len(classes) > 1:
        raise DataError(f"{folder}: masks of parts; a rehearsal needs masks of whole cars")
    cars = {one.car for one in examples}
    if len(cars) <= LEAST_TESTED:
        raise DataError(
            f"{folder}: photos of {counted(len(cars), 'car')}; a rehearsal needs {LEAST_TESTED + 1}, one to train on "
            f"and {LEAST_TESTED} to test on"
        )
    held = info.held_out(cars) or tuple(sorted(cars - info.seen()))
    if not LEAST_TESTED <= len(held) < len(cars):
        held = split_cars(cars, 0.5, seed=seed).validation
    about = "rendered cars that come with carmask" if data is None else folder.resolve().name
    trained, tested = of_cars(examples, cars - set(held)), of_cars(examples, held)
    return Rehearsal(about, sample(trained, TRAINED), sample(tested, TESTED))


def shipped_examples() -> Path:
    """The rendered cars that come with carmask: photos and exact masks.

    Raises:
        DataError: if the installation lacks them.
    """
    package = Path(str(files("carmask")))
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / "train").is_dir():
            return folder
    raise DataError("this installation has no rendered cars; give data=… to rehearse")
