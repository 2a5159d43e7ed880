"""A model file gets the ranges that let it be computed in 8 bits; its graph stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from carmask.cli import app
from carmask.errors import DeviceError, ModelError, UsageError
from carmask.machine import Processor
from carmask.model.card import model_card
from carmask.model.file import METADATA_KEY, read_info
from carmask.model.info import ModelInfo
from carmask.release import int8_ranges as module
from carmask.release.calibration import calibrate
from carmask.release.int8_ranges import quantize
from carmask.release.weight_averaging import average_weights
from tests.training.conftest import write_cars


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_cars(tmp_path_factory.mktemp("quantize") / "drawn", 6, 2)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Calls dark pixels car: averages the colours, changes nothing twice, then smooths."""
    helper, types = onnx.helper, onnx.TensorProto
    info = ModelInfo(
        name="small",
        version="1",
        network="none",
        height=64,
        width=96,
        stretch=True,
        normalisation="none",
        threshold=0.5,
        training_data="none",
        training_cars=("car0", "car1"),
        validation_cars=("car2", "car3"),
        licence="none",
    )
    smooth = np.full((1, 1, 3, 3), -0.1 / 9, np.float32)
    smooth[0, 0, 1, 1] -= 0.02
    constants = {
        "colours": np.full((1, 3, 1, 1), 1 / 3, np.float32),
        "one": np.ones((1, 1, 1, 1), np.float32),
        "smooth": smooth,
        "level": np.array([14], np.float32),
        "axis": np.array([1], np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["photo"], ["float"], to=types.FLOAT),
            helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "colours"], ["grey"]),
            helper.make_node("Conv", ["grey", "one"], ["second"]),
            helper.make_node("Conv", ["second", "one"], ["third"]),
            helper.make_node("Conv", ["third", "smooth", "level"], ["logit"], name="last", pads=[1, 1, 1, 1]),
            helper.make_node("Sigmoid", ["logit"], ["plane"]),
            helper.make_node("Squeeze", ["plane", "axis"], ["probability"]),
        ],
        "small",
        [helper.make_tensor_value_info("photo", types.UINT8, [1, 64, 96, 3])],
        [helper.make_tensor_value_info("probability", types.FLOAT, [1, 64, 96])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(model, path)
    path.with_suffix(".md").write_text(model_card(info, path.read_bytes(), notes="## Limits\n\nA toy."))
    return path


def test_a_model_gets_its_ranges_and_keeps_its_graph_and_notes(small, drawn, tmp_path):
    steps = []
    out = tmp_path / "new.onnx"
    made = quantize(small, drawn, out, tolerance=1.0, progress=lambda done, total: steps.append((done, total)))
    # Four photos of cars trained on, and twice four of cars kept apart.
    assert steps == [(n, 12) for n in range(1, 13)]
    floats, eight, error = made.costs["drawn"]
    assert 0 <= error < 0.01
    assert floats > 0.9
    assert abs(floats - eight) < 0.01
    info = read_info(out)
    assert info == made.info
    assert info.score == round(eight, 6)
    ((low, high),) = info.ranges.values()
    assert 0 <= low < 110 < high <= 255
    assert onnx.load(small).graph == onnx.load(out).graph
    card = out.with_suffix(".md").read_text()
    assert "A toy." in card
    assert "8 bits where the processor" in card


def test_the_score_is_of_the_validation_cars_alone(small, drawn, tmp_path):
    other = onnx.load(small)
    info = read_info(small).model_copy(update={"validation_cars": ("car99",), "score": 0.5})
    onnx.helper.set_model_props(other, {METADATA_KEY: info.model_dump_json()})
    onnx.save(other, tmp_path / "other.onnx")
    made = quantize(tmp_path / "other.onnx", drawn, tmp_path / "new.onnx", tolerance=1.0)
    assert made.costs["drawn"].eight > 0.9
    assert made.info.score is None


def test_what_loses_too_much_is_not_written(small, drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "measure_ranges", lambda *_: {"last/WithoutBiases": (0.0, 1.0)})
    with pytest.raises(ModelError, match=r"not written: 8 bits cost 0\.\d+ mean Dice on drawn"):
        quantize(small, drawn, tmp_path / "new.onnx")
    assert not list(tmp_path.glob("new*"))


def test_folders_of_the_same_name_are_refused(small, drawn, tmp_path):
    """Their figures would be one: only those of the last were looked at, and told as those of the first."""
    other = tmp_path / drawn.name
    other.mkdir()
    for call in (quantize, calibrate):
        with pytest.raises(UsageError, match=f"the name {drawn.name} is that of other photos; rename the folder"):
            call(small, drawn, tmp_path / "out.onnx", extra=[other, drawn])
    studio = tmp_path / "studio"
    studio.mkdir()
    with pytest.raises(UsageError, match="the name studio is that of other photos"):
        calibrate(small, drawn, tmp_path / "out.onnx", extra=[studio])


def test_a_blend_has_no_ranges(small, drawn, tmp_path):
    quantize(small, drawn, tmp_path / "new.onnx", tolerance=1.0)
    assert average_weights(tmp_path / "new.onnx", tmp_path / "new.onnx", tmp_path / "blend.onnx").ranges == {}


def test_what_cannot_be_computed_in_8_bits_is_refused(small, drawn, tiny_model, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="no convolution"):
        quantize(tiny_model, drawn, tmp_path / "new.onnx")
    parts = onnx.load(small)
    info = read_info(small).model_copy(update={"classes": ("door", "hood")})
    onnx.helper.set_model_props(parts, {METADATA_KEY: info.model_dump_json()})
    onnx.save(parts, tmp_path / "parts.onnx")
    with pytest.raises(UsageError, match="a model of parts"):
        quantize(tmp_path / "parts.onnx", drawn, tmp_path / "new.onnx")
    monkeypatch.setattr(module, "this_processor", lambda: Processor("", frozenset()))
    with pytest.raises(DeviceError, match="no 8-bit instructions"):
        quantize(small, drawn, tmp_path / "new.onnx")


def test_the_command(small, drawn, tmp_path):
    done = CliRunner().invoke(
        app, ["quantize", str(small), str(drawn), "--out", str(tmp_path / "m.onnx"), "--tolerance", "1"]
    )
    assert done.exit_code == 0, done.output
    assert "1 convolutions in 8 bits" in done.output
    assert "in floats" in done.output
