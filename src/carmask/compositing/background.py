"""Put a cut-out car in front of a colour or a picture."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
from PIL import ImageColor

from carmask.arrays import Mask, Photo, Size
from carmask.errors import UsageError
from carmask.images import read_photo


class Background:
    """A colour or picture, made to fit photos of any size."""

    def __init__(self, pixels: Photo) -> None:
        """Use a picture.

        Args:
            pixels: uint8 (height, width, 3), RGB; one pixel is a colour.
        """
        self._pixels = pixels
        self._fitted = pixels

    @classmethod
    def parse(cls, text: str) -> Background:
        """Read what a user wrote: a picture's path, a colour's name (CSS) or ``#rrggbb``.

        Raises:
            UsageError: if it is none of these.
            PhotoError: if the picture cannot be read.
        """
        path = Path(text)
        if path.is_file():
            return cls(read_photo(path))
        try:
            red, green, blue = ImageColor.getrgb(text)[:3]
        except ValueError as error:
            raise UsageError(
                f"--background {text}: no such picture, and not a colour (a name such as white, or #rrggbb)"
            ) from error
        return cls(np.array([[[red, green, blue]]], np.uint8))

    def digest(self) -> str:
        """SHA-256 of the picture's size and values: another background has another one."""
        return hashlib.sha256(repr(self._pixels.shape).encode() + self._pixels.tobytes()).hexdigest()

    def fitted(self, size: Size) -> Photo:
        """Scale and crop around the centre to cover a size.

        Args:
            size: (height, width) wanted.

        Returns:
            uint8 (height, width, 3), RGB. The last size is kept: photos of one series are alike.
        """
        fitted = self._fitted
        if fitted.shape[:2] != size:
            # Assigned whole: threads that write photos of different sizes may each do this, and none sees half of it.
            self._fitted = fitted = cover(self._pixels, size)
        return fitted


def cover(picture: Photo, size: Size) -> Photo:
    """Scale a picture, keeping its shape, until it covers a size, and crop what stands over evenly.

    Args:
        picture: uint8 (height, width, 3), RGB.
        size: (height, width) wanted.

    Returns:
        uint8 (``*size``, 3), RGB.
    """
    height, width = picture.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    scaled = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = cv2.resize(picture, scaled[::-1], interpolation=method)
    top, left = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return np.ascontiguousarray(large[top : top + size[0], left : left + size[1]], np.uint8)


def compose(photo: Photo, mask: Mask, background: Photo) -> Photo:
    """Put the masked part of a photo in front of a background.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        background: uint8 (height, width, 3), RGB, of the same size.

    Returns:
        uint8 (height, width, 3), RGB; a new array.
    """
    return np.where(mask[..., None], photo, background)
