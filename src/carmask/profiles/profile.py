"""What a profile may hold: options of ``carmask cut`` by the same names, and a channel's rules."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from carmask.batch.outputs import Others, OutputSpec
from carmask.batch.rules import ChannelRules
from carmask.batch.vehicles import Grouping
from carmask.compositing.background import Background, Fit
from carmask.compositing.placement import Placing, Rule
from carmask.compositing.plates import PlateCover
from carmask.compositing.shadow import Light, Shadow
from carmask.compositing.style import RenderStyle
from carmask.errors import UsageError
from carmask.geometry import Size
from carmask.images import Format, KeepMetadata
from carmask.prediction.checks import CheckSettings, parse_checks

#: The word for no background, and for no vehicles.
NONE = "none"
#: Attributes of a profile that the library's functions call otherwise.
ARGUMENTS = {"place": "rule", "scale": "fill", "shadow_strength": "strength"}


def _size(value: Any) -> Any:
    """``1600x1200`` to (height, width)."""
    if isinstance(value, list):  # TOML's [1600, 1200]: which of them is the width, nobody could tell
        raise ValueError(f"{value!r} is no size; write WIDTHxHEIGHT, such as 1600x1200")
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([1-9]\d{0,9})x([1-9]\d{0,9})", value.strip().lower())
    if found is None:
        raise ValueError(f"{value!r} is no size; write WIDTHxHEIGHT, such as 1600x1200")
    return int(found[2]), int(found[1])


def _aspect(value: Any) -> Any:
    """``4:3`` to (4, 3)."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", value.strip())
    if found is None:
        raise ValueError(f"{value!r} is no ratio; write WIDTH:HEIGHT, such as 4:3")
    return int(found[1]), int(found[2])


def _number(value: Any) -> Any:
    """Anything but a truth value, which counts as 0 or 1 in Python: a JPEG of ``quality = true`` would be unusable."""
    if isinstance(value, bool):
        raise ValueError("give a number")
    return value


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return value


_Expression = Annotated[str, AfterValidator(_expression)]
_Whole = Annotated[int, BeforeValidator(_number)]
_Real = Annotated[float, BeforeValidator(_number)]
_Side = Annotated[int, Field(gt=0)]


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, alias_generator=lambda name: name.replace("_", "-")
    )


class RulesTable(_Table):
    """``[rules]``: what a channel demands; see ``ChannelRules`` for the meaning of each."""

    channel: str
    source: str
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    aspect: Annotated[tuple[_Side, _Side], BeforeValidator(_aspect)] | None = None
    min_width: _Whole | None = Field(None, gt=0)
    min_height: _Whole | None = Field(None, gt=0)
    min_side: _Whole | None = Field(None, gt=0)
    max_megapixels: _Real | None = Field(None, gt=0)
    max_bytes: _Whole | None = Field(None, gt=0)
    formats: tuple[Literal["jpg", "png", "gif", "bmp", "tif", "webp"], ...] | None = None
    opaque: bool = False
    max_photos: _Whole | None = Field(None, gt=0)
    min_photos: _Whole | None = Field(None, gt=0)
    id_pattern: _Expression | None = None
    id_words: str = ""


class ChecksTable(_Table):
    """``[checks]``: which checks of the photos are made: false, true, or a number as the limit.

    Attributes are those of ``carmask.prediction.checks.CHECKS``; ``all = false`` turns off those that are not named.
    """

    all: bool | None = None
    no_car: bool | None = None
    no_whole_car: bool | None = None
    two_cars: bool | float | None = None
    cut_off: bool | float | None = None
    too_small: bool | float | None = None
    wrong_size: bool | float | None = None
    blurred: bool | float | None = None
    too_dark: bool | float | None = None
    blown_out: bool | float | None = None
    glare: bool | float | None = None
    tilted: bool | float | None = None
    duplicate: bool | float | None = None


class Profile(_Table):
    """A profile. Keys that it does not state are as ``carmask cut`` has them without options.

    Attributes are the options of ``carmask cut`` by the same names; beyond them:

    Attributes:
        description: one line, for lists.
        extends: the profile that this one changes: the name of a shipped one, or a file.
        recursive: search sub-folders too.
        name: pattern of the outputs' names.
        group: which vehicle a photo shows.
        stock: regular expression of stock numbers.
        checks: see ``ChecksTable``.
        rules: see ``RulesTable``.
    """

    description: str = ""
    extends: str | None = None
    background: str | None = None
    fit: Fit | None = None
    shadow: Shadow | None = None
    shadow_strength: _Real | None = Field(None, ge=0, le=3)
    light: Light | None = None
    glass: _Real | None = Field(None, ge=0, le=1)
    match: _Real | None = Field(None, ge=0, le=1)
    place: Rule | None = None
    scale: _Real | None = Field(None, gt=0, le=1)
    floor: _Real | None = Field(None, gt=0, le=1)
    size: Annotated[Size, BeforeValidator(_size)] | None = None
    crop: _Real | None = Field(None, ge=0, le=10)
    mask: bool | None = None
    layers: bool | None = None
    parts: bool | None = None
    format: Format | None = None
    quality: _Whole | None = Field(None, ge=1, le=100)
    keep_metadata: KeepMetadata | None = None
    recursive: bool | None = None
    group: str | None = None
    name: str | None = None
    stock: _Expression | None = None
    others: Others | None = None
    plate: str | None = None
    checks: ChecksTable = ChecksTable()
    rules: RulesTable | None = None

    def output_spec(self) -> OutputSpec:
        """What to make of each photo.

        Raises:
            UsageError: if keys exclude each other, or the background is none.
            PhotoError: if the background picture cannot be read.
        """
        behind = None
        if self.background is not None and self.background != NONE:
            behind = Background.parse(self.background, self.fit or "cover")
        elif self.fit is not None:
            raise UsageError("it is for a background picture: give background=…", argument="fit")
        placing = Placing(
            self.place or "photo",
            Placing.fill if self.scale is None else self.scale,
            self.floor,
            self.size,
            self.crop,
        )
        style = RenderStyle(
            self.shadow or "none",
            1.0 if self.shadow_strength is None else self.shadow_strength,
            self.glass,
            self.match or 0.0,
            placing,
            self.light or "above",
        )
        rules = None if self.rules is None else ChannelRules(**self.rules.model_dump())
        spec = OutputSpec(
            mask=bool(self.mask),
            background=behind,
            format=self.format or "png",
            parts=bool(self.parts),
            quality=self.quality,
            layers=bool(self.layers),
            style=style,
            keep_metadata=self.keep_metadata or "safe",
            rules=rules,
            others=self.others or "cut",
            plate=None if self.plate is None else PlateCover.parse(self.plate),
        )
        spec.check()
        return spec

    def check_settings(self, given: str | None = None) -> CheckSettings:
        """Which checks of photos are made, and their limits.

        Args:
            given: changes over the profile's, as ``parse_checks`` reads them.

        Raises:
            UsageError: if a check takes no such limit, or ``given`` is no such text.
        """
        stated = {name: value for name, value in self.checks.model_dump().items() if value is not None}
        changed = {} if given is None else parse_checks(given)
        # ``all`` is about the profile's checks, too: what stands beside it is all that is left of them.
        return CheckSettings.of(changed if "all" in changed else {**stated, **changed})

    def grouping(self) -> Grouping | None:
        """Which vehicle a photo shows; None to make no difference.

        Raises:
            UsageError: if the table cannot be used.
        """
        return None if self.group in {None, NONE} else Grouping.parse(str(self.group), self.stock)
