"""Fit what signs of trouble mean for a network, and test how far the result can be relied on.

Three ridge regressions on standardised signs (``prediction.confidence``): of the logarithm of the contour's error, of
the logarithm of 1 - Dice, and a logistic one of whether the scene is one whole car. As few weights as there are signs,
so some hundred photos are enough. Fit on some cars, test on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.errors import DataError
from carmask.model.calibration import Calibration, ConfidenceFeatures, Judgement, Linear, compress

#: Kinds of scene that are not one whole car.
STRANGE = frozenset({"no car", "no car, drawn", "close-up", "cut off", "two cars"})
#: Kinds that are the network's trade: the figures of the goals are on these.
STUDIO = "photo"
#: The share of all photos that the default mark is to ask for, among photos of the network's trade.
REVIEW_SHARE = 0.05

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A photo, what the network's probabilities gave away, and what was true.

    Attributes:
        name: of the photo.
        kind: ``photo``, the name of a further data set, one of ``STRANGE``, or ``moved``.
        car: which it shows.
        signs: None where no car was found.
        dice: true.
        error: the true contour error in pixels of the network's input.
    """

    name: str
    kind: str
    car: str
    signs: ConfidenceFeatures | None
    dice: float
    error: float


class Trust(NamedTuple):
    """How far a confidence can be relied on, on photos that it was not fitted to.

    Attributes:
        photos: of the network's trade.
        captured: of the worst 10 % by true Dice, the fraction among the 20 % of lowest confidence.
        within_two: fraction whose contour error is within a factor of two of the expected one.
        kinds: for each kind of scene: photos, mean true Dice, median confidence, fraction below ``review_below``.
    """

    photos: int
    captured: float
    within_two: float
    kinds: dict[str, tuple[int, float, float, float]]


def fit_calibration(cases: Sequence[Case], *, data: str) -> Calibration:
    """Fit.

    Args:
        cases: of cars that the network has not seen, of as many kinds as there are.
        data: what they are, for the reader.

    Returns:
        The calibration.

    Raises:
        DataError: if there are fewer than 30 photos of the network's trade in which it found a car.
    """
    found = [case for case in cases if case.signs is not None]
    usual = np.array([case.kind == STUDIO for case in found])
    if usual.sum() < 30:
        raise DataError(f"{data}: {int(usual.sum())} photos with a car found; a calibration needs at least 30")
    signs = np.array([case.signs for case in found], np.float64)
    # Standardised by what is usual: a sign that never shows there has no scale of its own.
    centre, scale = signs[usual].mean(0), np.maximum(signs[usual].std(0), 0.25 * signs.std(0) + 1e-3)
    values = np.vectorize(compress)((signs - centre) / scale)
    strange = np.array([case.kind in STRANGE for case in found])
    error = np.log(np.array([case.error for case in found])[~strange] + 0.02)
    loss = np.log(1 - np.array([case.dice for case in found])[~strange] + 1e-5)
    # Other places show where the scale ends; they must not cost precision where nearly all photos are.
    share = np.where(usual, 1.0, min(1.0, 0.1 * usual.sum() / max(1, (~usual & ~strange).sum())))[~strange]
    # Both sides of the logistic one count the same, so its odds are those of a batch of which half is strange; shifted
    # to 2 %, which a batch of a dealer's photos is nearer to.
    balance = np.where(strange, (~strange).sum() / max(1, strange.sum()), 1.0)
    odds = _logistic(values, strange.astype(np.float64), balance)
    odds = Linear(weights=odds.weights, bias=odds.bias + float(np.log(0.02 / 0.98)))
    calibration = Calibration(
        signs=ConfidenceFeatures._fields,
        centre=_rounded(centre),
        scale=_rounded(scale),
        error=_ridge(values[~strange], error, share),
        loss=_ridge(values[~strange], loss, share),
        strange=odds,
        review_below=0.5,
        data=data,
    )
    confidences = [judge_case(calibration, case).confidence for case in found if case.kind == STUDIO]
    below = round(float(np.quantile(confidences, REVIEW_SHARE)), 4)
    return calibration.model_copy(update={"review_below": below})


def check_calibration(calibration: Calibration, cases: Sequence[Case]) -> Trust:
    """Test on cases that it was not fitted to.

    Raises:
        DataError: if there is no photo of the network's trade among them.
    """
    usual = [case for case in cases if case.kind == STUDIO]
    if not usual:
        raise DataError("no photos to test the calibration on")
    judged = [judge_case(calibration, case) for case in usual]
    worst, doubtful = max(1, round(0.1 * len(usual))), max(1, round(0.2 * len(usual)))
    by_dice = sorted(range(len(usual)), key=lambda index: usual[index].dice)[:worst]
    by_confidence = sorted(range(len(usual)), key=lambda index: judged[index].confidence)[:doubtful]
    near = [0.5 <= one.error / max(case.error, 1e-6) <= 2 for one, case in zip(judged, usual, strict=True)]
    kinds: dict[str, tuple[int, float, float, float]] = {}
    for kind in sorted({case.kind for case in cases}):
        these = [case for case in cases if case.kind == kind]
        confidences = np.array([judge_case(calibration, case).confidence for case in these])
        kinds[kind] = (
            len(these),
            float(np.mean([case.dice for case in these])),
            float(np.median(confidences)),
            float(np.mean(confidences < calibration.review_below)),
        )
    return Trust(len(usual), len({*by_dice} & {*by_confidence}) / worst, float(np.mean(near)), kinds)


def coverage(confidences: Sequence[float], dice: Sequence[float]) -> list[tuple[float, float]]:
    """What is left to accept if a person looks at the least certain photos first and makes them perfect.

    Args:
        confidences: of photos.
        dice: their true Dice.

    Returns:
        Pairs of the fraction looked at and the mean 1 - Dice of all photos then.
    """
    order = np.argsort(np.asarray(confidences), kind="stable")
    lost = 1 - np.asarray(dice)[order]
    left = np.concatenate([np.cumsum(lost[::-1])[::-1], [0.0]]) / len(lost)
    return [(index / len(lost), float(value)) for index, value in enumerate(left)]


def judge_case(calibration: Calibration, case: Case) -> Judgement:
    """What a calibration says of a case; confidence 0 where no car was found."""
    return Judgement(0.0, float("nan")) if case.signs is None else calibration.estimate(case.signs)


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
