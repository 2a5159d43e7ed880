"""Measurements of a photo on which the rules of error attribution decide: thin parts, gaps, colours, the floor."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.evaluation.contours import distance_to_contour
from carmask.geometry import Box, box_of
from carmask.images.colour import to_lab

#: A part of the car is thin if a disc of this diameter, as a fraction of the car's height, does not fit in it.
THIN = 0.13
#: Colours that car and background are reduced to, and the least fraction of pixels that one must have to count.
COLOURS = 6
MIN_COLOUR = 0.08


class Scene(NamedTuple):
    """A crop of a photo that holds the true car and all wrong pixels.

    Attributes:
        photo: uint8 (height, width, 3), RGB.
        prediction: bool (height, width).
        truth: bool (height, width).
        depth: float32 (height, width): distance of each pixel to the nearest pixel of the other kind in the truth.
        thin: thin parts of the true or the predicted car.
        separate: connected components of the prediction that do not touch the true car.
        holes: background that the prediction encloses.
        gaps: background that the true car encloses.
        box: the rectangle of the true car in the crop.
        floor: luma of the lit floor, 0 to 255; NaN if no background lies below the middle of the car.
        paint: the car's colour in L*a*b*, float64 (3,).
        car_colours: its main colours in L*a*b*, float64 (n, 3).
        background_colours: the background's.
    """

    photo: Photo
    prediction: Mask
    truth: Mask
    depth: NDArray[np.float32]
    thin: Mask
    separate: Mask
    holes: Mask
    gaps: Mask
    box: Box
    floor: float
    paint: NDArray[np.float64]
    car_colours: NDArray[np.float64]
    background_colours: NDArray[np.float64]


def measure_scene(all_photo: Photo, all_prediction: Mask, all_truth: Mask, where: tuple[slice, slice]) -> Scene:
    """Measure what the rules need.

    Args:
        all_photo: uint8 (height, width, 3), RGB.
        all_prediction: bool (height, width).
        all_truth: bool (height, width).
        where: rows and columns of the crop that holds the true car and all wrong pixels.

    Returns:
        The crop and what was measured on it. Without a true car, its box is the whole crop and no colour is known.
    """
    photo, prediction, truth = all_photo[where], all_prediction[where], all_truth[where]
    box = box_of(truth) or Box(0, 0, *truth.shape)
    diameter = max(3, round(THIN * (box.bottom - box.top))) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    either = (truth | prediction).astype(np.uint8)
    # Thin parts of either: an antenna may be missed or invented. Background outside the crop counts as background.
    opened = cv2.morphologyEx(
        cv2.copyMakeBorder(either, diameter, diameter, diameter, diameter, cv2.BORDER_CONSTANT), cv2.MORPH_OPEN, disc
    )
    inner = opened[diameter:-diameter, diameter:-diameter]
    _, components = cv2.connectedComponents(prediction.astype(np.uint8), connectivity=8)
    touching = np.unique(components[truth & prediction])
    separate = prediction & ~np.isin(components, touching)
    return Scene(
        photo,
        prediction,
        truth,
        distance_to_contour(truth),
        (either > 0) & (inner == 0),
        separate,
        _enclosed(prediction),
        _enclosed(truth),
        box,
        _floor(all_photo, all_truth),
        _paint(photo, truth, box),
        _main_colours(all_photo, all_truth),
        _main_colours(all_photo, ~all_truth),
    )


def _floor(photo: Photo, truth: Mask) -> float:
    """Luma of the lit floor: the upper quartile of the background below the middle of the car."""
    box = box_of(truth) or Box(0, 0, *truth.shape)
    below = slice(int(box.top + box.bottom) // 2, None)
    lower = np.asarray(cv2.cvtColor(np.ascontiguousarray(photo[below]), cv2.COLOR_RGB2GRAY))[~truth[below]]
    return float(np.percentile(lower, 75)) if lower.size else float("nan")


def _paint(photo: Photo, truth: Mask, box: Box) -> NDArray[np.float64]:
    """The car's colour in L*a*b*: the median between 0.4 and 0.7 of its height, where there is little glass."""
    top, height = int(box.top), box.bottom - box.top
    rows = slice(top + round(0.4 * height), top + round(0.7 * height) + 1)
    body = photo[rows][truth[rows]]
    return to_lab(np.median(body, axis=0)[None])[0] if body.size else np.full(3, np.nan)


def _main_colours(photo: Photo, where: Mask) -> NDArray[np.float64]:
    """The colours, in L*a*b*, that a part of a photo has most of; float64 (n, 3)."""
    pixels = photo[::8, ::8][where[::8, ::8]]
    if len(pixels) < 4 * COLOURS:
        return np.zeros((0, 3))
    lab = to_lab(pixels.astype(np.float32)).astype(np.float32)
    cv2.setRNGSeed(0)  # k-means begins at random; the same photo must get the same tags
    stop = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 30, 0.5)
    _, labels, centres = cv2.kmeans(lab, COLOURS, np.empty((0, 1), np.int32), stop, 2, cv2.KMEANS_PP_CENTERS)
    share = np.bincount(labels.ravel(), minlength=COLOURS) / len(lab)
    return np.asarray(centres[share >= MIN_COLOUR], np.float64)


def _enclosed(mask: Mask) -> Mask:
    """Background that is cut off from the picture's edge by the mask."""
    _, components = cv2.connectedComponents(
        cv2.copyMakeBorder((~mask).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1), connectivity=4
    )
    outside = components[0, 0]
    inner = components[1:-1, 1:-1]
    return np.asarray(~mask & (inner != outside), np.bool_)
