"""Geometry against scipy, against the published matrices, and by what must hold of any of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from carmask.data import warp

SIZE = (60, 90)


def smooth(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(*SIZE, 3))
    blurred = ndimage.gaussian_filter(noise, (4, 4, 0))
    return ((blurred - blurred.min()) / np.ptp(blurred) * 255).astype(np.uint8)


def blob() -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((((rows - 28) / 9) ** 2 + ((columns - 47) / 16) ** 2 < 1) * 255).astype(np.uint8)


MATRICES = {
    "rotation": warp.rotation(17),
    "rotation back": warp.rotation(-8),
    "zoom": warp.zoom(0.8, 0.93),
    "shear": warp.shear(19),
    "shear back": warp.shear(-12),
    "shift": warp.shift(0.17, -0.06, size=SIZE),
    "all": warp.rotation(9) @ warp.zoom(0.9, 0.85) @ warp.shear(-7) @ warp.shift(0.05, 0.1, size=SIZE),
}


@pytest.mark.parametrize("name", MATRICES)
def test_agrees_with_scipy(name):
    """scipy's affine_transform maps output to input as well, in rows and columns from the first pixel."""
    matrix, photo, mask = MATRICES[name], smooth(), blob()
    moved, moved_mask = warp.warp(photo, mask, matrix)
    centre = (np.array(SIZE) - 1) / 2
    offset = centre + matrix[:2, 2] - matrix[:2, :2] @ centre
    for channel in range(3):
        expected = ndimage.affine_transform(
            photo[..., channel].astype(float), matrix[:2, :2], offset, order=1, mode="nearest"
        )
        # OpenCV places samples to 1/32 of a pixel.
        assert np.abs(moved[..., channel] - expected).max() <= 3
    expected = ndimage.affine_transform(mask.astype(float), matrix[:2, :2], offset, order=1, mode="constant")
    assert np.abs(moved_mask - expected).mean() < 0.5
    assert np.abs(moved_mask - expected).max() <= 24  # the contour jumps by 255


def test_matrices_are_the_published_ones():
    """Jois & Aygar 2017, equations of 2.1.2 to 2.1.5, written out."""
    theta = math.radians(20)
    published = [[math.cos(theta), -math.sin(theta), 0], [math.sin(theta), math.cos(theta), 0], [0, 0, 1]]
    # Theirs and ours turn in opposite directions; the angle is drawn from both sides of zero.
    assert np.allclose(warp.rotation(-20), published)
    assert np.allclose(warp.zoom(0.8, 0.9), [[0.8, 0, 0], [0, 0.9, 0], [0, 0, 1]])
    assert np.allclose(warp.shear(20), [[1, math.sin(theta), 0], [0, math.cos(theta), 0], [0, 0, 1]])
    assert np.allclose(warp.shift(-0.2, -0.1, size=(50, 80)), [[1, 0, 50 * 0.2], [0, 1, 80 * 0.1], [0, 0, 1]])


def test_quarter_turn_is_numpy_s():
    photo, mask = smooth()[:60, :60], blob()[:60, :60]
    moved, moved_mask = warp.warp(np.ascontiguousarray(photo), np.ascontiguousarray(mask), warp.rotation(90))
    assert np.array_equal(moved, np.rot90(photo))
    assert np.array_equal(moved_mask, np.rot90(mask))


def test_whole_shift_moves_pixels():
    photo, mask = smooth(), blob()
    moved, moved_mask = warp.warp(photo, mask, warp.shift(0.1, 0.2, size=SIZE))
    assert np.array_equal(moved[6:, 18:], photo[:-6, :-18])
    assert np.array_equal(moved_mask[6:, 18:], mask[:-6, :-18])
    assert not moved_mask[:6].any()
    assert (moved[:6, 18:] == photo[0, :-18]).all()  # the edge goes on


@settings(max_examples=40, deadline=None)
@given(
    degrees=st.floats(-20, 20),
    down=st.floats(0.8, 1),
    across=st.floats(0.8, 1),
    shear=st.floats(-20, 20),
    move=st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
)
def test_a_mask_painted_into_the_photo_stays_on_it(degrees, down, across, shear, move):
    mask = blob()
    photo = np.repeat(mask[..., None], 3, axis=2)
    matrix = warp.rotation(degrees) @ warp.zoom(down, across) @ warp.shear(shear) @ warp.shift(*move, size=SIZE)
    moved, moved_mask = warp.warp(photo, mask, matrix)
    inside = np.s_[2:-2, 2:-2]  # at the edge the photo goes on and the mask does not
    assert np.array_equal(moved[inside][..., 0], moved_mask[inside])


def test_labels_are_never_mixed():
    labels = np.zeros(SIZE, np.uint8)
    labels[10:40, 20:50], labels[20:50, 50:80] = 4, 17
    _, moved = warp.warp(smooth(), labels, MATRICES["all"], labels=True)
    assert set(np.unique(moved)) == {0, 4, 17}
