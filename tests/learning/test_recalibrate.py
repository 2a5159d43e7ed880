from __future__ import annotations

import math

import pytest

from carmask.learning.recalibrate import PRIOR, Residual, recalibrate
from carmask.model.calibration import Calibration, ConfidenceFeatures, Linear

NAMES = ConfidenceFeatures._fields
FEATURES = ConfidenceFeatures(*([0.0] * 12))


def _calibration():
    flat = Linear(weights=(0.0,) * 12, bias=math.log(0.01))
    zeros, ones = (0.0,) * 12, (1.0,) * 12
    return Calibration(
        features=NAMES, centre=zeros, scale=ones, error=Linear(weights=zeros, bias=math.log(1.0)), loss=flat,
        strange=Linear(weights=zeros, bias=-30.0), review_below=0.98, data="studio",
    )  # fmt: skip


def test_by_hand():
    # True loss 0.04, expected 0.01: off by log 4; of 20 photos, the old bias counts as many.
    photos = [Residual(FEATURES, 0.96, 2.0, "corrected")] * 20
    made = recalibrate(_calibration(), photos, data="ours")
    half = 20 / (20 + PRIOR)
    assert made.loss == pytest.approx(half * math.log(0.04001 / 0.01), abs=1e-4)
    assert made.error == pytest.approx(half * math.log(2.02), abs=1e-4)
    assert made.calibration.estimate(FEATURES).confidence == pytest.approx(0.98, abs=1e-3)
    assert made.calibration.data == "studio; moved to ours"
    assert made.calibration.strange == _calibration().strange


def test_kinds_of_photo_weigh_equally():
    photos = [Residual(FEATURES, 0.96, float("nan"), "corrected")] * 3 + [
        Residual(FEATURES, 0.99, float("nan"), "r")
    ] * 57
    made = recalibrate(_calibration(), photos, data="ours")
    assert made.loss == pytest.approx(60 / 80 * (math.log(4) + 0) / 2, abs=2e-3)
    assert made.error == 0


def test_without_photos_nothing_changes():
    assert recalibrate(_calibration(), [], data="none").calibration == _calibration()
