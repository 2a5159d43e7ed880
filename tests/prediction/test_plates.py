from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

from carmask.geometry import Crop
from carmask.images import ReducedPhoto
from carmask.prediction.plates import (
    CORNER_UNIT,
    INPUT,
    STRIDE,
    FoundPlate,
    PlateNetwork,
    covered,
    describe_plates,
    find_plates,
    is_plate,
    plate_iou,
    read_plates,
)
from carmask.prediction.probability_map import ProbabilityMap

CELLS = INPUT[0] // STRIDE, INPUT[1] // STRIDE
SQUARE = np.array([[100, 150], [180, 146], [182, 170], [99, 176]], np.float32)


def told_of(*plates, wrong=0.0, seed=0):
    """What a network would say of plates with these corners and scores."""
    random = np.random.default_rng(seed)
    told = np.full((9, *CELLS), -6, np.float32)
    rows, columns = np.mgrid[: CELLS[0], : CELLS[1]]
    centres = STRIDE * (np.stack([columns, rows]) + 0.5)
    for corners, score in plates:
        drawn = cv2.fillConvexPoly(np.zeros(INPUT, np.uint8), np.rint(corners).astype(np.int32), 255)
        inside = cv2.resize(drawn, CELLS[::-1], interpolation=cv2.INTER_AREA) > 127
        told[0][inside] = np.log(score / (1 - score))
        offsets = (corners[:, :, None, None] - centres) / CORNER_UNIT
        told[1:, inside] = offsets.reshape(8, *CELLS)[:, inside]
    told[1:] += random.normal(0, wrong, told[1:].shape)
    return told.astype(np.float32)


@st.composite
def plates(draw):
    wide = draw(st.floats(24, 150))
    high = wide * draw(st.floats(0.25, 0.7))
    middle = np.array([draw(st.floats(85, INPUT[1] - 85)), draw(st.floats(60, INPUT[0] - 60))])
    lean = np.array(draw(st.lists(st.floats(-0.12, 0.12), min_size=8, max_size=8))).reshape(4, 2) * [wide, high]
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    corners = (unit * [wide, high] + lean + middle).astype(np.float32)
    # Well within what is taken for a plate: corners that are told a little wrong may not decide it.
    area = cv2.contourArea(corners) / (INPUT[0] * INPUT[1])
    assume(0.0015 < area < 0.1)
    return corners


@given(plates(), st.floats(0.3, 0.99))
def test_what_is_told_is_read_back(corners, score):
    (found,) = read_plates(told_of((corners, score)))
    # Cells at the edge of which more than half is plate are held, too: sides move out by half a cell at most, and the
    # corner between two of them, which need not be right-angled, by a cell at most.
    assert found.corners == pytest.approx(corners, abs=STRIDE)
    assert covered(corners, found.corners) > 0.98
    assert found.score == pytest.approx(score, abs=1e-3)


@given(plates(), st.integers(0, 1000))
def test_cells_that_differ_are_averaged(corners, seed):
    (found,) = read_plates(told_of((corners, 0.9), wrong=0.05, seed=seed))
    assert covered(corners, found.corners) > 0.9
    assert plate_iou(found.corners, corners) > 0.55


def test_corners_that_are_told_too_near_are_moved_out_to_the_cells():
    """Of a long plate, cells at its ends lie beyond the mean of what all cells say."""
    long = np.array([[100, 150], [220, 150], [220, 174], [100, 174]], np.float32)
    told = told_of((long, 0.9))
    near = np.array([[115, 150], [205, 150], [205, 174], [115, 174]], np.float32)
    centres = STRIDE * (np.stack(np.meshgrid(np.arange(CELLS[1]), np.arange(CELLS[0]))) + 0.5)
    told[1:] = ((near[:, :, None, None] - centres) / CORNER_UNIT).reshape(8, *CELLS)
    (found,) = read_plates(told.astype(np.float32))
    assert found.corners[:, 0].min() == pytest.approx(102, abs=2.1)
    assert found.corners[:, 0].max() == pytest.approx(218, abs=2.1)
    assert covered(near, found.corners) == pytest.approx(1, abs=1e-3)


