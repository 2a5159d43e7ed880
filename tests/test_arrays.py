from __future__ import annotations

import numpy as np
import pytest

from carmask.arrays import check_mask, check_photo
from carmask.errors import ArrayError


def test_good_arrays_come_back_as_they_are():
    photo = np.zeros((2, 3, 3), np.uint8)
    mask = np.zeros((2, 3), np.bool_)
    assert check_photo(photo) is photo
    assert check_mask(mask) is mask


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
