"""What is measured on a photo to see whether it should be taken again; ``carmask.prediction.checks`` has the limits."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.geometry import Box
from carmask.images import ReducedPhoto
from carmask.prediction.pieces import CarPiece, car_box, cut_piece, reduced_to
from carmask.prediction.probability_map import ProbabilityMap

#: Blur is measured with the car's longer side at this many pixels, or at the photo's own if it has fewer.
BLUR_SIDE = 480
#: Light is measured with the car's longer side at this many pixels.
LIGHT_SIDE = 160
#: Gradients below this, in sixteenths of a level, are noise; and the blur of a car that has no others, in pixels.
_FAINT, _NO_EDGES = 128, 3.0
#: Values from which a channel counts as blown out.
BLOWN = 250


class QualityMeasures(NamedTuple):
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


def measure_quality(
    photo: ReducedPhoto, prob_map: ProbabilityMap, threshold: float, piece: CarPiece | None = None
) -> QualityMeasures:
    """Measure a photo and the car in it.

    Args:
        photo: from ``open_for``.
        prob_map: its probabilities.
        threshold: what counts as car.
        piece: the car and little around it, ``BLUR_SIDE`` pixels or less; cut out if it is None.

    Returns:
        The measurements.
    """
    height, width = photo.size
    measures = QualityMeasures(width, height, light=_light(photo))
    box = car_box(prob_map, threshold)
    if box is None:
        return measures
    if piece is None:
        piece = cut_piece(photo, prob_map, box, BLUR_SIDE)
    down, across = box.bottom - box.top, box.right - box.left
    grey = cv2.cvtColor(piece.pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    inside = (piece.probability >= threshold).astype(np.uint8)
    # Pixels of the piece for each of the photo, along the car's longer side.
    scale = piece.pixels.shape[0] / (piece.shown.bottom - piece.shown.top)
    if across > down:
        scale = piece.pixels.shape[1] / (piece.shown.right - piece.shown.left)
    small = tuple(max(1, round(side * LIGHT_SIDE / max(grey.shape))) for side in grey.shape)
    pixels = reduced_to(piece.pixels, (small[0], small[1]))
    within = cv2.resize(inside, pixels.shape[1::-1], interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    blown, glare, haze = _bright(pixels, within)
    return measures._replace(
        car=max(down, across),
        share=down / height if down > across else across / width,
        cut=_cut(prob_map, box, threshold),
        second=_second(prob_map, threshold),
        blur=_blur(grey, inside) / (scale * max(down, across)),
        blown=blown,
        glare=glare,
        haze=haze,
    )


def _light(photo: ReducedPhoto) -> float:
    step = max(1, min(photo.pixels.shape[:2]) // 120)
    thin = np.ascontiguousarray(photo.pixels[::step, ::step])
    return _percentile(cv2.cvtColor(thin, cv2.COLOR_RGB2GRAY).ravel(), 0.98)


def _percentile(values: NDArray[Any], fraction: float) -> float:
    """The value that this fraction of integers does not exceed, by counting: a tenth of the time of sorting."""
    return float(np.searchsorted(np.cumsum(np.bincount(values)), fraction * values.size))


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


def _blur(grey: NDArray[np.uint8], inside: NDArray[np.uint8]) -> float:
    """The standard deviation of the blur of edges, in pixels, by blurring once more.

    A step edge blurred with s has a gradient of 1 / s at its middle, and blurred again with 1, one of
    1 / sqrt(s * s + 1): the ratio of both says what s is (Zhuo & Sim 2011, "Defocus map estimation from a single
    image", https://doi.org/10.1016/j.patcog.2011.03.009). Among the strongest edges the sharper ones count: the others
    may be reflections, which are soft in any photo.
    """
    # Sixteenths of a level: whole ones are too coarse for the gradients of soft edges.
    fine = np.left_shift(grey.astype(np.int16), 4)
    again = cv2.GaussianBlur(fine, (7, 7), 1.0)
    worst = 0.0
    for dx, dy in ((1, 0), (0, 1)):
        first = np.abs(cv2.Sobel(fine, cv2.CV_16S, dx, dy, ksize=3))
        first[inside == 0] = 0
        counts = np.bincount(first.ravel())
        counts[0] = 0
        edges = int(counts.sum())
        if edges < 64:
            continue
        # The strongest fiftieth, but nothing that might be noise.
        limit = max(len(counts) - int(np.searchsorted(np.cumsum(counts[::-1]), edges / 50)) - 1, _FAINT)
        chosen = np.nonzero(first >= limit)
        if len(chosen[0]) < 8:
            worst = max(worst, _NO_EDGES)
            continue
        second = np.abs(cv2.Sobel(again, cv2.CV_16S, dx, dy, ksize=3))[chosen]
        ratio = float(np.percentile(first[chosen] / np.maximum(second, 1), 75))
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
        _percentile(grey[inside > 0], 0.02) if area > 1 else 0.0,
    )
