"""The tests against SciPy's, and what must hold whatever the numbers are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from carmask.drift.statistics import effective_size, fisher_p_value, holm, ks_distance, ks_p_value

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@given(numbers, numbers)
def test_the_distance_is_scipys(first, second):
    assert ks_distance(first, second) == pytest.approx(stats.ks_2samp(first, second).statistic)


@given(st.integers(16, 400), st.integers(16, 400), st.floats(0.02, 0.6))
def test_the_p_value_is_that_of_the_exact_distribution(first, second, distance):
    """Of as many values as both samples are worth together, which SciPy takes for large samples, too."""
    together = first * second / (first + second)
    exact = stats.kstwo.sf(distance, round(together))
    assert ks_p_value(distance, first, second) == pytest.approx(exact, abs=0.03)


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60))
def test_fishers_exact_test_is_scipys(hits, size, others, rest):
    hits, others = min(hits, size), min(others, rest)
    table = [[hits, size - hits], [others, rest - others]]
    assert fisher_p_value((hits, size), (others, rest)) == pytest.approx(stats.fisher_exact(table).pvalue, abs=1e-9)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_one_test_and_bonferroni(p_values):
    for one, adjusted in zip(p_values, holm(p_values), strict=True):
        assert one <= adjusted <= min(1.0, len(p_values) * one) or adjusted == pytest.approx(max(p_values))


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30, unique=True), st.integers(1, 9))
def test_the_same_photo_many_times_is_worth_one(values, times):
    groups = [str(group) for group in range(len(values)) for _ in range(times)]
    assert effective_size(np.repeat(values, times), groups) == pytest.approx(len(values))


@given(st.lists(st.tuples(st.floats(-100, 100), st.sampled_from("abcdef")), min_size=1, max_size=60))
def test_an_effective_size_is_at_most_the_size(pairs):
    values, groups = [value for value, _ in pairs], [group for _, group in pairs]
    assert 0.99 <= effective_size(values, groups) <= len(values)


def test_groups_that_differ_as_single_values_do_cost_nothing():
    values = np.random.default_rng(3).normal(size=4000)
    assert effective_size(values, [str(index % 100) for index in range(4000)]) > 3000
    assert effective_size(values, [str(index) for index in range(4000)]) == 4000
    assert effective_size(values, ["one"] * 4000) == 1


def test_false_alarms_are_as_rare_as_is_said_though_cars_come_with_many_views():
    rng = np.random.default_rng(0)

    def draw(cars: int) -> tuple[np.ndarray, list[str]]:
        values = np.repeat(rng.normal(size=cars), 8) + 0.5 * rng.normal(size=8 * cars)
        return values, [str(car) for car in range(cars) for _ in range(8)]

    alarms, naive = 0, 0
    for _ in range(300):
        (one, first), (other, second) = draw(12), draw(40)
        distance = ks_distance(one, other)
        alarms += ks_p_value(distance, effective_size(one, first), effective_size(other, second)) < 0.05
        naive += ks_p_value(distance, len(one), len(other)) < 0.05
    assert alarms < 30  # 15 are expected
    assert naive > 90
