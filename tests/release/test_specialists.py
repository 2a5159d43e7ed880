"""What is measured of a studio's background."""

from __future__ import annotations

import numpy as np

from carmask.model.behaviour import GateSettings
from carmask.model.info import ExtraData, Specialist
from carmask.prediction.specialist import background_distance
from carmask.release.specialists import _LEAST, _describe_background, _seen_by

GRID = GateSettings().grid


def test_mean_and_deviation_by_hand():
    cells = np.full((3, *GRID, 3), np.nan, np.float32)
    cells[0, 0, 0], cells[1, 0, 0] = (100, 110, 120), (104, 110, 130)  # in two of three photos
    cells[2, 3, 5] = (200, 201, 202)  # in one
    mean, deviation = _describe_background(cells)
    assert mean[0, 0].tolist() == [102, 110, 125]
    assert deviation[0, 0].tolist() == [2 + _LEAST, _LEAST, 5 + _LEAST]
    assert mean[3, 5].tolist() == [200, 201, 202]
    assert deviation[3, 5].tolist() == [_LEAST] * 3
    # Where the car always is, any colour is a little strange and none very.
    assert mean[1, 1].tolist() == [128] * 3
    assert deviation[1, 1].tolist() == [255] * 3


def test_photos_of_the_studio_are_near_and_others_far():
    rng = np.random.default_rng(0)
    wall = rng.uniform(100, 250, (*GRID, 3))
    photos = (wall + rng.normal(0, 6, (40, *GRID, 3))).astype(np.float32)
    photos[:, 1:3, 2:4] = np.nan
    mean, deviation = _describe_background(photos[:30])
    known = Specialist.model_validate(
        {"network": "none", "normalisation": "", "mean": mean.tolist(), "deviation": deviation.tolist()}
    )
    assert max(background_distance(one, known) for one in photos[30:]) < known.distance
    assert background_distance(photos[30] + 40, known) > known.distance
    assert background_distance(photos[30, ::-1], known) > known.distance


def test_what_the_specialist_has_seen_of_an_extra_data_set_is_not_called_unseen():
    street = ExtraData(name="street", share=0.1, training_cars=("a", "c"), validation_cars=("b", "d"))
    made = _seen_by(street, frozenset({"b", "x"}))
    assert (made.training_cars, made.validation_cars) == (("a", "b", "c"), ("d",))
    assert _seen_by(street, frozenset({"x"})) is street
