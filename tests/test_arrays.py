from __future__ import annotations

import numpy as np
import pytest

from carmask.arrays import check_mask, check_photo, check_probability
from carmask.errors import ArrayError


def test_good_arrays_come_back_as_they_are():
    photo = np.zeros((2, 3, 3), np.uint8)
    mask = np.zeros((2, 3), np.bool_)
    probability = np.array([[0.0, 1.0]], np.float32)
    assert check_photo(photo) is photo
    assert check_mask(mask) is mask
    assert check_probability(probability) is probability


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3), np.uint8),
        np.zeros((2, 3, 4), np.uint8),
        np.zeros((2, 3, 3), np.float32),
        np.zeros((0, 3, 3), np.uint8),
        "photo.jpg",
    ],
)
def test_photos(wrong):
    with pytest.raises(ArrayError, match="a photo must"):
        check_photo(wrong)


def test_masks_of_another_type_are_told_how_to_become_one():
    with pytest.raises(ArrayError, match=r"got uint8 \(2, 3\); write mask > 0"):
        check_mask(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize("value", [-0.001, 1.001, np.nan, np.inf])
def test_probabilities_lie_between_0_and_1(value):
    with pytest.raises(ArrayError, match=r"\[0, 1\]"):
        check_probability(np.array([[0.5, value]], np.float32))
    with pytest.raises(ArrayError, match="float32"):
        check_probability(np.zeros((2, 2)))
