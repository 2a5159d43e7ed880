"""Drawn backgrounds: shapes, repeatability, variety, noise of the strength that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from carmask.data.backdrop import add_grain, draw_backdrop

PIECES = np.random.default_rng(1).integers(0, 256, (96, 144, 3), np.uint8)


@pytest.mark.parametrize("size", [(96, 144), (64, 64), (257, 300), (32, 24)])
def test_any_size_and_the_same_for_the_same_seed(size):
    for seed in range(12):
        one, other = (draw_backdrop(size, rng=np.random.default_rng(seed), pieces=PIECES) for _ in range(2))
        assert one.shape == (*size, 3)
        assert one.dtype == np.uint8
        assert np.array_equal(one, other)


def test_pieces_may_be_of_a_narrow_photo():
    for seed in range(40):
        drawn = draw_backdrop((64, 64), rng=np.random.default_rng(seed), pieces=np.zeros((512, 100, 3), np.uint8))
        assert drawn.shape == (64, 64, 3)


def test_they_do_not_look_alike():
    means = [draw_backdrop((64, 96), rng=np.random.default_rng(seed)).mean((0, 1)) for seed in range(40)]
    assert np.std(means, axis=0).min() > 25


def test_grain_has_its_strength_and_no_colour_of_its_own():
    grey = np.full((300, 400, 3), 128, np.uint8)
    grainy = add_grain(grey, 6, rng=np.random.default_rng(0)).astype(float)
    assert grainy.std() == pytest.approx(6, rel=0.1)
    assert grainy.mean() == pytest.approx(128, abs=0.6)
    assert np.array_equal(grainy[..., 0], grainy[..., 2])
