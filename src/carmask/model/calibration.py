"""What confidence features mean for one network: three linear models on their logarithms, kept in the model file."""

from __future__ import annotations

import math
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, model_validator


class ConfidenceFeatures(NamedTuple):
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
        if self.signs != ConfidenceFeatures._fields:
            raise ValueError(f"fitted to other signs than this version reads: {', '.join(self.signs)}")
        lengths = (self.centre, self.scale, self.error.weights, self.loss.weights, self.strange.weights)
        if any(len(values) != count for values in lengths):
            raise ValueError(f"there must be {count} numbers, one for each sign")
        return self

    def estimate(self, signs: ConfidenceFeatures) -> Judgement:
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


class Judgement(NamedTuple):
    """How far one mask can be trusted.

    Attributes:
        confidence: 0 to 1: the Dice to expect, times the probability that the scene is one whole car.
        error: expected distance of the contour from the true one, in pixels of the network's input; NaN if unknown.
    """

    confidence: float
    error: float
