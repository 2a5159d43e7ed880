"""The files that can be made of one photo: ``OUTPUTS`` is the one list, with suffix, condition and encoder of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np

from carmask.arrays import use_own_numbers
from carmask.batch.photo import CutPhoto
from carmask.batch.rules import ChannelRules
from carmask.compositing.background import Background
from carmask.compositing.plates import PlateCover
from carmask.compositing.style import RenderStyle
from carmask.errors import UsageError, check_choice, check_kind
from carmask.formats.labels import encode_labels, paint
from carmask.images import MAX_JPEG_SIDE, MAX_WEBP_SIDE, Format, KeepMetadata, encode_mask, encode_picture

#: Of the code that decides what output files hold: prediction, compositing and encoding. Raise it with every change
#: after which the same photo, model and settings give other files: results of earlier runs are then made again.
OUTPUT_REVISION = 8


#: What becomes of photos that show no whole car.
Others: TypeAlias = Literal["cut", "keep", "skip"]


@dataclass(frozen=True)
class OutputSpec:
    """What to make of each photo.

    The mask, the car on a background, or, if neither nor ``runs``, a transparent cut-out.

    Attributes:
        mask: write the mask.
        background: write the car in front of this.
        format: of cut-outs and pictures; masks and layers are PNG.
        runs: keep the mask's run-length text in the result.
        parts: write the parts' labels, and the photo with them in colour.
        quality: 1 to 100, of ``webp`` and ``jpg``; None for what serves well.
        layers: write the layers of the picture, too: mask, alpha, foreground, and the shadow if there is one.
        style: how the car stands in the picture.
        keep_metadata: how much of what a camera wrote goes into pictures: ``safe`` leaves out place and owner.
        rules: of the channel that the pictures are for; a picture that breaks one is a failure.
        others: photos that show no whole car: ``cut`` like the others, ``keep`` as they are, with an empty mask, or
            ``skip``, nothing is written of them.
        plate: what number plates are hidden with in all that is drawn of the photo; None to keep them.
    """

    mask: bool = False
    background: Background | None = None
    format: Format = "png"
    runs: bool = False
    parts: bool = False
    quality: int | None = None
    layers: bool = False
    style: RenderStyle = field(default_factory=RenderStyle)
    keep_metadata: KeepMetadata = "safe"
    rules: ChannelRules | None = None
    others: Others = "cut"
    plate: PlateCover | None = None

    def __post_init__(self) -> None:
        use_own_numbers(self)

    @property
    def picture(self) -> bool:
        """Whether more than a mask is wanted: a cut-out, or a picture with a background."""
        return self.background is not None or self.layers or not (self.mask or self.runs or self.parts)

    @property
    def files(self) -> tuple[Path, ...]:
        """The pictures that the settings name: background, and cover of number plates."""
        return tuple(one.file for one in (self.background, self.plate) if one is not None and one.file is not None)

    def check(self) -> None:
        """Refuse settings that exclude each other.

        Raises:
            UsageError: if they do, or a number is out of range.
        """
        check_choice(self.format, Format, "format")
        check_choice(self.others, Others, "others")
        check_choice(self.keep_metadata, KeepMetadata, "keep_metadata")
        for name, kind in (("background", Background), ("plate", PlateCover)):
            if not isinstance(given := getattr(self, name), kind | None):
                raise UsageError(f"{given!r}: give a {kind.__name__}, such as {kind.__name__}.parse(…)", argument=name)
        if self.quality is not None and not _is_quality(self.quality):
            raise UsageError(f"{self.quality!r}: give 1 to 100", argument="quality")
        check_kind(self.style, RenderStyle, "style")
        self.style.check()
        if self.rules is not None:
            self.rules.check()
        if not self.picture and self.style != RenderStyle():
            raise UsageError(
                "mask=True or parts=True alone: no picture is written that the style changes; add background=…"
            )
        if not self.picture and not self.parts and (self.format != "png" or self.quality is not None):
            raise UsageError("masks are PNG; it is for pictures: add background=…", argument="format")
        if not self.picture and self.keep_metadata != "safe":
            raise UsageError(
                "no picture is written with mask=True or parts=True alone; add background=…", argument="keep_metadata"
            )
        if self.plate is not None and not self.picture and not self.parts:
            raise UsageError("no picture is written with mask=True alone; add background=…", argument="plate")
        if self.picture and self.background is None:
            if self.format == "jpg":
                raise UsageError("JPEG has no transparency; add background=…, or take png or webp", argument="format")
            if self.style.match:
                raise UsageError("it takes on the light of a background: add background=…", argument="match")
        if self.style.match and self.background is not None and self.background.own:
            raise UsageError("the photo's own surroundings have its light already", argument="match")
        limit = {"webp": MAX_WEBP_SIDE, "jpg": MAX_JPEG_SIDE}.get(self.format)
        if limit is not None and (size := self.style.placing.size) is not None and max(size) > limit:
            raise UsageError(
                f"{size[1]}x{size[0]} is too large for {self.format} ({limit} a side); give less, or format='png'",
                argument="size",
            )
        if self.quality is not None and self.format == "png":
            raise UsageError("it is for webp and jpg; png keeps every value", argument="quality")

    @property
    def kinds(self) -> tuple[OutputKind, ...]:
        """The kinds of file to make of each photo, in the order of ``OUTPUTS``."""
        return tuple(kind for kind in OUTPUTS if kind.wanted(self))

    def outputs(self, name: str) -> list[str]:
        """The files, relative to the output folder, of the photo with this relative name (without suffix)."""
        return [name + kind.suffix.format(format=self.format) for kind in self.kinds]

    def encode(self, cut: CutPhoto) -> list[bytes]:
        """The contents of these files, in the order of ``outputs``.

        Raises:
            OutputError: if a picture is larger than its format allows.
        """
        return [kind.encode(cut, self) for kind in self.kinds]

    def settings(self) -> dict[str, object]:
        """All that decides what the files hold, besides model and photo, as JSON can hold it."""
        settings: dict[str, object] = {
            "mask": self.mask,
            "background": None if self.background is None else self.background.digest(),
            "format": self.format,
            "runs": self.runs,
            "parts": self.parts,
        }
        if self.others != "cut":
            settings["others"] = self.others
        if self.plate is not None:
            settings["plate"] = self.plate.digest()
        if self.picture:  # what only changes pictures does not make masks anew
            settings |= {"quality": self.quality, "layers": self.layers, "style": self.style.settings()}
            settings["keep_metadata"] = self.keep_metadata
            if self.rules is not None:
                settings["rules"] = self.rules.settings()
        return settings


class OutputKind(NamedTuple):
    """One kind of output file.

    Attributes:
        suffix: what follows the photo's name; ``{format}`` stands for the format of pictures.
        wanted: whether a spec asks for it.
        encode: makes the file's content.
        shown: whether it is a picture for a channel, whose rules it must keep.
    """

    suffix: str
    wanted: Callable[[OutputSpec], bool]
    encode: Callable[[CutPhoto, OutputSpec], bytes]
    shown: bool = False


def _mask(cut: CutPhoto, _: OutputSpec) -> bytes:
    return encode_mask(cut.mask)


def _labels(cut: CutPhoto, _: OutputSpec) -> bytes:
    return encode_labels(cut.labels)


def _overlay(cut: CutPhoto, spec: OutputSpec) -> bytes:
    painted = paint(cut.photo.pixels, cut.labels)
    return encode_picture(painted, cut.photo.icc_profile, format=spec.format, quality=spec.quality)


def _alpha(cut: CutPhoto, _: OutputSpec) -> bytes:
    return encode_picture(cut.layers.alpha)


def _foreground(cut: CutPhoto, _: OutputSpec) -> bytes:
    colours = np.zeros_like(cut.layers.foreground)
    cv2.copyTo(cut.layers.foreground, cut.layers.alpha, colours)
    return encode_picture(colours, cut.photo.icc_profile, exif=cut.photo.exif, dpi=cut.photo.dpi)


def _shadow(cut: CutPhoto, _: OutputSpec) -> bytes:
    """Black on nothing: grey 0 and opacity."""
    dark = cut.shadow
    return encode_picture(np.dstack([np.zeros_like(dark), dark]))


def _picture(cut: CutPhoto, spec: OutputSpec) -> bytes:
    made, photo = cut.picture, cut.photo
    return encode_picture(
        made, photo.icc_profile, format=spec.format, quality=spec.quality, exif=photo.exif, dpi=photo.dpi
    )


#: In the order in which they are written.
OUTPUTS = (
    OutputKind("_mask.png", lambda spec: spec.mask or spec.layers, _mask),
    OutputKind("_parts.png", lambda spec: spec.parts, _labels),
    OutputKind("_overlay.{format}", lambda spec: spec.parts, _overlay),
    OutputKind("_alpha.png", lambda spec: spec.layers, _alpha),
    OutputKind("_foreground.png", lambda spec: spec.layers, _foreground),
    OutputKind("_shadow.png", lambda spec: spec.layers and spec.style.shadow != "none", _shadow),
    OutputKind(".{format}", lambda spec: spec.picture, _picture, shown=True),
)


def _is_quality(value: object) -> bool:
    return isinstance(value, Integral) and 1 <= int(value) <= 100
