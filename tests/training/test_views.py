from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("timm")

import torch

from carmask.errors import DataError
from carmask.model.engine import core
from carmask.model.upsampling import expand_weights
from carmask.prediction.view import GREY, INPUT, TILT_UNIT, VIEWS
from carmask.training.small_networks import EncoderWithHead, write_onnx
from carmask.training.views.data import read_labels
from carmask.training.views.network import ViewEncoder
from carmask.training.views.samples import CarCrop, SampleMaker, crop_car, fit, turned
from carmask.training.views.train import Settings, train_head


def drawn_car(seed=0, view=5):
    """A car of two colours on its mask."""
    random = np.random.default_rng(seed)
    rgba = np.full((90, 160, 4), (GREY, GREY, GREY, 0), np.uint8)
    rgba[30:70, 20:80] = (*random.integers(0, 255, 3), 255)
    rgba[40:70, 80:140] = (*random.integers(0, 255, 3), 255)
    return CarCrop(rgba, view, exact=True)


def maker(seed=3):
    cars = [drawn_car(number, 1 + number % VIEWS) for number in range(6)]
    pictures = [np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)]
    return SampleMaker(cars, [drawn_car(9)._replace(exact=False)], pictures, seed=seed)


def test_samples_have_the_shapes_that_training_takes():
    make = maker()
    samples = [make.make(0.3) for _ in range(300)]
    for one in samples:
        assert one.pixels.shape == (*INPUT, 3)
        assert one.pixels.dtype == np.uint8
        assert one.views.sum() in (0, pytest.approx(1))
        assert one.others.shape == (3,)
        assert abs(one.others[2] * TILT_UNIT) < 30
    whole = np.array([one.others[0] for one in samples])
    several = np.array([one.others[1] for one in samples])
    assert {*whole} <= {0, 0.5, 1}
    # A part of a car and nothing are 13 % of the samples, several cars 7 %.
    assert 0.05 < (whole < 1).mean() < 0.25
    assert 0.02 < several.mean() < 0.15
    assert not any(one.views.any() for one in samples if one.others[0] < 1 or one.others[1] == 1)


def test_the_same_seed_gives_the_same_samples():
    first, second, third = (maker(seed) for seed in (3, 3, 4))
    for _ in range(20):
        one, same, other = first.make(0.3), second.make(0.3), third.make(0.3)
        assert (one.pixels == same.pixels).all()
        assert (one.others == same.others).all()
    assert (one.pixels != other.pixels).any()


@given(st.floats(-14, 14))
def test_turning_turns_clockwise(tilt):
    """The line between the middles of both wheels of a drawn car turns by the angle."""

    class Still:
        def normal(self, _, __, size=None):
            return 0.0 if size is None else np.zeros(size)

    rgba = np.zeros((90, 160, 4), np.uint8)
    rgba[44:47, 10:13], rgba[44:47, 147:150] = 255, 255
    found = turned(rgba, tilt, Still())[..., 3] > 100
    rows, columns = np.nonzero(found)
    left, right = columns < columns.mean(), columns > columns.mean()
    angle = np.degrees(np.arctan2(rows[right].mean() - rows[left].mean(), columns[right].mean() - columns[left].mean()))
    assert angle == pytest.approx(tilt, abs=0.7)


def test_a_car_is_cut_out_with_its_surroundings():
    photo, mask = np.full((100, 200, 3), 7, np.uint8), np.zeros((100, 200), np.uint8)
    mask[40:80, 50:150] = 255
    crop = crop_car(photo, mask)
    assert crop.shape == (round(76 / 136 * 208), 208, 4)
    assert (crop[..., 3] > 127).mean() == pytest.approx(40 * 100 / (76 * 136), abs=0.01)
    assert crop_car(photo, np.zeros_like(mask)) is None


def test_fitting_agrees_with_what_prediction_does():
    from carmask.geometry import Crop
    from carmask.images import ReducedPhoto
    from carmask.prediction.probability_map import ProbabilityMap
    from carmask.prediction.view import blend, view_input

    rgba = drawn_car().rgba
    fitted = fit(rgba)
    trained = blend(fitted[..., :3], fitted[..., 3].astype(np.float32) / 255)
    size = rgba.shape[:2]
    found = ProbabilityMap(rgba[..., 3].astype(np.float32) / 255, Crop.whole(size))
    predicted = view_input(ReducedPhoto(np.ascontiguousarray(rgba[..., :3]), size), found, 0.5)
    assert np.mean(np.abs(trained.astype(int) - predicted).max(axis=2) > 12) < 0.05


def test_training_repeats_itself_and_the_file_predicts_as_the_network():
    settings = Settings(samples=64, epochs=2, batch=16)
    torch.manual_seed(0)
    encoder = ViewEncoder().eval()
    heads = [train_head(encoder, maker(), settings) for _ in range(2)]
    for one, other in zip(heads[0].state_dict().values(), heads[1].state_dict().values(), strict=True):
        assert torch.equal(one, other)
    model = EncoderWithHead(encoder, heads[0]).eval()
    content = write_onnx(model, {"carmask_views": "{}"}, INPUT)
    assert len(content) < 700_000
    assert content == write_onnx(model, {"carmask_views": "{}"}, INPUT)
    pixels = np.random.default_rng(5).integers(0, 255, (1, *INPUT, 3), np.uint8)
    read = core().read_model(content, b"")
    assert expand_weights(read) > 20  # as ``SmallNetwork`` does
    compiled = core().compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    scores = compiled(pixels)[0]
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels)).numpy()
    assert scores.shape == (1, 19)
    # Weights of 8 bits: a few hundredths of the range of the scores.
    assert np.abs(scores - expected).max() < 0.1 * max(1.0, np.ptp(expected))


def test_a_table_of_labels_that_is_none_is_refused(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("photo,view\na,b\n")
    with pytest.raises(DataError, match="not a table of photo,view"):
        read_labels(file)
    file.write_text("photo,view\na/b,7\n")
    assert read_labels(file) == [("a/b", 7)]
