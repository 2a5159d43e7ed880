"""Which cars of a data set are validated on: new ones by hash, or those that an earlier model was validated on."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from carmask.data.split import Split, split_cars
from carmask.data.table import Example, read_cars
from carmask.errors import DataError, RecipeError
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.words import by_number, counted


def read_validation_cars(source: str | Path) -> tuple[str, ...]:
    """The cars of a list, or those that a model was validated on.

    Args:
        source: a text file with a car on each line, a model file, or the name of a shipped model.

    Raises:
        DataError: if the list cannot be read, or names no car.
        ModelError: if it is neither a file nor a model, or the model's file is damaged.
    """
    path = Path(source)
    if path.is_file() and path.suffix.lower() != ".onnx":
        return read_cars(path)
    return read_info(find_model(source)).validation_cars


def choose_split(
    data: Path,
    examples: Sequence[Example],
    validation: int | float,
    *,
    seed: int,
    groups: Mapping[str, str] | None = None,
    given: Collection[str] = (),
    initial: ModelInfo | None = None,
) -> Split:
    """Divide the main data set's cars by use.

    Validation cars are, in this order: those that are given; those that the model of the initial weights was validated
    on, if it knows this data set, so that cars which were added since are trained on, but for those of one group with
    such a car; else ``split_cars``' choice among
    those that the model of the initial weights has not seen.

    Args:
        data: the folder, for messages.
        examples: all of it.
        validation: how many cars to validate on, or which fraction; 0 for none, whatever the initial weights are of.
        seed: of the choice.
        groups: cars that must stay on one side of the split, by group; see ``split_cars``.
        given: the validation cars, if they are given.
        initial: the description of the model whose weights the training is initialised with.

    Returns:
        The split.

    Raises:
        RecipeError: if no car would be validated on although some should be, or one that the initial weights were
            trained on.
        DataError: if no car would be left to train on, a given car is not in the data, or the name of one is no UTF-8.
    """
    cars = {example.car for example in examples}
    _check_names(data, cars)
    if given:
        if absent := sorted(set(given) - cars):
            raise DataError(
                f"{data}: {len(absent)} of {counted(len(given), 'validation car')} "
                f"{by_number(len(absent), 'has', 'have')} no photo in it, the first is {absent[0]}"
            )
        split = _kept(data, cars, given)
    elif initial is not None and validation and (kept := _validated_by(initial, cars)):
        split = _kept(data, cars, {*kept, *_added_to(kept, groups or {}) - initial.seen_of(cars)})
    else:
        split = _by_hash(data, examples, validation, seed=seed, groups=groups, initial=initial)
    check_unseen(data, split.validation, cars, initial)
    return split


def split_extra(
    data: Path, cars: Collection[str], hold_out: float, *, ranges: bool, seed: int, initial: ModelInfo | None = None
) -> Split:
    """Divide an extra data set's cars by use.

    If the model of the initial weights knows the set, the cars that it was validated on are kept, and cars which were
    added since are trained on. Else a fraction is kept, rounded up: chosen by hash, or, where photos with neighbouring
    names are alike (frames of a video, a walk down a street), a contiguous range of names, numbers in them compared as
    numbers.

    Args:
        data: the folder, for messages.
        cars: all of its cars.
        hold_out: the fraction to keep from training, 0 to 1, without 1.
        ranges: keep a contiguous range.
        seed: of the hash, and of where the range begins.
        initial: the description of the model whose weights the training is initialised with.

    Returns:
        The split.

    Raises:
        RecipeError: if the fraction is out of range, or leaves no car to train on.
        DataError: if the name of a car is no UTF-8.
    """
    _check_names(data, cars)
    if not 0 <= hold_out < 1:
        raise RecipeError(f"{data}: hold-out {hold_out:g}: must lie between 0 and 1, without 1")
    if hold_out and (kept := _validated_by(initial, cars)):
        return _kept(data, cars, kept)
    count = math.ceil(round(len(cars) * hold_out, 9))
    if count and len(cars) == 1:
        raise RecipeError(
            f"{data}: all photos are of one car, {min(cars)}, as their names say (CAR_VIEW, a view has two digits), so "
            "none can be held out; name the files of each car differently, or give a hold-out of 0"
        )
    if count >= len(cars):
        raise RecipeError(
            f"{data}: to hold out {count} of its {len(cars)} cars leaves none to train on; give more photos of other "
            "cars, or a hold-out of 0"
        )
    if not ranges:
        return split_cars(cars, count, seed=seed)
    names = sorted(set(cars), key=natural)
    begins = [str(place) for place in range(len(names) - count + 1)]
    begin = int(split_cars(begins, 1, seed=seed).validation[0])
    return _kept(data, cars, names[begin : begin + count])


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts numbers in names as numbers: ``car_2`` before ``car_10``."""
    pieces = re.split(r"(\d+)", name)
    return tuple((not piece.isdecimal(), int(piece) if piece.isdecimal() else 0, piece) for piece in pieces if piece)


