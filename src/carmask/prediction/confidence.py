"""The confidence of a mask, estimated from the probabilities that it was cut from.

A network's own probabilities say where it is uncertain, and too little of where it is wrong: away from what it was
trained on it is too sure. So confidence features are measured on them (``measure_features``), and a model file carries
three small linear models on the logarithms of these features, fitted to photos that the network was not trained on
(``carmask calibrate``): for the contour's error, for Dice, and for scenes it was not made for.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Probability
from carmask.geometry import Crop
from carmask.model.behaviour import FeatureSettings
from carmask.model.calibration import ConfidenceEstimate, ConfidenceFeatures
from carmask.model.info import ModelInfo
from carmask.prediction.probability_map import ProbabilityMap


def estimate_confidence(prob_map: ProbabilityMap, info: ModelInfo) -> ConfidenceEstimate:
    """Estimate how far a mask can be trusted. About 1 ms at 512x768.

    Args:
        prob_map: the probabilities that it is cut from.
        info: the model's threshold, behaviour and calibration. Without a calibration the confidence is the expected
            Dice, and no error is known.

    Returns:
        Confidence 0 where no pixel reaches the threshold: there is no car.
    """
    probability = prob_map.probability
    if info.calibration is None:
        return ConfidenceEstimate(expected_dice(probability, info.threshold), math.nan)
    if float(probability.max()) < info.threshold:
        return ConfidenceEstimate(0.0, math.nan)
    features = measure_map(prob_map, info)
    return info.calibration.estimate(features)


def measure_map(prob_map: ProbabilityMap, info: ModelInfo) -> ConfidenceFeatures:
    """Measure the confidence features of a model's prediction, in which one pixel at least is car."""
    features = measure_features(prob_map.probability, info.threshold, prob_map.crop, info.behaviour.features)
    if prob_map.coarse is None:
        return features
    disagreement, unsure = _compare(prob_map, prob_map.coarse)
    return features._replace(disagreement=disagreement, unsure=unsure)


def _compare(fine: ProbabilityMap, coarse: ProbabilityMap) -> tuple[float, float]:
    """``disagreement`` and ``unsure`` of the segmentation stage's map and the localisation stage's."""
    first = coarse.probability
    # The same crop at localisation's resolution, averaged; beyond it there is no car.
    sides = zip(fine.crop.size, fine.crop.photo, first.shape, strict=True)
    height, width = (max(1, round(part * pixels / whole)) for part, whole, pixels in sides)
    small = cv2.resize(fine.probability, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
    second = ProbabilityMap(small, fine.crop).seen_in(coarse.crop, (first.shape[0], first.shape[1]))
    both, total = float(np.minimum(first, second).sum()), float(first.sum() + second.sum())
    uncertainty = float(np.minimum(first, 1 - first).sum())
    return math.log(1.0 - 2.0 * both / (total + 1e-3) + 1e-3), math.log((uncertainty + 1) / (float(first.sum()) + 1))


def measure_features(
    probability: Probability, threshold: float, crop: Crop | None = None, settings: FeatureSettings | None = None
) -> ConfidenceFeatures:
    """Measure the confidence features.

    Args:
        probability: float32 (height, width) in [0, 1], at the network's resolution.
        threshold: what counts as car; at least one pixel must.
        crop: of the photo, that the probabilities are of; None for all of it.
        settings: how they are measured; the defaults if None.

    Returns:
        The features of the whole photo: beyond the crop there is no car.
    """
    settings = settings or FeatureSettings()
    mask = (probability >= threshold).astype(np.uint8)
    area = cv2.countNonZero(mask)
    # OpenCV sums in double precision, ten times as fast as NumPy's masked sums.
    uncertainty = np.minimum(probability, np.float32(1) - probability)
    total = cv2.sumElems(uncertainty)[0]
    certain = _expected_dice(probability, mask, area)
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    # Traced through pixel centres, a contour has as many points as pixels.
    length = sum(len(contour) for contour in contours)
    components, holes = [0.0], [0.0]
    for contour, (_, _, _, parent) in zip(contours, tree[0], strict=True):
        (components if parent < 0 else holes).append(cv2.contourArea(contour) + len(contour) / 2)
    around = np.ones((2 * settings.near + 1, 2 * settings.near + 1), np.uint8)
    away = cv2.compare(cv2.dilate(mask, around), cv2.erode(mask, around), cv2.CMP_EQ)
    far = cv2.mean(uncertainty, mask=away)[0] * cv2.countNonZero(away)
    inside = cv2.inRange(probability, *settings.decided)
    sides = [mask[0], mask[:, 0], mask[-1], mask[:, -1]]
    # The photo's size in pixels of the probabilities, and which of their sides are its own.
    tall, wide, ends = float(mask.shape[0]), float(mask.shape[1]), (True,) * 4
    if crop is not None:
        tall, wide, ends = tall * crop.photo[0] / crop.size[0], wide * crop.photo[1] / crop.size[1], crop.ends
    reached = [int(np.count_nonzero(side)) for side, end in zip(sides, ends, strict=True) if end]
    small = settings.offset * tall * wide
    return ConfidenceFeatures(
        width=math.log((total + 0.01) / length),
        uncertainty=math.log(1.0 - certain + 1e-5),
        band=math.log((cv2.countNonZero(inside) + 1.0) / length),
        far=math.log((far + small) / area),
        components=math.log((sum(components) - max(components) + small) / area),
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
