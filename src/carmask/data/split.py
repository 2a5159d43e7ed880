"""Split by car. Views of one car are near-duplicates, so there is no function that splits by image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from carmask.errors import DataError
from carmask.words import counted


class Split(NamedTuple):
    """Cars by use; each tuple is sorted, and no car is in both."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


def split_cars(
    cars: Iterable[str], validation: int | float, *, seed: int = 0, groups: Mapping[str, str] | None = None
) -> Split:
    """Choose validation cars at random.

    The order of cars is that of a hash of seed and name. So the split does not depend on the order of the input, on a
    library's random generator or on the platform, and adding a car to the set moves at most one other car.

    Args:
        cars: names of cars; duplicates count once.
        validation: how many cars to validate on, or which fraction of all (between 0 and 1, rounded to cars).
        seed: another seed gives another split.
        groups: the group of each car, where some must stay together; ``validation`` then counts groups.

    Returns:
        The split.

    Raises:
        DataError: if no car would be left to train on, or ``validation`` is negative.
    """
    names = set(cars)
    if groups is not None:
        split = split_cars({groups[name] for name in names}, validation, seed=seed)
        return Split(*(tuple(sorted(name for name in names if groups[name] in side)) for side in map(set, split)))
    count = round(len(names) * validation) if isinstance(validation, float) else validation
    if not 0 <= count < len(names):
        raise DataError(
            f"cannot validate on {count} of {counted(len(names), 'car')}: at least one must be left to train on"
        )
    ranked = sorted(names, key=lambda name: (hashlib.sha256(f"{seed}:{name}".encode()).digest(), name))
    return Split(train=tuple(sorted(ranked[count:])), validation=tuple(sorted(ranked[:count])))
