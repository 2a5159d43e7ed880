from __future__ import annotations

import json
import math

import numpy as np
import pytest

from carmask.images import ReducedPhoto
from carmask.prediction.measures import MEASURES, SIDE, measure_photo, thumbnail, to_text
from carmask.prediction.predict import predict
from tests.cars import car_mask, car_photo
from tests.conftest import DarkIsCar


def _small(photo):
    return thumbnail(ReducedPhoto(photo, photo.shape[:2]))


def test_by_hand_on_a_drawn_car():
    photo = np.full((60, 90, 3), 255, np.uint8)
    photo[20:50, 15:75] = 0
    found = predict(DarkIsCar(60, 90), photo)
    measured = measure_photo(_small(photo), found)
    assert measured["light"] == pytest.approx(100 * (1 - 30 * 60 / (60 * 90)), abs=0.1)
    assert measured["background_light"] == pytest.approx(100, abs=0.1)
    assert measured["background_contrast"] == pytest.approx(0, abs=0.1)
    assert measured["car_light"] == pytest.approx(0, abs=0.1)
    assert measured["shape"] == pytest.approx(math.log(2), abs=1e-3)
    assert (measured["across"], measured["down"]) == pytest.approx((0.5, 50 / 60), abs=1e-3)


def test_a_warmer_light_is_yellower_around_the_car():
    photo = car_photo(car_mask(), car=(40, 40, 40))
    warm = (photo * np.array([1.0, 0.95, 0.8])).astype(np.uint8)
    found = predict(DarkIsCar(80, 120), photo)
    usual, other = measure_photo(_small(photo), found), measure_photo(_small(warm), found)
    assert other["background_b"] > usual["background_b"] + 8
    assert other["shape"] == usual["shape"]


def test_without_a_car_the_photo_alone_is_measured():
    photo = np.full((50, 70, 3), 250, np.uint8)
    measured = measure_photo(_small(photo), predict(DarkIsCar(), photo))
    assert set(measured) == {
        "light",
        "contrast",
        "background_light",
        "background_contrast",
        "background_a",
        "background_b",
    }
    black = np.zeros((50, 70, 3), np.uint8)
    assert "background_light" not in measure_photo(_small(black), predict(DarkIsCar(), black))


def test_all_names_are_described_and_the_text_is_json():
    photo = car_photo(car_mask(), car=(10, 10, 10))
    measured = measure_photo(_small(photo), predict(DarkIsCar(), photo))
    assert set(measured) <= set(MEASURES)
    assert json.loads(to_text(measured)) == measured
    assert max(_small(photo).shape) == SIDE
