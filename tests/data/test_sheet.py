from __future__ import annotations

import numpy as np
import pytest

from carmask.data.sheet import Tile, augmentation_sheet, make_sheet, overlay
from carmask.errors import DataError


def test_tiles_lie_where_they_should():
    red, grey = np.full((10, 20, 3), (255, 0, 0), np.uint8), np.full((30, 20), 200, np.uint8)
    sheet = make_sheet([[Tile("", red), Tile("", grey)], [Tile("", red)]], width=40)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 2 * 40 + 3 * 6
    is_red, is_grey = (sheet == (255, 0, 0)).all(2), (sheet == 200).all(2)
    assert is_red.sum() == 2 * 20 * 40
    assert is_grey.sum() == 60 * 40
    assert not is_red[:, 46:].any()


def test_overlay_leaves_the_rest_alone(photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[10:20, 10:20] = True
    tinted = overlay(photo, mask)
    assert np.array_equal(tinted[~mask], photo[~mask])
    assert (tinted[mask] != photo[mask]).any(axis=1).all()


def test_augmentation_sheet_shows_every_change(photo):
    mask = photo[..., 0] < 30
    sheet = augmentation_sheet(photo, mask)
    # 21 changes with their masks, three pairs a row, then the colours.
    assert sheet.shape == (8 * (22 + 180 + 6) + 6, 6 * 246 + 6, 3)
    assert np.array_equal(sheet, augmentation_sheet(photo, mask))
    assert not np.array_equal(sheet, augmentation_sheet(photo, mask, seed=1))


def test_a_mask_of_another_size_is_refused(photo):
    with pytest.raises(DataError, match="the mask is 10x20, the photo 64x48"):
        augmentation_sheet(photo, np.zeros((20, 10), bool))
