"""Read and write photos and masks.

Every reader either returns the whole picture as its contract says or raises ``PhotoError`` with the path and what is
wrong. Every writer puts the file in place whole or not at all.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from carmask.arrays import Mask, Photo, Size
from carmask.errors import OutputError, PhotoError

#: Suffixes that a folder is searched for.
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
MASK_SUFFIXES = frozenset({".gif", ".png", ".bmp", ".tif", ".tiff"})
#: A larger photo is refused before it is decoded: at this size the arrays of one photo take 1.5 GB.
MAX_PIXELS = 128_000_000
#: A smaller photo cannot show a car.
MIN_SIDE = 16
#: How much of a file's name its temporary name repeats: the rest of 255 bytes is for what is put around it.
_TEMPORARY_NAME = 50
#: Measured on masks of 1918x1280 (benchmarks/png.py): 0.4 ms and 5.0 kB; level 6 takes 1.2 ms and 2.9 kB.
MASK_COMPRESSION = 1
#: The fastest level that compresses; benchmarks/png.py compares it with others, not yet run on an idle machine.
CUTOUT_COMPRESSION = 1
WEBP_QUALITY, WEBP_METHOD = 90, 0
MAX_WEBP_SIDE = 16383

#: A JPEG decodes straight to one of these fractions of its size, from fewer coefficients: the larger, the faster.
_REDUCTIONS = (8, 4, 2)

Format = Literal["png", "webp"]

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.tmp", re.DOTALL)
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
        return PhotoFile(np.asarray(rgb), rgb.info.get("icc_profile"))


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


def write_mask(path: Path, mask: Mask) -> None:
    """Write a mask as a one-bit PNG (0 background, 255 car when read as grey).

    Args:
        path: where to; its folder must exist.
        mask: bool (height, width).

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(path, encode_mask(mask))


def encode_mask(mask: Mask) -> bytes:
    """Make a one-bit PNG of a mask (0 background, 255 car when read as grey).

    The file is put together here, from the few chunks that it takes, in a sixth of the time that Pillow needs.
    https://www.w3.org/TR/png-3/

    Args:
        mask: bool (height, width).

    Returns:
        The file's content.
    """
    height, width = mask.shape
    # Each row begins with the number of its filter; 0 leaves it as it is, which is best for one-bit pictures.
    rows = np.zeros((height, 1 + (width + 7) // 8), np.uint8)
    rows[:, 1:] = np.packbits(mask, axis=1)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.data, MASK_COMPRESSION)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def encode_cutout(photo: Photo, mask: Mask, icc_profile: bytes | None = None, *, format: Format = "png") -> bytes:  # noqa: A002  # the user's word for it
    """Make an RGBA picture of the car on transparency.

    Pixels outside the mask are transparent black: the file is small, and nothing of the background is left in it.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        icc_profile: the photo's profile.
        format: ``png`` keeps every value, ``webp`` is smaller and near to it.

    Returns:
        The file's content.
    """
    rgba = np.zeros((*mask.shape, 4), np.uint8)
    rgba[..., :3] = photo
    rgba[..., 3] = 255
    rgba[~mask] = 0
    return encode_picture(rgba, icc_profile, format=format)


def encode_picture(
    pixels: NDArray[np.uint8],
    icc_profile: bytes | None = None,
    *,
    format: Format = "png",  # noqa: A002
) -> bytes:
    """Make a PNG or WebP file of a picture.

    Args:
        pixels: uint8 (height, width, 3), RGB, or (height, width, 4), RGBA.
        icc_profile: its profile.
        format: ``png`` keeps every value, ``webp`` is smaller and near to it.

    Returns:
        The file's content.

    Raises:
        OutputError: if the picture is larger than the format allows: 16383 pixels a side for ``webp``.
    """
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if format == "webp":
        if max(image.size) > MAX_WEBP_SIDE:
            raise OutputError(f"{image.width}x{image.height} is too large for WebP ({MAX_WEBP_SIDE} a side); use PNG")
        image.save(buffer, "WEBP", quality=WEBP_QUALITY, method=WEBP_METHOD, icc_profile=icc_profile or b"")
    else:
        image.save(buffer, "PNG", compress_level=CUTOUT_COMPRESSION, icc_profile=icc_profile)
    return buffer.getvalue()


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a picture as PNG.

    Args:
        path: where to; its folder must exist.
        pixels: uint8 (height, width, 3), RGB, or (height, width, 4), RGBA.

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(path, encode_picture(pixels))


def write_cutout(path: Path, photo: Photo, mask: Mask, icc_profile: bytes | None = None) -> None:
    """Write the car on transparency as an RGBA PNG; see ``encode_cutout``.

    Args:
        path: where to; its folder must exist.
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        icc_profile: the photo's profile.

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(path, encode_cutout(photo, mask, icc_profile))


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
            dir=path.parent, prefix=f".{path.name[:_TEMPORARY_NAME]}.", suffix=".tmp", delete=False
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


def remove_leftovers(folder: Path, names: Collection[str]) -> None:
    """Remove the temporary files that ``replacing`` left if its process was killed.

    Args:
        folder: where to look; it may be missing.
        names: only temporaries of files with these names.

    Raises:
        OutputError: if the folder cannot be read, or a temporary file not removed.
    """
    short = {name[:_TEMPORARY_NAME] for name in names}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                found = _TEMPORARY.fullmatch(entry.name)
                if found and found["name"] in short:
                    Path(entry.path).unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{folder}: cannot be tidied: {error.strerror or error}") from error


def _read_umask() -> int:
    # The only portable way to read it is to set it, which threads could notice: done once, while importing.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_UMASK = _read_umask()


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
