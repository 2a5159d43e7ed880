"""Read and write photos and masks.

Every reader either returns the whole picture as its contract says or raises ``PhotoError`` with the path and what is
wrong. Every writer puts the file in place whole or not at all.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from carmask.arrays import Mask, Photo
from carmask.errors import OutputError, PhotoError

#: Suffixes that a folder is searched for.
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
MASK_SUFFIXES = frozenset({".gif", ".png", ".bmp", ".tif", ".tiff"})
#: A larger photo is refused before it is decoded: at this size the arrays of one photo take 1.5 GB.
MAX_PIXELS = 128_000_000
#: A smaller photo cannot show a car.
MIN_SIDE = 16
#: Measured on cut-outs of 1918x1280 (benchmarks/png.py): level 1 writes 2.4 times faster than 6, 8 % larger.
CUTOUT_COMPRESSION = 1

_CODEC_ERRORS = (ImageCms.PyCMSError, struct.error, zlib.error)

# Ours is checked first and says what to do; Pillow's own limit would only get in its way.
Image.MAX_IMAGE_PIXELS = None


class PhotoFile(NamedTuple):
    """A photo and what its file says about its colours."""

    pixels: Photo
    #: The embedded ICC profile of RGB pixels, to be written with anything cut from them.
    icc_profile: bytes | None


def read_photo(path: Path) -> Photo:
    """Read a photo as upright 8-bit RGB; see ``open_photo``.

    Raises:
        PhotoError: as ``open_photo``.
    """
    return open_photo(path).pixels


def open_photo(path: Path) -> PhotoFile:
    """Read a photo as upright 8-bit RGB, with its colour profile.

    EXIF orientation is applied. CMYK is converted through its embedded profile if there is one. 16-bit values keep
    their high byte. Palette and greyscale become RGB. Transparent pixels are put on white.

    Args:
        path: a JPEG, PNG, WebP, TIFF, BMP or GIF file with one frame.

    Returns:
        uint8 (height, width, 3), RGB, and the profile.

    Raises:
        PhotoError: if the file is missing, empty, truncated, not an image, animated, or of an unusable size.
    """
    with _opened(path) as image:
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
        rgb = _to_rgb(_upright(image))
        return PhotoFile(np.asarray(rgb), rgb.info.get("icc_profile"))


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


def picture_size(path: Path) -> tuple[int, int]:
    """Read (height, width) from a picture's header, without decoding it, orientation applied.

    Raises:
        PhotoError: if the file is missing or not an image.
    """
    with _opened(path) as image:
        width, height = image.size
        # EXIF orientations 5 to 8 exchange the sides.
        return (width, height) if image.getexif().get(0x0112, 1) >= 5 else (height, width)


def write_mask(path: Path, mask: Mask) -> None:
    """Write a mask as a one-bit PNG (0 background, 255 car when read as grey).

    Args:
        path: where to; its folder must exist.
        mask: bool (height, width).

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(path, _encode(Image.fromarray(mask), optimize=False))


def write_cutout(path: Path, photo: Photo, mask: Mask, icc_profile: bytes | None = None) -> None:
    """Write the car on transparency as an RGBA PNG.

    Pixels outside the mask are transparent black: the file is small, and nothing of the background is left in it.

    Args:
        path: where to; its folder must exist.
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        icc_profile: the photo's profile.

    Raises:
        OutputError: if it cannot be written.
    """
    rgba = np.zeros((*mask.shape, 4), np.uint8)
    rgba[..., :3] = photo
    rgba[..., 3] = 255
    rgba[~mask] = 0
    write_atomically(path, _encode(Image.fromarray(rgba), icc_profile, compress_level=CUTOUT_COMPRESSION))


def write_picture(path: Path, photo: Photo, icc_profile: bytes | None = None) -> None:
    """Write an RGB picture as PNG.

    Args:
        path: where to; its folder must exist.
        photo: uint8 (height, width, 3), RGB.
        icc_profile: the photo's profile.

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(path, _encode(Image.fromarray(photo), icc_profile, compress_level=CUTOUT_COMPRESSION))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that ``path`` holds either all of ``content`` or what it held before.

    Args:
        path: where to; its folder must exist.
        content: the whole file.

    Raises:
        OutputError: if it cannot be written; no temporary file is left.
    """
    with replacing(path) as stream:
        stream.write(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of ``path`` at the end, or vanishes if anything fails.

    Args:
        path: where to; its folder must exist.

    Yields:
        The file, to write bytes to.

    Raises:
        OutputError: if it cannot be written; ``path`` is as it was, and no temporary file is left.
    """
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name[:80]}.", suffix=".tmp", delete=False
        ) as f:
            temporary = Path(f.name)
            yield f  # type: ignore[misc]  # the wrapper has every method of BinaryIO
        # Temporary files are private (0600); results get the permissions that other new files get.
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: if it cannot be made, or a file has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file has this name" if isinstance(error, FileExistsError) else error.strerror
        raise OutputError(f"{path}: the folder cannot be made: {reason}") from error


def _read_umask() -> int:
    # The only portable way to read it is to set it, which threads could notice: done once, while importing.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_UMASK = _read_umask()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture with Pillow; whatever goes wrong inside becomes a PhotoError with the path."""
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise PhotoError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{path}: this is a folder, not a photo") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
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


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, KeyError, TypeError):
        # Damaged EXIF: the pixels are still good, and loading them here reports it if they are not.
        image.load()
        return image


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


def _encode(image: Image.Image, icc_profile: bytes | None = None, **options: int | bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=icc_profile, **options)
    return buffer.getvalue()
