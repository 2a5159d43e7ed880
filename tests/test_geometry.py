from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from carmask.geometry import PADDING, Letterbox, fit_letterbox, letterbox, resize, subsample, without_bars

sides = st.integers(1, 60)


def test_photos_of_the_frame_s_shape_fill_it():
    assert fit_letterbox((1280, 1918), (512, 768)) == ((512, 768), 0, 0, (512, 768))


@given(st.integers(16, 3000), st.integers(16, 3000))
def test_other_shapes_are_centred_as_large_as_possible(height, width):
    frame = fit_letterbox((height, width), (512, 768))
    inner_height, inner_width = frame.inner
    assert 0 < inner_height <= 512
    assert 0 < inner_width <= 768
    assert inner_height == 512 or inner_width == 768
    # In the middle, to a pixel.
    assert abs(2 * frame.top + inner_height - 512) <= 1
    assert abs(2 * frame.left + inner_width - 768) <= 1
    # The shape is kept to a tenth, or to the rounding of a thin side.
    stretch = (inner_width / width) / (inner_height / height)
    slack = 1 / min(frame.inner)
    assert 1 / 1.1 - slack <= stretch <= 1.1 + slack


def test_padding_surrounds_and_is_taken_off_again(photo):
    frame = fit_letterbox((48, 64), (96, 192))
    framed = letterbox(photo, frame)
    assert framed.shape == (96, 192, 3)
    assert (framed[:, : frame.left] == PADDING).all()
    assert (framed[:, frame.left + frame.inner[1] :] == PADDING).all()
    values = np.random.default_rng(0).random((96, 192), np.float32)
    assert without_bars(values, frame).shape == frame.inner


@given(sides, sides, st.integers(1, 6))
def test_making_smaller_by_a_whole_factor_averages_areas(height, width, factor):
    values = np.random.default_rng(height * 61 + width).random((height * factor, width * factor), np.float32)
    means = values.reshape(height, factor, width, factor).mean(axis=(1, 3))
    assert np.allclose(resize(values, (height, width)), means, atol=1e-5)


@given(sides, sides, st.integers(0, 80), st.integers(0, 80))
def test_making_larger_interpolates_between_pixel_centres(height, width, more_rows, more_columns):
    values = np.random.default_rng(height * 61 + width).random((height, width), np.float32)
    size = (height + more_rows, width + more_columns)
    # Independent: scipy samples the same lines at the half-pixel centres that the convention names.
    rows = (np.arange(size[0]) + 0.5) * height / size[0] - 0.5
    columns = (np.arange(size[1]) + 0.5) * width / size[1] - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    expected = scipy.ndimage.map_coordinates(values.astype(np.float64), grid, order=1, mode="nearest")
    assert np.allclose(resize(values, size), expected, atol=1e-4)


@given(sides, sides)
def test_mirroring_and_resizing_commute(height, width):
    values = np.random.default_rng(height * 61 + width).random((30, 40), np.float32)
    assert np.allclose(resize(values[:, ::-1], (height, width)), resize(values, (height, width))[:, ::-1], atol=1e-5)


@pytest.mark.parametrize("size", [(7, 90), (90, 7), (48, 64)])
def test_constants_stay(size):
    assert (resize(np.full((48, 64, 3), 77, np.uint8), size) == 77).all()


@pytest.mark.real
def test_a_perfect_mask_survives_the_way_through_the_frame(carvana):
    # SYSTEMS: area averaging to 512x768, enlarged softly and cut at one half, loses 0.0002.
    from carmask.evaluation.overlap import dice
    from carmask.images import read_mask

    scores = []
    for path in sorted((carvana / "train_masks").glob("*_mask.png"))[::200]:
        mask = read_mask(path)
        small = resize(mask.astype(np.float32), (512, 768))
        scores.append(dice(resize(small, (mask.shape[0], mask.shape[1])) >= 0.5, mask))
    assert np.mean(scores) > 0.9997


@pytest.mark.parametrize("shrink", [1.2, 1.5, 1.88, 2.3, 2.99, 3.2])
def test_short_ways_into_the_frame_are_close_to_averages_of_areas(shrink):
    """Of a photo as sharp as photos are; the oracle adds up exact overlaps of pixels."""
    rng = np.random.default_rng(0)
    size = round(40 * shrink), round(60 * shrink)
    sharp = scipy.ndimage.gaussian_filter(rng.random((*size, 3)), (1, 1, 0))
    photo = ((sharp - sharp.min()) / np.ptp(sharp) * 255).round().astype(np.uint8)

    def overlaps(length, parts):
        edges = np.arange(parts + 1) * length / parts
        low, high = np.maximum.outer(edges[:-1], np.arange(length)), np.minimum.outer(edges[1:], np.arange(length) + 1)
        return (high - low).clip(0) * parts / length

    exact = np.einsum("ay,bx,yxc->abc", overlaps(size[0], 40), overlaps(size[1], 60), photo)
    error = np.abs(letterbox(photo, Letterbox((40, 60), 0, 0, (40, 60))) - exact)
    assert error.mean() < 3
    # Nothing is moved: the error is not that of half a pixel.
    moved = np.abs(np.roll(exact, 1, axis=1)[:, 1:] - exact[:, 1:]).mean() / 2
    assert error.mean() < 0.5 * moved


def test_thinned_photos_keep_their_shape_and_small_ones_are_left_alone():
    photo = np.random.default_rng(0).integers(0, 256, (120, 180, 3), np.uint8)
    thin = subsample(photo, (20, 30))
    assert thin.shape == (40, 60, 3)
    assert {tuple(pixel) for pixel in thin.reshape(-1, 3)} <= {tuple(pixel) for pixel in photo.reshape(-1, 3)}
    assert subsample(photo, (60, 30)) is photo
