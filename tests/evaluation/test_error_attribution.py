"""Each tag, on a drawn car that has exactly that cluster."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from carmask.evaluation.error_attribution import attribute_errors
from carmask.evaluation.error_rules import RULES
from carmask.geometry import Box
from tests.cars import car_mask, car_photo


def draw(mask: np.ndarray, shape: str, *numbers: object, value: int = 1) -> np.ndarray:
    canvas = mask.astype(np.uint8)
    getattr(cv2, shape)(canvas, *numbers, value, -1)
    return canvas > 0


def test_nothing_wrong():
    truth = car_mask()
    assert attribute_errors(car_photo(truth), truth, truth) == ((), (), 0, 0)


def test_shadow_taken_for_car():
    truth = car_mask()
    prediction = draw(truth, "ellipse", (250, 245), (75, 12), 0, 0, 360)
    photo = car_photo(truth)
    photo[prediction & ~truth] = 40
    found = attribute_errors(photo, prediction, truth)
    assert found.tags == ("shadow at the wheels",)
    assert found.clusters[0].kind == "extra"


def test_tyre_taken_for_shadow():
    truth = car_mask()
    prediction = draw(truth, "circle", (150, 240), 18, value=0)
    photo = car_photo(truth)
    photo[truth & ~prediction] = 20
    found = attribute_errors(photo, prediction, truth)
    assert found.tags == ("shadow at the wheels",)
    assert found.clusters[0].kind == "missed"


def test_car_of_the_colour_of_the_background():
    truth = car_mask()
    prediction = draw(truth, "rectangle", (380, 140), (430, 200), value=0)
    assert attribute_errors(car_photo(truth, (222, 224, 226)), prediction, truth).tags == ("colour of the background",)


def test_hole():
    truth = car_mask()
    prediction = draw(truth, "circle", (250, 185), 20, value=0)
    assert attribute_errors(car_photo(truth), prediction, truth).tags == ("hole inside",)
    both = attribute_errors(car_photo(truth, (222, 224, 226)), prediction, truth).tags
    assert both == ("colour of the background", "hole inside")


def test_gap_closed():
    prediction = car_mask()
    truth = draw(prediction, "circle", (250, 185), 20, value=0)
    assert attribute_errors(car_photo(truth), prediction, truth).tags == ("gap closed",)


def test_glass():
    truth = car_mask()
    photo = car_photo(truth)
    window = draw(np.zeros_like(truth), "rectangle", (225, 102), (315, 140))
    photo[window] = (190, 215, 205)
    assert attribute_errors(photo, truth & ~window, truth).tags == ("glass", "hole inside")


@pytest.mark.parametrize(("depth", "glass"), [(8, False), (20, True)])
def test_glass_reaches_deep_into_the_car(depth, glass):
    """What is missed of the edge alone, beside the windows, is not a window, whatever its colour."""
    truth = car_mask()
    inside = cv2.distanceTransform(truth.astype(np.uint8), cv2.DIST_L2, 5)
    missed = draw(np.zeros_like(truth), "rectangle", (0, 110), (250, 150)) & truth & (inside < depth)
    photo = car_photo(truth)
    photo[missed] = (90, 215, 60)
    assert ("glass" in attribute_errors(photo, truth & ~missed, truth).tags) == glass


def test_separate_component():
    truth = car_mask()
    prediction = draw(truth, "circle", (40, 40), 9)
    assert attribute_errors(car_photo(truth), prediction, truth).tags == ("separate component",)


def test_antenna():
    prediction = car_mask()
    truth = draw(prediction, "rectangle", (300, 55), (302, 96))
    assert attribute_errors(car_photo(truth), prediction, truth).tags == ("antenna",)


@pytest.mark.parametrize(("right", "tag"), [(404, "antenna"), (414, "mirror")])
def test_a_mast_beside_the_car_is_thin(right, tag):
    """Two parts higher than wide at a quarter of the car's height: 5 pixels wide, and 15."""
    truth = draw(car_mask(), "rectangle", (400, 115), (right, 160))
    assert attribute_errors(car_photo(truth), car_mask(), truth).tags == (tag,)


def test_roof_rack():
    truth = draw(car_mask(), "rectangle", (230, 78), (310, 82))
    truth = draw(truth, "rectangle", (235, 78), (239, 96))
    truth = draw(truth, "rectangle", (301, 78), (305, 96))
    assert attribute_errors(car_photo(truth), car_mask(), truth).tags[0] == "roof rack"


def test_mirror():
    prediction = car_mask()
    truth = draw(prediction, "ellipse", (395, 140), (12, 8), 0, 0, 360)
    truth = draw(truth, "rectangle", (375, 138), (400, 142))
    assert "mirror" in attribute_errors(car_photo(truth), prediction, truth).tags


def test_a_rough_contour_is_no_cluster():
    truth = car_mask()
    prediction = cv2.dilate(truth.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    found = attribute_errors(car_photo(truth), prediction, truth)
    assert found.tags == ("contour",)
    assert found.rim == found.wrong


def test_something_else():
    truth = car_mask()
    prediction = draw(truth, "rectangle", (40, 150), (95, 200))
    assert attribute_errors(car_photo(truth), prediction, truth).tags == ("something else",)


@pytest.mark.parametrize("prediction", [np.zeros((320, 480), np.bool_), np.ones((320, 480), np.bool_)])
def test_empty_and_full_predictions_are_explained_too(prediction):
    truth = car_mask()
    found = attribute_errors(car_photo(truth), prediction, truth)
    assert found.tags
    assert attribute_errors(car_photo(truth), truth, np.zeros_like(truth)).tags == ("separate component",)


def test_positions_are_those_of_the_photo():
    truth = car_mask()
    prediction = draw(truth, "circle", (40, 40), 9)
    cluster = attribute_errors(car_photo(truth), prediction, truth).clusters[0]
    assert cluster.centre == pytest.approx((40, 40))
    assert cluster.box == Box(31, 31, 50, 50)


def test_the_same_photo_gets_the_same_tags():
    truth = car_mask()
    prediction = np.roll(truth, (9, 6), (0, 1))
    assert attribute_errors(car_photo(truth), prediction, truth) == attribute_errors(
        car_photo(truth), prediction, truth
    )


def test_every_tag_has_its_rule_written_down():
    names = [tag for tag, _ in RULES]
    assert len(names) == len(set(names)) == 11
