"""Masks as bytes between a page and the server: runs as pairs of 32-bit numbers, without loss and without a codec."""

from __future__ import annotations

import numpy as np

from carmask.arrays import Mask
from carmask.errors import RLEError
from carmask.formats.rle import check_runs, mask_to_runs, runs_to_mask
from carmask.geometry import Size


def to_bytes(mask: Mask) -> bytes:
    """Encode a mask.

    Args:
        mask: bool (height, width).

    Returns:
        Little-endian uint32 pairs: start, numbered from 0 row by row, and length.
    """
    runs = mask_to_runs(mask)
    runs[:, 0] -= 1
    return runs.astype("<u4").tobytes()


def from_bytes(content: bytes, size: Size) -> Mask:
    """Decode a mask, strictly.

    Args:
        content: from ``to_bytes``, or from a page.
        size: (height, width).

    Returns:
        bool (height, width).

    Raises:
        RLEError: if it is not pairs, or a run is empty, overlaps, is out of order or ends outside of the photo.
    """
    if len(content) % 8:
        raise RLEError(f"{len(content)} bytes are not pairs of 32-bit numbers")
    runs = np.frombuffer(content, "<u4").astype(np.int64).reshape(-1, 2)
    runs[:, 0] += 1
    return runs_to_mask(check_runs(runs, *size), *size)
