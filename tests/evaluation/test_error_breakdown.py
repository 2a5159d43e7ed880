from __future__ import annotations

import numpy as np
import pytest

from carmask.evaluation.error_breakdown import (
    AWAY,
    DISTANCES,
    MAP,
    add_up,
    distance_names,
    error_breakdown,
    region_names,
)
from tests.cars import car_mask


def test_by_hand():
    truth = np.zeros((60, 200), np.bool_)
    truth[20:40, 20:60] = True
    prediction = truth.copy()
    prediction[20:40, 60:63] = True  # three columns too many: distances 1, 2, 3
    prediction[20, 20] = False  # one missed, at distance 1, in the roof
    prediction[30, 190] = True  # far away
    found = error_breakdown(prediction, truth)
    assert found.wrong == 62 == np.count_nonzero(prediction ^ truth)
    assert found.by_distance[0].tolist() == [20, 20, 20, 0, 0, 0, 0, 1]
    assert found.by_distance[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    # Heights (row + 0.5 - 20) / 20: rows 20 to 22 lie above 0.15, 23 to 28 above 0.45, 29 to 34 above 0.75.
    assert found.by_region[0].tolist() == [9, 18, 18, 15, 1]
    assert found.by_region[1].tolist() == [1, 0, 0, 0, 0]
    assert found.map[0].sum() == 60
    assert found.map[1].sum() == 1


def test_nothing_wrong_and_no_truth():
    mask = car_mask()
    assert error_breakdown(mask, mask).wrong == 0
    found = error_breakdown(mask, np.zeros_like(mask))
    assert found.by_region[0].tolist() == [0, 0, 0, 0, mask.sum()]
    assert found.by_distance[0, -1] == mask.sum()
    assert found.map.sum() == 0
    assert error_breakdown(np.zeros_like(mask), mask).by_region[1].sum() == mask.sum()


def test_each_wrong_pixel_is_counted_once():
    truth = car_mask()
    prediction = np.roll(truth, (7, 11), (0, 1))
    found = error_breakdown(prediction, truth)
    assert found.by_distance.sum() == found.by_region.sum() == np.count_nonzero(prediction ^ truth)
    assert found.by_distance[0].sum() == np.count_nonzero(prediction & ~truth)


def test_breakdowns_add_up():
    truth = car_mask()
    one, other = error_breakdown(np.roll(truth, 3, 0), truth), error_breakdown(np.roll(truth, 5, 1), truth)
    both = add_up([one, other])
    assert both.wrong == one.wrong + other.wrong
    assert both.map.shape == (2, *MAP)
    assert np.array_equal(both.map, one.map.astype(int) + other.map)
    # Of a few wrong pixels a photo's map is small; those of many photos together are counted in 64 bits.
    assert (one.map.nbytes, both.map.dtype) == (2 * MAP[0] * MAP[1], np.int64)
    assert np.array_equal(both.by_region, one.by_region + other.by_region)
    assert add_up([]).wrong == 0


def test_the_names_fit_the_counts():
    assert len(distance_names()) == len(DISTANCES) + 1
    assert distance_names()[:5] == ["1", "2", "3", "4 – 5", "6 – 10"]
    assert region_names()[-1] == AWAY


@pytest.mark.parametrize("shift", [1, 2])
def test_a_moved_contour_is_wrong_by_its_shift(shift):
    truth = np.zeros((50, 50), np.bool_)
    truth[10:40, 10:40] = True
    found = error_breakdown(np.roll(truth, shift, 1), truth)
    assert found.by_distance[:, shift:].sum() == 0
