"""Read photos and masks: the whole picture as the contract says, or ``PhotoError`` with the path and what is wrong."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from carmask.arrays import Mask, Photo
from carmask.errors import PhotoError
from carmask.geometry import Size

#: A larger photo is refused before it is decoded: at this size the arrays of one photo take 1.5 GB.
MAX_PIXELS = 128_000_000
#: A smaller photo cannot show a car.
MIN_SIDE = 16

#: A JPEG decodes straight to one of these fractions of its size, from fewer coefficients: the larger, the faster.
_REDUCTIONS = (8, 4, 2)

#: What makes a photo upright, by its EXIF orientation.
_TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_CODEC_ERRORS = (ImageCms.PyCMSError, struct.error, zlib.error)

# Ours is checked first and says what to do; Pillow's own limit would only get in its way.
Image.MAX_IMAGE_PIXELS = None


class PhotoFile(NamedTuple):
    """A photo and what its file says about its colours."""

    pixels: Photo
    #: The embedded ICC profile of RGB pixels, to be written with anything cut from them.
    icc_profile: bytes | None
    #: EXIF data, to be written too: without orientation, size and thumbnail, which hold no longer.
    exif: bytes | None = None


class ReducedPhoto(NamedTuple):
    """A photo decoded at its own size or a whole fraction of it.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, upright.
        size: (height, width) of the photo itself, upright.
    """

    pixels: Photo
    size: Size


def read_photo(path: Path) -> Photo:
    """Read a photo as upright 8-bit RGB; see ``open_photo``.

    Raises:
        PhotoError: as ``open_photo``.
    """
    return open_photo(path).pixels


def open_photo(path: Path | str, content: bytes | None = None) -> PhotoFile:
    """Read a photo as upright 8-bit RGB, with its colour profile.

    EXIF orientation is applied. CMYK is converted through its embedded profile if there is one. 16-bit values keep
    their high byte. Palette and greyscale become RGB. Transparent pixels are put on white.

    Args:
        path: a JPEG, PNG, WebP, TIFF, BMP or GIF file with one frame.
        content: what is in the file, if it was read before; ``path`` then only names it in errors.

    Returns:
        uint8 (height, width, 3), RGB, and the profile.

    Raises:
        PhotoError: if the file is missing, empty, truncated, not an image, animated, or of an unusable size.
    """
    with _opened(path, content) as image:
        _refuse_unusable(path, image)
        rgb = _to_rgb(_upright(image))
        return PhotoFile(np.asarray(rgb), rgb.info.get("icc_profile"), _kept_exif(image))


def read_layered(path: Path) -> NDArray[np.uint8]:
    """Read a picture that may be transparent.

    Args:
        path: as for ``open_photo``.

    Returns:
        uint8 (height, width, 4), RGBA, if it has transparency, else (height, width, 3), RGB.

    Raises:
        PhotoError: as ``open_photo``.
    """
    with _opened(path) as image:
        _refuse_unusable(path, image)
        upright = _upright(image)
        return np.asarray(upright.convert("RGBA") if upright.has_transparency_data else _to_rgb(upright))


def to_profile(pixels: Photo, source: bytes | None, target: bytes | None) -> Photo:
    """Convert colours from one ICC profile to another, by relative colorimetry.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        source: their profile; None is sRGB.
        target: the profile wanted; None is sRGB.

    Returns:
        uint8 (height, width, 3), RGB; as it was if a profile is damaged.
    """
    if source == target:
        return pixels
    with contextlib.suppress(ImageCms.PyCMSError, OSError):
        before, after = (
            ImageCms.createProfile("sRGB") if content is None else ImageCms.ImageCmsProfile(io.BytesIO(content))
            for content in (source, target)
        )
        image = Image.fromarray(pixels)
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(image, before, after, renderingIntent=intent, outputMode="RGB")
        if converted is not None:
            return np.asarray(converted)
    return pixels


def open_reduced(path: Path | str, needed: Callable[[Size], Size], content: bytes | None = None) -> ReducedPhoto:
    """Read a photo no larger than it is needed, if its format allows: a JPEG at 1/2 decodes in half the time.

    Only fractions that divide both sides are used, so that the corners of the picture stay where they are.

    Args:
        path: as for ``open_photo``.
        needed: takes the photo's (height, width) and returns the least (height, width) of interest.
        content: as for ``open_photo``.

    Returns:
        The photo, its pixels at least as many as needed or else all there are.

    Raises:
        PhotoError: as ``open_photo``.
    """
    with _opened(path, content) as image:
        _refuse_unusable(path, image)
        stored = image.height, image.width
        turned = _is_turned(image)
        size = stored[::-1] if turned else stored
        least = needed(size)[::-1] if turned else needed(size)
        for factor in _REDUCTIONS:
            whole = stored[0] % factor == 0 and stored[1] % factor == 0
            if whole and stored[0] // factor >= least[0] and stored[1] // factor >= least[1]:
                # Does nothing where the format cannot; what comes then is the whole photo, which is as good.
                image.draft(image.mode, (stored[1] // factor, stored[0] // factor))
                break
        return ReducedPhoto(np.asarray(_to_rgb(_upright(image))), size)


def read_mask(path: Path) -> Mask:
    """Read a binary mask.

    Palettes are resolved to grey first, so Carvana's GIFs (index 0 and 1, shown as 0 and 255) and PNGs of 0/1 or 0/255
    all read alike.

    Args:
        path: a GIF, PNG, BMP or TIFF file.

    Returns:
        bool (height, width), True where the grey value is not 0.

    Raises:
        PhotoError: if the file cannot be read or holds more than 0 and one other grey value.
    """
    with _opened(path) as image:
        if image.mode == "1":
            # Pillow hands out bytes of 0 and 255 as bool; numpy and everything here count on 0 and 1.
            return np.asarray(image).view(np.uint8) > 0
        grey = np.asarray(image.convert("L"))
    high = int(grey.max())
    mask = grey > 0
    if np.count_nonzero(grey == high) != np.count_nonzero(mask) and high:
        raise PhotoError(
            f"{path}: not a binary mask: it has {len(np.unique(grey))} grey values where 0 and one other are allowed"
        )
    return mask


def picture_size(path: Path | str, content: bytes | None = None) -> Size:
    """Read (height, width) from a picture's header, without decoding it, orientation applied.

    Args:
        path: the picture.
        content: what is in the file, if it was read before.

    Raises:
        PhotoError: if the file is missing or not an image.
    """
    with _opened(path, content) as image:
        width, height = image.size
        return (width, height) if _is_turned(image) else (height, width)


@contextlib.contextmanager
def _opened(path: Path | str, content: bytes | None = None) -> Iterator[Image.Image]:
    """Open a picture with Pillow; whatever goes wrong inside becomes a PhotoError with the path."""
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as image:
            yield image
    except FileNotFoundError as error:
        raise PhotoError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{path}: this is a folder, not a photo") from error
    except UnidentifiedImageError as error:
        empty = not content if content is not None else Path(path).stat().st_size == 0
        raise PhotoError(f"{path}: {'the file is empty' if empty else 'not an image that can be read'}") from error
    except MemoryError as error:
        raise PhotoError(f"{path}: too large for this machine's memory") from error
    # What Pillow raises on damaged files is not documented as one class: these are the ones its plugins use.
    except (
        OSError,
        EOFError,
        SyntaxError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        *_CODEC_ERRORS,
    ) as error:
        if isinstance(error, OSError) and error.strerror:
            raise PhotoError(f"{path}: cannot be read: {error.strerror}") from error
        raise PhotoError(f"{path}: damaged: {error}") from error


def _refuse_unusable(path: Path | str, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(
            f"{path}: {width}x{height} is {width * height / 1e6:.0f} megapixels; at most {MAX_PIXELS // 10**6} can "
            "be read, make it smaller"
        )
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"{path}: {width}x{height} is too small for a photo; both sides need {MIN_SIDE} pixels")
    # Two frames in a JPEG are a phone's depth map or preview (MPO); the first one is the photo.
    frames: int = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in {"MPO", "JPEG", "TIFF"}:
        raise PhotoError(f"{path}: animated ({frames} frames); save the frame you want as a still picture")


def _is_turned(image: Image.Image) -> bool:
    """Whether the camera lay on its side."""
    return _orientation(image) >= 5


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8: 5 to 8 exchange the sides, 1 is upright."""
    try:
        found = int(image.getexif().get(0x0112, 1))
    except (SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return 1  # damaged EXIF: the pixels are still good
    return found if found in _TURNS else 1


def _kept_exif(image: Image.Image) -> bytes | None:
    """What a camera wrote of the photo, as far as it holds for what is made of it."""
    try:
        exif = image.getexif()
        exif.pop(0x0112, None)  # orientation: it has been applied
        details = exif.get_ifd(0x8769)
        for tag in (0xA002, 0xA003):  # width and height
            details.pop(tag, None)
        # Pillow writes no thumbnail, which would show the photo as it was.
        return exif.tobytes() if len(exif) else None
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error):
        return None  # damaged EXIF: the pixels are still good


def _upright(image: Image.Image) -> Image.Image:
    # ImageOps.exif_transpose does this too, but copies upright photos and may fail on the rest of the EXIF data.
    image.load()
    turn = _TURNS[_orientation(image)]
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK" and profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a damaged profile: convert without it
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                converted.info.pop("icc_profile", None)
                return converted
    if image.mode.startswith("I"):  # 16-bit grey: "I;16", "I;16B" or, widened to 32 bits, "I"
        values = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip(values >> 8 if values.max() > 255 else values, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels, whose range is not known; save it as 8-bit")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    rgb = image.convert("RGB")
    if image.mode in {"CMYK", "L", "LA", "LAB"} or profile is None:
        rgb.info.pop("icc_profile", None)  # a profile of other channels than these
    else:
        rgb.info["icc_profile"] = profile
    return rgb
