"""PNG files, put together from the few chunks that they take: https://www.w3.org/TR/png-3/ says how.

Pillow and OpenCV try five filters on each row of a picture, which takes longer than to compress it, and take their time
with masks. Here one filter is used for all rows (benchmarks/png.py, docs/decisions/0013-png.md).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask

#: Of a stream of 32 kB windows at zlib's fastest level, and the base of its checksum: RFC 1950.
_ZLIB_HEADER, _ADLER = b"\x78\x01", 65521
#: zlib's fastest level.
_LEVEL = 1
#: Filters of a row: as it is; less the row above.
_PLAIN, _UP = 0, 2
#: Rows compressed at a time.
_BAND = 32
#: Colour types, by channels.
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
#: Colour type of indices into a palette.
_INDEXED = 3


def encode_mask(mask: Mask) -> bytes:
    """Make a one-bit PNG of a mask (0 background, 255 car when read as grey).

    Args:
        mask: bool (height, width).

    Returns:
        The file's content.
    """
    height, width = mask.shape
    rows = np.full((height, 1 + (width + 7) // 8), _PLAIN, np.uint8)
    rows[:, 1:] = np.packbits(mask, axis=1)
    # Long runs of equal bytes are all there is to find; to look for nothing else makes smaller files in the same time.
    return _file(struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0), [rows], strategy=zlib.Z_RLE)


def encode_stencil(mask: Mask) -> bytes:
    """Make a one-bit PNG that is black where the mask is, and transparent elsewhere.

    Args:
        mask: bool (height, width).

    Returns:
        The file's content.
    """
    height, width = mask.shape
    rows = np.full((height, 1 + (width + 7) // 8), _PLAIN, np.uint8)
    rows[:, 1:] = ~np.packbits(mask, axis=1)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    # Grey value 1, white, is the transparent one.
    return _file(header, [rows], strategy=zlib.Z_RLE, extra={b"tRNS": struct.pack(">H", 1)})


def encode_indexed(indices: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """Make an 8-bit PNG with a palette.

    Args:
        indices: uint8 (height, width), below the number of colours.
        colours: uint8 (colours, 3), RGB; 1 to 256.

    Returns:
        The file's content.
    """
    height, width = indices.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _INDEXED, 0, 0, 0)
    return _file(header, _filtered(indices), strategy=zlib.Z_RLE, extra={b"PLTE": colours.tobytes()})


def encode_png(
    pixels: NDArray[np.uint8],
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Make an 8-bit PNG of a picture.

    Args:
        pixels: uint8 (height, width), grey, or (height, width, channels): grey and opacity, RGB, or RGBA.
        icc_profile: its profile.
        exif: what is written of the photo, as Pillow gives it.
        dpi: pixels per inch, across and down.

    Returns:
        The file's content.
    """
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    flat = pixels.reshape(height, width * channels)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    profile = b"ICC profile\0\0" + zlib.compress(icc_profile) if icc_profile else b""
    # The chunk holds the data alone, without the mark that JPEG puts before it.
    extra = {b"iCCP": profile, b"pHYs": _density(dpi), b"eXIf": (exif or b"").removeprefix(b"Exif\0\0")}
    return _file(header, _filtered(flat), extra=extra)


def _density(dpi: tuple[float, float] | None) -> bytes:
    """The pHYs chunk: pixels per metre."""
    return b"" if dpi is None else struct.pack(">IIB", *(round(value / 0.0254) for value in dpi), 1)


def _filtered(flat: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Rows less the rows above them, a band at a time: it stays in the processor's cache."""
    height, width = flat.shape
    for top in range(0, height, _BAND):
        band = flat[top : top + _BAND]
        rows = np.empty((len(band), 1 + width), np.uint8)
        rows[:, 0] = _UP
        rows[0, 1:] = band[0] - flat[top - 1] if top else band[0]  # modulo 256, as the filter is defined
        np.subtract(band[1:], band[:-1], out=rows[1:, 1:])
        yield rows


def _file(
    header: bytes,
    bands: Iterable[NDArray[np.uint8]],
    *,
    strategy: int = zlib.Z_DEFAULT_STRATEGY,
    extra: Mapping[bytes, bytes] = MappingProxyType({}),
) -> bytes:
    chunks = [(b"IHDR", header), *extra.items(), (b"IDAT", _compressed(bands, strategy)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        for kind, data in chunks
        if data or kind == b"IEND"
    )


def _compressed(bands: Iterable[NDArray[np.uint8]], strategy: int) -> bytes:
    """A zlib stream (RFC 1950) of bands of rows.

    Bands of a picture in which every row is as the one above, such as those above and below a car on one colour, are
    compressed once for all: zlib takes half as long for them as for a car. They end, as what is before them does, with
    a full flush, after which nothing refers to what was before: so pieces can be put one after the other.
    """
    compressor = _compressor(strategy)
    parts, checksum, between = [_ZLIB_HEADER], 1, False
    for rows in bands:
        if rows[0, 0] == _PLAIN or cv2.hasNonZero(rows[:, 1:]):
            parts.append(compressor.compress(rows.data))
            checksum, between = zlib.adler32(rows.data, checksum), True
            continue
        if between:
            parts.append(compressor.flush(zlib.Z_FULL_FLUSH))
            between = False
        empty = _empty_band(rows.shape, strategy)
        parts.append(empty.compressed)
        checksum = _joined(checksum, empty.checksum, rows.size)
    return b"".join([*parts, compressor.flush(), struct.pack(">I", checksum)])


class _EmptyBand(NamedTuple):
    compressed: bytes
    checksum: int


@lru_cache(maxsize=16)
def _empty_band(shape: tuple[int, ...], strategy: int) -> _EmptyBand:
    rows = np.zeros(shape, np.uint8)
    rows[:, 0] = _UP
    compressor = _compressor(strategy)
    return _EmptyBand(compressor.compress(rows.data) + compressor.flush(zlib.Z_FULL_FLUSH), zlib.adler32(rows.data))


def _compressor(strategy: int) -> zlib._Compress:
    """Without zlib's header and checksum."""
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)


def _joined(first: int, second: int, length: int) -> int:
    """Adler's checksum of two pieces, from those of each and the second's length: ``adler32_combine`` of zlib."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + length % _ADLER * ((first & 0xFFFF) - 1)
    return high % _ADLER << 16 | low % _ADLER
