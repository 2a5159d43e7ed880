from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.geometry import Box, Crop
from carmask.model.behaviour import ConfirmationSettings, CropSettings
from carmask.prediction.confidence import measure_features
from carmask.prediction.crops import (
    WHOLE,
    beyond_crop,
    crop_around,
    crop_mask,
    crop_photo,
    find_box,
    largest_useful_size,
    suppress_unconfirmed,
)
from carmask.prediction.probability_map import ProbabilityMap

SIDES = st.integers(40, 900)


def boxes():
    """Boxes that meet the photo, some of them reaching beyond it."""
    low, high = st.floats(-0.2, 0.9), st.floats(0.02, 1.1)
    return st.builds(lambda t, left, h, w: Box(t, left, max(t + h, 0.02), max(left + w, 0.02)), low, low, high, high)


@settings(max_examples=300, deadline=None)
@given(boxes(), SIDES, SIDES, st.sampled_from([(32, 48), (64, 64), (448, 832)]))
def test_the_crop_lies_in_the_photo_and_holds_the_box(box, height, width, size):
    (photo, top, left, part), place = crop_around(box, (height, width), size)
    assert photo == (height, width)
    whole = min(size[0] / height, size[1] / width)
    for axis, begin in ((0, top), (1, left)):
        length, side = photo[axis], part[axis]
        assert begin >= 0
        assert 1 <= side <= length - begin
        first, last = max(0.0, box[axis] * length), min(float(length), box[axis + 2] * length)
        # Rounded to whole pixels on both sides.
        assert begin <= first + 1.5
        assert last - 1.5 <= begin + side
        inner, before = place.inner[axis], place[1 + axis]
        assert 1 <= inner <= size[axis]
        assert before == (size[axis] - inner) // 2
        # Both axes have nearly one scale, between the whole photo's and the greatest.
        scale, slack = inner / side, 1 / inner + 1 / side
        most = max(CropSettings().max_zoom * whole, size[0] / height, size[1] / width)
        assert whole * (1 - slack) <= scale <= most * (1 + slack)
    down, across = place.inner[0] / part[0], place.inner[1] / part[1]
    assert down == pytest.approx(across, rel=1 / min(place.inner) + 1 / min(part))


def test_a_crop_by_hand():
    """A car of 400x100 in a photo of 1200x800: in 448x832 the photo has scale 0.56, the car 1.12 at most."""
    region = crop_around(Box(0.5, 0.25, 0.625, 0.25 + 1 / 3), (800, 1200), (448, 832))
    assert region.crop == Crop((800, 1200), 250, 128, (400, 743))
    assert region.place.inner == region.place.size == (448, 832)
    all_of_it = crop_around(WHOLE, (800, 1200), (448, 832))
    assert all_of_it.crop.all
    assert all_of_it.place == ((448, 832), 0, 80, (448, 672))
    assert largest_useful_size((800, 1200), (448, 832)) == (896, 1344)


def test_an_upright_photo_of_a_car_from_side_to_side_fills_the_input():
    region = crop_around(Box(0.4, 0.0, 0.6, 1.0), (1600, 832), (448, 832))
    assert region.crop == Crop((1600, 832), 576, 0, (448, 832))
    assert region.place.inner == (448, 832)
    assert largest_useful_size((1600, 832), (448, 832)) == (1600, 832)


def test_what_is_cut_out_is_what_is_there():
    """Each pixel of a smooth picture says where it is: the crop must have, at each place, what the photo has there."""
    rows, columns = np.indices((300, 400)).astype(np.float32)
    photo = np.stack([rows * 0.8, columns * 0.6, rows * 0], axis=2).round().astype(np.uint8)
    region = crop_around(Box(0.4, 0.5, 0.7, 0.8), (300, 400), (64, 96))
    cut = crop_photo(photo, region).astype(float)
    (_, top, left, part), place = region
    down, across = part[0] / place.inner[0], part[1] / place.inner[1]
    expected_rows = top + (np.arange(64) + 0.5) * down - 0.5
    expected_columns = left + (np.arange(96) + 0.5) * across - 0.5
    assert np.abs(cut[2:-2, :, 0] - 0.8 * expected_rows[2:-2, None]).max() < 1.5
    assert np.abs(cut[:, 2:-2, 1] - 0.6 * expected_columns[None, 2:-2]).max() < 1.5
    mask = (rows > 150).astype(np.uint8) * np.uint8(255)
    soft = crop_mask(mask, region)
    assert soft.shape == (64, 96)
    assert (np.flatnonzero(soft[:, 0] > 127)[0] + 0.5) * down + top == pytest.approx(151, abs=down)


