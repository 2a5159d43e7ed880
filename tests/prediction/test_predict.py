from __future__ import annotations

import numpy as np
import pytest

from carmask import Cutter
from carmask.errors import ArrayError
from carmask.prediction.predict import predict


@pytest.mark.parametrize("size", [(48, 64), (96, 128), (50, 63), (200, 60), (30, 300)])
def test_the_mask_has_the_photo_s_size_and_place(dark, size):
    photo = np.full((*size, 3), 220, np.uint8)
    top, left = size[0] // 4, size[1] // 4
    photo[top : 3 * top, left : 3 * left] = 10
    found = predict(dark, photo)
    assert found.mask.shape == size
    assert found.mask.dtype == np.bool_
    # The block's contour is found to two pixels of the network's input.
    rows, columns = np.flatnonzero(found.mask.any(1)), np.flatnonzero(found.mask.any(0))
    scale = max(size[0] / 32, size[1] / 48)
    assert rows[0] == pytest.approx(top, abs=2 * scale)
    assert columns[-1] == pytest.approx(3 * left - 1, abs=2 * scale)
    assert found.area == pytest.approx(found.mask.mean())
    assert 0.8 < found.confidence <= 1


def test_no_car_is_no_confidence(dark):
    found = predict(dark, np.full((48, 64, 3), 255, np.uint8))
    assert not found.mask.any()
    assert (found.confidence, found.area) == (0, 0)


def test_the_network_sees_its_own_size(dark, photo):
    predict(dark, photo)
    assert dark.seen[0].shape == (32, 48, 3)
    assert dark.seen[0].dtype == np.uint8


def test_cutter(photo):
    cutter = Cutter()
    probability = cutter.probability(photo)
    assert probability.dtype == np.float32
    assert probability.shape == photo.shape[:2]
    assert np.array_equal(cutter.mask(photo), probability >= cutter.info.threshold)
    for wrong in (photo[..., 0], photo.astype(np.float32)):
        with pytest.raises(ArrayError):
            cutter.mask(wrong)
