"""Which cars are trained on, and which are kept for validation."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.data.split import split_cars
from carmask.data.table import Example
from carmask.errors import DataError, RecipeError
from carmask.model.info import ModelInfo
from carmask.training.split import choose_split, natural, split_extra

DATA = Path("data")
CARS = [f"car{number}" for number in range(12)]


def examples(cars):
    return [Example(f"{car}_01", Path(f"{car}_01.jpg"), None, "", car, 1) for car in cars]


@given(st.sets(st.sampled_from(CARS), min_size=2), st.floats(0, 0.9), st.booleans(), st.integers(0, 5))
def test_extra_data_is_divided_without_rest(cars, hold_out, ranges, seed):
    """Each car has one use; as many are kept as was asked for, rounded up; a range has no gap."""
    count = -(-round(len(cars) * hold_out, 9) // 1)
    if count >= len(cars):
        with pytest.raises(RecipeError, match="leaves none to train on"):
            split_extra(DATA, cars, hold_out, ranges=ranges, seed=seed)
        return
    split = split_extra(DATA, cars, hold_out, ranges=ranges, seed=seed)
    assert sorted((*split.train, *split.validation)) == sorted(cars)
    assert len(split.validation) == count
    if ranges and count:
        places = sorted(sorted(cars, key=lambda car: int(car[3:])).index(car) for car in split.validation)
        assert places == list(range(places[0], places[0] + len(places)))


def test_validation_cars_are_those_given_else_chosen_by_hash():
    assert choose_split(DATA, examples(CARS), 3, seed=0, given=["car7"]).validation == ("car7",)
    assert choose_split(DATA, examples(CARS), 3, seed=1) == split_cars(CARS, 3, seed=1)
    with pytest.raises(DataError, match=r"1 of 2 validation cars has no photo in it, the first is car99"):
        choose_split(DATA, examples(CARS), 3, seed=0, given=["car7", "car99"])
    with pytest.raises(DataError, match="all of its cars are validation cars"):
        choose_split(DATA, examples(CARS[:2]), 0, seed=0, given=CARS[:2])


def test_a_name_that_a_model_file_cannot_hold_is_refused():
    name = os.fsdecode(b"car\xff")
    with pytest.raises(DataError, match=re.escape(f"the name {name!r} is no UTF-8; rename the photos")):
        choose_split(DATA, examples([*CARS, name]), 3, seed=0)
    with pytest.raises(DataError, match="is no UTF-8"):
        split_extra(DATA, [*CARS, name], 0, ranges=False, seed=0)


def test_numbers_in_names_are_sorted_as_numbers():
    assert sorted(["c10", "c2", "b3x1", "c2a"], key=natural) == ["b3x1", "c2", "c2a", "c10"]


def test_a_copy_that_was_added_of_a_photo_that_is_validated_on_is_so_too():
    """Trained on, it would make the score too high; one that the initial weights have seen stays where it was."""
    initial = ModelInfo(
        name="a", version="1", network="unet", height=32, width=32, normalisation="", threshold=0.5, training_data="",
        training_cars=("car0", "car1"), validation_cars=("car2", "car3"), licence="",
    )  # fmt: skip
    groups = {car: car for car in CARS[:6]} | {"car4": "car2", "car1": "car3"}
    with_groups, without = (
        choose_split(DATA, examples(CARS[:6]), 2, seed=0, groups=each, initial=initial) for each in (groups, None)
    )
    assert with_groups.validation == ("car2", "car3", "car4")
    assert with_groups.train == ("car0", "car1", "car5")
    assert without.validation == ("car2", "car3")
