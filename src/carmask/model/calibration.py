"""What confidence features mean for one network: three linear models on their logarithms, kept in the model file."""

from __future__ import annotations

import math
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, model_validator


class ConfidenceFeatures(NamedTuple):
    """Confidence features of one photo; each is a number near 0 to 10, most are logarithms.

    Attributes:
        width: log of the contour's expected error in pixels of the input, if every pixel is car with its probability:
            the sum of ``min(p, 1 - p)`` over the length of the contour.
        uncertainty: log of 1 - expected Dice.
        band: log of the undecided pixels for each pixel of contour.
        far: log of the uncertainty away from the contour, ``sum(min(p, 1 - p))`` over the car's area.
        components: log of the area of all connected components but the largest, over the car's area.
        holes: log of the holes' area over the car's.
        rough: log of the contour's length over that of a circle of the car's area.
        area: log of the car's area over the photo's.
        cut: fraction of the frame's four sides that is car.
        sides: how many of the frame's four sides the car reaches.
        disagreement: log of 1 - Dice of the localisation stage's probabilities and the segmentation stage's; 0 for
            models without a localisation network of its own.
        unsure: log of the localisation stage's uncertainty, ``sum(min(p, 1 - p))`` over ``sum(p)``; 0 likewise.
    """

    width: float
    uncertainty: float
    band: float
    far: float
    components: float
    holes: float
    rough: float
    area: float
    cut: float
    sides: float
    disagreement: float = 0.0
    unsure: float = 0.0


#: Those that models without a localisation network of its own are fitted to.
SEGMENTATION_FEATURES = ConfidenceFeatures._fields[:10]


_OLD_NAMES = {"doubt": "uncertainty", "pieces": "components"}


class Linear(BaseModel):
    """``bias + weights . features``, the features standardised first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: tuple[float, ...]
    bias: float

    def __call__(self, features: tuple[float, ...]) -> float:
        """Apply it."""
        return self.bias + sum(weight * feature for weight, feature in zip(self.weights, features, strict=True))


class Calibration(BaseModel):
    """From confidence features to what they mean, for one network.

    Attributes:
        features: the names of those it was fitted to, in order.
        centre: mean of each feature where it was fitted.
        scale: its standard deviation there.
        error: log of the contour's mean error in pixels of the network's input.
        loss: log of 1 - Dice.
        strange: log odds that the scene is not one whole car: none, two, a close-up, a car cut off by the frame.
        review_below: confidence below which a person should look, unless asked otherwise.
        data: what it was fitted to, for the reader.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    error: Linear
    loss: Linear
    strange: Linear
    review_below: float
    data: str

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: object) -> object:
        # Files of version 4 and before say ``signs``, and call two of them otherwise.
        if isinstance(values, dict) and "signs" in values:
            features = tuple(_OLD_NAMES.get(name, name) for name in values["signs"])
            values = {key: value for key, value in values.items() if key != "signs"} | {"features": features}
        return values

    @model_validator(mode="after")
    def _fits(self) -> Calibration:
        count = len(self.features)
        if self.features not in (SEGMENTATION_FEATURES, ConfidenceFeatures._fields):
            raise ValueError(f"fitted to other features than this version measures: {', '.join(self.features)}")
        lengths = (self.centre, self.scale, self.error.weights, self.loss.weights, self.strange.weights)
        if any(len(values) != count for values in lengths):
            raise ValueError(f"there must be {count} numbers, one for each feature")
        return self

    def standardised(self, features: ConfidenceFeatures) -> tuple[float, ...]:
        """What the linear models take of a photo's features."""
        place = zip((getattr(features, name) for name in self.features), self.centre, self.scale, strict=True)
        return tuple(compress((feature - centre) / scale) for feature, centre, scale in place)

    def estimate(self, features: ConfidenceFeatures) -> ConfidenceEstimate:
        """What the features of a photo mean."""
        values = self.standardised(features)
        dice = 1.0 - min(1.0, math.exp(self.loss(values)))
        strange = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, self.strange(values)))))
        return ConfidenceEstimate(dice * (1.0 - strange), math.exp(min(7.0, self.error(values))), features)


def compress(value: float) -> float:
    """Leave a standardised feature as it is up to 3, and let it grow with the logarithm from there.

    Away from the training data features lie many deviations out: they must count, and not be extrapolated from.
    """
    return value if abs(value) <= 3 else math.copysign(3 + math.log(abs(value) - 2), value)


class ConfidenceEstimate(NamedTuple):
    """The confidence of one mask, and the error to expect of its contour.

    Attributes:
        confidence: 0 to 1: the Dice to expect, times the probability that the scene is one whole car.
        error: expected distance of the contour from the true one, in pixels of the network's input; NaN if unknown.
        features: what both were estimated from; None where they were not measured.
    """

    confidence: float
    error: float
    features: ConfidenceFeatures | None = None
