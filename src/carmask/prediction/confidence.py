"""How far a mask can be trusted, from the probabilities it was cut from.

A network's own probabilities say where it hesitates, and too little of where it is wrong: outside of what it was
trained on it is sure of too much. So a few signs of trouble are measured on them (``read_signs``), and a model file
carries three small linear models on the logarithms of these signs, fitted to photos that the network has not seen
(``carmask calibrate``): for the contour's error, for Dice, and for scenes it was not made for.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Probability
from carmask.geometry import Crop
from carmask.model.calibration import Calibration, ConfidenceFeatures, Judgement

#: Below and above, a pixel counts as decided.
_SURE = (0.1, 0.9)
#: Pixels of the network's input within which of the contour it is usual to hesitate.
_NEAR = 4
#: What is added to a fraction before its logarithm is taken: about a pixel of 512x768.
_LEAST = 3e-6


def estimate_confidence(
    probability: Probability, threshold: float, calibration: Calibration | None, crop: Crop | None = None
) -> Judgement:
    """Judge a mask by the probabilities it was cut from. About 1 ms at 512x768.

    Args:
        probability: float32 (height, width) in [0, 1], at the resolution that the network gave it in.
        threshold: what counts as car.
        calibration: the model's; without one the confidence is the expected Dice, and no error is known.
        crop: of the photo, that the probabilities are of; None for all of it.

    Returns:
        Confidence 0 where no pixel reaches the threshold, for then there is no car to be confident of.
    """
    if calibration is None:
        return Judgement(expected_dice(probability, threshold), math.nan)
    if float(probability.max()) < threshold:
        return Judgement(0.0, math.nan)
    return calibration.estimate(read_signs(probability, threshold, crop))


def read_signs(probability: Probability, threshold: float, crop: Crop | None = None) -> ConfidenceFeatures:
    """Measure the signs of trouble.

    Args:
        probability: float32 (height, width) in [0, 1], at the resolution that the network gave it in.
        threshold: what counts as car; at least one pixel must.
        crop: of the photo, that the probabilities are of; None for all of it.

    Returns:
        The signs, of the whole photo: beyond the part there is no car.
    """
    mask = (probability >= threshold).astype(np.uint8)
    area = cv2.countNonZero(mask)
    # OpenCV sums in double precision, ten times as fast as NumPy's masked sums.
    doubt = np.minimum(probability, np.float32(1) - probability)
    total = cv2.sumElems(doubt)[0]
    certain = _expected_dice(probability, mask, area)
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    # Traced through pixel centres, a contour has as many points as pixels.
    length = sum(len(contour) for contour in contours)
    pieces, holes = [0.0], [0.0]
    for contour, (_, _, _, parent) in zip(contours, tree[0], strict=True):
        (pieces if parent < 0 else holes).append(cv2.contourArea(contour) + len(contour) / 2)
    around = np.ones((2 * _NEAR + 1, 2 * _NEAR + 1), np.uint8)
    away = cv2.compare(cv2.dilate(mask, around), cv2.erode(mask, around), cv2.CMP_EQ)
    far = cv2.mean(doubt, mask=away)[0] * cv2.countNonZero(away)
    inside = cv2.inRange(probability, *_SURE)
    sides = [mask[0], mask[:, 0], mask[-1], mask[:, -1]]
    # The photo's size in pixels of the probabilities, and which of their sides are its own.
    tall, wide, ends = float(mask.shape[0]), float(mask.shape[1]), (True,) * 4
    if crop is not None:
        tall, wide, ends = tall * crop.photo[0] / crop.size[0], wide * crop.photo[1] / crop.size[1], crop.ends
    reached = [int(np.count_nonzero(side)) for side, end in zip(sides, ends, strict=True) if end]
    small = _LEAST * tall * wide
    return ConfidenceFeatures(
        width=math.log((total + 0.01) / length),
        doubt=math.log(1.0 - certain + 1e-5),
        band=math.log((cv2.countNonZero(inside) + 1.0) / length),
        far=math.log((far + small) / area),
        pieces=math.log((sum(pieces) - max(pieces) + small) / area),
        holes=math.log((sum(holes) + small) / area),
        rough=math.log(length / math.sqrt(4 * math.pi * area)),
        area=math.log(area / (tall * wide)),
        cut=sum(reached) / (2 * (tall + wide)),
        sides=float(sum(count > 0 for count in reached)),
    )


def expected_dice(probability: Probability, threshold: float) -> float:
    """The Dice score to expect if each pixel is car with its probability.

    With the mask M of the pixels at or above the threshold, ``2 sum(p in M) / (|M| + sum(p))``: the ratio of the
    expectations of Dice's numerator and denominator. No stretching per image: it is comparable between photos.

    Args:
        probability: float32 (height, width) in [0, 1], at any resolution.
        threshold: what counts as car.

    Returns:
        0 to 1; 0 where no pixel reaches the threshold, for then there is no car to be confident of.
    """
    mask = (probability >= threshold).astype(np.uint8)
    return _expected_dice(probability, mask, cv2.countNonZero(mask))


def _expected_dice(probability: Probability, mask: NDArray[np.uint8], area: int) -> float:
    if not area:
        return 0.0
    return 2.0 * cv2.mean(probability, mask=mask)[0] * area / (area + cv2.sumElems(probability)[0])
