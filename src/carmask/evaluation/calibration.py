"""Fit a network's confidence: from the features of its probability maps to expected error and expected Dice.

Three ridge regressions on standardised confidence features (``prediction.confidence``): of the logarithm of the contour
error, of the logarithm of 1 - Dice, and a logistic one of whether the scene is one whole car. There is one weight for
each feature, so some hundred photos are enough. Fit on some cars and test on others (``reliability``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carmask.errors import DataError
from carmask.model.calibration import (
    SEGMENTATION_FEATURES,
    Calibration,
    ConfidenceEstimate,
    ConfidenceFeatures,
    Linear,
    compress,
)
from carmask.words import counted

#: Kinds of scene that are not one whole car.
STRANGE = frozenset({"no car", "no car, drawn", "close-up", "cut off", "two cars"})
#: Photos of the network's own domain, a studio with a turntable.
STUDIO = "studio"
#: The share of studio photos that the default threshold of review marks where no mask is poor.
REVIEW_SHARE = 0.05
#: Masks of lower Dice than the first should be reviewed; those above the second need no review.
POOR, GOOD = 0.95, 0.98
#: The share of poor masks that the default threshold marks, and of the good ones of one kind of place the most that it
#: marks for it.
POOR_REVIEWED, GOOD_REVIEWED = 0.9, 0.25

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A photo with its confidence features and its true scores.

    Attributes:
        name: of the photo.
        kind: of scene: ``STUDIO``, the name of an extra data set, one of ``STRANGE``, or ``moved``.
        car: which it shows.
        features: None where no car was found.
        dice: true Dice of the predicted mask.
        error: its true contour error in pixels of the network's input.
    """

    name: str
    kind: str
    car: str
    features: ConfidenceFeatures | None
    dice: float
    error: float


def fit_calibration(cases: Sequence[Case], *, data: str) -> Calibration:
    """Fit the confidence of a network.

    Args:
        cases: photos of cars that the network was not trained on, of as many kinds of scene as there are.
        data: a description of these photos, kept in the calibration.

    Returns:
        The calibration.

    Raises:
        DataError: if the network found a car in fewer than 30 studio photos.
    """
    found = [case for case in cases if case.features is not None]
    usual = np.array([case.kind == STUDIO for case in found])
    if usual.sum() < 30:
        raise DataError(
            f"{data}: {counted(int(usual.sum()), 'photo')} with a car found; a calibration needs at least 30"
        )
    # What compares two stages is 0 for models without a localisation network of its own, and fitted to for others.
    names: tuple[str, ...] = ConfidenceFeatures._fields
    if not any(case.features.disagreement for case in found if case.features is not None):
        names = SEGMENTATION_FEATURES
    features = np.array([case.features for case in found], np.float64)[:, : len(names)]
    # Standardised by the studio photos; a feature that is constant there takes its scale from all photos.
    centre, scale = features[usual].mean(0), np.maximum(features[usual].std(0), 0.25 * features.std(0) + 1e-3)
    values = np.vectorize(compress)((features - centre) / scale)
    strange = np.array([case.kind in STRANGE for case in found])
    error = np.log(np.array([case.error for case in found])[~strange] + 0.02)
    loss = np.log(1 - np.array([case.dice for case in found])[~strange] + 1e-5)
    # All photos of other places count as much as all of the studio: there are far fewer of them.
    share = np.where(usual, 1.0, usual.sum() / max(1, (~usual & ~strange).sum()))[~strange]
    # Both classes of the logistic regression have equal weight, so its odds hold for a batch of which half is strange.
    # The bias shifts them to 2 %, which is nearer to a dealer's batch.
    balance = np.where(strange, (~strange).sum() / max(1, strange.sum()), 1.0)
    odds = _logistic(values, strange.astype(np.float64), balance)
    odds = Linear(weights=odds.weights, bias=odds.bias + float(np.log(0.02 / 0.98)))
    calibration = Calibration(
        features=names,
        centre=_rounded(centre),
        scale=_rounded(scale),
        error=_ridge(values[~strange], error, share),
        loss=_ridge(values[~strange], loss, share),
        strange=odds,
        review_below=0.5,
        data=data,
    )
    return calibration.model_copy(update={"review_below": _review_below(calibration, found)})


def _review_below(calibration: Calibration, found: Sequence[Case]) -> float:
    """The threshold of review: by the harm that masks do which nobody looks at, not by where photos were taken.

    High enough to mark ``POOR_REVIEWED`` of the poor masks of whole cars, but neither in the studio nor elsewhere more
    than ``GOOD_REVIEWED`` of the good ones. Without poor masks it marks ``REVIEW_SHARE`` of the studio photos.
    """
    usual = [case for case in found if case.kind not in STRANGE and case.kind != "moved"]
    confidence = [estimate(calibration, case).confidence for case in usual]
    studio = [value for value, case in zip(confidence, usual, strict=True) if case.kind == STUDIO]
    below = float(np.quantile(studio, REVIEW_SHARE))
    poor = [value for value, case in zip(confidence, usual, strict=True) if case.dice < POOR]
    if poor:
        good = {
            place: [
                value
                for value, case in zip(confidence, usual, strict=True)
                if case.dice > GOOD and (case.kind == STUDIO) == place
            ]
            for place in (True, False)
        }
        limits = [float(np.quantile(values, GOOD_REVIEWED)) for values in good.values() if values]
        # Of a network without good masks all may be looked at.
        most = min(limits, default=1.0)
        below = min(most, float(np.quantile(poor, POOR_REVIEWED)) + 1e-4)
    return round(below, 4)


def estimate(calibration: Calibration, case: Case) -> ConfidenceEstimate:
    """Confidence and expected contour error of a case; confidence 0 where no car was found."""
    return ConfidenceEstimate(0.0, float("nan")) if case.features is None else calibration.estimate(case.features)


def _ridge(values: _Floats, target: _Floats, weights: _Floats, strength: float = 10.0) -> Linear:
    wide = np.column_stack([values, np.ones(len(values))])
    penalty = strength * np.diag([1.0] * values.shape[1] + [0.0])
    solved = np.linalg.solve(wide.T @ (wide * weights[:, None]) + penalty, wide.T @ (weights * target))
    return Linear(weights=_rounded(solved[:-1]), bias=round(float(solved[-1]), 5))


def _logistic(values: _Floats, target: _Floats, weights: _Floats, strength: float = 1.0) -> Linear:
    """Newton's method; the ridge keeps it finite where the classes can be separated."""
    wide = np.column_stack([values, np.ones(len(values))])
    penalty = strength * np.diag([1.0] * values.shape[1] + [1e-3])
    solved = np.zeros(wide.shape[1])
    for _ in range(40):
        chance = 1 / (1 + np.exp(-np.clip(wide @ solved, -30, 30)))
        slope = wide.T @ (weights * (chance - target)) + penalty @ solved
        curve = wide.T @ (wide * (weights * chance * (1 - chance))[:, None]) + penalty
        solved = solved - np.linalg.solve(curve, slope)
    return Linear(weights=_rounded(solved[:-1]), bias=round(float(solved[-1]), 5))


def _rounded(values: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
