"""How far a mask can be trusted, from the probabilities it was cut from.

A network's own probabilities say where it hesitates, and too little of where it is wrong: outside of what it was
trained on it is sure of too much. So a few signs of trouble are measured on them (``read_signs``), and a model file
carries three small linear models on the logarithms of these signs, fitted to photos that the network has not seen
(``carmask calibrate``): for the contour's error, for Dice, and for scenes it was not made for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from carmask.arrays import Probability
from carmask.inference.region import Part

#: Confidence below which a person should look, for models that are not calibrated.
REVIEW_BELOW = 0.98
#: Below and above, a pixel counts as decided.
_SURE = (0.1, 0.9)
#: Pixels of the network's input within which of the contour it is usual to hesitate.
_NEAR = 4
#: What is added to a fraction before its logarithm is taken: about a pixel of 512x768.
_LEAST = 3e-6


class Signs(NamedTuple):
    """What the probabilities of one photo give away; each is a number near 0 to 10, most are logarithms.

    Attributes:
        width: log of the contour's expected error in pixels of the input, if every pixel is car with its probability:
            the sum of ``min(p, 1 - p)`` over the length of the contour.
        doubt: log of 1 - expected Dice.
        band: log of the undecided pixels for each pixel of contour.
        far: log of the doubt away from the contour, ``sum(min(p, 1 - p))`` over the car's area.
        pieces: log of what is car but not of the largest piece, over the car's area.
        holes: log of the holes' area over the car's.
        rough: log of the contour's length over that of a circle of the car's area.
        area: log of the car's area over the photo's.
        cut: fraction of the frame's four sides that is car.
        sides: how many of the frame's four sides the car reaches.
    """

    width: float
    doubt: float
    band: float
    far: float
    pieces: float
    holes: float
    rough: float
    area: float
    cut: float
    sides: float


class Linear(BaseModel):
    """``bias + weights . signs``, the signs standardised first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: tuple[float, ...]
    bias: float

    def __call__(self, signs: tuple[float, ...]) -> float:
        """Apply it."""
        return self.bias + sum(weight * sign for weight, sign in zip(self.weights, signs, strict=True))


class Calibration(BaseModel):
    """From signs to what they mean, for one network.

    Attributes:
        signs: the names of those it was fitted to, in order.
        centre: mean of each sign where it was fitted.
        scale: its standard deviation there.
        error: log of the contour's mean error in pixels of the network's input.
        loss: log of 1 - Dice.
        strange: log odds that the scene is not one whole car: none, two, a close-up, a car cut off by the frame.
        review_below: confidence below which a person should look, unless asked otherwise.
        data: what it was fitted to, for the reader.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    signs: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    error: Linear
    loss: Linear
    strange: Linear
    review_below: float
    data: str

    @model_validator(mode="after")
    def _fits(self) -> Calibration:
        count = len(self.signs)
        if self.signs != Signs._fields:
            raise ValueError(f"fitted to other signs than this version reads: {', '.join(self.signs)}")
        lengths = (self.centre, self.scale, self.error.weights, self.loss.weights, self.strange.weights)
        if any(len(values) != count for values in lengths):
            raise ValueError(f"there must be {count} numbers, one for each sign")
        return self

    def judge(self, signs: Signs) -> Judgement:
        """What signs mean."""
        place = zip(signs, self.centre, self.scale, strict=True)
        values = tuple(compress((sign - centre) / scale) for sign, centre, scale in place)
        dice = 1.0 - min(1.0, math.exp(self.loss(values)))
        strange = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, self.strange(values)))))
        return Judgement(dice * (1.0 - strange), math.exp(min(7.0, self.error(values))))


def compress(value: float) -> float:
    """Leave a standardised sign as it is up to 3, and let it grow with the logarithm from there.

    Out of its place a network's signs lie many deviations out: they must count, and not be extrapolated from.
    """
    return value if abs(value) <= 3 else math.copysign(3 + math.log(abs(value) - 2), value)


@dataclass(frozen=True)
class Review:
    """Which photos a person should look at: a share of them, or all below a confidence.

    Attributes:
        below: those whose confidence is lower.
        budget: this fraction of all instead, the least certain ones, rounded up.
    """

    below: float
    budget: float | None = None

    def choose(self, confidences: Mapping[str, float]) -> set[str]:
        """Choose from photos with their confidence, by name."""
        if self.budget is None:
            return {name for name, confidence in confidences.items() if confidence < self.below}
        count = math.ceil(self.budget * len(confidences) - 1e-9)
        return set(sorted(confidences, key=lambda name: (confidences[name], name))[:count])


class Judgement(NamedTuple):
    """How far one mask can be trusted.

    Attributes:
        confidence: 0 to 1: the Dice to expect, times the probability that the scene is one whole car.
        error: expected distance of the contour from the true one, in pixels of the network's input; NaN if unknown.
    """

    confidence: float
    error: float


def judge(
    probability: Probability, threshold: float, calibration: Calibration | None, part: Part | None = None
) -> Judgement:
    """Judge a mask by the probabilities it was cut from. About 1 ms at 512x768.

    Args:
        probability: float32 (height, width) in [0, 1], at the resolution that the network gave it in.
        threshold: what counts as car.
        calibration: the model's; without one the confidence is the expected Dice, and no error is known.
        part: of the photo, that the probabilities are of; None for all of it.

    Returns:
        Confidence 0 where no pixel reaches the threshold, for then there is no car to be confident of.
    """
    if calibration is None:
        return Judgement(expected_dice(probability, threshold), math.nan)
    if float(probability.max()) < threshold:
        return Judgement(0.0, math.nan)
    return calibration.judge(read_signs(probability, threshold, part))


def read_signs(probability: Probability, threshold: float, part: Part | None = None) -> Signs:
    """Measure the signs of trouble.

    Args:
        probability: float32 (height, width) in [0, 1], at the resolution that the network gave it in.
        threshold: what counts as car; at least one pixel must.
        part: of the photo, that the probabilities are of; None for all of it.

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
    if part is not None:
        tall, wide, ends = tall * part.photo[0] / part.size[0], wide * part.photo[1] / part.size[1], part.ends
    reached = [int(np.count_nonzero(side)) for side, end in zip(sides, ends, strict=True) if end]
    small = _LEAST * tall * wide
    return Signs(
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
