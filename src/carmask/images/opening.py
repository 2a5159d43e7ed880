"""Open picture files: whatever goes wrong becomes a ``PhotoError`` with the path and what is wrong.

All that reads a picture goes through ``decode``: it is upright in every command, and of several in its file the right
one.
"""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from carmask.errors import PhotoError
from carmask.geometry import Size
from carmask.images.repair import complete_jpeg, without_text
from carmask.images.suffixes import FORMATS, HEIF_SUFFIXES

#: A larger picture is refused before it is decoded.
MAX_PIXELS = 128_000_000

_T = TypeVar("_T")
#: Formats whose size stands in the header and in the coded picture, too. Pillow believes the header until it decodes.
_CODED_SIZES = frozenset({"HEIF", "AVIF"})
_READABLE = tuple(name for name in FORMATS if name != "HEIF")
_CODEC_ERRORS = (ImageCms.PyCMSError, struct.error, zlib.error)
#: Pages of a TIFF that are looked at: a photo's file has a handful.
_PAGES = 32
#: Copies of one photo differ no more than this in the ratio of their sides.
_SAME_SHAPE = 0.02
_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0x0100, 0x0101
#: TIFF's tags of a page's kind, and what says that it is a thumbnail or a mask: TIFF 6.0, p. 36 and 40.
_NEW_KIND, _KIND = 0x00FE, 0x00FF
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2


class UnknownRangeError(ValueError):
    """A picture is whole, but nothing says which of its values is white."""


#: Large profiles share a limit with texts. A text that is larger still is left out (see ``without_text``).
_MAX_TEXT = 2**24


class _PillowLimits:
    """Pillow's own limits, lifted while a picture is read here: ours are checked first and say what to do.

    They are global in Pillow. Other programs in this process have them as they were, but for the time of a read.
    """

    def __init__(self) -> None:
        self._lock, self._readers = threading.Lock(), 0
        self._kept: tuple[int | None, int] = (None, 0)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        with self._lock:
            if not self._readers:
                self._kept = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
                Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = None, _MAX_TEXT
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                if not self._readers:
                    Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = self._kept


_LIMITS = _PillowLimits()


