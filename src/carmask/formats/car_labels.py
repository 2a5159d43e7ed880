"""Labels that show a whole car, and annotations without the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from carmask.formats.picture import Annotations, Instance

#: What labels are called, in lower case, that show a whole car.
CAR_LABELS = frozenset({"car", "cars", "vehicle", "auto"})


def only_cars(annotations: Annotations) -> Annotations:
    """Annotations without what other labels than car show, if there is a label called so."""
    cars = frozenset(name for name in annotations.names if name.lower() in CAR_LABELS)
    if not cars or cars == set(annotations.names):
        return annotations
    pictures = [replace(one, load=partial(_of_labels, one.load, cars)) for one in annotations.pictures]
    return replace(annotations, pictures=pictures, names=tuple(sorted(cars)))


def _of_labels(load: Callable[[], Sequence[Instance]], labels: frozenset[str]) -> list[Instance]:
    return [one for one in load() if one.label in labels]
