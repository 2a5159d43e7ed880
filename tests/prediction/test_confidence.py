from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from carmask.evaluation.overlap import dice
from carmask.geometry import Crop
from carmask.model.behaviour import FeatureSettings
from carmask.model.calibration import Calibration, ConfidenceFeatures, Linear
from carmask.prediction.confidence import estimate_confidence, expected_dice, measure_features
from carmask.prediction.probability_map import ProbabilityMap


def test_sure_is_one_and_nothing_is_zero():
    sure = np.zeros((10, 10), np.float32)
    sure[2:8, 2:8] = 1
    assert expected_dice(sure, 0.5) == 1
    assert expected_dice(np.zeros((10, 10), np.float32), 0.5) == 0
    assert expected_dice(np.full((10, 10), 0.4, np.float32), 0.5) == 0


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_is_the_mean_dice_of_masks_drawn_from_the_probabilities(seed):
    # Monte Carlo: if pixels are car with their probability, this is the Dice that the mask gets on average.
    rng = np.random.default_rng(seed)
    probability = np.clip(rng.normal(0.5, 0.5, (40, 50)), 0, 1).astype(np.float32)
    mask = probability >= 0.5
    drawn = [dice(mask, rng.random(probability.shape) < probability) for _ in range(60)]
    assert expected_dice(probability, 0.5) == pytest.approx(np.mean(drawn), abs=0.006)


def ellipse(blur: float = 1.0, *, hole: bool = False, second: bool = False, shift: int = 0) -> np.ndarray:
    """An ellipse of 240x100 in 256x384, its edge as soft as asked for."""
    picture = np.zeros((256, 384), np.float32)
    cv2.ellipse(picture, (192 + shift, 128), (120, 50), 0, 0, 360, 1, -1)
    if hole:
        cv2.ellipse(picture, (192, 128), (20, 10), 0, 0, 360, 0, -1)
    if second:
        cv2.ellipse(picture, (40, 30), (20, 10), 0, 0, 360, 1, -1)
    return cv2.GaussianBlur(picture, (0, 0), blur)


def test_features_by_hand():
    plain = measure_features(ellipse(), 0.5)
    area, length = math.pi * 120 * 50, 2 * math.pi * math.sqrt((120**2 + 50**2) / 2)
    assert plain.area == pytest.approx(math.log(area / (256 * 384)), abs=0.02)
    assert plain.rough == pytest.approx(math.log(length / math.sqrt(4 * math.pi * area)), abs=0.15)
    # For an edge of that softness, min(p, 1 - p) adds up to the mean distance sigma * sqrt(2 / pi) across the contour.
    assert math.exp(plain.width) == pytest.approx(math.sqrt(2 / math.pi), rel=0.25)
    assert (plain.cut, plain.sides) == (0, 0)
    softer = measure_features(ellipse(3.0), 0.5)
    assert math.exp(softer.width - plain.width) == pytest.approx(3, rel=0.1)
    assert softer.band > plain.band
    assert softer.uncertainty > plain.uncertainty
    holed, two = measure_features(ellipse(hole=True), 0.5), measure_features(ellipse(second=True), 0.5)
    assert math.exp(holed.holes) == pytest.approx(200 / (6000 - 200), rel=0.25)
    assert math.exp(two.components) == pytest.approx(200 / (6000 + 200), rel=0.25)
    assert max(plain.holes, plain.components) < -8
    cut = measure_features(ellipse(shift=120), 0.5)
    assert cut.sides == 1
    assert cut.cut > 0.05


def test_uncertainty_away_from_the_contour_shows():
    probability = ellipse()
    before = measure_features(probability, 0.5).far
    probability[20:40, 300:340] = 0.4
    assert math.exp(measure_features(probability, 0.5).far) == pytest.approx(
        0.4 * 800 / 18850 + math.exp(before), rel=0.05
    )


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_features_are_finite_and_the_same_mirrored(seed):
    rng = np.random.default_rng(seed)
    probability = cv2.resize(rng.random((6, 8)).astype(np.float32) ** 2, (96, 64))
    if probability.max() < 0.5:
        return
    features = measure_features(probability, 0.5)
    assert all(math.isfinite(feature) for feature in features)
    assert measure_features(np.ascontiguousarray(probability[:, ::-1]), 0.5) == pytest.approx(features, abs=1e-3)


def flat(**bias: float) -> Calibration:
    """A calibration that uses no feature."""
    none = (0.0,) * len(ConfidenceFeatures._fields)
    heads = {name: Linear(weights=none, bias=bias.get(name, 0.0)) for name in ("error", "loss", "strange")}
    ones = (1.0,) * len(none)
    return Calibration(
        features=ConfidenceFeatures._fields, centre=none, scale=ones, review_below=0.9, data="none", **heads
    )


def estimated(dark, probability: np.ndarray, calibration: Calibration | None):
    info = dark.info.model_copy(update={"calibration": calibration})
    return estimate_confidence(ProbabilityMap(probability, Crop.whole(probability.shape)), info)


def test_a_calibration_by_hand(dark):
    found = estimated(dark, ellipse(), flat(error=math.log(1.5), loss=math.log(0.02), strange=math.log(0.25)))
    assert found.error == pytest.approx(1.5)
    assert found.confidence == pytest.approx(0.98 * 0.8)  # odds of 1 to 4 are 0.2
    without = estimated(dark, ellipse(), None)
    assert without.confidence == expected_dice(ellipse(), 0.5)
    assert math.isnan(without.error)
    for calibration in (None, flat()):
        assert estimated(dark, np.zeros((9, 9), np.float32), calibration).confidence == 0


def test_a_calibration_for_other_features_is_refused():
    values = flat().model_dump()
    with pytest.raises(ValidationError, match="other features than this version measures"):
        Calibration.model_validate({**values, "features": ("width",)})
    with pytest.raises(ValidationError, match="one for each feature"):
        Calibration.model_validate({**values, "centre": (0.0,)})


def test_settings_decide_what_is_measured():
    plain = measure_features(ellipse(3.0), 0.5)
    wider = measure_features(ellipse(3.0), 0.5, settings=FeatureSettings(decided=(0.4, 0.6)))
    assert wider.band < plain.band
    nearer = measure_features(ellipse(3.0), 0.5, settings=FeatureSettings(near=1))
    assert nearer.far > plain.far
    assert measure_features(ellipse(), 0.5, settings=FeatureSettings(offset=1e-2)).holes > plain.holes
