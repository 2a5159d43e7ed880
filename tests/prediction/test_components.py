"""Small connected components away from the car are removed; what is close to it, or nearly as large, is kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from carmask.model.behaviour import ComponentSettings
from carmask.prediction.components import remove_small_components


def scene(*components: tuple[slice, slice]) -> np.ndarray:
    """Soft-edged components in 100x200."""
    probability = np.zeros((100, 200), np.float32)
    for component in components:
        probability[component] = 0.9
    return np.maximum(probability, 0.3 * ndimage.maximum_filter(probability, 3))


CAR = np.s_[30:70, 40:140]


def test_a_small_component_far_away_is_removed_with_its_soft_edge():
    assert np.array_equal(remove_small_components(scene(CAR, np.s_[5:15, 170:180]), 0.5), scene(CAR))


def test_what_is_close_or_large_is_kept():
    antenna = np.s_[15:29, 90:91]  # two rows above the car, one lost between: 1 % of 200 pixels
    second = np.s_[5:25, 160:200]  # a fifth of the car's 4,000 pixels is 800
    found = scene(CAR, antenna, second)
    assert remove_small_components(found, 0.5) is found
    assert not remove_small_components(scene(CAR, np.s_[5:25, 162:200]), 0.5)[:, 160:].any()


def test_settings_decide_what_is_kept():
    antenna, second = scene(CAR, np.s_[15:29, 90:91]), scene(CAR, np.s_[5:25, 160:200])
    assert not (remove_small_components(antenna, 0.5, ComponentSettings(max_distance=0.004)) >= 0.5)[:30].any()
    assert np.array_equal(remove_small_components(second, 0.5, ComponentSettings(min_area=0.25)), scene(CAR))


def test_the_car_s_own_soft_edge_is_kept():
    small = np.s_[30:40, 144:146]  # four columns away: its soft edge and the car's touch
    found = remove_small_components(scene(CAR, small), 0.5)
    assert np.array_equal(found[:, :142], scene(CAR)[:, :142])
    assert (found < 0.5)[:, 140:].all()


def test_nothing_and_one_component_are_left_as_they_are():
    for found in (scene(), scene(CAR)):
        assert remove_small_components(found, 0.5) is found


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (24, 36), elements=st.sampled_from([0.0, 0.1, 0.2, 0.45, 0.5, 0.8, 1.0])), st.floats(0.15, 0.6)
)
def test_only_whole_small_components_are_removed(probability, threshold):
    cleaned = remove_small_components(probability, threshold)
    assert (cleaned <= probability).all()
    labels, count = ndimage.label(probability >= threshold, np.ones((3, 3)))
    filled = [ndimage.binary_fill_holes(labels == label) for label in range(1, count + 1)]
    areas = [area.sum() for area in filled]
    for label in range(1, count + 1):
        left = (cleaned >= threshold)[labels == label]
        assert left.all() or not left.any()
        if areas[label - 1] > ComponentSettings().min_area * max(areas) + 0.5:
            assert left.all()
    assert np.array_equal(remove_small_components(cleaned, threshold), cleaned)
