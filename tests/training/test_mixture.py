"""Several data sets in one training: shares, order, what is read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.data.augment import AugmentSettings
from carmask.training.dataset.cache import PhotoCache
from carmask.training.dataset.epoch import EpochPhotos
from carmask.training.dataset.mixture import Mixture, epoch_order
from carmask.training.dataset.scenes import look_at_car
from carmask.training.recipe import StageSettings


def cache(count: int, value: int, car: int = 255) -> PhotoCache:
    masks = np.zeros((count, 32, 48), np.uint8)
    masks[:, 8:24, 10:38] = car
    return PhotoCache(np.full((count, 32, 48, 3), value, np.uint8), masks)


def stage(**changes) -> StageSettings:
    return StageSettings(height=32, width=48, batch=1, epochs=1, **changes)


def test_every_set_has_its_share_and_its_own_photos():
    mixture = Mixture(cache(10, 1), [(cache(4, 2), 0.25), (cache(3, 3), 0.1)])
    order = mixture.order(0, 40, seed=0)
    values = Counter(int(mixture.read(int(index), (32, 48))[0][0, 0, 0]) for index in order)
    assert values == {1: 26, 2: 10, 3: 4}
    assert [mixture.is_main(index) for index in (0, 9, 10, 16)] == [True, True, False, False]
    assert not np.array_equal(order, np.sort(order))
    assert np.array_equal(order, mixture.order(0, 40, seed=0))


def test_one_set_alone_is_in_the_order_it_always_was():
    assert np.array_equal(Mixture(cache(7, 1)).order(3, 5, seed=2), epoch_order(7, 3, 5, seed=2))


@settings(max_examples=30, deadline=None)
@given(cars=st.integers(1, 9), views=st.integers(2, 16), epoch=st.integers(0, 5), seed=st.integers(0, 5))
def test_views_of_a_car_stay_together_and_in_order(cars, views, epoch, seed):
    mixture = Mixture(cache(cars * views, 1), views=views)
    order = mixture.order(epoch, cars * views, seed=seed).reshape(cars, views)
    assert (np.diff(order, axis=1) == 1).all()
    assert sorted(order[:, 0]) == [views * car for car in range(cars)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 5))
def test_no_photo_comes_a_third_time_before_all_have_come_twice(photos, length, seed):
    row = np.concatenate([epoch_order(photos, epoch, length, seed=seed) for epoch in range(6)])
    for end in range(1, len(row)):
        counts = np.bincount(row[:end], minlength=photos)
        assert counts.max() - counts.min() <= 2
        if counts.max() > 2:
            assert counts.min() >= counts.max() - 2


@pytest.mark.parametrize("pictures", [None, cache(2, 77, car=0)])
def test_scenes_change_in_the_main_set_alone(pictures):
    mixture = Mixture(cache(4, 200), [(cache(4, 90), 0.5)], pictures=pictures)
    settings_ = AugmentSettings(background=1.0)
    photos = EpochPhotos(mixture, np.arange(8), stage(), settings_, seed=(0, 0))
    for index in range(8):
        photo, mask = photos[index]
        background = photo.numpy()[mask.numpy() == 0]
        if index < 4:
            assert not (background == 200).all()
        else:
            assert (photo.numpy() == 90).all()
            assert (mask.numpy() == cache(1, 0).read(0, (32, 48))[1]).all()


def test_negatives_have_empty_masks():
    photos = EpochPhotos(Mixture(cache(4, 200)), np.arange(4), stage(), AugmentSettings(negative=1.0), seed=(0, 0))
    assert all(not photos[index][1].any() for index in range(4))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 9))
def test_a_window_holds_the_car_or_is_filled_by_it(data, seed):
    height, width = data.draw(st.integers(4, 40)), data.draw(st.integers(4, 40))
    window = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 255
    # Every pixel says where it comes from.
    photo = np.stack([*np.indices((height, width)), np.zeros((height, width))], axis=2).astype(np.uint8)

    shown, part = look_at_car(photo, mask, window, rng=np.random.default_rng(seed))

    y, x = int(shown[0, 0, 0]), int(shown[0, 0, 1])
    assert np.array_equal(shown, photo[y : y + window[0], x : x + window[1]])
    assert np.array_equal(part, mask[y : y + window[0], x : x + window[1]])
    assert part.shape == window
    for first, end, begin, side in ((top, bottom, y, window[0]), (left, right, x, window[1])):
        assert begin <= first and end <= begin + side if end - first <= side else first <= begin <= end - side


def test_a_window_goes_everywhere_that_holds_the_car_and_anywhere_without_one():
    mask = np.zeros((8, 8), np.uint8)
    mask[4, 4] = 255
    photo = np.stack([*np.indices((8, 8)), np.zeros((8, 8))], axis=2).astype(np.uint8)
    for car, begins in ((mask, {1, 2, 3, 4}), (np.zeros_like(mask), {0, 1, 2, 3, 4})):
        draws = [look_at_car(photo, car, (4, 4), rng=np.random.default_rng(n))[0][0, 0] for n in range(200)]
        assert {int(y) for y, _, _ in draws} == {int(x) for _, x, _ in draws} == begins


def test_an_epoch_shows_windows():
    shown = stage(window=(16, 32))
    photos = EpochPhotos(Mixture(cache(4, 200)), np.arange(4), shown, AugmentSettings(), seed=(0, 0))
    photo, mask = photos[0]
    assert tuple(photo.shape) == (16, 32, 3)
    assert np.count_nonzero(mask) == 16 * 28


def test_an_epoch_shows_what_the_car_fills():
    """The car has 4 of 32 rows and 3 of 48 columns; twice as large, which is the most, and cut out with its mask."""
    mask = np.zeros((32, 48), np.uint8)
    mask[12:16, 30:33] = 255
    mixture = Mixture(PhotoCache(np.repeat(mask[None, ..., None], 3, axis=3), mask[None]))
    shown = stage(window=(32, 48), locate=(32, 32))
    photos = EpochPhotos(mixture, np.zeros(40, np.int64), shown, AugmentSettings(), seed=(0, 0))
    places = set()
    for photo, part in (photos[index] for index in range(40)):
        assert tuple(photo.shape) == (32, 48, 3)
        assert int((photo[..., 0].int() - part.int()).abs().max()) <= 1
        assert float(part.double().sum()) / 255 == pytest.approx(4 * 12, abs=3)
        places.add(tuple(np.argwhere(part.numpy() > 127)[0]))
    assert len(places) > 1
    empty = Mixture(PhotoCache(np.zeros((1, 32, 48, 3), np.uint8), np.zeros((1, 32, 48), np.uint8)))
    photos = EpochPhotos(empty, np.zeros(4, np.int64), shown, AugmentSettings(), seed=(0, 0))
    assert all(tuple(photos[index][1].shape) == (32, 48) for index in range(4))
