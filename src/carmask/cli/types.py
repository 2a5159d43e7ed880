"""Types of the values of options and arguments."""

from __future__ import annotations

import math
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from carmask.geometry import Size


class _PathType(click.Path):
    """A file or folder; whether it can be read is for the library to say."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("the name is empty", param, ctx)
        return super().convert(value, param, ctx)


class _LocationType(click.ParamType[str]):
    """A file or folder, here or in an object store (``s3://bucket/photos``)."""

    name = "PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail("the name is empty", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return PATH.shell_complete(ctx, param, incomplete)


class NumberRange(click.FloatRange):
    """A finite number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number; refuse infinity and NaN, which no comparison with a limit refuses."""
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a number{_limits(self)}", param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class WholeRange(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a number; say in words what the limits are."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number{_limits(self)}", param, ctx)


def _limits(kind: NumberRange | WholeRange) -> str:
    """The limits of a range, as they follow the word "number"."""
    least, most = kind.min, kind.max
    if least is not None and most is not None and not (kind.min_open or kind.max_open):
        return f" from {least:.12g} to {most:.12g}"
    told = []
    if least is not None:
        told.append(f"above {least:.12g}" if kind.min_open else f"of at least {least:.12g}")
    if most is not None:
        told.append(f"below {most:.12g}" if kind.max_open else f"of at most {most:.12g}")
    return f" {' and '.join(told)}" if told else ""


class _DayType(click.ParamType[datetime]):
    """YEAR-MONTH-DAY, to the beginning of that day."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return value if isinstance(value, datetime) else datetime.strptime(str(value), "%Y-%m-%d")
        except ValueError:
            self.fail(f"{value!r} is no day; write YEAR-MONTH-DAY, such as 2026-11-23", param, ctx)


class _SizeType(click.ParamType[tuple[int, int]]):
    """WIDTHxHEIGHT, as people write it, to (height, width), as arrays have it."""

    name = "WIDTHxHEIGHT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"0*([1-9][0-9]{0,9})x0*([1-9][0-9]{0,9})", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is not a size; write WIDTHxHEIGHT, such as 1918x1280", param, ctx)
        from carmask.images import MAX_PIXELS

        width, height = int(found[1]), int(found[2])
        if width * height > MAX_PIXELS:
            self.fail(f"{value} is more than {MAX_PIXELS // 10**6} megapixels", param, ctx)
        return height, width


class _PercentType(click.ParamType[float]):
    """A share such as 5%, to a number from 0 to 1."""

    name = "PERCENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number, percent, rest = str(value).strip().partition("%")
        try:
            share = float(number) / 100 if percent and not rest else float("nan")
        except ValueError:
            share = float("nan")
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is no share of the photos; write 0% to 100%, such as 5%", param, ctx)
        return share


class _ExtraFolderType(click.ParamType[tuple[Path, float, float | None, bool]]):
    """DIR=SHARE, DIR=SHARE:HOLD-OUT, either with :ranges after it: folder, share, part held out or None, ranges."""

    name = "DIR=SHARE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Path, float, float | None, bool]:
        if isinstance(value, tuple):
            return value
        folder, equals, rest = str(value).rpartition("=")
        share, *more = rest.split(":")
        ranges = more[-1:] == ["ranges"]
        held = more[:-1] if ranges else more
        try:
            numbers = [float(one) for one in (share, *held)]
        except ValueError:
            numbers = []
        if not (equals and folder and len(numbers) in (1, 2) and all(0 <= one <= 1 for one in numbers)):
            self.fail(
                f"{value!r}: write DIR=SHARE with a share from 0 to 1, such as street/=0.1; DIR=SHARE:HOLD-OUT; either "
                "with :ranges after it",
                param,
                ctx,
            )
        return Path(folder), numbers[0], numbers[1] if len(numbers) == 2 else None, ranges


PATH = _PathType()
DAY = _DayType()
LOCATION = _LocationType()
SIZE = _SizeType()
PERCENT = _PercentType()
EXTRA_FOLDER = _ExtraFolderType()
