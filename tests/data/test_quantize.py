"""Colour quantisation against scikit-learn, which the source's comes from."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sklearn.cluster import KMeans

from carmask.data.quantize import quantize
from carmask.errors import UsageError


def picture(seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return cv2.resize(small, (84, 60), interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize("colours", [2, 4, 8, 16])
def test_as_good_as_scikit_learn(colours):
    photo = picture()
    reduced = quantize(photo, colours, rng=np.random.default_rng(0))
    assert reduced.shape == photo.shape
    assert reduced.dtype == np.uint8
    assert len(np.unique(reduced.reshape(-1, 3), axis=0)) == colours
    error = ((photo.astype(float) - reduced) ** 2).sum()
    best = KMeans(colours, n_init=3, random_state=0).fit(photo.reshape(-1, 3).astype(float)).inertia_
    # One start on a sample, against the best of three on all pixels.
    assert error < 1.25 * best


def test_every_pixel_has_the_nearest_colour():
    photo = picture(1)
    reduced = quantize(photo, 8, rng=np.random.default_rng(0))
    colours = np.unique(reduced.reshape(-1, 3), axis=0).astype(float)
    distance = ((photo.reshape(-1, 1, 3) - colours) ** 2).sum(2)
    taken = ((photo.reshape(-1, 3).astype(float) - reduced.reshape(-1, 3)) ** 2).sum(1)
    # Colours are rounded after the choice: two that are equally far may change places.
    assert (taken <= distance.min(1) + 3 * np.sqrt(distance.min(1)) + 3).all()


def test_few_colours_stay_as_they_are():
    palette = np.array([[0, 0, 0], [255, 0, 0], [10, 200, 30]], np.uint8)
    photo = palette[np.random.default_rng(0).integers(0, 3, (30, 40))]
    for colours in (3, 4, 16):
        assert np.array_equal(quantize(photo, colours, rng=np.random.default_rng(0)), photo)
    plain = np.full((20, 20, 3), 77, np.uint8)
    assert np.array_equal(quantize(plain, 2, rng=np.random.default_rng(0)), plain)


def test_repeatable_and_by_photo():
    photo = picture(2)
    one, again = (quantize(photo, 4, rng=np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one, again)
    other = quantize(255 - photo, 4, rng=np.random.default_rng(9))
    assert not np.array_equal(np.unique(one.reshape(-1, 3), axis=0), np.unique(other.reshape(-1, 3), axis=0))


@pytest.mark.parametrize("colours", [-1, 0, 1, 257])
def test_impossible_numbers_are_refused(colours):
    with pytest.raises(UsageError, match="2 to 256"):
        quantize(picture(), colours, rng=np.random.default_rng(0))