def decode(path: Path | str, use: Callable[[Image.Image], _T], content: bytes | None = None) -> _T:
    """Open a picture and make something of it.

    A JPEG that lacks only its end marker is completed, and text chunks that are too large are left out of a PNG; then
    ``use`` is called again.

    Args:
        path: the file.
        use: called with the open image, which it may load. Of several pages of a TIFF it gets the photo.
        content: what is in the file, if it was read before; ``path`` then only names it in errors.

    Returns:
        What ``use`` returned.

    Raises:
        PhotoError: if the file is missing, empty, damaged, too large, or not a picture that can be read.
    """
    with _errors(path, content), _LIMITS.lifted():
        try:
            return _use(path, content, use)
        except UnidentifiedImageError:
            register_heif(path, content if content is not None else Path(path).read_bytes()[:64])
            return _use(path, content, use, ("HEIF",))
        except (OSError, ValueError, SyntaxError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            whole = content if content is not None else Path(path).read_bytes()
            mended = complete_jpeg(whole) if "truncated" in str(error) else without_text(whole)
            if mended is None:
                raise
            return _use(path, mended, use)


def use_image(image: Image.Image, use: Callable[[Image.Image], _T]) -> _T:
    """Make something of an image that is open already.

    Args:
        image: an image of Pillow's, loaded or not.
        use: called with it.

    Returns:
        What ``use`` returned.

    Raises:
        PhotoError: if it is damaged.
    """
    with _errors("image", b"opened"), _LIMITS.lifted():
        return use(image)


def upright_size(image: Image.Image) -> Size:
    """(height, width) of a picture once it is upright, from its header."""
    width, height = image.size
    if image.format == "TIFF":
        # Pillow may have exchanged them already.
        width, height = (int(image.tag_v2.get(tag, 0)) for tag in (_WIDTH, _HEIGHT))  # type: ignore[attr-defined]
    return (width, height) if exif_orientation(image) >= 5 else (height, width)


def orientation(image: Image.Image) -> int:
    """What must still be done to decoded pixels, as an EXIF orientation: 1 is nothing, 5 to 8 exchange the sides."""
    # Pillow turns TIFFs while it loads them.
    return 1 if image.format == "TIFF" else exif_orientation(image)


def exif_orientation(image: Image.Image) -> int:
    """The EXIF orientation that a picture's file gives, 1 to 8; 1 if it gives none, or nonsense."""
    try:
        found = int(image.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, KeyError, TypeError, IndexError, OSError, ArithmeticError, struct.error):
        return 1  # damaged EXIF: the pixels are still good
    return found if 1 <= found <= 8 else 1


def refuse_too_large(path: Path | str, image: Image.Image) -> None:
    """Refuse a picture before it takes the memory.

    Raises:
        PhotoError: if it has more than ``MAX_PIXELS``.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(
            f"{path}: {width}x{height} is {width * height / 1e6:.2f} megapixels; at most {MAX_PIXELS // 10**6} can "
            "be read, make it smaller"
        )


def register_heif(path: Path | str, beginning: bytes) -> None:
    """Make Pillow read HEIC and HEIF, if a file is one.

    Args:
        path: the file, for its suffix and for errors.
        beginning: its first bytes.

    Raises:
        PhotoError: if it is, and the extra is not installed.
        UnidentifiedImageError: if it is not.
    """
    boxed = beginning[4:8] == b"ftyp"
    if not boxed and (not beginning or Path(path).suffix.lower() not in HEIF_SUFFIXES):
        raise UnidentifiedImageError
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise PhotoError(f"{path}: HEIC and HEIF need the extra: pip install 'carmask[heif]'") from error
    register_heif_opener()


def _use(
    path: Path | str, content: bytes | None, use: Callable[[Image.Image], _T], formats: tuple[str, ...] = _READABLE
) -> _T:
    # Given a name, Pillow maps a plain TIFF into memory, and takes the sides of a turned one for each other.
    with (
        io.BytesIO(content) if content is not None else Path(path).open("rb") as stream,
        Image.open(stream, formats=formats) as image,
    ):
        if image.format == "TIFF":
            _turn_to_photo(image)
        width, height = image.size
        made = use(image)
        if image.format in _CODED_SIZES and image.size != (width, height):
            raise PhotoError(
                f"{path}: damaged: its header says {width}x{height}, its pixels are {image.width}x{image.height}"
            )
        return made


def _turn_to_photo(image: Image.Image) -> None:
    """Of a TIFF's pages, take the photo: the first that is no thumbnail, or the largest of those with its shape."""
    pages = min(getattr(image, "n_frames", 1), _PAGES)
    if pages == 1:
        return
    full: list[tuple[int, tuple[int, int]]] = []
    reduced: list[tuple[int, tuple[int, int]]] = []
    for page in range(pages):
        with contextlib.suppress(EOFError, SyntaxError, ValueError, KeyError, TypeError, OSError):
            image.seek(page)
            tags = image.tag_v2  # type: ignore[attr-defined]
            small = tags.get(_NEW_KIND, 0) & (_REDUCED | _MASK) or tags.get(_KIND, 0) == _OLD_REDUCED
            (reduced if small else full).append((page, image.size))
    found = full or reduced
    if not found:
        raise SyntaxError("none of its pages can be read")
    first = found[0][1]
    alike = [one for one in found if abs(one[1][0] * first[1] / (one[1][1] * first[0]) - 1) < _SAME_SHAPE]
    image.seek(max(alike, key=lambda one: (one[1][0] * one[1][1], -one[0]))[0])


@contextlib.contextmanager
def _errors(path: Path | str, content: bytes | None) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        missing = "a link to a file that is missing" if Path(path).is_symlink() else "there is no such file"
        raise PhotoError(f"{path}: {missing}") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{path}: this is a folder, not a photo") from error
    except UnidentifiedImageError as error:
        empty = not content if content is not None else Path(path).stat().st_size == 0
        raise PhotoError(f"{path}: {'the file is empty' if empty else 'not an image that can be read'}") from error
    except UnknownRangeError as error:
        raise PhotoError(f"{path}: {error}") from error
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
        RuntimeError,
        AttributeError,
        *_CODEC_ERRORS,
    ) as error:
        if isinstance(error, OSError) and error.strerror:
            raise PhotoError(f"{path}: cannot be read: {error.strerror}") from error
        raise PhotoError(f"{path}: damaged: {' '.join(str(error).split()) or type(error).__name__}") from error
