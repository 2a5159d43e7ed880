from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.compositing.light import LINEAR, to_display
from carmask.compositing.matte import REACH, matte

SIZE = (240, 360)


def scene(car=(150, 30, 20), floor=(200, 205, 210), shift=0.0):
    """A disc with a soft edge, mixed in linear light, and what a network would say that is off by ``shift`` pixels."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    distance = 80 - np.hypot(y - 120, x - 180)
    alpha = np.clip(distance / 2.5 + 0.5, 0, 1)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1.0, (*SIZE, 3))
    front, back = (LINEAR[np.array(colour, np.uint8)] for colour in (car, floor))
    photo = to_display((alpha[..., None] * front + (1 - alpha[..., None]) * back).astype(np.float32))
    photo = np.clip(photo + noise, 0, 255).round().astype(np.uint8)
    probability = cv2.resize(0.5 + 0.5 * np.tanh((distance + shift) / 3), (180, 120), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(probability, SIZE[::-1], interpolation=cv2.INTER_LINEAR) >= 0.5
    return photo, mask, probability.astype(np.float32), alpha


@pytest.mark.parametrize("shift", [-1.5, 0.0, 1.5])
def test_alpha_and_colours_come_near_the_truth(shift):
    photo, mask, probability, alpha = scene(shift=shift)
    soft = matte(photo, mask, probability, 0.5)
    error = np.abs(soft.alpha / 255 - alpha).sum()
    hard = np.abs(mask - alpha)
    assert error < 0.5 * hard.sum()
    # The car's own colour, not the mixture with the floor, wherever it shows.
    seen = (alpha > 0.3) & (alpha < 0.9) & (soft.alpha > 60)
    own, mixed = (np.abs(picture[seen] - np.array([150.0, 30, 20])).mean() for picture in (soft.foreground, photo))
    assert own < 0.35 * mixed


def test_where_colours_tell_nothing_the_network_does():
    photo, mask, probability, alpha = scene(car=(200, 200, 200), floor=(201, 200, 200))
    soft = matte(photo, mask, probability, 0.5)
    assert np.abs(soft.alpha / 255 - alpha).sum() < np.abs(mask - alpha).sum()


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(24, 90), width=st.integers(24, 90), factor=st.integers(1, 4))
def test_beyond_the_band_all_is_as_the_mask_says(seed, height, width, factor):
    rng = np.random.default_rng(seed)
    small = cv2.GaussianBlur(rng.random((height // factor + 1, width // factor + 1), np.float32), (0, 0), 2)
    small = np.clip((small - small.mean()) * 8 + 0.5, 0, 1)
    mask = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5
    photo = rng.integers(0, 256, (height, width, 3), np.uint8)
    before = photo.copy()
    soft = matte(photo, mask, small, 0.5)
    assert np.array_equal(photo, before)
    reach = 2 * max(2, round(REACH * max(1, height / small.shape[0], width / small.shape[1]))) + 1
    inside = mask.astype(np.uint8)
    certain = cv2.dilate(inside, np.ones((reach, reach))) == cv2.erode(inside, np.ones((reach, reach)))
    assert np.array_equal(soft.alpha[certain], inside[certain] * 255)
    assert np.array_equal(soft.foreground[certain], photo[certain])


@pytest.mark.parametrize("full", [False, True])
def test_no_contour_no_edge(photo, full):
    mask = np.full(photo.shape[:2], full)
    soft = matte(photo, mask, mask[::4, ::4].astype(np.float32), 0.5)
    assert (soft.alpha == 255 * full).all()
    assert np.array_equal(soft.foreground, photo)


def test_a_threshold_of_its_own_is_the_contour():
    photo, _, probability, _ = scene(car=(120, 120, 120), floor=(120, 120, 120))
    large = cv2.resize(probability, SIZE[::-1], interpolation=cv2.INTER_LINEAR)
    soft = matte(photo, large >= 0.2, probability, 0.2)
    assert abs(int((soft.alpha > 127).sum()) - int((large >= 0.2).sum())) < 0.02 * (large >= 0.2).sum()
