"""Measure how far a confidence can be relied on, on photos that it was not fitted to, by kind of scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from carmask.errors import DataError
from carmask.evaluation.calibration import GOOD, POOR, STRANGE, STUDIO, Case, estimate
from carmask.model.calibration import Calibration


class SceneReliability(NamedTuple):
    """Confidence on the photos of one kind of scene.

    Shares are fractions of the photos that they are about, and NaN where there is no such photo.

    Attributes:
        photos: how many.
        dice: mean true Dice.
        confidence: median confidence.
        reviewed: share marked for review, that is of confidence below ``review_below``.
        poor: photos of Dice below ``POOR``.
        poor_reviewed: share of them marked for review: recall of the mark.
        good: photos of Dice above ``GOOD``.
        good_reviewed: share of them marked for review: reviewed in vain.
    """

    photos: int
    dice: float
    confidence: float
    reviewed: float
    poor: int
    poor_reviewed: float
    good: int
    good_reviewed: float


class CalibrationReliability(NamedTuple):
    """Reliability of a confidence, on photos that it was not fitted to.

    Attributes:
        photos: studio photos.
        captured: of the worst 10 % by true Dice, the fraction among the 20 % of lowest confidence.
        within_two: fraction whose true contour error is within a factor of two of the expected one.
        kinds: by kind of scene: studio first, then the extra data sets, then scenes that are not one whole car.
    """

    photos: int
    captured: float
    within_two: float
    kinds: dict[str, SceneReliability]


def check_calibration(calibration: Calibration, cases: Sequence[Case]) -> CalibrationReliability:
    """Test a calibration.

    Args:
        calibration: to test.
        cases: photos that it was not fitted to.

    Returns:
        The figures.

    Raises:
        DataError: if there is no studio photo among the cases.
    """
    usual = [case for case in cases if case.kind == STUDIO]
    if not usual:
        raise DataError("no photos to test the calibration on")
    found = [estimate(calibration, case) for case in usual]
    worst, doubtful = max(1, round(0.1 * len(usual))), max(1, round(0.2 * len(usual)))
    by_dice = sorted(range(len(usual)), key=lambda index: usual[index].dice)[:worst]
    by_confidence = sorted(range(len(usual)), key=lambda index: found[index].confidence)[:doubtful]
    near = [0.5 <= one.error / max(case.error, 1e-6) <= 2 for one, case in zip(found, usual, strict=True)]
    order = sorted({case.kind for case in cases}, key=lambda kind: (kind != STUDIO, kind in STRANGE, kind))
    kinds = {kind: _scene(calibration, [case for case in cases if case.kind == kind]) for kind in order}
    return CalibrationReliability(len(usual), len({*by_dice} & {*by_confidence}) / worst, float(np.mean(near)), kinds)


def _scene(calibration: Calibration, cases: Sequence[Case]) -> SceneReliability:
    dice = np.array([case.dice for case in cases])
    confidence = np.array([estimate(calibration, case).confidence for case in cases])
    reviewed, poor, good = confidence < calibration.review_below, dice < POOR, dice > GOOD
    return SceneReliability(
        photos=len(cases),
        dice=float(dice.mean()),
        confidence=float(np.median(confidence)),
        reviewed=float(reviewed.mean()),
        poor=int(poor.sum()),
        poor_reviewed=float(reviewed[poor].mean()) if poor.any() else float("nan"),
        good=int(good.sum()),
        good_reviewed=float(reviewed[good].mean()) if good.any() else float("nan"),
    )


def coverage(confidences: Sequence[float], dice: Sequence[float]) -> list[tuple[float, float]]:
    """The error that is left when a person corrects the photos of lowest confidence perfectly.

    Args:
        confidences: of photos.
        dice: their true Dice.

    Returns:
        Pairs of the fraction corrected and the mean 1 - Dice of all photos then.
    """
    order = np.argsort(np.asarray(confidences), kind="stable")
    lost = 1 - np.asarray(dice)[order]
    left = np.concatenate([np.cumsum(lost[::-1])[::-1], [0.0]]) / len(lost)
    return [(index / len(lost), float(value)) for index, value in enumerate(left)]
