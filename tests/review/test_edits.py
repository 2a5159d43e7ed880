"""Edits, against SciPy's morphology and labels where it has the same thing, else against geometry."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carmask.arrays import Mask
from carmask.errors import RLEError
from carmask.review import edits, runs

ndimage = pytest.importorskip("scipy.ndimage")

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])


def inside(mask: Mask, draw) -> tuple[int, int]:
    row, column = draw(st.integers(0, mask.shape[0] - 1)), draw(st.integers(0, mask.shape[1] - 1))
    return row, column


@given(MASKS, st.data())
def test_fill_hole_is_scipys_fill_holes_of_one_hole(mask, data):
    row, column = inside(mask, data.draw)
    filled = edits.fill_hole(mask, (column + 0.5, row + 0.5))
    holes, _ = ndimage.label(ndimage.binary_fill_holes(mask, CROSS) & ~mask, CROSS)
    expected = mask | ((holes == holes[row, column]) & (holes[row, column] > 0))
    np.testing.assert_array_equal(filled, expected)


@given(MASKS, st.data())
def test_remove_component_is_scipys_label(mask, data):
    row, column = inside(mask, data.draw)
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    expected = mask & (labels != labels[row, column]) if mask[row, column] else mask
    np.testing.assert_array_equal(edits.remove_component(mask, (column + 0.2, row + 0.7)), expected)


@given(st.lists(st.tuples(st.floats(-5, 35), st.floats(-5, 35)), min_size=1, max_size=5), st.floats(1, 9))
def test_near_a_stroke_is_what_lies_within_its_radius(points, radius):
    stroke = np.array(points)
    found = edits.near(stroke, radius, (30, 28))
    rows, columns = np.mgrid[0:30, 0:28] + 0.5
    # By brute force: many places along the stroke.
    along = [stroke[0]] + [
        one + (other - one) * share for one, other in itertools.pairwise(stroke) for share in np.linspace(0, 1, 200)
    ]
    distance = np.min([np.hypot(columns - x, rows - y) for x, y in along], axis=0)
    near, far = distance < radius - 0.15, distance > radius + 0.15
    assert found[near].all()
    assert not found[far].any()


def test_a_polygon_is_filled_by_half_of_each_pixel():
    square = edits.polygon(np.array([[4, 3], [14, 3], [14, 9], [4, 9]]), (20, 30))
    assert square.sum() == 60
    assert square[3:9, 4:14].all()
    assert edits.polygon(np.array([[-9, -9], [99, -9], [99, 99], [-9, 99]]), (20, 30)).all()
    # Even and odd: the middle of a five-pointed star is outside.
    turn = np.arange(5) * 4 * np.pi / 5
    star = edits.polygon(np.stack([30 + 28 * np.sin(turn), 30 - 28 * np.cos(turn)], 1), (60, 60))
    assert not star[30, 30]
    assert star[8, 30]


@given(MASKS)
def test_smoothing_nothing_changes_what_is_uniform(mask):
    full = np.full_like(mask, mask[0, 0])
    np.testing.assert_array_equal(edits.smooth(full, None, 6), full)


def test_smoothing_under_a_stroke_takes_a_spike_and_leaves_the_rest():
    mask = np.zeros((80, 80), np.bool_)
    mask[40:] = True
    mask[20:40, 20:22] = mask[20:40, 60:62] = True  # two spikes
    result = edits.smooth(mask, np.array([[21.0, 15.0], [21.0, 39.0]]), 12)
    assert not result[20:34, 20:22].any()
    assert result[20:40, 60:62].all()
    assert result[45:].all()


@given(MASKS)
def test_runs_come_back(mask):
    np.testing.assert_array_equal(runs.from_bytes(runs.to_bytes(mask), mask.shape), mask)


@pytest.mark.parametrize("values", [[0, 0], [5, 4, 3, 1], [0, 13], [2**32 - 1, 1], [0, 3, 2, 2]])
def test_runs_that_no_mask_has_are_refused(values):
    with pytest.raises(RLEError):
        runs.from_bytes(np.array(values, "<u4").tobytes(), (3, 4))
    with pytest.raises(RLEError):
        runs.from_bytes(b"\0\0\0", (3, 4))


@pytest.mark.parametrize("point", [(-500.0, 20.0), (20.0, 1e6)])
def test_a_stroke_beside_the_photo_changes_nothing(point):
    """Of one that smooths, it was a fault in the server."""
    mask = np.zeros((60, 80), np.bool_)
    mask[20:40, 20:60] = True
    stroke = np.array([point, point])
    edited = edits.smooth(mask, stroke, 12)
    np.testing.assert_array_equal(edited, mask)
    assert edited is not mask
    assert not edits.near(stroke, 12, mask.shape).any()
