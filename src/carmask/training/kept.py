"""Arrays that take a while to make, kept in a folder from one run to the next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.images import replacing


def kept(cache: Path, name: str, make: Callable[[], NDArray[np.uint8] | None]) -> NDArray[np.uint8] | None:
    """An array as an earlier run made it, or made now.

    Args:
        cache: the folder; it must exist.
        name: what the array is of.
        make: makes it; None if there is nothing to make it of, which is not kept.

    Returns:
        The array, uint8. One whose file is damaged, as by a full disk, is made again.

    Raises:
        OutputError: if it cannot be written.
    """
    file = cache / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.npy"
    with suppress(OSError, ValueError, EOFError):
        found: NDArray[np.uint8] = np.load(file, allow_pickle=False)
        return found
    made = make()
    if made is not None:
        with replacing(file) as stream:
            np.save(stream, made, allow_pickle=False)
    return made
