"""Rectangles of a photo and of its probabilities, at any size."""

from __future__ import annotations

import math
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.geometry import Box, Crop, Size, box_of, resize
from carmask.prediction.probability_map import ProbabilityMap

_Array = TypeVar("_Array", NDArray[np.uint8], NDArray[np.float32])


def car_box(prob_map: ProbabilityMap, threshold: float) -> Box | None:
    """The rectangle around all that is car, in pixels of the photo; None if nothing is."""
    box = box_of(prob_map.probability >= threshold)
    if box is None:
        return None
    crop, shape = prob_map.crop, prob_map.probability.shape
    return box.scaled(crop.size[0] / shape[0], crop.size[1] / shape[1]).moved(crop.top, crop.left)


def resized_piece(array: _Array, crop: Crop, shown: Box, size: Size) -> _Array:
    """A rectangle of a photo, resized, from an array that holds a crop of the photo at any resolution.

    Where the rectangle reaches beyond the crop, the edge is repeated.
    """
    down, across = array.shape[0] / crop.size[0], array.shape[1] / crop.size[1]
    inside = shown.moved(-crop.top, -crop.left).scaled(down, across)
    top, left = math.floor(inside.top + 0.5), math.floor(inside.left + 0.5)
    bottom, right = max(top + 1, math.floor(inside.bottom + 0.5)), max(left + 1, math.floor(inside.right + 0.5))
    beyond = max(-top, 0), max(bottom - array.shape[0], 0), max(-left, 0), max(right - array.shape[1], 0)
    piece = array[max(top, 0) : bottom, max(left, 0) : right]
    if any(beyond):
        piece = cv2.copyMakeBorder(piece, *beyond, cv2.BORDER_REPLICATE).astype(array.dtype, copy=False)
    return resize(piece, size)
