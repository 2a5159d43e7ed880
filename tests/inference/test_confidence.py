from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.evaluation.metrics import dice
from carmask.inference.confidence import calibrated, expected_dice


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


def test_calibration_interpolates_and_stays_within_its_ends():
    points = ((0.5, 0.2), (0.9, 0.8), (1.0, 0.99))
    assert calibrated(0.7, points) == pytest.approx(0.5)
    assert calibrated(0.0, points) == 0.2
    assert calibrated(1.0, points) == 0.99
    assert calibrated(0.7, ()) == 0.7
