"""Write masks and pictures: the file is put in place whole, or it is as it was before, also after a power cut."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.arrays import Mask
from carmask.errors import OutputError
from carmask.images.png import encode_mask, encode_png

#: How much of a file's name its temporary name repeats: the rest of 255 bytes is for what is put around it.
_TEMPORARY_NAME = 50
WEBP_QUALITY, WEBP_METHOD = 90, 0
#: Of a JPEG libjpeg writes no more, though its header would hold 65535.
MAX_WEBP_SIDE, MAX_JPEG_SIDE, MAX_JPEG_EXIF = 16383, 65500, 65533

#: Unless a user says otherwise: no difference to be seen at 100 %.
JPEG_QUALITY = 90

Format = Literal["png", "webp", "jpg"]

#: What file systems say that cannot flush a file.
_NOT_OFFERED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.tmp", re.DOTALL)


def write_mask(path: Path, mask: Mask) -> None:
    """Write a mask as a one-bit PNG (0 background, 255 car when read as grey).

    Args:
        path: where to; its folder must exist.
        mask: bool (height, width).

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(path, encode_mask(mask))


def encode_picture(
    pixels: NDArray[np.uint8],
    icc_profile: bytes | None = None,
    *,
    format: Format = "png",  # noqa: A002
    quality: int | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Make a PNG, WebP or JPEG file of a picture.

    Args:
        pixels: uint8 (height, width), grey, (height, width, 3), RGB, or (height, width, 4), RGBA.
        icc_profile: its profile.
        format: ``png`` keeps every value; ``webp`` and ``jpg``, which has no transparency, are smaller and near to it.
        quality: 1 to 100, of ``webp`` and ``jpg``; None for what serves well.
        exif: what is written of the photo; left out of a ``jpg`` that it is too long for.
        dpi: pixels per inch, across and down; a ``webp`` holds them in ``exif`` only.

    Returns:
        The file's content.

    Raises:
        OutputError: if the picture is larger than the format allows: 16383 pixels a side for ``webp``, 65500 for
            ``jpg``.
    """
    if format == "png":
        return encode_png(pixels, icc_profile, exif, dpi)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    name, limit = ("WebP", MAX_WEBP_SIDE) if format == "webp" else ("JPEG", MAX_JPEG_SIDE)
    if max(image.size) > limit:
        raise OutputError(f"{image.width}x{image.height} is too large for {name} ({limit} a side); use PNG")
    exif = exif or b""
    if format == "webp":
        quality = quality or WEBP_QUALITY
        image.save(buffer, "WEBP", quality=quality, method=WEBP_METHOD, icc_profile=icc_profile or b"", exif=exif)
    else:
        # One segment of a JPEG holds no more.
        exif = exif if len(exif) <= MAX_JPEG_EXIF else b""
        density = {} if dpi is None else {"dpi": tuple(min(round(value), 65535) for value in dpi)}
        image.save(buffer, "JPEG", quality=quality or JPEG_QUALITY, icc_profile=icc_profile, exif=exif, **density)
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
        _flush(temporary)
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


def _flush(file: Path) -> None:
    """Have the disk keep a file's content: its name may get there first, and a power cut leave it empty or of zeros."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    finally:
        os.close(descriptor)


def flush_file(path: Path) -> None:
    """Have the disk keep the content of a file that was not written with ``replacing``, such as a memory-mapped one.

    Raises:
        OutputError: if the disk fails.
    """
    try:
        _flush(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def flush_folder(path: Path) -> None:
    """Have the disk keep which names a folder holds, before something else says that they are there.

    A file that was written with ``replacing`` is whole after a power cut, or not there; which of both, this decides.

    Raises:
        OutputError: if the disk fails.
    """
    flush_file(path)


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: if it cannot be made, or a file has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        taken = "a link that leads nowhere" if path.is_symlink() else "a file"
        reason = f"{taken} has this name" if isinstance(error, FileExistsError) else error.strerror
        raise OutputError(f"{path}: the folder cannot be made: {reason}") from error


def check_writable(path: Path) -> None:
    """Refuse, before the work, a file that could not be written after it. Nothing is left behind.

    Args:
        path: where to; folders above it may be missing.

    Raises:
        OutputError: if a folder has its name, something above it is no folder, or nothing may be written there.
    """
    if path.is_dir():
        raise OutputError(f"{path}: cannot be written: a folder has this name; name a file in it")
    place = path.parent
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise OutputError(f"{path}: cannot be written: {place} is no folder")
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".carmask.", suffix=".tmp"):
            pass
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def remove_file(path: Path) -> None:
    """Remove a file; it may be missing.

    Raises:
        OutputError: if it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if not os.path.lexists(path):  # where nothing may be written, that is said first
            return
        raise OutputError(f"{path}: cannot be removed: {error.strerror or error}") from error


def remove_leftovers(folder: Path, names: Collection[str] | None) -> None:
    """Remove the temporary files that ``replacing`` left if its process was killed.

    Args:
        folder: where to look; it may be missing.
        names: only temporaries of files with these names; None for all, where the folder is carmask's own.

    Raises:
        OutputError: if the folder cannot be read, or a temporary file not removed.
    """
    short = None if names is None else {name[:_TEMPORARY_NAME] for name in names}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                found = _TEMPORARY.fullmatch(entry.name)
                if found and (short is None or found["name"] in short):
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
