from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.errors import ModelError
from carmask.geometry import Crop
from carmask.images import ReducedPhoto
from carmask.model.small import SmallNetwork
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.view import (
    GREY,
    INPUT,
    MOST_TILT,
    VIEWS,
    View,
    ViewNetwork,
    mirrored_view,
    read_scores,
    view_input,
    view_name,
)

WILD = Path(__file__).with_name("wild_views.csv")


def photo_of_a_block(top, left, height, width, size=(120, 180), flip=False):
    """A photo with a block whose left half is red and right half blue, and the probabilities of it."""
    pixels = np.full((*size, 3), 200, np.uint8)
    pixels[top : top + height, left : left + width // 2] = (220, 30, 30)
    pixels[top : top + height, left + width // 2 : left + width] = (30, 30, 220)
    probability = np.zeros(size, np.float32)
    probability[top : top + height, left : left + width] = 1
    if flip:
        pixels, probability = np.ascontiguousarray(pixels[:, ::-1]), np.ascontiguousarray(probability[:, ::-1])
    return ReducedPhoto(pixels, size), ProbabilityMap(probability, Crop.whole(size))


def test_names_of_the_views():
    names = {view: view_name(view) for view in range(1, 17)}
    assert (names[1], names[5], names[9], names[13]) == ("front", "left", "rear", "right")
    assert {names[view] for view in (2, 3, 4)} == {"front left"}
    assert {names[view] for view in (6, 7, 8)} == {"rear left"}
    assert {names[view] for view in (10, 11, 12)} == {"rear right"}
    assert {names[view] for view in (14, 15, 16)} == {"front right"}
    for wrong in (0, 17, -1):
        with pytest.raises(ValueError, match="1 to 16"):
            view_name(wrong)


@pytest.mark.parametrize(("view", "mirrored"), [(1, 1), (2, 16), (3, 15), (5, 13), (9, 9), (12, 6), (16, 2)])
def test_the_view_of_a_mirror_image(view, mirrored):
    assert mirrored_view(view) == mirrored


@given(st.integers(1, VIEWS))
def test_mirroring_twice_changes_nothing_and_swaps_left_and_right(view):
    assert mirrored_view(mirrored_view(view)) == view
    swapped = view_name(view).replace("left", "*").replace("right", "left").replace("*", "right")
    assert view_name(mirrored_view(view)) == swapped


def test_the_car_fills_the_input_on_grey():
    photo, found = photo_of_a_block(30, 40, 40, 100)
    pixels = view_input(photo, found, 0.5)
    assert pixels.shape == (*INPUT, 3)
    assert pixels.dtype == np.uint8
    # 100 pixels and a margin of 3 % on both sides fill the width of 160: 150.9 pixels, 60.4 high, in the middle.
    inside = (np.abs(pixels.astype(int) - GREY) > 20).any(axis=2)
    rows, columns = np.nonzero(inside.any(axis=1))[0], np.nonzero(inside.any(axis=0))[0]
    assert (rows[0], rows[-1]) == (pytest.approx(18, abs=2), pytest.approx(77, abs=2))
    assert (columns[0], columns[-1]) == (pytest.approx(5, abs=2), pytest.approx(154, abs=2))
    assert (pixels[:10] == GREY).all()
    assert tuple(pixels[48, 30]) == (220, 30, 30)
    assert tuple(pixels[48, 130]) == (30, 30, 220)


@given(st.integers(0, 60), st.integers(0, 70))
def test_it_does_not_matter_where_in_the_photo_the_car_is(top, left):
    first = view_input(*photo_of_a_block(30, 40, 40, 100), 0.5)
    second = view_input(*photo_of_a_block(top, left, 40, 100), 0.5)
    # Edges may lie a pixel beside: a hundredth of the input.
    assert np.mean(np.abs(first.astype(int) - second).max(axis=2) > 8) < 0.06


def test_a_mirrored_photo_gives_the_mirrored_input():
    plain = view_input(*photo_of_a_block(30, 20, 40, 100), 0.5)
    mirrored = view_input(*photo_of_a_block(30, 20, 40, 100, flip=True), 0.5)
    assert np.mean(np.abs(plain[:, ::-1].astype(int) - mirrored).max(axis=2) > 8) < 0.05


def test_probabilities_of_a_crop_and_a_reduced_photo_give_the_same_input():
    photo, found = photo_of_a_block(30, 40, 40, 100, (240, 360))
    crop = Crop((480, 720), 40, 60, (160, 260))
    cropped = ProbabilityMap(found.probability[20:100, 30:160], crop)
    whole = view_input(photo, found, 0.5)
    again = view_input(ReducedPhoto(photo.pixels, (480, 720)), cropped, 0.5)
    assert np.mean(np.abs(whole.astype(int) - again).max(axis=2) > 8) < 0.05


def test_no_car_has_no_view():
    photo, found = photo_of_a_block(30, 40, 40, 100)
    assert view_input(photo, found._replace(probability=np.zeros_like(found.probability)), 0.5) is None


@pytest.mark.parametrize("place", [(0, 0), (80, 0), (0, 80), (80, 80)])
def test_cars_at_the_photos_edge(place):
    photo, found = photo_of_a_block(*place, 40, 100)
    assert (np.abs(view_input(photo, found, 0.5).astype(int) - GREY) > 20).any(axis=2).mean() == pytest.approx(
        0.94**2 * 0.62, abs=0.08
    )


def test_what_the_scores_mean():
    scores = np.full(19, -20, np.float32)
    scores[4], scores[5], scores[9] = math.log(0.5), math.log(0.3), math.log(0.2)
    scores[16:] = (math.log(3), -math.log(3), 0.7)
    found = read_scores(scores)
    assert (found.view, found.name) == (5, "left")
    assert found[1:] == pytest.approx((0.8, 0.75, 0.25, 7.0), abs=1e-6)


def test_between_two_probable_views_the_wider_peak_counts():
    scores = np.full(19, -20, np.float32)
    scores[15], scores[0], scores[1], scores[8] = (math.log(one) for one in (0.2, 0.25, 0.25, 0.3))
    assert read_scores(scores).view == 1


def test_a_tilt_beyond_what_was_trained_is_limited():
    scores = np.zeros(19, np.float32)
    scores[18] = -70
    assert read_scores(scores).tilt == -MOST_TILT


def test_the_shipped_network_predicts_and_is_the_same_for_each_thread():
    photo, found = photo_of_a_block(30, 40, 40, 100)
    pixels = view_input(photo, found, 0.5)
    network = ViewNetwork(streams=2)
    first = network.predict(pixels)
    assert isinstance(first, View)
    assert first == network.predict(pixels)
    assert 1 <= first.view <= 16
    assert all(0 <= one <= 1 for one in first[1:4])


def test_several_streams_compute_the_same():
    """In a process of its own: what is compiled first matters to OpenVINO."""
    code = (
        "import numpy as np; from carmask.prediction.view import INPUT, ViewNetwork\n"
        "pixels = np.random.default_rng(1).integers(0, 255, (*INPUT, 3), np.uint8)\n"
        "print(*(ViewNetwork(streams=count)._network.run(pixels)[:3].round(3).tolist() for count in (2, 1)), sep=';')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    two, one = (np.array(eval(scores)) for scores in done.stdout.split(";"))
    assert two == pytest.approx(one, abs=0.01)


def test_a_changed_file_is_refused(tmp_path):
    (tmp_path / "view.onnx").write_bytes(b"changed")
    (tmp_path / "view.md").write_text(f"SHA-256 `{'0' * 64}`")
    with pytest.raises(ModelError, match=r"view\.onnx: not the file that was published"):
        SmallNetwork(tmp_path / "view.onnx")


@pytest.mark.real
def test_views_of_the_turntable(carvana):
    """One car that no network has seen: all views right within one step, and right when mirrored."""
    from carmask.model.runtime import load_model
    from carmask.prediction.predict import open_for, predict_reduced

    network, views = load_model("default", streams=1), ViewNetwork()
    cars = {path.stem[:-3] for path in (carvana / "train").iterdir()} & set(network.info.validation_cars)
    photos = sorted(path for path in (carvana / "train").iterdir() if path.stem[:-3] == min(cars))
    for path in photos:
        photo = open_for(network, path)
        found = predict_reduced(network, photo).probability_map
        pixels, true = view_input(photo, found, 0.5), int(path.stem[-2:])
        assert apart(views.predict(pixels).view, true) <= 1, path.name
        mirrored = views.predict(np.ascontiguousarray(pixels[:, ::-1])).view
        assert apart(mirrored, mirrored_view(true)) <= 1, path.name


def apart(one: int, other: int) -> int:
    return min((one - other) % VIEWS, (other - one) % VIEWS)


def test_the_labels_are_views_and_no_photo_is_trained_and_tested_on():
    from carmask.training.views.data import read_labels

    with WILD.open(newline="") as stream:
        tested = {row["photo"]: int(row["view"]) for row in csv.DictReader(stream)}
    trained = {label.photo: label.view for label in read_labels()}
    assert len(tested) == 100
    assert not tested.keys() & trained.keys()
    assert all(1 <= view <= VIEWS for view in (*tested.values(), *trained.values()))