@given(st.lists(st.floats(-200, 200, width=32), min_size=8, max_size=8), st.integers(0, 99))
def test_whatever_is_told_is_read(values, seed):
    told = told_of((SQUARE, 0.9), wrong=1.0, seed=seed)
    told[1:] += np.array(values, np.float32)[:, None, None] / 20
    for one in read_plates(told):
        assert is_plate(one.corners, INPUT)
        assert 0 <= one.score <= 1


def test_two_plates_the_most_certain_first():
    second = SQUARE + np.float32([150, -80])
    found = read_plates(told_of((SQUARE, 0.4), (second, 0.9)))
    assert [round(one.score, 1) for one in found] == [0.9, 0.4]
    assert plate_iou(found[0].corners, second) > 0.85


def test_what_is_no_plate_is_left_out():
    assert read_plates(told_of()) == []
    assert read_plates(told_of((SQUARE, 0.1))) == []
    # Corners the wrong way round, crossed, or of half a car.
    assert read_plates(told_of((SQUARE[::-1].copy(), 0.9))) == []
    assert read_plates(told_of((SQUARE[[0, 2, 1, 3]], 0.9))) == []
    huge = np.array([[10, 10], [370, 10], [370, 240], [10, 240]], np.float32)
    assert read_plates(told_of((huge, 0.9))) == []


def test_corners_of_a_plate():
    assert is_plate(SQUARE, INPUT)
    assert not is_plate(SQUARE * 0, INPUT)
    dent = SQUARE.copy()
    dent[0] = [165, 165]
    assert not is_plate(dent, INPUT)


@st.composite
def pairs(draw):
    """Two quadrilaterals, the second near the first one or anywhere."""
    one = draw(plates())
    if draw(st.booleans()):
        return one, draw(plates())
    moved = draw(st.lists(st.floats(-3, 3), min_size=8, max_size=8))
    return one, one + np.array(moved, np.float32).reshape(4, 2)


def shared_by_half_planes(one, other):
    """The area within eight half planes, by scipy."""
    planes = []
    for corners in (one.astype(float), other.astype(float)):
        sides = np.roll(corners, -1, axis=0) - corners
        normals = np.stack([sides[:, 1], -sides[:, 0]], 1) / np.linalg.norm(sides, axis=1, keepdims=True)
        planes += [[*normal, -normal @ corner] for normal, corner in zip(normals, corners, strict=True)]
    planes = np.array(planes)
    # The centre of the largest circle within them.
    best = linprog([0, 0, -1], A_ub=np.c_[planes[:, :2], np.ones(8)], b_ub=-planes[:, 2], bounds=[(None, None)] * 3)
    if not best.success or best.x[2] < 1e-3:
        return 0.0
    return ConvexHull(HalfspaceIntersection(planes, best.x[:2]).intersections).volume


@given(pairs())
def test_shared_area_is_scipys(both):
    one, other = both
    assume(is_plate(one, INPUT) and is_plate(other, INPUT))
    expected = shared_by_half_planes(one, other)
    assert covered(one, other) * cv2.contourArea(one) == pytest.approx(expected, rel=1e-3, abs=0.5)
    assert covered(one, other[::-1]) == pytest.approx(covered(one, other), abs=1e-4)
    assert plate_iou(one, other) == pytest.approx(plate_iou(other, one), abs=1e-4)
    assert covered(one, one) == pytest.approx(1, abs=1e-4)
    assert plate_iou(one, one) == pytest.approx(1, abs=1e-4)


def test_quadrilaterals_whose_sides_lie_nearly_on_each_other():
    """For these, OpenCV's intersectConvexConvex says that nothing is shared."""
    one = np.array([[69, 52], [101, 53], [101, 69], [71, 68]], np.float32)
    around = np.array([[68.73881, 51.991833], [102.05358, 53.03292], [101.98181, 70.40153], [70.92759, 69.36086]])
    assert covered(one, around.astype(np.float32)) > 0.99


def test_overlap_of_quadrilaterals_by_hand():
    one = np.array([[0, 0], [4, 0], [4, 2], [0, 2]], np.float32)
    other = one + np.float32([2, 0])
    assert plate_iou(one, other) == pytest.approx(4 / 12)
    assert covered(one, other) == pytest.approx(0.5)
    assert plate_iou(one, one + np.float32([9, 0])) == 0
    assert covered(one, (one - one.mean(axis=0)) * 2 + one.mean(axis=0)) == pytest.approx(1)
    assert covered(one * 0, one) == plate_iou(one * 0, one * 0) == 0