def test_beside_the_photo_is_no_car():
    region = crop_around(WHOLE, (100, 100), (32, 96))
    assert region.place == ((32, 96), 0, 32, (32, 32))
    soft = crop_mask(np.full((100, 100), 255, np.uint8), region)
    assert (soft[:, 32:64] == 255).all()
    assert not soft[:, :32].any()
    assert not soft[:, 64:].any()


def blob(size, seed):
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random(size).astype(np.float32), (0, 0), 4)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


@pytest.mark.parametrize(("photo", "part"), [((96, 144), (64, 96)), ((300, 420), (150, 240)), ((61, 77), (40, 30))])
def test_a_map_of_a_crop_is_that_of_the_whole_with_nothing_elsewhere(photo, part):
    """Enlarged here by a formula: linear between pixel centres at halves, the crop's edge repeated."""
    size = (50, 70)
    prob_map = ProbabilityMap(blob(size, 1), Crop(photo, 11, 20, part))
    y = np.clip((np.arange(part[0]) + 0.5) * size[0] / part[0] - 0.5, 0, size[0] - 1)
    x = np.clip((np.arange(part[1]) + 0.5) * size[1] / part[1] - 0.5, 0, size[1] - 1)
    if part[0] >= size[0] and part[1] >= size[1]:
        rows = np.array([np.interp(x, np.arange(size[1]), row) for row in prob_map.probability])
        large = np.array([np.interp(y, np.arange(size[0]), column) for column in rows.T]).T
        expected = np.zeros(photo)
        expected[11 : 11 + part[0], 20 : 20 + part[1]] = large
        assert np.abs(prob_map.enlarged() - expected).max() < 1e-4
    assert np.array_equal(prob_map.mask(0.5), prob_map.enlarged() >= 0.5)
    assert prob_map.scale == part[1] / size[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 50), st.integers(60, 120), st.integers(60, 120))
def test_the_whole_photo_s_probabilities_lie_where_the_crop_s_do(top, left, high, wide):
    """Probabilities that say where they are in the photo say so on the whole photo, too."""
    part = Crop((160, 180), top, left, (high, wide))
    rows = top + (np.arange(40) + 0.5) * high / 40
    columns = left + (np.arange(64) + 0.5) * wide / 64
    for axis, there in enumerate((rows[:, None] / 160, columns[None] / 180)):
        prob_map = ProbabilityMap(np.broadcast_to(there, (40, 64)).astype(np.float32), part)
        whole = prob_map.whole()
        assert whole.shape[0] == pytest.approx(160 * 40 / high, abs=0.5)
        assert whole.shape[1] == pytest.approx(180 * 64 / wide, abs=0.5)
        places = (np.indices(whole.shape)[axis] + 0.5) / whole.shape[axis]
        y = (np.arange(whole.shape[0]) + 0.5) / whole.shape[0] * 160
        x = (np.arange(whole.shape[1]) + 0.5) / whole.shape[1] * 180
        inside = ((y > rows[0]) & (y < rows[-1]))[:, None] & ((x > columns[0]) & (x < columns[-1]))[None]
        # OpenCV interpolates at 32 places between two pixels.
        assert np.abs(whole - places)[inside].max() < 0.04 * (there.flat[1] - there.flat[0])
        beyond = ((y < top - 5) | (y > top + high + 5))[:, None] | ((x < left - 5) | (x > left + wide + 5))[None]
        assert not whole[beyond].any()


def test_features_of_a_crop_are_those_of_the_photo():
    """The same car, cut out of the photo at the photo's own scale and not: every feature is the same."""
    photo = np.zeros((120, 200), np.float32)
    photo[40:100, 60:200] = cv2.GaussianBlur(np.pad(np.ones((40, 120), np.float32), ((10, 10), (20, 0))), (0, 0), 2)
    part = Crop((120, 200), 30, 50, (75, 150))
    of_part = measure_features(np.ascontiguousarray(photo[part.where]), 0.5, part)
    assert of_part == pytest.approx(measure_features(photo, 0.5), abs=1e-6)
    assert of_part.sides == 1
    # Where the crop ends and the photo does not, the car is not cut off by the frame.
    moved = Crop((120, 400), 30, 50, (75, 150))
    assert measure_features(np.ascontiguousarray(photo[part.where]), 0.5, moved).sides == 0


def test_a_box_is_in_fractions_of_the_photo(dark):
    probability = np.zeros((10, 20), np.float32)
    probability[2:8, 5:15] = 1
    prob_map = ProbabilityMap(probability, Crop((100, 100), 20, 40, (30, 40)))
    box = find_box(prob_map, dark.info)
    assert box == pytest.approx(((20 + 2 * 3) / 100, (40 + 5 * 2) / 100, (20 + 8 * 3) / 100, (40 + 15 * 2) / 100))
    assert find_box(ProbabilityMap(np.zeros((10, 20), np.float32), prob_map.crop), dark.info) is None


