"""Read masks.

Where the truth lies in a file is found by one rule, and what the rule leaves open is refused:

1. Where opacity varies and what is visible has one colour, or is a photo, the opacity is the mask (a cut-out). Where
   opacity varies and the visible colours are a mask themselves, and another one, the file is refused.
2. Otherwise the colours are the mask. Greys count as values; of colours, black is background and one other is car; of
   a palette without black, entry 0 is background.
3. Values are 0 (background) and one other (car). More values need a threshold, and one value alone must be 0, or 1 or
   the highest there is.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.arrays import Mask
from carmask.errors import PhotoError
from carmask.geometry import Size
from carmask.images.opening import decode, orientation, refuse_too_large, upright_size
from carmask.images.pixels import is_negative, upright, wide_range
from carmask.words import counted

_Values: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int32] | NDArray[np.float32]

#: Channels that differ by no more than this are grey: lossy compression tints it.
_NEARLY_GREY = 24
#: Chunks of a PNG that may say that it is turned: EXIF, and texts that hold EXIF or XMP.
_TURNING = frozenset({b"eXIf", b"iTXt", b"tEXt", b"zTXt"})
#: So few colours are labels; compression makes many of one.
_LABELS = 12


def mask_size(path: Path) -> Size:
    """Read (height, width) of a mask, upright, from its header; of a PNG in a tenth of Pillow's time.

    Raises:
        PhotoError: if the file is missing or not an image.
    """
    with contextlib.suppress(OSError, struct.error), path.open("rb") as stream:
        start = stream.read(33)
        if start[:8] == b"\x89PNG\r\n\x1a\n" and start[12:16] == b"IHDR" and _TURNING.isdisjoint(_chunks(stream)):
            width, height = struct.unpack(">II", start[16:24])
            return height, width
    return decode(path, upright_size)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The kinds of the chunks of a PNG that are still to be read.

    Raises:
        struct.error: if the file ends before its last chunk.
    """
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", stream.read(8))
        stream.seek(length + 4, os.SEEK_CUR)
        yield kind


class _Levels(NamedTuple):
    """Values of a mask before they are cut, and the value that counts as full."""

    values: _Values
    full: float


def read_mask(path: Path | str, threshold: int | None = None, *, content: bytes | None = None) -> Mask:
    """Read a mask, upright.

    Palettes are resolved first, so Carvana's GIFs (index 0 and 1, shown as 0 and 255) and PNGs of 0/1 or 0/255 all read
    alike, in grey, index, RGB, alpha channel or 16 bits.

    Args:
        path: a file of any format of photos.
        threshold: for grey, anti-aliased and JPEG masks: values from this one up are car; 1 to 255, whatever the depth
            of the file. A mask that has two values is read as without it.
        content: what is in the file, if it was read before; ``path`` then only names it in errors.

    Returns:
        bool (height, width), True where the car is.

    Raises:
        PhotoError: if the file cannot be read, or the rule above does not say where its mask is.
    """

    def use(image: Image.Image) -> Mask:
        refuse_too_large(path, image)
        image.load()
        return upright(_mask_of(image, threshold), orientation(image))

    try:
        return decode(path, use, content)
    except _NoMaskError as error:
        raise PhotoError(f"{path}: {error}") from error


class _NoMaskError(Exception):
    """Why a picture is no mask."""


def _mask_of(image: Image.Image, threshold: int | None) -> Mask:
    if image.mode == "1":
        # Pillow hands out bytes of 0 and 255 as bool; numpy and everything here count on 0 and 1.
        return np.asarray(image).view(np.uint8) > 0
    if not image.has_transparency_data or image.mode.startswith("I"):
        return _cut(_colour_levels(image), threshold)
    rgba = np.asarray(image.convert("RGBA"))
    alpha, colours = rgba[..., 3], rgba[..., :3]
    if alpha.min() == alpha.max():
        return _cut(_rgb_levels(colours), threshold)
    visible = colours[alpha > 0]
    if (visible == visible[0]).all():
        return _cut(_Levels(alpha, 255), threshold)
    try:
        painted = _cut(_rgb_levels(np.where(alpha[..., None] > 0, colours, 0).astype(np.uint8)), None)
    except _NoMaskError:
        return _cut(_Levels(alpha, 255), threshold)  # a photo, cut out
    opaque = _cut(_Levels(alpha, 255), threshold)
    if np.array_equal(painted, opaque):
        return opaque
    raise _NoMaskError("holds two masks, one in its colours and one in its alpha channel; save it without transparency")


