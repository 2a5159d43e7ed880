from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.data.split import split_cars
from carmask.errors import DataError

cars = st.sets(st.text(min_size=1, max_size=6), min_size=2, max_size=40)


@given(cars, st.data())
def test_every_car_is_on_exactly_one_side(names, data):
    count = data.draw(st.integers(0, len(names) - 1))
    split = split_cars(names, count, seed=data.draw(st.integers(0, 99)))
    assert len(split.validation) == count
    assert set(split.train) | set(split.validation) == names
    assert not set(split.train) & set(split.validation)


@given(cars, st.integers(0, 99), st.randoms())
def test_order_and_duplicates_do_not_matter(names, seed, random):
    shuffled = [*names, *names]
    random.shuffle(shuffled)
    assert split_cars(shuffled, 0.3, seed=seed) == split_cars(sorted(names), 0.3, seed=seed)


@given(cars, st.integers(0, 99))
def test_a_new_car_moves_at_most_one_other(names, seed):
    count = len(names) // 2
    before = set(split_cars(names, count, seed=seed).validation)
    after = set(split_cars({*names, "a new car"}, count, seed=seed).validation)
    assert len(before - after) <= 1


def test_the_source_s_split_and_the_seed():
    names = [f"car{number:03d}" for number in range(318)]
    split = split_cars(names, 64, seed=1)
    assert (len(split.train), len(split.validation)) == (254, 64)
    assert split == split_cars(names, 64, seed=1)
    assert split != split_cars(names, 64, seed=2)
    # Golden: another order of cars would make published validation scores worthless.
    assert split_cars("abcdefgh", 3).validation == ("f", "g", "h")


def test_something_must_be_left_to_train_on():
    for wrong in (3, 4, -1, 1.0):
        with pytest.raises(DataError, match="of 3 cars"):
            split_cars(["a", "b", "c"], wrong)
