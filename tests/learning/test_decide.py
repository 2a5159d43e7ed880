"""What passes for better: against SciPy, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from carmask.errors import DataError
from carmask.learning.decide import Candidate, Gain, Scored, choose, paired_gain, student_quantile


@given(st.floats(0.5, 0.9999), st.integers(1, 120))
def test_the_quantile_is_scipys(probability, freedom):
    assert student_quantile(probability, freedom) == pytest.approx(
        stats.t.ppf(probability, freedom), rel=1e-6, abs=1e-9
    )


def _pairs(differences, views=1):
    old = [Scored(f"{car}_{view}", str(car), 0.9) for car in range(len(differences)) for view in range(views)]
    new = [one._replace(dice=0.9 + differences[int(one.vehicle)]) for one in old]
    return old, new


@given(st.lists(st.floats(-0.05, 0.05), min_size=4, max_size=40))
def test_with_a_photo_for_each_vehicle_it_is_students_interval(differences):
    found = paired_gain(*_pairs(differences))
    error = float(stats.sem(differences))
    assert found.gain == pytest.approx(np.mean(differences), abs=1e-12)
    assert found.margin == pytest.approx(stats.t.ppf(0.95, len(differences) - 1) * error, rel=0.08, abs=1e-12)


@given(st.lists(st.floats(-0.05, 0.05), min_size=3, max_size=12), st.integers(2, 6))
def test_more_views_of_the_same_vehicles_prove_nothing(differences, views):
    one, many = paired_gain(*_pairs(differences)), paired_gain(*_pairs(differences, views))
    assert many.margin == pytest.approx(one.margin)
    assert many.gain == pytest.approx(one.gain)


def test_chance_passes_as_rarely_as_is_said():
    rng = np.random.default_rng(0)
    passed = sum(paired_gain(*_pairs(rng.normal(0, 0.01, 5))).certain for _ in range(400))
    assert passed < 32  # 20 are expected


def test_different_photos_and_too_few_vehicles():
    old, new = _pairs([0.1, 0.2])
    with pytest.raises(DataError, match="different photos"):
        paired_gain(old, new[:1])
    with pytest.raises(DataError, match="two vehicles"):
        paired_gain(*_pairs([0.1], 3))


def _candidate(share, gain, margin, rehearsal):
    return Candidate(
        share, Gain(0.9, 0.9 + gain, gain, margin, 13, 4), Gain(0.99, 0.99 + rehearsal, rehearsal, 0.1, 9, 9)
    )


def test_the_largest_gain_that_keeps_the_rehearsal_is_shipped():
    one, other, forgets = (
        _candidate(0.3, 0.01, 0.005, 0),
        _candidate(0.6, 0.02, 0.005, -0.0002),
        _candidate(1, 0.05, 0, -0.01),
    )
    found = choose([one, other, forgets])
    assert (found.accepted, found.candidate) == (True, other)
    assert choose([one, other, forgets], tolerance=0.02).candidate == forgets


def test_averages_are_tested_one_after_the_other():
    sure, unsure, larger = (_candidate(*one, 0) for one in ((0.7, 0.01, 0.005), (1, 0.02, 0.03), (0.35, 0.03, 0.005)))
    # One that is not tested any more is not taken, however large its gain is.
    assert choose([sure, unsure, larger]).candidate == sure
    assert choose([sure, larger, unsure]).candidate == larger
    found = choose([unsure, larger, sure])
    assert (found.accepted, found.candidate) == (False, unsure)
    assert found.outcomes == ("not beyond chance", "not tested", "not tested")
    forgets = _candidate(0.9, 0.05, 0, -0.01)
    found = choose([sure, forgets, larger, unsure])
    assert found.outcomes == ("smaller gain", "forgets", "taken", "not beyond chance")


def test_of_several_that_are_no_better_one_passes_as_rarely_as_of_one():
    rng = np.random.default_rng(1)
    passed = 0
    for _ in range(400):
        base = rng.normal(0, 0.01, 6)
        gains = [paired_gain(*_pairs(share * base + rng.normal(0, 0.003, 6))) for share in (0.7, 1.0, 0.35)]
        candidates = [_candidate(0.5, 0, 0, 0)._replace(corrected=gain) for gain in gains]
        passed += choose(candidates).accepted
    assert passed < 32  # 20 are expected


def test_refusals_say_why():
    found = choose([_candidate(0.3, 0.0001, 0.0004, 0)])
    assert not found.accepted
    assert found.reason == "not better by more than chance: Dice +0.0001 ± 0.0004 on 13 photos of 4 vehicles"
    found = choose([_candidate(0.3, 0.1, 0.0004, -0.002), _candidate(1, 0.2, 0, -0.1)])
    assert found.reason.startswith("forgets what was known: rehearsal Dice -0.0020 ±")
