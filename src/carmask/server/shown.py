"""Which photos a page shows as they are."""

from __future__ import annotations

import contextlib
import struct

from PIL import ExifTags, Image

from carmask.images import decode
from carmask.images.opening import exif_orientation

#: Formats that every browser shows as they are.
_SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def media_type(content: bytes) -> str:
    """The media type of a photo that every browser shows as it is read here, by what is in it; else ''.

    Args:
        content: what is in the file.
    """

    def use(image: Image.Image) -> str:
        shown = image.mode in {"RGB", "RGBA", "L", "P"} and _turned_by_all(image)
        return _SHOWN.get(image.format or "", "") if shown else ""

    return decode("photo", use, content)


def _turned_by_all(image: Image.Image) -> bool:
    """Whether every browser turns it as it is turned here: by a JPEG's EXIF, and neither by XMP nor in a WebP."""
    turn = exif_orientation(image)
    if turn == 1:
        return True
    exif = Image.Exif()
    with contextlib.suppress(SyntaxError, ValueError, KeyError, TypeError, IndexError, OSError, struct.error):
        exif.load(image.info.get("exif", b""))
        return image.format == "JPEG" and exif.get(ExifTags.Base.Orientation) == turn
    return False
