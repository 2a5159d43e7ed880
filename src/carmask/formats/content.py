"""A digest of what annotations say, the same wherever their files lie and whenever these were written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from carmask.formats.picture import Picture
from carmask.formats.reading import is_drawn


def digest_file(file: Path) -> str:
    """A digest of a file's content; empty if it cannot be read, which whoever needs the content says."""
    with suppress(OSError):
        return digest_bytes(file.read_bytes())
    return ""


def digest_bytes(content: bytes) -> str:
    """A digest of bytes: 16 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def digest_picture(picture: Picture) -> str:
    """A digest of a picture's masks, without decoding them.

    Args:
        picture: its shapes count as they were read, and the content of the files that it is read from.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=8)
    _feed(digest.update, (picture.size, picture.load, [digest_file(file) for file in picture.files]))
    return digest.hexdigest()


def _feed(update: Callable[[bytes], None], value: object) -> None:
    """Add a value: its kind and size first, so that no two structures give the same bytes."""
    if isinstance(value, partial):
        # What a shape is read from, for messages, has the path in it.
        value = value.args[:1] if is_drawn(value) else (value.args, value.keywords)
    if isinstance(value, Mapping):
        value = list(value.items())
    elif isinstance(value, Set):
        value = sorted(value, key=repr)
    if isinstance(value, list | tuple):
        update(b"(%d" % len(value))
        for one in value:
            _feed(update, one)
    elif isinstance(value, np.ndarray):
        update(f"a{value.dtype.str}{value.shape}".encode())
        update(np.ascontiguousarray(value).tobytes())
    elif not isinstance(value, Path) and not callable(value):
        content = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogateescape")
        update(b"v%d" % len(content))
        update(content)
