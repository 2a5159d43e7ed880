"""Read photos: the whole picture as the contract says, or ``PhotoError`` with the path and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.arrays import Photo
from carmask.errors import PhotoError
from carmask.geometry import Size, resize
from carmask.images.metadata import KeepMetadata, kept_metadata
from carmask.images.opening import decode, exif_orientation, orientation, refuse_too_large, upright_size, use_image
from carmask.images.pixels import rgb_pixels
from carmask.images.profiles import to_srgb

#: A smaller photo cannot show a car.
MIN_SIDE = 16

#: A JPEG decodes straight to one of these fractions of its size, from fewer coefficients: the larger, the faster.
_REDUCTIONS = (8, 4, 2)
#: Formats whose files are decoded at such a fraction.
_REDUCIBLE = frozenset({"JPEG", "MPO"})
#: Several pictures in these are pages, a phone's depth map or previews, or a burst: the main one is the photo.
_SEVERAL = frozenset({"MPO", "JPEG", "TIFF", "HEIF"})


class PhotoFile(NamedTuple):
    """A photo and what its file says about it.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, upright.
        icc_profile: the colour profile of the pixels, to be written with anything cut from them; None is sRGB.
        exif: EXIF data, to be written too; see ``kept_metadata``.
        dpi: pixels per inch, across and down, to be written too.
        format: of the file, as Pillow names it; None if it came from elsewhere.
    """

    pixels: Photo
    icc_profile: bytes | None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    format: str | None = None


class ReducedPhoto(NamedTuple):
    """A photo decoded at its own size or a whole fraction of it.

    Attributes:
        pixels: uint8 (height, width, 3), sRGB, upright.
        size: (height, width) of the photo itself, upright.
    """

    pixels: Photo
    size: Size


def read_photo(path: Path) -> Photo:
    """Read a photo to look at or to measure: upright 8-bit sRGB; see ``open_photo``.

    Returns:
        uint8 (height, width, 3); values with another profile are converted.

    Raises:
        PhotoError: as ``open_photo``.
    """
    photo = open_photo(path, keep="none")
    return to_srgb(photo.pixels, photo.icc_profile)


def open_photo(path: Path | str, content: bytes | None = None, *, keep: KeepMetadata = "safe") -> PhotoFile:
    """Read a photo as upright 8-bit RGB in its own colours, with their profile and what a camera wrote.

    Orientation is applied. CMYK, grey and L*a*b* become sRGB through their embedded profile; what a PNG says of gamma
    and primaries becomes a profile. Of values with more bits the highest 8 are kept. Palette and greyscale become RGB.
    Transparent pixels are put on white. Of a TIFF's pages the photo is read, not a thumbnail.

    Args:
        path: a file of one of the ``FORMATS``, with one frame.
        content: what is in the file, if it was read before; ``path`` then only names it in errors.
        keep: how much of the metadata.

    Returns:
        The pixels, their profile, and the metadata.

    Raises:
        PhotoError: if the file is missing, empty, truncated, not an image, animated, or of an unusable size.
    """

    def use(image: Image.Image) -> PhotoFile:
        _refuse_unusable(path, image)
        pixels, profile = rgb_pixels(image)
        return PhotoFile(pixels, profile, *kept_metadata(image, keep), image.format)

    return decode(path, use, content)


def image_photo(image: Image.Image, *, keep: KeepMetadata = "safe") -> PhotoFile:
    """Take the photo from an image that Pillow has opened or made; as ``open_photo``.

    Args:
        image: of any mode, with one frame; its EXIF orientation is applied.
        keep: how much of the metadata.

    Returns:
        The pixels, their profile, and the metadata.

    Raises:
        PhotoError: if its file is damaged, or it is of an unusable size.
    """

    def use(image: Image.Image) -> PhotoFile:
        _refuse_unusable("image", image)
        pixels, profile = rgb_pixels(image)
        return PhotoFile(pixels, profile, *kept_metadata(image, keep), image.format)

    return use_image(image, use)


def read_layered(path: Path) -> NDArray[np.uint8]:
    """Read a picture that may be transparent, to be shown.

    Args:
        path: as for ``open_photo``.

    Returns:
        uint8 (height, width, 4), RGBA, if it has transparency, else (height, width, 3), RGB; sRGB.

    Raises:
        PhotoError: as ``open_photo``.
    """

    def use(image: Image.Image) -> NDArray[np.uint8]:
        _refuse_unusable(path, image)
        return to_srgb(*rgb_pixels(image, alpha=True))

    return decode(path, use)


def open_reduced(path: Path | str, needed: Callable[[Size], Size], content: bytes | None = None) -> ReducedPhoto:
    """Read a photo no larger than it is needed, if its format allows: a JPEG at 1/2 decodes in half the time.

    Only fractions that divide both sides are used, so that the corners of the picture stay where they are.

    Args:
        path: as for ``open_photo``.
        needed: takes the photo's (height, width) and returns the least (height, width) of interest.
        content: as for ``open_photo``.

    Returns:
        The photo in sRGB, its pixels at least as many as needed or else all there are.

    Raises:
        PhotoError: as ``open_photo``.
    """

    def use(image: Image.Image) -> ReducedPhoto:
        _refuse_unusable(path, image)
        size = upright_size(image)
        if image.format in _REDUCIBLE:
            stored = image.height, image.width
            factor = _reduction(stored, needed(size)[::-1] if orientation(image) >= 5 else needed(size))
            if factor > 1:
                image.draft(image.mode, (stored[1] // factor, stored[0] // factor))
            return ReducedPhoto(to_srgb(*rgb_pixels(image)), size)
        pixels = to_srgb(*rgb_pixels(image))
        return ReducedPhoto(pixels, (pixels.shape[0], pixels.shape[1]))

    return decode(path, use, content)


def reduce_photo(photo: PhotoFile, needed: Callable[[Size], Size]) -> ReducedPhoto:
    """Reduce a photo that was decoded at its own size, as ``open_reduced`` would have.

    Of a JPEG a decoder's reduction keeps the low frequencies of each block, this one averages pixels: values differ by
    a few levels at edges. Photos of other formats stay as they are, as they do there.

    Args:
        photo: from ``open_photo``.
        needed: as for ``open_reduced``.

    Returns:
        The photo in sRGB, its pixels at least as many as needed or else all there are.
    """
    size = photo.pixels.shape[0], photo.pixels.shape[1]
    factor = _reduction(size, needed(size)) if photo.format in _REDUCIBLE else 1
    small = resize(photo.pixels, (size[0] // factor, size[1] // factor))
    return ReducedPhoto(to_srgb(small, photo.icc_profile), size)


def _reduction(size: Size, least: Size) -> int:
    """The largest fraction that divides both sides and leaves at least the size wanted; 1 if there is none."""
    for factor in _REDUCTIONS:
        whole = size[0] % factor == 0 and size[1] % factor == 0
        if whole and size[0] // factor >= least[0] and size[1] // factor >= least[1]:
            return factor
    return 1


def picture_size(path: Path | str, content: bytes | None = None) -> Size:
    """Read (height, width) from a picture's header, without decoding it, orientation applied.

    Args:
        path: the picture.
        content: what is in the file, if it was read before.

    Raises:
        PhotoError: if the file is missing or not an image, or too large to be read.
    """

    def use(image: Image.Image) -> Size:
        # Pillow decodes all of a PNG to look for an orientation behind its pixels.
        refuse_too_large(path, image)
        return upright_size(image)

    return decode(path, use, content)


def is_turned(path: Path) -> bool:
    """Whether a photo's pixels are stored turned or mirrored, and EXIF says how to make them upright.

    Raises:
        PhotoError: if the file is missing or not an image.
    """
    return decode(path, exif_orientation) != 1


def _refuse_unusable(path: Path | str, image: Image.Image) -> None:
    refuse_too_large(path, image)
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"{path}: {width}x{height} is too small for a photo; both sides need {MIN_SIDE} pixels")
    frames: int = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in _SEVERAL:
        raise PhotoError(f"{path}: animated ({frames} frames); save the frame you want as a still picture")
