"""Cars before other backgrounds: no seam, masks that fit, shapes kept."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.training.dataset.composite import blend, clean_contour, composite, crop, remove_car
from carmask.training.dataset.hard_scenes import MAKERS

HEIGHT, WIDTH = 96, 144
RED, WHITE = np.array([180, 20, 30]), np.array([250, 250, 250])


def red_car() -> tuple[np.ndarray, np.ndarray]:
    """A red ellipse before a white wall, the contour mixing both as a lens does: more softly than the mask says."""
    large = np.zeros((8 * HEIGHT, 8 * WIDTH), np.uint8)
    cv2.ellipse(large, (4 * WIDTH, 4 * HEIGHT), (360, 200), 10, 0, 360, 255, -1)
    mask = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.7).astype(float)[..., None] / 255
    return (soft * RED + (1 - soft) * WHITE).round().astype(np.uint8), mask


def test_no_light_of_the_old_background_is_left_at_the_contour():
    photo, mask = red_car()
    cleaned = clean_contour(photo, mask)
    assert np.abs(cleaned[mask > 0].astype(int) - RED).max() <= 6
    black = np.zeros_like(photo)
    # What compositing should give: the pure colour times the mask.
    expected = RED * (mask[..., None] / 255)
    assert np.abs(blend(cleaned, black, mask) - expected)[mask > 0].max() <= 7
    assert np.abs(blend(photo, black, mask) - expected)[mask > 0].max() > 40
    sure = cv2.erode((mask == 255).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert np.array_equal(cleaned[sure], photo[sure])
    far = cv2.dilate(mask, np.ones((15, 15), np.uint8)) == 0
    assert np.array_equal(cleaned[far], photo[far])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_blending_is_the_formula(seed):
    rng = np.random.default_rng(seed)
    car, behind = rng.integers(0, 256, (2, 6, 7, 3), np.uint8)
    alpha = rng.choice(np.array([0, 1, 127, 254, 255], np.uint8), (6, 7))
    weight = alpha[..., None] / 255
    assert np.abs(blend(car, behind, alpha) - (weight * car + (1 - weight) * behind)).max() <= 0.52


def test_a_car_that_is_taken_out_is_gone():
    photo, mask = red_car()
    empty = remove_car(photo, mask, rng=np.random.default_rng(0))
    assert np.abs(empty.astype(int) - WHITE).max() < 30
    away = cv2.dilate(mask, np.ones((11, 11), np.uint8)) == 0
    assert np.array_equal(empty[away], photo[away])


@pytest.mark.parametrize("seed", range(20))
def test_the_mask_goes_where_the_car_goes(seed):
    photo, mask = red_car()
    green = np.full_like(photo, (20, 160, 40))
    joined, alpha = composite(photo, mask, green, rng=np.random.default_rng(seed))
    assert joined.shape == photo.shape
    assert (joined.dtype, alpha.dtype) == (np.uint8, np.uint8)
    assert alpha.max() == 255
    # Bars beside the photo are neither red nor green.
    red, green_part = joined[..., 0].astype(int), joined[..., 1].astype(int)
    reddish = red > green_part + 20
    inside = cv2.erode((alpha == 255).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    outside = cv2.dilate(alpha, np.ones((5, 5), np.uint8)) == 0
    assert reddish[inside].mean() > 0.95
    assert reddish[outside].mean() < 0.05
    again = composite(photo, mask, green, rng=np.random.default_rng(seed))
    assert np.array_equal(again[0], joined)


def test_a_crop_enlarges():
    photo, mask = red_car()
    areas = [(crop(photo, mask, rng=np.random.default_rng(seed))[1] > 127).mean() for seed in range(10)]
    assert max(areas) > 1.5 * (mask > 127).mean()


@pytest.mark.parametrize("kind", MAKERS)
def test_hard_scenes(kind):
    scene = red_car()
    photo, mask = MAKERS[kind](scene, scene, np.random.default_rng(3))
    assert photo.shape == scene[0].shape
    assert mask.shape == scene[1].shape
    pieces = cv2.connectedComponents((mask > 127).astype(np.uint8))[0] - 1
    assert pieces == {"no car": 0, "no car, drawn": 0, "two cars": 2}.get(kind, 1)
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if kind == "cut off":
        assert border.max() == 255