def _colour_levels(image: Image.Image) -> _Levels:
    if image.mode == "P":
        return _palette_levels(image)
    if image.mode == "L":
        return _Levels(np.asarray(image), 255)
    if image.mode.startswith("I"):
        full, values = wide_range(image), np.asarray(image).astype(np.int32)
        return _Levels(full - values if is_negative(image) else values, full)
    if image.mode == "F":
        numbers = np.asarray(image)
        if not np.isfinite(numbers).all():
            raise _NoMaskError("not a mask: some of its values are not numbers")
        return _Levels(numbers, 1 if numbers.max() <= 1 else 255)
    return _rgb_levels(np.asarray(image.convert("RGB")))


def _palette_levels(image: Image.Image) -> _Levels:
    """A palette of greys stands for greys, any other for its entries."""
    indices = np.asarray(image)
    palette = np.zeros((256, 3), np.uint8)
    given = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette[: len(given)] = given
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    if (palette[used] == palette[used, :1]).all():
        return _Levels(palette[indices, 0], 255)
    if not palette[used].any(axis=1).all():
        return _rgb_levels(palette[indices])
    if len(used) > 2 or 0 not in used:
        raise _NoMaskError(
            f"not a binary mask: {counted(len(used), 'colour')}, and none is black; paint the background black"
        )
    return _Levels((indices > 0).astype(np.uint8), 1)


def _rgb_levels(colours: NDArray[np.uint8]) -> _Levels:
    brightest = colours.max(axis=2)
    if int((brightest - colours.min(axis=2)).max()) <= _NEARLY_GREY:
        return _Levels(brightest, 255)
    codes = colours.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found = np.unique(codes)
    if len(found) == 2 and found[0] == 0:
        return _Levels((codes > 0).astype(np.uint8), 1)
    if found[0] != 0 and len(found) <= _LABELS:
        raise _NoMaskError(
            f"not a binary mask: {counted(len(found), 'colour')}, and none is black; paint the background black"
        )
    if len(found) <= _LABELS:
        raise _NoMaskError(f"not a binary mask: {len(found) - 1} colours besides black; the car must have one")
    return _Levels(brightest, 255)


def _cut(levels: _Levels, threshold: int | None) -> Mask:
    values, full = levels
    low, high = float(values.min()), float(values.max())
    if low < 0:
        raise _NoMaskError(f"not a mask: its values go from {low:g} to {high:g}")
    if low == high:
        if high not in {0, 1, full} and threshold is None:
            raise _NoMaskError(f"not a binary mask: all of it is {high:g}, neither background nor car")
        mask: Mask = np.full(values.shape, high in {1, full} or high * 255 >= (threshold or 256) * full)
        return mask
    mask = values > 0
    if low == 0 and np.count_nonzero(values == values.max()) == np.count_nonzero(mask):
        return mask
    if threshold is None:
        raise _NoMaskError(
            f"not a binary mask: it has {len(np.unique(values))} grey values where 0 and one other are allowed; "
            "a mask threshold of 128 takes those from 128 up for the car"
        )
    mask = np.asarray(values, np.float64) * 255 >= threshold * full
    if mask.all() or not mask.any():
        side = "above" if mask.all() else "below"
        raise _NoMaskError(
            f"not a binary mask: its values go from {low:g} to {high:g}, all {side} the mask threshold of {threshold}"
        )
    return mask
