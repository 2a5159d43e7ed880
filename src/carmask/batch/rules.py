"""What a channel demands of the pictures that are sent to it, checked on the files that were written."""

from __future__ import annotations

import io
import re
from dataclasses import asdict, dataclass

from PIL import Image

from carmask.errors import UsageError
from carmask.words import counted

#: How far the ratio of a picture's sides may be from the rule's: what rounding to whole pixels makes of it.
_SAME_ASPECT = 0.005
#: Pillow's names of file formats, in the words of the rules.
_FORMATS = {"jpeg": "jpg", "mpo": "jpg", "png": "png", "webp": "webp", "gif": "gif", "bmp": "bmp", "tiff": "tif"}


@dataclass(frozen=True)
class ChannelRules:
    """The rules of a channel, such as a marketplace. None is no rule.

    Attributes:
        channel: its name.
        source: address of the page that states them.
        date: when they were read there, ``YYYY-MM-DD``.
        aspect: width and height in small numbers, such as (4, 3).
        min_width: pixels.
        min_height: pixels.
        min_side: pixels of the longer side.
        max_megapixels: millions of pixels.
        max_bytes: of a file.
        formats: ``jpg``, ``png``, ``gif``, ``bmp``, ``tif``, ``webp``.
        opaque: transparent pixels are not allowed.
        max_photos: pictures of a vehicle.
        min_photos: pictures of a vehicle.
        id_pattern: regular expression that a vehicle's identifier matches from end to end.
        id_words: what the pattern means, for messages.
    """

    channel: str
    source: str
    date: str
    aspect: tuple[int, int] | None = None
    min_width: int | None = None
    min_height: int | None = None
    min_side: int | None = None
    max_megapixels: float | None = None
    max_bytes: int | None = None
    formats: tuple[str, ...] | None = None
    opaque: bool = False
    max_photos: int | None = None
    min_photos: int | None = None
    id_pattern: str | None = None
    id_words: str = ""

    def check(self) -> None:
        """Refuse rules that cannot be followed.

        Raises:
            UsageError: if the pattern of identifiers is no regular expression.
        """
        try:
            re.compile(self.id_pattern or "")
        except re.error as error:
            raise UsageError(f"rules: id-pattern: {self.id_pattern}: no regular expression: {error}") from error

    def settings(self) -> dict[str, object]:
        """The rules for pictures, as JSON can hold them: another text means that pictures are checked again."""
        vehicle = {"max_photos", "min_photos", "id_pattern", "id_words"}
        return {name: value for name, value in asdict(self).items() if value and name not in vehicle}

    def broken_by(self, content: bytes) -> list[str]:
        """The rules that a picture's file breaks.

        Args:
            content: the file.

        Returns:
            One text for each: the rule's name, a colon, and what is wrong. Empty if there are none.
        """
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
            kind = _FORMATS.get((picture.format or "").lower(), (picture.format or "unknown").lower())
            clear = self.opaque and picture.has_transparency_data and _transparent(picture)
        found = []
        if self.formats is not None and kind not in self.formats:
            found.append(f"format: {kind} is none of {', '.join(self.formats)}")
        if self.aspect is not None and abs(width / height * self.aspect[1] / self.aspect[0] - 1) > _SAME_ASPECT:
            found.append(f"aspect: {width}x{height} is not {self.aspect[0]}:{self.aspect[1]}")
        if width < (self.min_width or 0) or height < (self.min_height or 0):
            found.append(f"min-size: {width}x{height} is smaller than {self.min_width or 1}x{self.min_height or 1}")
        if max(width, height) < (self.min_side or 0):
            found.append(f"min-side: the longer side of {width}x{height} is less than {self.min_side} pixels")
        if self.max_megapixels is not None and width * height > self.max_megapixels * 1e6:
            found.append(f"max-megapixels: {width}x{height} has more than {self.max_megapixels:g} megapixels")
        if self.max_bytes is not None and len(content) > self.max_bytes:
            found.append(f"max-bytes: {len(content)} bytes are more than {self.max_bytes}")
        if clear:
            found.append("opaque: it has transparent pixels")
        return found

    def broken_by_vehicle(self, vehicle: str, photos: int) -> list[str]:
        """The rules that a vehicle breaks.

        Args:
            vehicle: its identifier.
            photos: how many pictures of it there are.

        Returns:
            As ``broken_by``.
        """
        found = []
        if self.id_pattern is not None and not re.fullmatch(self.id_pattern, vehicle):
            found.append(f"id: {self.id_words or f'it does not match {self.id_pattern}'}")
        if self.max_photos is not None and photos > self.max_photos:
            found.append(f"max-photos: {counted(photos, 'picture')}, more than {self.max_photos}")
        if photos < (self.min_photos or 0):
            found.append(f"min-photos: {counted(photos, 'picture')}, fewer than {self.min_photos}")
        return found


def _transparent(picture: Image.Image) -> bool:
    least = picture.convert("RGBA").getchannel("A").getextrema()[0]
    return isinstance(least, int | float) and least < 255
