"""Pictures of labels: a number for each pixel, 0 for background. As index PNG, and painted over their photo."""

from __future__ import annotations

import colorsys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.errors import PhotoError
from carmask.images import decode, encode_indexed, stored_values, write_atomically

#: uint8 (height, width): 0 background, others count classes from 1.
Labels = NDArray[np.uint8]


@cache
def palette() -> NDArray[np.uint8]:
    """A colour for each label: uint8 (256, 3), RGB; black for background, neighbouring labels far apart."""
    colours = [(0, 0, 0)]
    for index in range(255):
        # The golden angle between hues, and brightness in turns.
        red, green, blue = colorsys.hsv_to_rgb(index * 0.381966 % 1, 0.75, 0.6 + 0.4 * (index % 2))
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return np.array(colours, np.uint8)


def occurring(labels: Labels) -> list[int]:
    """The values that a picture of labels has, sorted: looked for where they change, at a hundredth of the pixels."""
    flat = labels.ravel()
    first = np.append(flat[:1], flat[1:][flat[1:] != flat[:-1]])
    return [int(value) for value in np.unique(first)]


def encode_labels(labels: Labels) -> bytes:
    """Make a palette PNG whose indices are the labels.

    Args:
        labels: uint8 (height, width).

    Returns:
        The content of the file.
    """
    return encode_indexed(labels, palette()[: int(labels.max(initial=0)) + 1])


def write_labels(path: Path, labels: Labels) -> None:
    """Write labels as a palette PNG; see ``encode_labels``.

    Args:
        path: where to; its folder must exist.
        labels: uint8 (height, width).

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(path, encode_labels(labels))


def read_labels(path: Path) -> Labels:
    """Read a picture of labels, such as an index PNG: the values are the labels, upright.

    Args:
        path: with a palette, in grey, or with one bit a pixel.

    Returns:
        uint8 (height, width).

    Raises:
        PhotoError: if it cannot be read, or its pixels are not one byte each, or a bit.
    """
    labels = decode(path, stored_values)
    if labels.ndim != 2 or labels.dtype not in {np.dtype(np.uint8), np.dtype(np.bool_)}:
        told = f"{labels.shape[-1]} channels" if labels.ndim == 3 else str(labels.dtype)
        raise PhotoError(f"{path}: not an index PNG ({told}); save it with one byte a pixel")
    return (labels.view(np.uint8) > 0).view(np.uint8) if labels.dtype == np.bool_ else np.asarray(labels, np.uint8)


def paint(photo: Photo, labels: Labels, *, strength: float = 0.5) -> Photo:
    """Lay each label's colour over a photo, with lines between labels.

    Args:
        photo: uint8 (height, width, 3), RGB.
        labels: uint8 (height, width).
        strength: of the colours, 0 to 1.

    Returns:
        uint8 (height, width, 3), RGB; background stays as it is.
    """
    colours = np.ascontiguousarray(palette()[labels])
    painted = cv2.addWeighted(photo, 1 - strength, colours, strength, 0)
    kernel = np.ones((3, 3), np.uint8)
    painted[cv2.dilate(labels, kernel) != cv2.erode(labels, kernel)] = 255
    painted[labels == 0] = photo[labels == 0]
    return painted.astype(np.uint8, copy=False)
