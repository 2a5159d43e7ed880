"""Faults of files that cost no pixel: a JPEG without its end marker, a PNG with an enormous text."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator

from PIL import Image

_END_OF_IMAGE = b"\xff\xd9"
#: Entropy-coded data that no encoder writes at the end: where pixels are missing, each makes others of them.
_PADDINGS = (b"\x5a\xc3\x96\x0f" * 64, b"\xa5\x3c\x69\xf0" * 64)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


def complete_jpeg(content: bytes) -> bytes | None:
    """Add the end marker that a JPEG lacks, if nothing else is missing.

    Decoders fill missing pixels from whatever data follow. So it is decoded with different data at its end: only if all
    pixels are there do these make no difference.

    Args:
        content: a file that a decoder calls truncated.

    Returns:
        The whole file; None if pixels are missing, or it is not a JPEG.
    """
    if not content.startswith(b"\xff\xd8") or content.endswith(_END_OF_IMAGE):
        return None
    # Half a marker is no data.
    content = content.removesuffix(b"\xff")
    mended = content + _END_OF_IMAGE
    pictures = [_digest(mended), *(_digest(content + padding + _END_OF_IMAGE) for padding in _PADDINGS)]
    return mended if pictures[0] is not None and pictures.count(pictures[0]) == len(pictures) else None


def without_text(content: bytes) -> bytes | None:
    """Leave out a PNG's texts, which say nothing of its pixels.

    Args:
        content: a file.

    Returns:
        The file without them; None if it has none, or is not a PNG.
    """
    if not content.startswith(_SIGNATURE):
        return None
    kept = [chunk for kind, chunk in _chunks(content) if kind not in _TEXTS]
    rest = _SIGNATURE + b"".join(kept)
    return rest if len(rest) < len(content) else None


def _digest(content: bytes) -> bytes | None:
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            return hashlib.blake2b(image.tobytes()).digest()
    except (OSError, SyntaxError, ValueError):
        return None


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = len(_SIGNATURE)
    while start + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, start)
        yield content[start + 4 : start + 8], content[start : start + 12 + length]
        start += 12 + length
