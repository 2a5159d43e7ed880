"""Convolutions in 8 bits, against ONNX Runtime's own quantised operators and by hand."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask import geometry
from carmask.images import read_photo
from carmask.model import int8
from carmask.model.engine import core
from carmask.model.file import find_model, read_info
from carmask.model.int8 import _with_zero, measure_ranges, round_convolutions
from carmask.model.openvino import OpenVINONetwork, read_merged
from carmask.model.precision import Precision
from tests.conftest import EXAMPLES

onnx = pytest.importorskip("onnx")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT


def graph(nodes: list, constants: dict[str, np.ndarray], shape: tuple[int, ...]) -> bytes:
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("photo", onnx.TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("out", FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def convolutions(*, transposed: bool = False) -> tuple[bytes, dict[str, np.ndarray]]:
    """Three convolutions that change nothing, then one that does: photo -> float -> (1, 3, 5, 6) -> 4 channels."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(3, 4, 4, 4) if transposed else (4, 3, 3, 3)).astype(np.float32)
    constants = {"one": np.eye(3, dtype=np.float32)[..., None, None], "weights": weights}
    kind, more = ("ConvTranspose", {"strides": [2, 2]}) if transposed else ("Conv", {})
    nodes = [
        helper.make_node("Cast", ["photo"], ["float"], to=FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "one"], ["first"]),
        helper.make_node("Conv", ["first", "one"], ["second"]),
        helper.make_node("Conv", ["second", "one"], ["values"]),
        helper.make_node(kind, ["values", "weights"], ["out"], name="last", pads=[1, 1, 1, 1], **more),
    ]
    return graph(nodes, constants, (1, 5, 6, 3)), constants


def photo(*, least: int = 3, most: int = 240) -> np.ndarray:
    pixels = np.random.default_rng(1).integers(least, most + 1, (5, 6, 3), np.uint8)
    pixels[0, 0] = least
    pixels[-1, -1] = most
    return pixels


@pytest.mark.parametrize("headroom", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_equals_the_quantised_operators_of_another_runtime(transposed, headroom):
    # Without VNNI, 255 * 127 * 2 saturates in 16 bits; 120 * 127 * 2 does not, on any processor.
    pixels = photo(most=240 if headroom else 120)
    runtime = pytest.importorskip("onnxruntime")
    content, constants = convolutions(transposed=transposed)
    model = core().read_model(content)
    (name,) = measure_ranges(core().read_model(content), [photo()])
    assert round_convolutions(model, {name: (0.0, 255.0)}, headroom=headroom) == 1
    rounded = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    # The same in ONNX's own operators: values in steps of 1, weights in 127 (or 64) steps of each filter's largest.
    weights = constants["weights"]
    axis = 1 if transposed else 0
    most = np.abs(weights).max(axis=(0, 2, 3) if transposed else (1, 2, 3))
    scale = most / np.float32(64 if headroom else 127)
    spread = scale.reshape([-1 if n == axis else 1 for n in range(4)])
    kind, more = ("ConvTranspose", {"strides": [2, 2]}) if transposed else ("Conv", {})
    nodes = [
        helper.make_node("Cast", ["photo"], ["float"], to=FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("QuantizeLinear", ["planes", "step", "zero"], ["small"]),
        helper.make_node("DequantizeLinear", ["small", "step", "zero"], ["values"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zeros"], ["weights"], axis=axis),
        helper.make_node(kind, ["values", "weights"], ["out"], pads=[1, 1, 1, 1], **more),
    ]
    stored = {
        "step": np.float32(1),
        "zero": np.uint8(0),
        "bytes": np.rint(weights / spread).astype(np.int8),
        "scale": scale,
        "zeros": np.zeros(4, np.int8),
    }
    stored = {key: np.asarray(value) for key, value in stored.items()}
    other = runtime.InferenceSession(graph(nodes, stored, (1, 5, 6, 3)), providers=["CPUExecutionProvider"])
    (expected,) = other.run(None, {"photo": pixels[None]})
    found = rounded([pixels[None]])[0]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-2)
    # The rounding shows: in floats the answer is another.
    unchanged = core().read_model(content)
    floats = core().compile_model(unchanged, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.abs(floats([pixels[None]])[0] - expected).max() > 0.1


def test_ranges_are_the_means_of_each_photo_s_extremes_and_the_first_have_none():
    model = core().read_model(convolutions()[0])
    ranges = measure_ranges(model, [photo(least=2, most=100), photo(least=4, most=201)])
    with pytest.raises(ValueError, match="inputs without values: photo"):
        measure_ranges(core().read_model(convolutions()[0]), [{}])
    assert list(ranges.values()) == [(3.0, 150.5)]


def test_values_beyond_the_range_are_cut():
    model = core().read_model(convolutions()[0])
    (name,) = measure_ranges(core().read_model(convolutions()[0]), [photo()])
    round_convolutions(model, {name: (0.0, 51.0)})
    answer = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert answer([photo()[None]])[0] == pytest.approx(answer([photo().clip(0, 51)[None]])[0])
    assert np.abs(answer([photo()[None]])[0] - answer([photo().clip(0, 40)[None]])[0]).max() > 1


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_zero_is_a_level_and_the_range_moves_by_less_than_a_step(low, width):
    high = low + width
    a, b = _with_zero(low, high)
    step = (b - a) / 255
    assert a <= 0 <= b
    assert abs(a / step - round(a / step)) < 1e-6
    assert abs(a - min(low, 0)) <= step
    assert abs(b - max(high, 0, 1e-8)) <= step


def default_graph() -> openvino.Model:
    path = find_model("default")
    return read_merged(path, read_info(path).size)


def test_depthwise_and_first_convolutions_stay_in_floats():
    size = read_info(find_model("default")).size
    # Both inputs: one that is left out would be whatever is in memory.
    inputs = {"photo": np.full((*size, 3), 90, np.uint8), "guide": np.full(size, 0.5, np.float32)}
    ranges = measure_ranges(default_graph(), [inputs])
    model = default_graph()
    dense = [node for node in model.get_ordered_ops() if node.get_type_name() in int8._WITHIN_FILTER]
    assert set(ranges) == {node.get_friendly_name() for node in dense[3:]}
    # Names that OpenVINO makes up end in a number that changes from time to time.
    assert all("onv" in name.split("/")[0] and "/" in name for name in ranges)
    assert round_convolutions(model, ranges) == len(ranges)
    for node in model.get_ordered_ops():
        if node.get_type_name() == "GroupConvolution":
            assert "FakeQuantize" not in {node.input_value(n).get_node().get_type_name() for n in (0, 1)}


def test_a_model_file_with_ranges_is_computed_in_8_bits_as_the_precision_says():
    path = find_model("default")
    info = read_info(path)
    pixels = geometry.resize(read_photo(sorted(EXAMPLES.glob("train/*.jpg"))[0]), info.size)
    plain = OpenVINONetwork(path, info, precision=Precision("f32", "none")).run(pixels)
    without = OpenVINONetwork(path, info.model_copy(update={"ranges": {}})).run(pixels)
    assert np.abs(without - plain).mean() < 0.001  # floats, in bf16 or not
    rounded = OpenVINONetwork(path, info, precision=Precision("f32", "headroom")).run(pixels)
    assert not np.array_equal(rounded, plain)
    assert np.abs(rounded - plain).mean() < 0.02
