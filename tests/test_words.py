from __future__ import annotations

import pytest

from carmask.words import by_number, counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 photos"), (1, "1 photo"), (2, "2 photos"), (1234, "1234 photos"), (-1, "-1 photos")]
)
def test_a_number_of_things(number, text):
    assert counted(number, "photo") == text


def test_thousands_are_set_off_where_it_is_asked_for():
    assert counted(1234567, "wrong pixel", thousands=True) == "1,234,567 wrong pixels"
    assert counted(1, "car", thousands=True) == "1 car"


def test_a_word_that_fits_a_number():
    assert [by_number(number, "is", "are") for number in (0, 1, 2)] == ["are", "is", "are"]
