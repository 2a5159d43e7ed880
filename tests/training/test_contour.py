"""Windows along contours: where they lie, and what stands beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.arrays import Probability
from carmask.data.layouts import read_data
from carmask.errors import DataError
from carmask.geometry import Crop
from carmask.prediction.probability_map import ProbabilityMap
from carmask.training.contour_settings import ContourSettings
from carmask.training.dataset.anywhere.store import PhotoStore
from carmask.training.dataset.contour import maps as maps_module
from carmask.training.dataset.contour.maps import CoarseMaps
from carmask.training.dataset.contour.pool import ContourPool, ContourWindows
from carmask.training.dataset.contour.window import draw_window

EXACT = ContourSettings(as_is=1.0, spoilt=0.0, noisy=0.0, elsewhere=0.0)


def scene(size=(300, 500), box=(90, 120, 210, 400)):
    """A red rectangle on grey, its mask, and its exact map."""
    photo, mask = np.full((*size, 3), 150, np.uint8), np.zeros(size, np.uint8)
    top, left, bottom, right = box
    photo[top:bottom, left:right] = (200, 30, 30)
    mask[top:bottom, left:right] = 255
    return photo, mask, (mask / 255).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), main=st.booleans(), squeezed=st.booleans())
def test_photo_mask_and_map_show_the_same_pixels(seed, main, squeezed):
    photo, mask, coarse = scene()
    rng = np.random.default_rng(seed)
    settings_ = ContourSettings(spoilt=0.0, noisy=0.0, car_width=(150, 400))
    window = draw_window(photo, mask, coarse, (96, 128), settings_, main=main, squeezed=squeezed, rng=rng)
    assert window.photo.shape == (96, 128, 3)
    assert (window.photo.dtype, window.mask.dtype, window.coarse.dtype) == (np.uint8, np.uint8, np.float32)
    assert 0 <= window.coarse.min() <= window.coarse.max() <= 1
    # The map is exact here, so beyond the soft edge of a few interpolated pixels both say the same.
    sure = (window.mask == 0) | (window.mask == 255)
    assert np.mean((window.coarse > 0.5) == (window.mask > 127), where=sure) > 0.995


def test_as_it_is_nothing_is_interpolated():
    photo, mask, coarse = scene()
    for seed in range(20):
        window = draw_window(photo, mask, coarse, (64, 64), EXACT, main=True, rng=np.random.default_rng(seed))
        assert set(np.unique(window.mask)) <= {0, 255}
        # At a contour: both are in it.
        assert window.mask.min() == 0
        assert window.mask.max() == 255


def test_a_small_map_of_the_whole_photo_fits_a_large_one():
    photo, mask, coarse = scene()
    half = coarse.reshape(150, 2, 250, 2).mean((1, 3)).astype(np.float32)
    for seed in range(10):
        large, small = (
            draw_window(photo, mask, one, (96, 96), EXACT, main=True, rng=np.random.default_rng(seed))
            for one in (coarse, half)
        )
        assert np.abs(large.coarse - small.coarse).mean() < 0.02
        assert np.array_equal(large.photo, small.photo)


def test_windows_lie_around_places_where_the_map_is_wrong():
    photo, mask, coarse = scene()
    coarse[150:160, 200:210] = 0.0  # a hole in the middle of the car, at no contour
    only = ContourSettings(as_is=1.0, spoilt=0.0, noisy=0.0, wrong=1.0)
    for seed in range(20):
        window = draw_window(photo, mask, coarse, (64, 64), only, main=True, rng=np.random.default_rng(seed))
        assert np.any((window.coarse < 0.5) & (window.mask == 255))
    right = (mask / 255).astype(np.float32)
    for seed in range(20):  # no such place: at the contour
        window = draw_window(
            photo, mask, right, (64, 64), only.model_copy(update={"elsewhere": 0.0}), main=True,
            rng=np.random.default_rng(seed),
        )  # fmt: skip
        assert window.mask.min() == 0
        assert window.mask.max() == 255


def test_spoilt_maps_differ_and_stay_near():
    photo, mask, coarse = scene()
    moved = ContourSettings(as_is=1.0, spoilt=1.0, noisy=1.0, elsewhere=0.0)
    shares = []
    for seed in range(30):
        window = draw_window(photo, mask, coarse, (128, 128), moved, main=True, rng=np.random.default_rng(seed))
        shares.append(np.mean((window.coarse > 0.5) != (window.mask > 127)))
    assert 0.001 < np.mean(shares) < 0.08


class Halves:
    """A model whose map is of the right half of a photo alone."""

    @staticmethod
    def predict(_, photo) -> ProbabilityMap:
        height, width = photo.size
        probability: Probability = np.full((height // 2, width // 4), 0.9, np.float32)
        return ProbabilityMap(probability, Crop((height, width), 0, width // 2, (height, width // 2)))


@pytest.fixture
def pool(cars, tmp_path, monkeypatch):
    monkeypatch.setattr(maps_module, "predict_map", Halves.predict)
    store = PhotoStore("main", read_data(cars)[0][:4], (2048, 3072), tmp_path)
    store.fill()
    maps = CoarseMaps(store, object(), "key", tmp_path)
    maps.fill()
    return ContourPool([(store, maps, 1.0)], EXACT), maps, tmp_path


def test_maps_are_of_the_whole_photo_and_zero_beyond_their_crop(pool):
    _, maps, _ = pool
    found = maps.read(0)
    assert found.shape == (48, 72)
    assert not found[:, :35].any()
    assert np.abs(found[:, 38:-1] - 0.9).max() < 0.01


@pytest.mark.parametrize("damage", [lambda _: b"not a map", lambda whole: whole[: len(whole) // 2]])
def test_a_damaged_map_is_named(pool, damage):
    _, maps, folder = pool
    for file in folder.glob("*-key.npz"):
        file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match="missing or damaged"):
        maps.read(2)


def test_windows_follow_from_seed_and_index(pool):
    one = ContourWindows(pool[0], (64, 64), 6, seed=(0, 1))
    again = ContourWindows(pool[0], (64, 64), 6, seed=(0, 1))
    other = ContourWindows(pool[0], (64, 64), 6, seed=(0, 2))
    assert all(torch.equal(a, b) for a, b in zip(one[3], again[3], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one[3], other[3], strict=True))
    assert [tuple(part.shape) for part in one[0]] == [(64, 64, 3), (64, 64), (64, 64)]
    with pytest.raises(IndexError):
        one[6]
