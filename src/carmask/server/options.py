"""What a client may ask of a cut, from form fields to ``OutputSpec``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from carmask.batch.outputs import OutputSpec
from carmask.compositing.background import Background, Fit
from carmask.compositing.placement import Placing, Rule
from carmask.compositing.plates import PlateCover
from carmask.compositing.shadow import Light, Shadow
from carmask.compositing.style import RenderStyle
from carmask.errors import UsageError
from carmask.images import Format, PhotoFile
from carmask.validation import describe_fault

#: The longer side of a picture that is asked for.
MAX_SIDE = 8000
#: Letters of a background's name.
LONGEST_NAME = 100
#: What the library calls options that have another name here, and on the command line.
_RENAMED = {"rule": "place", "fill": "scale"}


class CutOptions(BaseModel):
    """The options of ``carmask cut`` that a client may use, by the same names: their descriptions say what they do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    background: str = Field(
        "",
        max_length=LONGEST_NAME,
        description="a CSS colour, two with a colon between for a gradient, showroom, or blur; transparent without; "
        "none takes a profile's away",
    )
    fit: Fit = Field("cover", description="how a background picture fills the frame")
    shadow: Shadow = Field("none", description="keep the photo's own, make one, or reflect the car in the floor")
    strength: float = Field(1.0, ge=0, le=3, description="of the shadow")
    light: Light = Field("above", description="where the light of a made shadow comes from")
    match: float = Field(0.0, ge=0, le=1, description="how far the car takes on the background's light")
    place: Rule = Field("photo", description="where the car stands; turntable and vehicle: all views of a car alike")
    scale: float = Field(0.8, gt=0, le=1, description="how much of the frame a placed car takes")
    floor: float | None = Field(None, gt=0, le=1, description="how far down a placed car's wheels stand")
    size: str = Field("", pattern=r"^(\d{1,5}x\d{1,5})?$", description="WIDTHxHEIGHT of the picture")
    crop: float | None = Field(None, ge=0, le=1, description="cut to the car, with this share of its size as margin")
    format: Format = Field("png", description="jpg needs a background")
    quality: int | None = Field(None, ge=1, le=100, description="of webp and jpg")
    plate: Literal["keep", "blur", "plain"] = Field(
        "keep", description="what number plates are hidden with; some are missed"
    )
    others: Literal["cut", "keep"] = Field(
        "cut", description="photos that show no whole car, such as the inside: cut like the others, or kept as they are"
    )

    @field_validator("size")
    @classmethod
    def _bounded(cls, text: str) -> str:
        if text and not all(16 <= int(side) <= MAX_SIDE for side in text.split("x")):
            raise ValueError(f"both sides must be 16 to {MAX_SIDE}")
        return text

    def spec(self, picture: PhotoFile | None = None, **more: Any) -> OutputSpec:
        """What to make of a photo.

        Args:
            picture: a background picture, decoded.
            more: further fields of ``OutputSpec``.

        Raises:
            UsageError: if options exclude each other, or the background is no colour.
        """
        frame = None
        if self.size:
            width, height = map(int, self.size.split("x"))
            frame = (height, width)
        placing = Placing(self.place, self.scale, self.floor, frame, self.crop)
        style = RenderStyle(self.shadow, self.strength, None, self.match, placing, self.light)
        behind = background(self.background, self.fit, picture)
        cover = None if self.plate == "keep" else PlateCover(self.plate)
        spec = OutputSpec(
            background=behind,
            format=self.format,
            quality=self.quality,
            style=style,
            others=self.others,
            plate=cover,
            **more,
        )
        try:
            spec.check()
        except UsageError as error:
            message = re.sub(r"\b(rule|fill)(?==)", lambda found: _RENAMED[found[0]], error.message)
            raise UsageError(message, argument=_RENAMED.get(error.argument or "", error.argument)) from error
        return spec


def parse(fields: Mapping[str, str]) -> CutOptions:
    """Read form fields; empty ones are as if they were not there.

    Raises:
        UsageError: if one is unknown, or its value is none that is allowed.
    """
    try:
        return CutOptions.model_validate({name: value for name, value in fields.items() if value != ""})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = {
            "extra_forbidden": f"there is no such option; there are {', '.join([*CutOptions.model_fields, 'profile'])}",
            "string_pattern_mismatch": "give WIDTHxHEIGHT, such as 1600x1200",
        }.get(first["type"], describe_fault(first))
        raise UsageError(f"{where}: {said}") from error


def background(text: str, fit: Fit, picture: PhotoFile | None = None) -> Background | None:
    """A background from what a client sent: never from a file of this machine.

    Raises:
        UsageError: if the text is no colour, drawn room or ``blur``.
    """
    if picture is not None:
        return Background(picture.pixels, fit=fit, icc_profile=picture.icc_profile)
    if not text:
        return None
    try:
        return Background.drawn(text)
    except UsageError as error:
        raise UsageError(f"background: {text!r} is {error}; a picture is sent as background_file") from error
