from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carmask.errors import ArrayError
from carmask.evaluation.contours import (
    boundary_iou,
    contour_length,
    contour_scores,
    distance_to_contour,
    hd95,
    standard_band,
)
from tests.cars import car_mask

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda size: st.tuples(arrays(np.bool_, size), arrays(np.bool_, size))
)


def reference(prediction: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    """The usual way: scipy, over the whole picture, by the definitions."""
    ndimage = pytest.importorskip("scipy.ndimage")
    edge_p, edge_t = (mask & ~ndimage.binary_erosion(mask) for mask in (prediction, truth))
    there = ndimage.distance_transform_edt(~edge_t)[edge_p]
    back = ndimage.distance_transform_edt(~edge_p)[edge_t]

    def band(mask: np.ndarray, width: int) -> np.ndarray:
        return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width)

    bands = []
    for width in (standard_band(truth.shape), 2, 5):
        one, other = band(prediction, width), band(truth, width)
        bands.append((one & other).sum() / (one | other).sum())
    worst = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(np.concatenate([there, back]).mean()), float(worst), bands[0], bands[1], bands[2]


@settings(deadline=None, max_examples=60)
@given(masks)
def test_against_scipy(pair):
    prediction, truth = pair
    if prediction.any() and truth.any():
        assert contour_scores(prediction, truth) == pytest.approx(reference(prediction, truth), abs=1e-6)


def test_against_scipy_on_a_car():
    truth = car_mask()
    prediction = np.roll(truth, (3, -2), (0, 1))
    prediction[150:170, 200:230] = False
    prediction[20:24, 20:30] = True
    prediction[:, :3] |= True  # at the edge of the picture
    assert contour_scores(prediction, truth) == pytest.approx(reference(prediction, truth), abs=1e-6)


def test_by_hand():
    truth = np.zeros((9, 20), np.bool_)
    truth[2:7, 3:8] = True  # 5 x 5: a contour of 16 pixels
    assert contour_length(truth) == 16
    one = np.zeros_like(truth)
    one[4, 10] = True
    # From the one pixel: column 7 is 3 away. Back: the farthest are the corners at the left.
    scores = contour_scores(one, truth)
    back = sorted(math.hypot(r - 4, c - 10) for r in range(2, 7) for c in range(3, 8) if r in (2, 6) or c in (3, 7))
    assert scores.hd95 == pytest.approx(np.percentile(back, 95))
    assert scores.contour_error == pytest.approx((3 + sum(back)) / 17)
    assert scores.boundary_iou == 0
    assert boundary_iou(truth, truth, band=1) == 1
    for band in (0, -1):
        with pytest.raises(ArrayError, match=f"a band of {band} pixels holds none"):
            boundary_iou(truth, truth, band=band)
    larger = truth.copy()
    larger[2:7, 8] = True  # 5 x 6: its band of 1 has 18 pixels, 11 of them (rows 2, 6 and column 3) shared
    shared = 5 + 5 + 3
    assert boundary_iou(larger, truth, band=1) == pytest.approx(shared / (16 + 18 - shared))


@pytest.mark.parametrize("fill", [True, False])
def test_equal_masks(fill):
    mask = np.full((7, 9), fill)
    assert contour_scores(mask, mask) == (0, 0, 1, 1, 1)
    assert boundary_iou(mask, mask) == 1


def test_one_empty():
    empty, full = np.zeros((30, 40), np.bool_), np.ones((30, 40), np.bool_)
    assert contour_scores(empty, full) == contour_scores(full, empty) == (50, 50, 0, 0, 0)
    assert hd95(empty, full) == 50
    assert boundary_iou(empty, full) == 0
    assert contour_length(empty) == 0


def test_a_full_picture_has_its_border_as_contour():
    assert contour_length(np.ones((30, 40), np.bool_)) == 2 * 40 + 2 * 28


def test_one_pixel_in_a_corner():
    one, other = np.zeros((5, 6), np.bool_), np.zeros((5, 6), np.bool_)
    one[0, 0], other[4, 3] = True, True
    assert contour_scores(one, other)[:2] == (5, 5)


def test_the_standard_band_of_carvana():
    assert standard_band((1280, 1918)) == 46
    assert standard_band((1, 1)) == 1


def test_sizes_must_agree():
    for measure in (contour_scores, hd95, boundary_iou):
        with pytest.raises(ArrayError, match="scores are taken at the truth's own size"):
            measure(np.zeros((3, 4), np.bool_), np.zeros((4, 3), np.bool_))


@settings(deadline=None, max_examples=30)
@given(masks)
def test_invariants(pair):
    prediction, truth = pair
    scores = contour_scores(prediction, truth)
    assert scores == pytest.approx(contour_scores(truth, prediction))
    assert scores == pytest.approx(contour_scores(prediction[::-1], truth[::-1]))
    assert 0 <= scores.boundary_iou <= 1
    assert scores.hd95 <= math.hypot(*truth.shape)


def test_depth_by_hand():
    mask = np.zeros((5, 9), np.bool_)
    mask[:, 4:] = True
    assert distance_to_contour(mask)[2].tolist() == [4, 3, 2, 1, 1, 2, 3, 4, 5]
    assert np.isinf(distance_to_contour(np.ones((3, 3), np.bool_))).all()


def test_a_shift_is_measured_in_pixels():
    truth = np.zeros((80, 120), np.bool_)
    truth[20:60, 30:90] = True
    moved = np.roll(truth, 4, axis=1)
    assert contour_scores(moved, truth).hd95 == 4
    grown = cv2.dilate(truth.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert 2 <= contour_scores(grown, truth).contour_error <= 2.1
