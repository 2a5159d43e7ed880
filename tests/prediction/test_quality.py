from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from carmask.geometry import Crop
from carmask.images import ReducedPhoto
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.quality import QualityMeasures, measure_quality

SIZE = (400, 600)


def measure(pixels, probability, crop=None):
    size = pixels.shape[:2]
    return measure_quality(ReducedPhoto(pixels, size), ProbabilityMap(probability, crop or Crop.whole(size)), 0.5)


def striped_car(sigma=0.0, size=SIZE, axes=(0, 1)):
    """A car of grey blocks, edges in both directions, blurred by a known amount."""
    grey = np.full(size, 90.0)
    grey[100:300, 100:500] = 60
    grey[140:180, 130:220] = 200
    grey[140:180, 300:420] = 210
    grey[220:280, 160:200] = 190
    grey[220:280, 380:440] = 185
    if sigma:
        for axis in axes:
            grey = ndimage.gaussian_filter1d(grey, sigma, axis=axis)
    mask = np.zeros(size, np.float32)
    mask[100:300, 100:500] = 1
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2), mask


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
def test_blur_is_that_of_scipys_gaussian(sigma):
    pixels, mask = striped_car(sigma)
    # The sensor's and Sobel's own half pixel adds to it; 400 pixels are the car's longer side.
    assert measure(pixels, mask).blur * 400 == pytest.approx(sigma, rel=0.15, abs=0.25)


@pytest.mark.parametrize("axis", [0, 1])
def test_blur_in_one_direction_is_seen(axis):
    pixels, mask = striped_car(3.0, axes=(axis,))
    assert measure(pixels, mask).blur * 400 > 2.4


@given(st.floats(0.5, 3.0), st.floats(1.5, 2.0))
def test_more_blur_measures_more(sigma, factor):
    less, more = (measure(*striped_car(one)).blur for one in (sigma, sigma * factor))
    assert more > less


def test_a_car_without_edges_is_no_error():
    assert measure(np.full((*SIZE, 3), 128, np.uint8), striped_car()[1]).blur == 0


def test_no_car():
    pixels, mask = striped_car()
    found = measure(pixels, np.zeros_like(mask))
    assert found == QualityMeasures(600, 400, light=found.light)


def test_lengths():
    found = measure(*striped_car())
    assert (found.width, found.height) == (600, 400)
    assert found.car == 400
    assert found.share == pytest.approx(400 / 600)
    assert found.cut == (0, 0, 0, 0)
    assert found.second == 0


def test_what_the_photos_edge_cuts():
    pixels, mask = striped_car()
    found = measure(np.ascontiguousarray(pixels[:250, 150:]), np.ascontiguousarray(mask[:250, 150:]))
    # The car is 350 x 150 now: cut along its whole height on the left, along its whole width at the bottom.
    assert found.cut == pytest.approx((0, 1, 1, 0))
    mask[:, :] = 0
    mask[100:300, 100:500], mask[200:240, 500:] = 1, 1
    assert measure(pixels, mask).cut == pytest.approx((0, 0, 0, 40 / 200))


def test_the_edges_of_a_crop_cut_nothing():
    pixels, mask = striped_car()
    crop = Crop(SIZE, 100, 100, (200, 400))
    assert measure(pixels, mask[100:300, 100:500], crop).cut == (0, 0, 0, 0)


def test_a_second_component():
    pixels, mask = striped_car()
    mask[350:390, 100:300] = 1  # 40 x 200 beside 200 x 400, measured along pixel centres
    assert measure(pixels, mask).second == pytest.approx(39 * 199 / (199 * 399))


@pytest.mark.parametrize("level", [40, 128, 230])
def test_light_is_that_of_the_brightest(level):
    pixels = np.full((*SIZE, 3), 20, np.uint8)
    pixels[:, 300:] = level
    assert measure(pixels, np.zeros(SIZE, np.float32)).light == pytest.approx(level, abs=1)


def test_blown_out_and_glare():
    pixels, mask = striped_car()
    pixels[100:200, 100:300] = 255  # a quarter of the car, in one spot
    pixels[250:300, 400:500] = 255  # and a sixteenth
    found = measure(pixels, mask)
    assert found.blown == pytest.approx(5 / 16, abs=0.03)
    assert found.glare == pytest.approx(1 / 4, abs=0.03)
    pixels[..., 2] = np.minimum(pixels[..., 2], 200)  # yellow is a colour
    assert measure(pixels, mask).blown == 0


def test_haze_is_how_bright_black_is():
    pixels, mask = striped_car()
    pixels[260:300, 100:500] = 5
    assert measure(pixels, mask).haze <= 6
    assert measure(np.maximum(pixels, 50), mask).haze == pytest.approx(50, abs=2)
