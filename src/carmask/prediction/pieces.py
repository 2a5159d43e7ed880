"""Rectangles of a photo and of its probabilities, at any size."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo, Probability
from carmask.geometry import Box, Crop, Size, box_of
from carmask.images import ReducedPhoto
from carmask.prediction.probability_map import ProbabilityMap

_Array = TypeVar("_Array", NDArray[np.uint8], NDArray[np.float32])


def car_box(prob_map: ProbabilityMap, threshold: float) -> Box | None:
    """The rectangle around all that is car, in pixels of the photo; None if nothing is."""
    box = box_of(prob_map.probability >= threshold)
    if box is None:
        return None
    crop, shape = prob_map.crop, prob_map.probability.shape
    return box.scaled(crop.size[0] / shape[0], crop.size[1] / shape[1]).moved(crop.top, crop.left)


class CarPiece(NamedTuple):
    """The car's surroundings, cut out of photo and probabilities once for all that is measured on them.

    Attributes:
        box: what was asked for, in pixels of the photo; it may reach beyond it.
        shown: what of that lies in the photo.
        pixels: uint8 (height, width, 3), RGB, of ``shown``.
        probability: float32 (height, width), of ``shown``.
    """

    box: Box
    shown: Box
    pixels: Photo
    probability: Probability


def cut_piece(photo: ReducedPhoto, prob_map: ProbabilityMap, box: Box, side: int) -> CarPiece:
    """Cut a rectangle out of a photo and its probabilities.

    Args:
        photo: from ``open_for``.
        prob_map: its probabilities.
        box: in pixels of the photo.
        side: the rectangle's longer side has no more than this many pixels, and no more than the photo has.

    Returns:
        What of the rectangle lies in the photo; four pixels a side at least.
    """
    height, width = photo.size
    shown = Box(max(box.top, 0), max(box.left, 0), min(box.bottom, height), min(box.right, width))
    down, across = shown.bottom - shown.top, shown.right - shown.left
    scale = min(photo.pixels.shape[0] / height, side / max(box.bottom - box.top, box.right - box.left))
    size = max(4, round(down * scale)), max(4, round(across * scale))
    pixels = resized_piece(photo.pixels, Crop.whole(photo.size), shown, size)
    return CarPiece(box, shown, pixels, resized_piece(prob_map.probability, prob_map.crop, shown, size))


def resized_piece(array: _Array, crop: Crop, shown: Box, size: Size) -> _Array:
    """A rectangle of a photo, resized, from an array that holds a crop of the photo at any resolution.

    Args:
        array: (height, width) or (height, width, channels): what is known of the crop.
        crop: what the array shows, in pixels of the photo.
        shown: the rectangle, in pixels of the photo; where it reaches beyond the crop, the edge is repeated.
        size: (height, width) of what is returned.

    Returns:
        (``*size``) or (``*size``, channels), of the array's dtype.
    """
    down, across = array.shape[0] / crop.size[0], array.shape[1] / crop.size[1]
    inside = shown.moved(-crop.top, -crop.left).scaled(down, across)
    top, left = math.floor(inside.top + 0.5), math.floor(inside.left + 0.5)
    bottom, right = max(top + 1, math.floor(inside.bottom + 0.5)), max(left + 1, math.floor(inside.right + 0.5))
    beyond = max(-top, 0), max(bottom - array.shape[0], 0), max(-left, 0), max(right - array.shape[1], 0)
    piece = array[max(top, 0) : bottom, max(left, 0) : right]
    if any(beyond):
        piece = cv2.copyMakeBorder(piece, *beyond, cv2.BORDER_REPLICATE).astype(array.dtype, copy=False)
    return reduced_to(piece, size)


def reduced_to(array: _Array, size: Size) -> _Array:
    """Resize, halving first: averages of two by two pixels take a fifth of the time of areas of any size.

    An odd last row or column is left out of a halving: what is measured on such pieces needs no exact edges.
    """
    while array.shape[0] >= 2 * size[0] and array.shape[1] >= 2 * size[1]:
        half = array.shape[1] // 2, array.shape[0] // 2
        even = array[: 2 * half[1], : 2 * half[0]]
        array = cv2.resize(even, half, interpolation=cv2.INTER_AREA).astype(array.dtype, copy=False)
    if array.shape[:2] == size:
        return np.ascontiguousarray(array)
    return cv2.resize(array, size[::-1], interpolation=cv2.INTER_LINEAR).astype(array.dtype, copy=False)
