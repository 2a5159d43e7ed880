"""Snapping, on pictures whose true contour is known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from carmask.review import snapping

HEIGHT, WIDTH = 240, 360


def ellipse(down: float = 72.0, across: float = 120.0) -> np.ndarray:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    return ((columns - 180) / across) ** 2 + ((rows - 120) / down) ** 2 < 1


def around(first: float, last: float, *, off: float = 0.0, noise: float = 1.5) -> np.ndarray:
    """A stroke along the ellipse, some pixels outside of it, drawn by an unsteady hand."""
    turn = np.linspace(first, last, 50)
    shake = np.random.default_rng(1).normal(0, noise, (50, 2))
    return np.stack([180 + (120 + off) * np.cos(turn), 120 + (72 + off) * np.sin(turn)], 1) + shake


@pytest.fixture
def photo() -> np.ndarray:
    random = np.random.default_rng(0)
    pixels = np.where(ellipse()[..., None], [70, 60, 90], [180, 190, 170]) + random.normal(0, 6, (HEIGHT, WIDTH, 3))
    return pixels.clip(0, 255).astype(np.uint8)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (one.sum() + other.sum())


def test_a_missing_piece_comes_back(photo):
    true = ellipse()
    mask = true.copy()
    mask[40:120, 240:] = False
    fixed = snapping.snap(photo, mask, around(-1.4, 0.15), 8)
    assert dice(mask, true) < 0.95
    assert dice(fixed, true) > 0.998
    np.testing.assert_array_equal(fixed[:, :170], mask[:, :170])


def test_what_is_too_much_goes(photo):
    true = ellipse()
    mask = true.copy()
    mask[150:215, 120:220] = True
    fixed = snapping.snap(photo, mask, around(0.9, 2.3, off=4), 8)
    assert dice(fixed, true) > 0.998


def test_the_edge_is_found_from_either_side(photo):
    true = ellipse()
    mask = ellipse(64, 112)
    for off in (-5, 5):
        fixed = snapping.snap(photo, mask, around(0.0, 2 * np.pi, off=off), 9)
        assert dice(fixed, true) > 0.997


def test_without_an_edge_the_stroke_itself_is_the_contour():
    flat = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    mask = ellipse(64, 112)
    fixed = snapping.snap(flat, mask, around(0.0, 2 * np.pi, noise=0), 9)
    assert dice(fixed, ellipse()) > 0.995


def test_a_hole_keeps_its_other_sides():
    mask = ellipse()
    mask[100:140, 160:200] = False
    path = snapping.resample(np.array([[158.0, 108.0], [180.0, 112.0], [202.0, 108.0]]))
    fixed = snapping.reshape(mask, path)
    assert fixed[100:107, 170:190].all()
    assert not fixed[115:140, 160:200].any()
    np.testing.assert_array_equal(fixed[141:], mask[141:])
    np.testing.assert_array_equal(fixed[:98], mask[:98])


def test_a_closed_stroke_is_a_cars_whole_contour():
    turn = np.linspace(0, 2 * np.pi, 60)
    ring = np.stack([60 + 20 * np.cos(turn), 60 + 20 * np.sin(turn)], 1)
    empty = np.zeros((120, 120), np.bool_)
    disc = snapping.reshape(empty, ring, closed=True)
    assert disc.sum() == pytest.approx(np.pi * 400, rel=0.02)
    np.testing.assert_array_equal(snapping.reshape(~empty, ring, closed=True), disc)
    beside = empty.copy()
    beside[5:30, 5:30] = True  # a second car stays
    np.testing.assert_array_equal(snapping.reshape(beside, ring, closed=True), beside | disc)
    holed = ~empty
    holed[50:70, 45:75] = False
    np.testing.assert_array_equal(snapping.reshape(holed, ring, closed=True), ~disc)


@pytest.mark.parametrize("points", [[], [[5, 5]], [[5, 5], [5, 5]], [[5, 5], [6, 5]]])
def test_a_click_changes_nothing(photo, points):
    mask = ellipse()
    np.testing.assert_array_equal(snapping.snap(photo, mask, np.array(points, float).reshape(-1, 2), 8), mask)


def test_strokes_beyond_the_photo_and_empty_masks_are_no_error(photo):
    stroke = np.array([[-40.0, -30.0], [500.0, 400.0]])
    assert snapping.snap(photo, ellipse(), stroke, 12).shape == (HEIGHT, WIDTH)
    assert not snapping.snap(photo, np.zeros((HEIGHT, WIDTH), np.bool_), stroke, 12).any()
    np.testing.assert_array_equal(snapping.snap(photo, ellipse(), stroke - 900, 12), ellipse())
