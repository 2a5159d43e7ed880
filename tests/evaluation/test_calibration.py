"""The fit against scikit-learn; what is tested and what is left to look at, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge

from carmask.errors import DataError
from carmask.evaluation import calibration as module
from carmask.evaluation.calibration import STUDIO, Case, estimate, fit_calibration
from carmask.evaluation.reliability import check_calibration, coverage
from carmask.model.calibration import ConfidenceFeatures
from carmask.pages.confidence import write_confidence


def drawn(count: int, *, seed: int, kind: str = STUDIO) -> list[Case]:
    """Photos whose error and Dice follow from two of their features, with noise."""
    rng = np.random.default_rng(seed)
    cases = []
    for index in range(count):
        features = rng.normal(0, 1, len(ConfidenceFeatures._fields))
        features[0] -= 0.7
        features[1] = 0.5 * features[1] - 5.5
        features[-1] = 2.0 if kind == "cut off" else 0.0
        error = np.exp(features[0] + rng.normal(0, 0.2))
        dice = 1 - np.exp(features[1] + rng.normal(0, 0.2))
        cases.append(
            Case(f"{kind}{index}", kind, f"car{index}", ConfidenceFeatures(*features), float(dice), float(error))
        )
    return cases


def test_the_fit_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    values, target, weights = rng.normal(0, 1, (80, 4)), rng.normal(0, 1, 80), rng.uniform(0.1, 1, 80)
    found = module._ridge(values, target, weights)
    ridge = Ridge(alpha=10.0).fit(values, target, sample_weight=weights)
    assert found.weights == pytest.approx(ridge.coef_, abs=1e-4)
    assert found.bias == pytest.approx(ridge.intercept_, abs=1e-4)
    chosen = (values[:, 0] + rng.normal(0, 1, 80) > 0.5).astype(float)
    odds = module._logistic(values, chosen, weights)
    logistic = LogisticRegression(C=1.0, tol=1e-9, max_iter=1000).fit(values, chosen, sample_weight=weights)
    assert odds.weights == pytest.approx(logistic.coef_[0], abs=2e-3)
    assert odds.bias == pytest.approx(logistic.intercept_[0], abs=2e-3)


def test_what_follows_from_features_is_found():
    cases = [*drawn(200, seed=0), *drawn(30, seed=1, kind="cut off")]
    calibration = fit_calibration(cases, data="drawn")
    trust = check_calibration(calibration, [*drawn(300, seed=2), *drawn(30, seed=3, kind="cut off")])
    assert trust.photos == 300
    assert trust.captured > 0.8
    assert trust.within_two > 0.95
    assert list(trust.kinds) == [STUDIO, "cut off"]
    cut_off = trust.kinds["cut off"]
    assert cut_off.photos == 30
    assert cut_off.confidence < 0.5
    assert cut_off.reviewed == 1
    assert 0.01 < trust.kinds[STUDIO].reviewed < 0.12  # about the 5 % that the default threshold is set for


def test_the_share_reviewed_by_hand():
    calibration = fit_calibration(drawn(60, seed=0), data="drawn")
    [certain] = drawn(1, seed=0)
    certain = replace(certain, features=ConfidenceFeatures(*calibration.centre)._replace(uncertainty=-9.0))
    assert estimate(calibration, certain).confidence > calibration.review_below
    # No car found: confidence 0, so these are reviewed.
    scenes = [(certain, 0.99), (certain, 0.97), (certain, 0.90), (None, 0.94), (None, 0.5), (None, 0.981), (None, 0.98)]
    cases = [
        replace(certain, kind="street", dice=dice, features=None if one is None else one.features)
        for one, dice in scenes
    ]
    found = check_calibration(calibration, [replace(certain, dice=0.99), *cases]).kinds
    assert list(found) == [STUDIO, "street"]
    street = found["street"]
    assert (street.photos, street.poor, street.good) == (7, 3, 2)
    assert street.dice == pytest.approx(np.mean([dice for _, dice in scenes]))
    assert street.reviewed == pytest.approx(4 / 7)
    assert street.poor_reviewed == pytest.approx(2 / 3)
    assert street.good_reviewed == pytest.approx(1 / 2)
    assert (found[STUDIO].poor, found[STUDIO].good, found[STUDIO].good_reviewed) == (0, 1, 0)
    assert np.isnan(found[STUDIO].poor_reviewed)


def test_no_car_found_is_no_confidence():
    calibration = fit_calibration(drawn(60, seed=0), data="drawn")
    assert estimate(calibration, Case("a", "no car", "a", None, 1.0, 0.0)).confidence == 0


def test_confidence_stays_within_its_range_however_odd_the_features():
    calibration = fit_calibration([*drawn(60, seed=0), *drawn(9, seed=1, kind="cut off")], data="drawn")
    rng = np.random.default_rng(0)
    for scale in (1, 100, 1e9):
        for _ in range(20):
            found = calibration.estimate(ConfidenceFeatures(*rng.normal(0, scale, len(ConfidenceFeatures._fields))))
            assert 0 <= found.confidence <= 1
            assert 0 < found.error < 1e4


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.randoms())
def test_coverage(dice, random):
    sure = [random.random() for _ in dice]
    points = coverage(sure, dice)
    assert points[0] == pytest.approx((0, 1 - np.mean(dice)))
    assert points[-1] == (1, 0)
    best = coverage(dice, dice)
    assert all(low <= found + 1e-9 for (_, low), (_, found) in zip(best, points, strict=True))


def test_too_few_photos():
    with pytest.raises(DataError, match="29 photos with a car found; a calibration needs at least 30"):
        fit_calibration(drawn(29, seed=0), data="drawn")
    with pytest.raises(DataError, match="no photos to test"):
        check_calibration(fit_calibration(drawn(30, seed=0), data="drawn"), [])


def test_the_page(tmp_path):
    calibration = fit_calibration(drawn(60, seed=0), data="drawn <photos>")
    cases = [*drawn(30, seed=1), *drawn(5, seed=2, kind="cut off")]
    text = write_confidence(tmp_path, "m", calibration, cases).read_text()
    assert "drawn &lt;photos&gt;" in text
    assert text.count("<svg") == 4
    assert "cut off: cut off3" in text
    assert "<td>studio</td>" in text
    scene = check_calibration(calibration, cases).kinds["cut off"]
    assert f">{scene.reviewed:.0%} of 5<" in text
    assert "Dice &lt; 0.95: reviewed" in text


def test_a_network_without_good_masks_may_be_reviewed_as_a_whole():
    rng = np.random.default_rng(3)
    features = [ConfidenceFeatures(*rng.normal(0, 1, len(ConfidenceFeatures._fields))) for _ in range(40)]
    cases = [Case(str(n), "studio", str(n // 4), one, 0.6 + 0.01 * (n % 10), 3.0) for n, one in enumerate(features)]
    cases += [Case(f"none {n}", "no car", str(n), one, 1.0, 0.0) for n, one in enumerate(features[:10])]
    calibration = fit_calibration(cases, data="drawn")
    confidences = [estimate(calibration, case).confidence for case in cases[:40]]
    assert sum(value < calibration.review_below for value in confidences) >= 0.85 * 40
