from __future__ import annotations

import numpy as np
import pytest

from carmask.model.engine import core
from carmask.model.file import find_model, read_info
from carmask.model.openvino import read_merged
from carmask.model.upsampling import merge_upsampling

onnx = pytest.importorskip("onnx")
SMALL, BESIDE = (1, 5, 3, 4), (1, 3, 6, 8)
ASYMMETRIC = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def decoder(
    *,
    scale: tuple[int, int] = (2, 2),
    mode: str = "nearest",
    coordinates: dict[str, str] = ASYMMETRIC,
    kernel: int = 3,
    dtype: type = np.float32,
) -> bytes:
    """One step of a U-Net's decoder, as ONNX."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    random = np.random.default_rng(0)
    beside = (1, BESIDE[1], SMALL[2] * scale[0], SMALL[3] * scale[1])
    weights = random.normal(size=(4, SMALL[1] + BESIDE[1], kernel, kernel)).astype(dtype)
    constants = {
        "scales": np.array([1, 1, *scale], np.float32),
        "stored": weights,
        "bias": random.normal(size=4).astype(np.float32),
    }
    pads = [kernel // 2] * 4
    graph = helper.make_graph(
        [
            helper.make_node("Resize", ["small", "", "scales"], ["doubled"], mode=mode, **coordinates),
            helper.make_node("Concat", ["doubled", "beside"], ["both"], axis=1),
            helper.make_node("Cast", ["stored"], ["weights"], to=float32),
            helper.make_node("Conv", ["both", "weights", "bias"], ["sum"], pads=pads),
            helper.make_node("Relu", ["sum"], ["out"]),
        ],
        "decoder",
        [helper.make_tensor_value_info(n, float32, s) for n, s in (("small", SMALL), ("beside", beside))],
        [helper.make_tensor_value_info("out", float32, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_merged_decoder_computes_what_another_runtime_computes(dtype):
    runtime = pytest.importorskip("onnxruntime")
    content = decoder(dtype=dtype)
    model = core().read_model(content)
    assert merge_upsampling(model) == 1
    assert "Interpolate" not in {node.get_type_name() for node in model.get_ops()}
    merged = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    other = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(1)
    for _ in range(3):
        inputs = {"small": random.normal(size=SMALL), "beside": random.normal(size=BESIDE)}
        inputs = {name: value.astype(np.float32) for name, value in inputs.items()}
        (expected,) = other.run(None, inputs)
        # Zeros beyond the edges are met at the borders of so small a map everywhere.
        assert merged(inputs)[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        {"mode": "linear", "coordinates": {"coordinate_transformation_mode": "half_pixel"}},
        {"coordinates": {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "floor"}},
        {"scale": (2, 3)},
        {"scale": (4, 4)},
        {"kernel": 1},
        {"kernel": 5},
    ],
    ids=str,
)
def test_what_looks_otherwise_is_left_alone(other):
    assert merge_upsampling(core().read_model(decoder(**other))) == 0


def test_the_shipped_model_profits():
    path = find_model("default")
    model = read_merged(path, read_info(path).size, "specialist", upsampling=False)
    assert merge_upsampling(model) == 4
