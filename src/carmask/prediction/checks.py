"""Checks of photos as they come in: which should be taken again, and why.

Each check compares one measurement with a limit. The limits were chosen on real photos, and on the same photos made
worse by known amounts: docs/how-to/checks-and-views.md has what each finds, and how often it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from carmask.errors import UsageError
from carmask.prediction.facts import PhotoFacts


class Finding(NamedTuple):
    """What is wrong with a photo.

    Attributes:
        check: which check found it, as ``CHECKS`` names it.
        text: for people, with the measured value.
        again: whether another photo would help: not if the photo is a copy, or shows a part of the car on purpose.
    """

    check: str
    text: str
    again: bool = True


class Check(NamedTuple):
    """A check.

    Attributes:
        limit: the default; None for checks without a number.
        unit: of the limit, for people.
        about: what it finds.
    """

    limit: float | None
    unit: str
    about: str


#: All checks, in the order in which they are reported.
CHECKS: Mapping[str, Check] = {
    "no_car": Check(None, "", "no car was found"),
    "no_whole_car": Check(None, "", "a part of a car, its inside, or something else"),
    "two_cars": Check(0.3, "probability", "more than one car was cut out"),
    "cut_off": Check(0.05, "of the car's height or width", "the photo's edge cuts the car"),
    "too_small": Check(400, "pixels", "the car's longer side is shorter"),
    "wrong_size": Check(600, "pixels", "the photo's shorter side is shorter, or its longer one than 4/3 of this"),
    "blurred": Check(2.8, "thousandths of the car's length", "the edges are softer"),
    "too_dark": Check(140, "of 255", "98 % of the photo are darker"),
    "blown_out": Check(0.03, "of the car", "more of the car is pure white"),
    "glare": Check(0.02, "of the car", "a white spot on the car is larger"),
    "tilted": Check(5.0, "degrees", "the camera was turned further"),
    "duplicate": Check(0.965, "correlation", "the same photo is in the folder already"),
}


@dataclass(frozen=True)
class CheckSettings:
    """Which checks are made, and their limits.

    Attributes:
        limits: by the name of the check; checks that are not in it are off.
    """

    limits: tuple[tuple[str, float], ...] = tuple((name, check.limit or 0.0) for name, check in CHECKS.items())

    @classmethod
    def of(cls, values: Mapping[str, bool | float]) -> CheckSettings:
        """The default settings with some changed.

        Args:
            values: by the name of the check, with ``_`` or ``-``: False turns it off, True on with its default limit,
                a number is its limit. ``all`` stands for all checks, and comes first.

        Raises:
            UsageError: if there is no such check, or it takes no such limit.
        """
        limits = dict(cls().limits)
        ordered = sorted(values.items(), key=lambda item: item[0] != "all")
        for given, value in ordered:
            name = given.replace("-", "_")
            if name == "all" and isinstance(value, bool):
                limits = dict(cls().limits) if value else {}
                continue
            if name not in CHECKS:
                raise UsageError(f"there is no check {given}; there are {', '.join(CHECKS)}", argument="checks")
            check = CHECKS[name]
            if value is False:
                limits.pop(name, None)
            elif value is True:
                limits[name] = check.limit or 0.0
            elif check.limit is None or not 0 <= value < 1e9:
                raise UsageError(f"{name} takes true or false{_or_number(check)}, not {value}", argument="checks")
            else:
                limits[name] = float(value)
        return cls(tuple((name, limits[name]) for name in CHECKS if name in limits))

    @classmethod
    def parse(cls, text: str) -> CheckSettings:
        """The default settings, changed by a text such as ``blurred=6,tilted=off`` or ``all=off,cut_off=on``.

        Raises:
            UsageError: if it is none of these.
        """
        return cls.of(parse_checks(text))


def parse_checks(text: str) -> dict[str, bool | float]:
    """Read changes of checks: ``blurred=6,tilted=off``, or ``off`` for all.

    Returns:
        For ``CheckSettings.of``.

    Raises:
        UsageError: if it is something else.
    """
    values: dict[str, bool | float] = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals and name in _SWITCHES:
            name, value = "all", name
        if value in _SWITCHES:
            values[name] = _SWITCHES[value]
            continue
        try:
            values[name] = float(value)
        except ValueError:
            raise UsageError(f"'{part.strip()}' is not NAME=off, NAME=on or NAME=NUMBER", argument="checks") from None
    return values


_SWITCHES = {"on": True, "off": False, "true": True, "false": False}


def _or_number(check: Check) -> str:
    return "" if check.limit is None else f" or a number ({check.unit})"


def find_faults(facts: PhotoFacts, settings: CheckSettings) -> list[Finding]:
    """Check a photo.

    Args:
        facts: of the photo.
        settings: which checks, and their limits.

    Returns:
        What is wrong, in the order of ``CHECKS``; copies are not found here, for that takes all photos.
    """
    limits = dict(settings.limits)
    return [one for one in _all_faults(facts, limits) if one.check in limits]


def _all_faults(facts: PhotoFacts, limits: Mapping[str, float]) -> Iterable[Finding]:
    def above(check: str, value: float) -> bool:
        return check in limits and value > limits[check]

    def below(check: str, value: float) -> bool:
        return check in limits and value < limits[check]

    found, view = facts.measures, facts.view
    short, long = sorted((found.width, found.height))
    if below("wrong_size", min(short, long * 3 / 4)):
        yield Finding("wrong_size", f"wrong size: {found.width}x{found.height}")
    if below("too_dark", found.light):
        yield Finding("too_dark", "too dark")
    if view is None:
        yield Finding("no_car", "no car")
        return
    if not facts.whole:
        yield Finding("no_whole_car", "no whole car", again=False)
        return
    if above("two_cars", max(view.several, float(found.second > _SECOND))):
        yield Finding("two_cars", "two cars")
    sides = [side for side, cut in zip(_SIDES, found.cut, strict=True) if above("cut_off", cut)]
    if sides:
        yield Finding("cut_off", f"cut off ({', '.join(sides)})")
    if below("too_small", found.car):
        yield Finding("too_small", f"too small: {found.car:.0f} pixels")
    if above("blurred", 1000 * found.blur):
        yield Finding("blurred", "blurred")
    if above("blown_out", found.blown):
        yield Finding("blown_out", "blown out")
    if above("glare", found.glare):
        yield Finding("glare", "glare")
    if above("tilted", abs(view.tilt)):
        yield Finding("tilted", f"tilted: {abs(view.tilt):.0f} degrees")


_SIDES = ("top", "left", "bottom", "right")
#: From this share of the largest component on a second one is a car of its own.
_SECOND = 0.3
