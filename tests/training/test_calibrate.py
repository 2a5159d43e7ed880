"""A model file gets its calibration, its threshold and its other settings; its graph stays as it is."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from PIL import Image

from carmask.cli import app
from carmask.data.layouts import read_data
from carmask.errors import DataError, UsageError
from carmask.evaluation.calibration import STUDIO
from carmask.model.file import METADATA_KEY, read_info
from carmask.model.info import ModelInfo
from carmask.model.runtime import load_model
from carmask.prediction.predict import predict
from carmask.release.calibration import THRESHOLDS, _ask_all, _halves, _second, calibrate, scored_on
from carmask.training.dataset.hard_scenes import MAKERS
from tests.training.conftest import draw, write_cars


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Twenty cars of four views."""
    return write_cars(tmp_path_factory.mktemp("calibration") / "drawn", 20, 4)


def test_a_model_is_calibrated(drawn, tiny_model, tmp_path):
    steps = []
    out = tmp_path / "new.onnx"
    made = calibrate(
        tiny_model,
        drawn,
        out,
        changes={"name": "best", "test_time_augmentation": True},
        tune=True,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps[-1] == (80 + 6 * 3, 80 + 6 * 3)
    info = read_info(out)
    assert info == made.info
    assert (info.name, info.test_time_augmentation) == ("best", True)
    assert info.threshold in THRESHOLDS
    assert info.score > 0.9
    assert info.calibration.data == "20 unseen cars of drawn"
    assert made.reliability.photos == 40
    assert {"no car", "close-up", "two cars"} <= set(made.reliability.kinds)
    old, new = onnx.load(tiny_model), onnx.load(out)
    assert old.graph == new.graph
    assert "calibrated on 20 unseen cars of drawn" in out.with_suffix(".md").read_text()
    found = predict(load_model(out), draw(5)[0])
    assert 0 < found.confidence <= 1
    assert 0 < found.error < 50


@pytest.mark.parametrize("empty", [[], ["car0_01"], ["car1_01"]])
def test_hard_scenes_are_made_of_photos_with_a_car(tiny_model, tmp_path, empty):
    data = write_cars(tmp_path / "data", 2, 1)
    for name in empty:
        Image.new("1", draw(1)[1].shape[::-1]).save(data / "train_masks" / f"{name}_mask.png")
    asked = list(_ask_all(load_model(tiny_model), read_data(data)[0], {}, {"car0", "car1"}))
    assert [one.kind for one in asked] == [STUDIO] * 2 + ([] if empty else list(MAKERS))


def test_a_mask_of_another_size_is_named(tiny_model, tmp_path):
    data = write_cars(tmp_path / "data", 2, 1)
    Image.new("1", (20, 20)).save(data / "train_masks" / "car1_01_mask.png")
    with pytest.raises(DataError, match=r"car1_01_mask.png: the mask is 20x20, its photo \d+x\d+$"):
        calibrate(tiny_model, data, tmp_path / "new.onnx")


def test_no_scene_of_two_cars_is_of_both_halves(drawn):
    examples = read_data(drawn)[0]
    fitted = {f"car{number}" for number in (0, 3, 4, 5, 9, 11, 12, 17, 18, 19)}
    for at in range(len(examples)):
        car, second = examples[at].car, _second(examples, at, fitted).car
        assert (second in fitted) == (car in fitted)
        assert second != car
    # A half of one car has no other.
    assert _second(examples, 0, {"car0"}).car == "car0"


def _described(model, out, **changes):
    """A copy of a model file that says something else of itself."""
    loaded = onnx.load(model)
    info = ModelInfo.model_validate_json(loaded.metadata_props[0].value).model_copy(update=changes)
    onnx.helper.set_model_props(loaded, {METADATA_KEY: info.model_dump_json()})
    onnx.save(loaded, out)
    return out


def test_a_score_is_of_the_validation_cars_alone(drawn, tiny_model, tmp_path):
    out = tmp_path / "new.onnx"
    other = _described(tiny_model, tmp_path / "other.onnx", validation_cars=("car99",), score=0.5)
    command = ["calibrate", str(other), str(drawn), "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "on 20 unseen cars of drawn; the model was validated on others: not its score" in done.output
    assert "| 0.500000, on 1 car that it has not seen |" in out.with_suffix(".md").read_text()
    # Other masks than those that were scored have no score.
    done = CliRunner().invoke(app, [*command, "--test-time-augmentation"])
    assert done.exit_code == 0, done.output
    assert read_info(out).score is None
    own = _described(tiny_model, tmp_path / "own.onnx", validation_cars=tuple(f"car{n}" for n in range(20)), score=0.5)
    made = calibrate(own, drawn, out)
    assert made.info.score == pytest.approx(made.dice, abs=1e-6)


def test_a_model_of_parts_keeps_its_score(tiny_model):
    """A mean F1 over the parts: the Dice of the whole car took its place."""
    info = read_info(tiny_model).model_copy(update={"classes": ("hood", "door"), "score": 0.7})
    assert scored_on(info, {"car0"}, 0.99, same_masks=False) == 0.7


def test_each_half_has_cars_of_each_data_set():
    street = {f"photo{number}" for number in range(101)}
    for number in range(20):
        cars = {f"{number}a", f"{number}b", f"{number}c", f"{number}d"}
        fitted = _halves(cars, [street])
        assert len(fitted & cars) == 2
        assert 50 <= len(fitted & street) <= 51


def test_mirrored_prediction_is_the_mean_of_both(tiny_model):
    class Leaning:
        """Sees more car on the left."""

        info = read_info(tiny_model).model_copy(update={"test_time_augmentation": True})

        def run(self, pixels):
            return np.tile(np.linspace(1, 0.5, pixels.shape[1], dtype=np.float32), (pixels.shape[0], 1))

    from carmask.images import ReducedPhoto
    from carmask.prediction.stages import predict_map

    pixels = np.zeros((64, 96, 3), np.uint8)
    prob_map = predict_map(Leaning(), ReducedPhoto(pixels, (64, 96))).probability
    assert prob_map.dtype == np.float32
    assert prob_map == pytest.approx(0.75)


def test_cars_that_were_trained_on_are_not_calibrated_on(drawn, tiny_model, tmp_path):
    _described(tiny_model, tmp_path / "seen.onnx", training_cars=tuple(f"car{n}" for n in range(20)))
    with pytest.raises(UsageError, match="was trained on all of its cars"):
        calibrate(tmp_path / "seen.onnx", drawn, tmp_path / "new.onnx")


def test_the_command(drawn, tiny_model, tmp_path):
    command = ["calibrate", str(tiny_model), str(drawn), "--out", str(tmp_path / "m.onnx"), "--page", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "of the worst tenth by Dice" in done.output
    assert (tmp_path / "confidence.html").exists()
