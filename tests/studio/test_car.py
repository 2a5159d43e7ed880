from dataclasses import replace

import numpy as np
import pytest

from carmask.errors import StudioError, UnknownNameError
from carmask.studio.car import BODIES, HARD, PAINTS, Car, draw_car


def test_there_are_seven_bodies_each_under_its_own_name():
    assert list(BODIES) == ["saloon", "hatchback", "estate", "suv", "coupe", "pickup", "van"]
    assert all(car.body == name for name, car in BODIES.items())


@pytest.mark.parametrize("body", BODIES)
def test_every_drawn_car_can_be_built_and_is_drawn_again(body):
    for seed in range(60):
        car = draw_car(np.random.default_rng(seed), body=body)  # checks itself
        assert car == draw_car(np.random.default_rng(seed), body=body)
        assert car.body == body
        assert PAINTS[car.paint][2] > 0  # paints that are only asked for are never drawn


def test_different_seeds_give_different_cars():
    assert len({draw_car(np.random.default_rng(seed)) for seed in range(50)}) == 50


@pytest.mark.parametrize("case", HARD)
def test_hard_cases_hold(case):
    car = draw_car(np.random.default_rng(3), hard=[case])
    assert all(getattr(car, name) == value for name, value in HARD[case].items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length": 12.0}, "length 12.0 cannot be built: it must lie between 3.0 and 6.5"),
        ({"height": float("nan")}, "height nan"),
        ({"glass": 1.5}, "glass 1.5"),
        ({"cowl_d": 2.1}, "cowl_d needs at least"),
        ({"wheelbase": 1.0}, "the wheels needs at least"),
        ({"wheelbase": 3.9}, "the rear wheel needs at least"),
        ({"roof_rear_d": 4.5}, "back_base_d 4.12 m"),
    ],
)
def test_impossible_measures_are_refused(change, words):
    with pytest.raises(StudioError, match=words):
        replace(Car(), **change)


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(UnknownNameError, match="no paint is named 'plaid'; there are white"):
        Car(paint="plaid")
    with pytest.raises(UnknownNameError, match="no body is named 'boat'; there are saloon"):
        Car(body="boat")
    with pytest.raises(UnknownNameError, match="no body is named 'boat'"):
        draw_car(np.random.default_rng(0), body="boat")
    with pytest.raises(UnknownNameError, match="no hard case is named 'fog'; there are white"):
        draw_car(np.random.default_rng(0), hard=["fog"])
