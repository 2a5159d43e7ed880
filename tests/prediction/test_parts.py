"""Labels from probabilities, against a slow plain computation; and `carmask cut --parts`."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carmask.batch.outputs import OutputSpec
from carmask.formats.labels import read_labels
from carmask.images import ReducedPhoto
from carmask.model.network import car_of_parts
from carmask.prediction.parts import most_probable, predict_parts
from carmask.prediction.predict import predict_reduced
from tests.conftest import DarkIsCar


def shares(seed: int, classes: int, height: int, width: int) -> np.ndarray:
    scores = 3 * np.random.default_rng(seed).standard_normal((classes, height, width))
    exp = np.exp(scores)
    return (exp / exp.sum(axis=0)).astype(np.float32)


@given(st.integers(0, 999), st.integers(2, 6), st.integers(2, 7), st.integers(2, 7), st.integers(1, 4))
def test_labels_are_the_largest_of_all_classes_enlarged_at_once(seed, classes, height, width, factor):
    found = shares(seed, classes, height, width)
    size = (height * factor, width * factor + (factor > 1))
    large = np.stack([cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR) for one in found])
    assert np.array_equal(most_probable(found, size), large.argmax(axis=0))


def test_labels_are_enlarged_softly():
    """A slanted edge keeps the sub-pixel place that nearest neighbours would lose."""
    rows, columns = np.mgrid[:256, :256] + 0.5
    truth = (columns + 0.37 * rows > 170).astype(np.uint8)
    small = cv2.resize(truth.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA)
    soft = most_probable(np.stack([1 - small, small]), (256, 256))
    nearest = cv2.resize((small > 0.5).astype(np.uint8), (256, 256), interpolation=cv2.INTER_NEAREST_EXACT)
    assert (soft != truth).sum() < 0.25 * (nearest != truth).sum()


class Halves(DarkIsCar):
    """A network of parts: what DarkIsCar finds, its left half one part, its right half another."""

    def __init__(self, classes: tuple[str, str] = ("front", "back"), **changes: object) -> None:
        super().__init__(classes=classes, **changes)

    def run_parts(self, pixels: np.ndarray) -> np.ndarray:
        car = super().run(pixels)
        left = np.arange(car.shape[1]) < car.shape[1] // 2
        return np.stack([1 - car, car * left, car * ~left]).astype(np.float32)

    def run(self, pixels: np.ndarray) -> np.ndarray:
        return car_of_parts(self.run_parts(pixels))


@pytest.mark.parametrize("size", [(48, 64), (40, 120)])
def test_labels_lie_where_the_mask_lies(photo, size):
    network = Halves()
    photo = cv2.resize(photo, size[::-1])
    car, labels, glass = predict_parts(network, ReducedPhoto(photo, size))
    assert not glass.any()  # neither part's name says that it is a window
    assert labels.shape == size
    assert car.confidence == predict_reduced(network, ReducedPhoto(photo, size)).confidence
    assert np.array_equal(car.mask, predict_reduced(network, ReducedPhoto(photo, size)).mask)
    assert ((labels > 0) != car.mask).mean() < 0.02
    assert set(np.unique(labels)) == {0, 1, 2}
    assert np.nonzero(labels == 1)[1].max() < size[1] / 2 + 2


def test_what_is_written():
    wanted = OutputSpec(parts=True)
    assert wanted.outputs("a/b") == ["a/b_parts.png", "a/b_overlay.png"]
    assert OutputSpec(parts=True, mask=True, format="webp").outputs("a") == [
        "a_mask.png",
        "a_parts.png",
        "a_overlay.webp",
    ]
    assert not wanted.picture
    # What only changes pictures does not make masks anew.
    assert set(OutputSpec(mask=True).settings()) == {"mask", "background", "format", "runs", "parts"}
    assert json.dumps(wanted.settings()) != json.dumps(OutputSpec().settings())


def test_the_cutter_writes_labels_and_overlay(tmp_path, photo):
    from carmask.batch.job import Job
    from carmask.batch.process import PhotoCutter
    from carmask.batch.storage import LocalStorage

    Image.fromarray(photo).save(tmp_path / "a.png")
    wanted = OutputSpec(parts=True, mask=True)
    job = Job(tmp_path / "a.png", "a", tuple(tmp_path / name for name in wanted.outputs("a")))
    result = PhotoCutter(Halves(), wanted, LocalStorage())(job)
    assert (result.status, result.reason) == ("done", "")
    labels = read_labels(tmp_path / "a_parts.png")
    assert set(np.unique(labels)) == {0, 1, 2}
    overlay = np.asarray(Image.open(tmp_path / "a_overlay.png"))
    assert np.array_equal(overlay[labels == 0], photo[labels == 0])
    assert (overlay[labels > 0] != photo[labels > 0]).any()
    assert result.written == sum(file.stat().st_size for file in tmp_path.glob("a_*"))


def test_windows_let_the_new_background_through_as_far_as_is_wanted(tmp_path, photo):
    from carmask.batch.job import Job
    from carmask.batch.process import PhotoCutter
    from carmask.batch.storage import LocalStorage
    from carmask.compositing.style import RenderStyle

    Image.fromarray(photo).save(tmp_path / "a.png")
    network = Halves(("body", "side_glass"))
    found = predict_parts(network, ReducedPhoto(photo, photo.shape[:2]))
    alpha = {}
    for glass in (None, 0.0, 0.7):
        wanted = OutputSpec(style=RenderStyle(glass=glass))
        job = Job(tmp_path / "a.png", "a", (tmp_path / "cut.png",))
        PhotoCutter(network, wanted, LocalStorage())(job)
        alpha[glass] = np.asarray(Image.open(tmp_path / "cut.png"))[..., 3]
    kernel = np.ones((9, 9), np.uint8)
    body, window = (cv2.erode((found.labels == label).astype(np.uint8), kernel) > 0 for label in (1, 2))
    assert body.any()
    assert window.any()
    assert np.array_equal(alpha[0.0], alpha[None])
    assert (alpha[0.7][body] == 255).all()
    assert np.abs(alpha[0.7][window] / 255 - 0.3).max() < 0.02