@pytest.mark.parametrize(
    ("scores", "said"), [((), "none"), ((0.9,), "found"), ((0.9, 0.3), "doubtful"), ((0.3,), "doubtful")]
)
def test_what_a_report_says(scores, said):
    assert describe_plates([FoundPlate(SQUARE, score) for score in scores]) == said


class Told:
    """A network that says the same of every car."""

    def __init__(self, *plates):
        self.told, self.seen = told_of(*plates), []

    def predict(self, pixels):
        self.seen.append(pixels)
        return self.told


def a_car(box=(60, 100, 240, 400), size=(300, 500)):
    """A photo, and the probabilities of a block in it: top, left, bottom, right."""
    top, left, bottom, right = box
    probability = np.zeros(size, np.float32)
    probability[top:bottom, left:right] = 1
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    return ReducedPhoto(pixels, size), ProbabilityMap(probability, Crop.whole(size))


def test_plates_are_told_in_the_photo():
    photo, prob_map = a_car()
    network = Told((SQUARE, 0.9))
    (found,) = find_plates(network, photo, prob_map, 0.5)
    assert network.seen[0].shape == (*INPUT, 3)
    # The car's box and 5 % around it: 270..., from (85, 51), 330 x 198 pixels.
    expected = SQUARE * [330 / INPUT[1], 198 / INPUT[0]] + [85, 51]
    assert found.corners == pytest.approx(expected, abs=STRIDE / 2)


def test_they_are_told_in_pixels_of_the_photo_and_not_of_what_was_decoded():
    photo, prob_map = a_car()
    large = ReducedPhoto(photo.pixels, (600, 1000))
    whole = ProbabilityMap(prob_map.probability, Crop.whole((600, 1000)))
    (one,), (twice,) = (find_plates(Told((SQUARE, 0.9)), *pair, 0.5) for pair in ((photo, prob_map), (large, whole)))
    assert twice.corners == pytest.approx(2 * one.corners, abs=0.01)


def test_another_cars_plate_is_left_out():
    photo, prob_map = a_car()
    beside = prob_map.probability.copy()
    beside[110:200, 100:260] = 0  # where the network says that there is a plate, there is no car
    assert find_plates(Told((SQUARE, 0.9)), photo, ProbabilityMap(beside, prob_map.crop), 0.5) == []


def test_without_a_car_the_whole_photo_is_looked_at():
    photo, prob_map = a_car()
    nothing = ProbabilityMap(prob_map.probability * 0, prob_map.crop)
    (found,) = find_plates(Told((SQUARE, 0.9)), photo, nothing, 0.5)
    assert found.corners == pytest.approx(SQUARE * [500 / INPUT[1], 300 / INPUT[0]], abs=STRIDE / 2)


def test_the_shipped_network_finds_a_drawn_plate_on_no_wall():
    """It answers with the shapes that are read, and sees no plate where there is nothing at all."""
    network = PlateNetwork()
    told = network.predict(np.full((*INPUT, 3), 127, np.uint8))
    assert told.shape == (9, *CELLS)
    assert np.isfinite(told).all()
    assert read_plates(told) == []


def test_the_marked_photos():
    """The table of benchmarks/plates.py: 40 of the street and of car parts, none of which was trained on."""
    with Path(__file__).with_name("plates.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    photos = {row["photo"] for row in rows}
    assert sum(photo.startswith(("street/", "carparts/")) for photo in photos) == 40
    for row in rows:
        values = [row[name] for name in row if name != "photo"]
        assert all(values) or not any(values)
        if all(values):
            corners = np.array([float(value) for value in values], np.float32).reshape(4, 2)
            sides = np.roll(corners, -1, axis=0) - corners
            assert (sides[:, 0] * np.roll(sides[:, 1], -1) > sides[:, 1] * np.roll(sides[:, 0], -1)).all()
    from carmask.training.plates.data import read_labels

    assert not photos & {label.photo for label in read_labels()}