def test_a_car_that_goes_on_beyond_the_crop_is_searched_there():
    probability = np.zeros((10, 20), np.float32)
    probability[4:6, :15] = 1
    left_open = ProbabilityMap(probability, Crop((100, 100), 20, 40, (30, 40)))
    assert beyond_crop(left_open, 0.5) == pytest.approx((0.2, 0, 0.5, 0.8))
    assert beyond_crop(ProbabilityMap(probability, Crop((100, 40), 20, 0, (30, 40))), 0.5) is None
    assert beyond_crop(ProbabilityMap(probability * 0.4, left_open.crop), 0.5) is None


def test_a_map_seen_in_another_crop():
    rows = 10 + (np.arange(40) + 0.5) * 2
    prob_map = ProbabilityMap(
        np.broadcast_to(rows[:, None] / 100, (40, 30)).astype(np.float32), Crop((100, 100), 10, 20, (80, 60))
    )
    seen = prob_map.seen_in(Crop((100, 100), 30, 40, (40, 20)), (10, 10))
    assert seen == pytest.approx(np.broadcast_to((30 + (np.arange(10) + 0.5) * 4)[:, None] / 100, (10, 10)), abs=1e-3)
    assert not prob_map.seen_in(Crop((100, 100), 0, 0, (10, 100)), (4, 4)).any()
    assert prob_map.seen_in(prob_map.crop, (40, 30)) is prob_map.probability


def two_stages() -> tuple[ProbabilityMap, ProbabilityMap]:
    """A car of 40x80 in a crop of 80x160 of a photo of 160x320: both stages, one at a fourth."""
    part = Crop((160, 320), 40, 80, (80, 160))
    close = np.zeros((80, 160), np.float32)
    close[20:60, 40:120] = 1
    far = np.zeros((40, 80), np.float32)
    far[15:25, 30:50] = 1
    return ProbabilityMap(close, part), ProbabilityMap(far, Crop.whole((160, 320)))


def test_what_only_segmentation_takes_for_car_is_removed():
    fine, coarse = two_stages()
    seen = fine.probability.copy()
    seen[2:18, 100:116] = 1  # a letter on the wall, as thick as it is high, with a soft edge, touching the car
    seen[18:20, 100:116] = 1
    seen[1, 100:116] = ConfirmationSettings().probability
    clean = suppress_unconfirmed(ProbabilityMap(seen, fine.crop), coarse, 0.5)
    assert clean.crop == fine.crop
    # Pixels of localisation are four of the crop's wide: its edge is reached within three of them.
    assert not clean.probability[:8].any()
    np.testing.assert_array_equal(clean.probability[20:], fine.probability[20:])


def test_aerials_are_kept_though_localisation_is_too_coarse_for_them():
    fine, coarse = two_stages()
    seen = fine.probability.copy()
    seen[:20, 60:63] = 0.9
    np.testing.assert_array_equal(suppress_unconfirmed(ProbabilityMap(seen, fine.crop), coarse, 0.5).probability, seen)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_stages_that_agree_change_nothing_and_nothing_is_ever_added(seed):
    fine, coarse = two_stages()
    rng = np.random.default_rng(seed)
    noisy = ProbabilityMap(cv2.blur(rng.random((80, 160), dtype=np.float32), (9, 9)), fine.crop)
    after = suppress_unconfirmed(noisy, coarse, 0.5).probability
    assert np.all((after == noisy.probability) | (after == 0))
    np.testing.assert_array_equal(after[20:60, 40:120], noisy.probability[20:60, 40:120])
    sure = ProbabilityMap(np.ones((40, 80), np.float32), coarse.crop)
    np.testing.assert_array_equal(suppress_unconfirmed(noisy, sure, 0.5).probability, noisy.probability)


def test_settings_decide_what_must_be_confirmed():
    fine, coarse = two_stages()
    seen = fine.probability.copy()
    seen[:20, 60:63] = 0.9
    thin = suppress_unconfirmed(ProbabilityMap(seen, fine.crop), coarse, 0.5, ConfirmationSettings(thickness=3))
    assert not thin.probability[:8].any()
    seen[2:20, 100:116] = 1
    for lenient in (ConfirmationSettings(probability=0), ConfirmationSettings(distance=40)):
        after = suppress_unconfirmed(ProbabilityMap(seen, fine.crop), coarse, 0.5, lenient)
        np.testing.assert_array_equal(after.probability, seen)


def test_settings_decide_the_zoom():
    small = Box(0.45, 0.45, 0.5, 0.5)
    assert crop_around(small, (800, 1200), (448, 832)).crop.size == (400, 743)
    assert crop_around(small, (800, 1200), (448, 832), max_zoom=4).crop.size == (200, 371)
    assert largest_useful_size((800, 1200), (448, 832), max_zoom=4) == (1792, 2688)
