"""Move a calibration to a new model: the biases of its linear models, from photos that the model has not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from carmask.model.calibration import Calibration, ConfidenceFeatures, Linear

#: Photos whose weight the old bias has.
PRIOR = 20.0


class Residual(NamedTuple):
    """A photo that the calibration is checked on.

    Attributes:
        features: measured by the new model.
        dice: true Dice of its mask.
        error: true contour error in pixels of the network's input; NaN if it was not measured.
        kind: of photo: kinds weigh equally, whatever their numbers are.
    """

    features: ConfidenceFeatures
    dice: float
    error: float
    kind: str


class Recalibrated(NamedTuple):
    """A calibration and what was changed.

    Attributes:
        calibration: the new one.
        loss: by how much the logarithm of the expected 1 - Dice was raised.
        error: by how much the logarithm of the expected contour error was.
        photos: how many were looked at.
    """

    calibration: Calibration
    loss: float
    error: float
    photos: int


def recalibrate(calibration: Calibration, photos: Sequence[Residual], *, data: str) -> Recalibrated:
    """Fit the biases of expected Dice and contour error anew; all weights stay.

    Recalibration in the large (Steyerberg, Clinical Prediction Models, 2nd edition, 2019, section 15.3): a few dozen
    photos bear no more. The mean residual counts as many photos as there are, against ``PRIOR`` of the old bias.

    Args:
        calibration: the old model's.
        photos: not trained on.
        data: a description of these photos, kept in the calibration.

    Returns:
        The new calibration; the old one's numbers if there are no photos.
    """
    if not photos:
        return Recalibrated(calibration, 0.0, 0.0, 0)
    loss, error = [], []
    for one in photos:
        values = calibration.standardised(one.features)
        loss.append(math.log(1 - one.dice + 1e-5) - calibration.loss(values))
        error.append(math.log(one.error + 0.02) - calibration.error(values))
    kinds = [one.kind for one in photos]
    first, second = _shift(loss, kinds), _shift(error, kinds)
    made = calibration.model_copy(
        update={
            "loss": _raised(calibration.loss, first),
            "error": _raised(calibration.error, second),
            "data": f"{calibration.data}; moved to {data}",
        }
    )
    return Recalibrated(made, first, second, len(photos))


def _shift(residuals: Sequence[float], kinds: Sequence[str]) -> float:
    """The mean residual, kinds of photo weighing equally, drawn towards 0."""
    known = [(value, kind) for value, kind in zip(residuals, kinds, strict=True) if math.isfinite(value)]
    if not known:
        return 0.0
    means = [
        float(np.mean([value for value, of in known if of == kind])) for kind in sorted({kind for _, kind in known})
    ]
    return float(np.mean(means)) * len(known) / (len(known) + PRIOR)


def _raised(linear: Linear, by: float) -> Linear:
    return Linear(weights=linear.weights, bias=round(linear.bias + by, 5))