def check_unseen(data: Path, validation: Collection[str], cars: Collection[str], initial: ModelInfo | None) -> None:
    """Refuse to validate on what the initial weights were trained on: the score would be too high.

    Raises:
        RecipeError: if there is such a car.
    """
    if initial is not None and (seen := set(validation) & initial.seen_of(cars)):
        raise RecipeError(
            f"{data}: the initial weights ({initial.name}) were trained on {len(seen)} of the cars to validate on "
            f"({min(seen)}): the score would be too high; validate on cars that {initial.name} was validated on"
        )


def _check_names(data: Path, cars: Collection[str]) -> None:
    """Refuse names that a model file, which lists the cars it has seen, cannot hold."""
    for car in cars:
        try:
            car.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{data}: the name {car!r} is no UTF-8; rename the photos of this car") from error


def _validated_by(initial: ModelInfo | None, cars: Collection[str]) -> list[str]:
    return [] if initial is None else [car for _, held in initial.known_of(cars) for car in held]


def _added_to(kept: Collection[str], groups: Mapping[str, str]) -> set[str]:
    """The cars that are of one group with one of these."""
    of_kept = {groups[car] for car in kept if car in groups}
    return {car for car, group in groups.items() if group in of_kept}


def _kept(data: Path, cars: Collection[str], validation: Collection[str]) -> Split:
    rest = set(cars) - set(validation)
    if not rest:
        raise DataError(f"{data}: all of its cars are validation cars: at least one must be left to train on")
    return Split(tuple(sorted(rest)), tuple(sorted(set(validation) & set(cars))))


def _by_hash(
    data: Path,
    examples: Sequence[Example],
    validation: int | float,
    *,
    seed: int,
    groups: Mapping[str, str] | None,
    initial: ModelInfo | None,
) -> Split:
    cars = {example.car for example in examples}
    if validation and len(cars) == 1 and len(examples) > 1:
        raise RecipeError(
            f"{data}: all {len(examples)} photos are of one car, {min(cars)}, as their names say (CAR_VIEW, a view has "
            "two digits), so none can be validated on; name the files of each car differently, or set validation to 0"
        )
    if validation and initial is not None and (seen := initial.seen_of(cars)):
        raise RecipeError(
            f"{data}: the initial weights ({initial.name}) were trained on {len(seen)} of its cars and validated on "
            "none; give validation cars that they have not seen, or set validation to 0"
        )
    units = {groups[car] for car in cars} if groups is not None else cars
    if isinstance(validation, float) and validation > 0 and not round(len(units) * validation):
        raise RecipeError(
            f"{data}: validation: {validation:g} of {len(units)} cars is none; set validation to a number of cars, "
            "such as 1, or to 0 to train without"
        )
    try:
        return split_cars(cars, validation, seed=seed, groups=groups)
    except DataError as error:
        raise DataError(f"{data}: {error}") from error
