"""What is wrong with a data set: files, masks, names, views, metadata."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from carmask.data.table import CarInfo, car_and_view
from carmask.survey.facts import Facts

#: Photos of each car of the challenge, one to a view.
VIEWS = 16
#: Kinds that are worth knowing, and not wrong.
REMARKS = frozenset({"at the edge"})
#: A mask is perhaps inverted if at least this fraction of the picture's outermost pixels is car.
INVERTED_BORDER = 0.9


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


def name_problems(names: Iterable[str], metadata: Mapping[str, CarInfo]) -> list[Problem]:
    """Problems of the photos' names: views that are missing, cars that ``metadata.csv`` does not hold.

    Views are only expected if at least one name has the form ``<car>_<two digits>``.

    Args:
        names: of the photos, without suffix.
        metadata: what is known of each car; empty if there is no ``metadata.csv``.

    Returns:
        The problems.
    """
    by_car: dict[str, list[int]] = defaultdict(list)
    for name in names:
        car, view = car_and_view(name)
        by_car[car].append(view)
    problems = []
    turntable = any(view for views in by_car.values() for view in views)
    for car, views in by_car.items():
        if not turntable:
            continue  # photos of single cars: no view is missing
        if 0 in views:
            problems.append(Problem("name", car, "the name does not say car and view: <car>_<two digits>"))
        elif len(views) < VIEWS:
            absent = sorted(set(range(1, VIEWS + 1)) - set(views))
            numbers = ", ".join(f"{view:02d}" for view in absent)
            problems.append(Problem("views", car, f"{len(views)} of {VIEWS} views; missing: {numbers}"))
    if metadata:
        problems += [Problem("metadata", car, "not in metadata.csv") for car in sorted(by_car) if car not in metadata]
    return problems


def mask_problems(facts: Sequence[Facts]) -> list[Problem]:
    """Problems of the masks: size, empty, full, perhaps inverted; and, as a remark, masks that touch the edge."""
    problems = []
    sizes = Counter(one.size for one in facts)
    if len(sizes) > 1:
        (height, width), _ = sizes.most_common(1)[0]
        problems += [
            Problem("size", one.name, f"{one.size[1]}x{one.size[0]}, where most photos are {width}x{height}")
            for one in facts
            if one.size != (height, width)
        ]
    problems += [Problem("empty mask", one.name, "no car in the mask") for one in facts if not one.area]
    problems += [Problem("full mask", one.name, "every pixel is car") for one in facts if one.area == 1]
    partly = [one for one in facts if 0 < one.area < 1]
    problems += [
        Problem(
            "perhaps inverted",
            one.name,
            f"{100 * one.border:.0f} % of the photo's edge is car; in a mask the car is white",
        )
        for one in partly
        if one.border >= INVERTED_BORDER
    ]
    problems += [
        Problem("at the edge", one.name, "the mask touches the edge of the photo")
        for one in partly
        if 0 < one.border < INVERTED_BORDER
    ]
    return problems


def duplicate_problems(kind: str, groups: Iterable[Sequence[str]]) -> list[Problem]:
    """A problem for each group of two or more photos, or masks, that are equal pixel by pixel."""
    return [
        Problem(f"duplicate {kind}", names[0], f"the same {kind}, pixel by pixel, as {', '.join(names[1:])}")
        for names in groups
        if len(names) > 1
    ]


def count_problems(problems: Iterable[Problem]) -> list[tuple[str, int]]:
    """How many problems there are of each kind, the most frequent first."""
    return Counter(problem.kind for problem in problems).most_common()
