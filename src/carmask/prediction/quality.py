"""What is measured on a photo to see whether it should be taken again; ``carmask.prediction.checks`` judges it."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.geometry import Box, Crop
from carmask.images import ReducedPhoto
from carmask.prediction.pieces import car_box, resized_piece
from carmask.prediction.probability_map import ProbabilityMap

#: Blur is measured with the car's longer side at this many pixels, or at the photo's own if it has fewer.
BLUR_SIDE = 640
#: Light is measured with the car's longer side at this many pixels.
LIGHT_SIDE = 160
#: Values from which a channel counts as blown out.
BLOWN = 250


class Measures(NamedTuple):
    """Measurements on a photo and the car in it. Without a car, those of the car are 0.

    Attributes:
        width: of the photo, in pixels.
        height: of the photo, in pixels.
        car: longer side of the car, in pixels of the photo.
        share: the car's longer side as a fraction of the photo's side in that direction.
        cut: how much of the car's height or width lies on the photo's top, left, bottom and right edge, 0 to 1.
        second: area of the second largest connected component of the mask, as a fraction of the largest.
        blur: standard deviation of the blur of the car's edges, as a fraction of the car's longer side: of edges that
            run across or of those that run down, whichever are softer.
        light: brightness that 2 % of the photo's pixels exceed, 0 to 255.
        blown: fraction of the car whose three channels are all blown out.
        glare: area of the largest blown-out spot on the car, as a fraction of the car.
        haze: brightness that 2 % of the car's pixels do not reach, 0 to 255: of stray light, nothing is black.
    """

    width: int
    height: int
    car: float = 0.0
    share: float = 0.0
    cut: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    second: float = 0.0
    blur: float = 0.0
    light: float = 0.0
    blown: float = 0.0
    glare: float = 0.0
    haze: float = 0.0


def measure_photo(photo: ReducedPhoto, prob_map: ProbabilityMap, threshold: float) -> Measures:
    """Measure a photo and the car in it.

    Args:
        photo: from ``open_for``.
        prob_map: its probabilities.
        threshold: what counts as car.

    Returns:
        The measurements.
    """
    height, width = photo.size
    measures = Measures(width, height, light=_light(photo))
    box = car_box(prob_map, threshold)
    if box is None:
        return measures
    down, across = box.bottom - box.top, box.right - box.left
    grey, inside = _car(photo, prob_map, box, BLUR_SIDE, threshold)
    pixels, within = _car_pixels(photo, prob_map, box, LIGHT_SIDE, threshold)
    blown, glare, haze = _bright(pixels, within)
    return measures._replace(
        car=max(down, across),
        share=down / height if down > across else across / width,
        cut=_cut(prob_map, box, threshold),
        second=_second(prob_map, threshold),
        blur=_blur(grey, inside) / max(grey.shape),
        blown=blown,
        glare=glare,
        haze=haze,
    )


def _light(photo: ReducedPhoto) -> float:
    step = max(1, min(photo.pixels.shape[:2]) // 120)
    thin = np.ascontiguousarray(photo.pixels[::step, ::step])
    return float(np.percentile(cv2.cvtColor(thin, cv2.COLOR_RGB2GRAY), 98))


def _car_pixels(
    photo: ReducedPhoto, prob_map: ProbabilityMap, box: Box, side: int, threshold: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The car's box with a longer side of so many pixels at most, and where it is car: uint8, 1 or 0."""
    decoded = photo.pixels.shape[0] / photo.size[0]
    scale = min(decoded, side / max(box.bottom - box.top, box.right - box.left))
    size = max(8, round((box.bottom - box.top) * scale)), max(8, round((box.right - box.left) * scale))
    pixels = resized_piece(photo.pixels, Crop.whole(photo.size), box, size)
    probability = resized_piece(prob_map.probability, prob_map.crop, box, size)
    return pixels, (probability >= threshold).astype(np.uint8)


def _car(
    photo: ReducedPhoto, prob_map: ProbabilityMap, box: Box, side: int, threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    pixels, inside = _car_pixels(photo, prob_map, box, side, threshold)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), inside


def _cut(prob_map: ProbabilityMap, box: Box, threshold: float) -> tuple[float, float, float, float]:
    """What of the car's height or width lies on the photo's edges."""
    probability, (tops, lefts, bottoms, rights) = prob_map.probability, prob_map.crop.ends
    down = prob_map.crop.size[0] / probability.shape[0] / max(box.bottom - box.top, 1.0)
    across = prob_map.crop.size[1] / probability.shape[1] / max(box.right - box.left, 1.0)
    edges = (probability[0], probability[:, 0], probability[-1], probability[:, -1])
    ends, scales = (tops, lefts, bottoms, rights), (across, down, across, down)
    top, left, bottom, right = (
        min(1.0, float(np.count_nonzero(edge >= threshold)) * scale) if end else 0.0
        for edge, end, scale in zip(edges, ends, scales, strict=True)
    )
    return top, left, bottom, right


def _second(prob_map: ProbabilityMap, threshold: float) -> float:
    mask = (prob_map.probability >= threshold).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    areas = sorted((cv2.contourArea(contour) for contour in contours), reverse=True)
    return areas[1] / areas[0] if len(areas) > 1 and areas[0] else 0.0


def _blur(grey: NDArray[np.float32], inside: NDArray[np.uint8]) -> float:
    """The standard deviation of the blur of edges, in pixels, by blurring once more.

    A step edge blurred with s has a gradient of 1 / s at its middle, and blurred again with 1, one of
    1 / sqrt(s * s + 1): the ratio of both says what s is (Zhuo & Sim 2011, "Defocus map estimation from a single
    image", https://doi.org/10.1016/j.patcog.2011.03.009). Among the strongest edges the sharper ones count: the others
    may be reflections, which are soft in any photo.
    """
    again = cv2.GaussianBlur(grey, (0, 0), 1.0)
    worst = 0.0
    for dx, dy in ((1, 0), (0, 1)):
        first = np.abs(cv2.Sobel(grey, cv2.CV_32F, dx, dy, ksize=3))
        second = np.abs(cv2.Sobel(again, cv2.CV_32F, dx, dy, ksize=3))
        first[inside == 0] = 0
        strong = first[first > 0]
        if strong.size < 64:
            continue
        limit = max(np.partition(strong, -(strong.size // 50 + 1))[-(strong.size // 50 + 1)], 8.0)
        chosen = first >= limit
        if np.count_nonzero(chosen) < 8:
            worst = max(worst, 3.0)
            continue
        ratio = float(np.percentile(first[chosen] / np.maximum(second[chosen], 1e-3), 75))
        worst = max(worst, 1.0 / math.sqrt(max(ratio * ratio - 1.0, 1e-2)))
    return worst


def _bright(pixels: NDArray[np.uint8], inside: NDArray[np.uint8]) -> tuple[float, float, float]:
    """How much of the car is blown out, its largest blown-out spot, and how bright its darkest places are."""
    area = max(1, cv2.countNonZero(inside))
    low, grey = pixels.min(axis=2), cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    blown = ((low >= BLOWN) & (inside > 0)).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(blown, connectivity=8)
    largest = int(stats[1:, cv2.CC_STAT_AREA].max()) if count > 1 else 0
    return (
        cv2.countNonZero(blown) / area,
        largest / area,
        float(np.percentile(grey[inside > 0], 2)) if area > 1 else 0.0,
    )
