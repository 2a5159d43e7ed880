"""What is kept of what a camera wrote about a photo (EXIF 3.0, https://www.cipa.jp/std/documents/download_e.html).

Never kept is what describes the file and not the photo: where its pixels lie, previews, layers of an editor, a maker's
own notes (which hold previews and places), XMP and IPTC.
"""

from __future__ import annotations

import struct
from collections.abc import MutableMapping
from typing import Any, Literal, NamedTuple

from PIL import ExifTags, Image

#: ``safe``: camera, exposure, dates and resolution. ``all``: also place, owner, serial numbers, titles and comments.
#: ``none``: nothing but the colour profile.
KeepMetadata = Literal["all", "safe", "none"]

_BASE = ExifTags.Base
_RESOLUTION = (_BASE.XResolution, _BASE.YResolution, _BASE.ResolutionUnit)
_SAFE = frozenset({_BASE.Make, _BASE.Model, _BASE.Software, _BASE.DateTime, *_RESOLUTION})
_OWNERS = frozenset({_BASE.ImageDescription, _BASE.Artist, _BASE.Copyright, _BASE.HostComputer})
_OWNERS |= {_BASE.XPTitle, _BASE.XPComment, _BASE.XPAuthor, _BASE.XPKeywords, _BASE.XPSubject, _BASE.Rating}
_SAFE_DETAILS = frozenset(
    {
        _BASE.ExposureTime, _BASE.FNumber, _BASE.ExposureProgram, _BASE.ISOSpeedRatings, _BASE.SensitivityType,
        _BASE.RecommendedExposureIndex, _BASE.ExifVersion, _BASE.DateTimeOriginal, _BASE.DateTimeDigitized,
        _BASE.OffsetTime, _BASE.OffsetTimeOriginal, _BASE.OffsetTimeDigitized, _BASE.ShutterSpeedValue,
        _BASE.ApertureValue, _BASE.BrightnessValue, _BASE.ExposureBiasValue, _BASE.MaxApertureValue,
        _BASE.SubjectDistance, _BASE.MeteringMode, _BASE.LightSource, _BASE.Flash, _BASE.FocalLength,
        _BASE.SubsecTime, _BASE.SubsecTimeOriginal, _BASE.SubsecTimeDigitized, _BASE.ColorSpace,
        _BASE.ExposureMode, _BASE.WhiteBalance, _BASE.DigitalZoomRatio, _BASE.FocalLengthIn35mmFilm,
        _BASE.SceneCaptureType, _BASE.GainControl, _BASE.Contrast, _BASE.Saturation, _BASE.Sharpness,
        _BASE.LensSpecification, _BASE.LensMake, _BASE.LensModel,
    }
)  # fmt: skip
_OWNERS_DETAILS = frozenset(
    {_BASE.UserComment, _BASE.ImageUniqueID, _BASE.CameraOwnerName, _BASE.BodySerialNumber, _BASE.LensSerialNumber}
)
#: A value that takes more is no value of these tags.
_LONGEST = 8192
#: A unit of resolutions; 2 is the inch.
_CENTIMETRE = 3
_DAMAGE = (SyntaxError, ValueError, KeyError, TypeError, IndexError, AttributeError, OSError, ArithmeticError)


class Metadata(NamedTuple):
    """What is written of a photo besides its pixels and its colour profile.

    Attributes:
        exif: EXIF data as Pillow writes them; None if there are none.
        dpi: pixels per inch, across and down; None if the file does not say.
    """

    exif: bytes | None = None
    dpi: tuple[float, float] | None = None


def kept_metadata(image: Image.Image, keep: KeepMetadata) -> Metadata:
    """Choose what is kept of a photo's metadata.

    Args:
        image: the loaded photo.
        keep: how much.

    Returns:
        What is kept; damaged entries are left out.
    """
    if keep == "none":
        return Metadata()
    kept, details, places = Image.Exif(), dict[int, Any](), dict[int, Any]()
    dpi = None
    try:
        found = image.getexif()
        dpi = _dpi(image, found)
        _copy(found, kept, _SAFE | _OWNERS if keep == "all" else _SAFE)
        _copy(
            found.get_ifd(ExifTags.IFD.Exif),
            details,
            _SAFE_DETAILS | _OWNERS_DETAILS if keep == "all" else _SAFE_DETAILS,
        )
        if keep == "all":
            _copy(found.get_ifd(ExifTags.IFD.GPSInfo), places, frozenset(range(0x20)))
    except (*_DAMAGE, struct.error):
        pass  # what was read until then is good
    for tag in _RESOLUTION:
        kept.pop(tag, None)
    if dpi is not None:
        # Wherever it stood in the file: all formats that are written hold it here.
        kept.update(zip(_RESOLUTION, (*dpi, 2), strict=True))
    for part in (kept, details, places):
        _drop_unwritable(part)
    for ifd, part in ((ExifTags.IFD.Exif, details), (ExifTags.IFD.GPSInfo, places)):
        if part:
            kept.get_ifd(ifd).update(part)
    return Metadata(kept.tobytes() if len(kept) or details or places else None, dpi)


def _copy(source: Any, target: Any, tags: frozenset[int]) -> None:
    for tag in tags & set(source):
        value = source[tag]
        if not isinstance(value, (bytes, str, tuple)) or len(value) <= _LONGEST:
            target[int(tag)] = value


def _drop_unwritable(part: MutableMapping[int, Any]) -> None:
    for tag in list(part):
        alone = Image.Exif()
        alone[tag] = part[tag]
        try:
            alone.tobytes()
        except (*_DAMAGE, struct.error):
            del part[tag]


def _dpi(image: Image.Image, exif: Image.Exif) -> tuple[float, float] | None:
    """What the file says, in its EXIF data or elsewhere; where neither does, Pillow says 72 of some JPEGs."""
    across, down = (exif.get(tag) for tag in _RESOLUTION[:2])
    unit = 2.54 if exif.get(_BASE.ResolutionUnit) == _CENTIMETRE else 1
    if across is None or down is None:
        if image.format in {"JPEG", "MPO"} and not image.info.get("jfif_unit"):
            return None
        (across, down), unit = image.info.get("dpi", (0, 0)), 1
    try:
        found = unit * float(across), unit * float(down)
    except _DAMAGE:
        return None
    return found if all(1 < value < 1e5 for value in found) else None
