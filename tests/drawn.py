"""Drawn photos, and a model file that is no network: what tests and the soak runs work on, in no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from carmask.model.file import METADATA_KEY
from carmask.model.info import ModelInfo


def draw_photo(seed: int, size: tuple[int, int] = (128, 192)) -> np.ndarray:
    """A bright picture with a dark block, other for each seed."""
    random = np.random.default_rng(seed)
    pixels = random.integers(170, 255, (*size, 3), np.uint8)
    top, left = random.integers(8, size[0] // 2), random.integers(8, size[1] // 2)
    pixels[top : top + size[0] // 3, left : left + size[1] // 3] = random.integers(0, 60, 3)
    return pixels


def write_tiny_model(
    path: Path, *, size: tuple[int, int] = (32, 48), cars: tuple[str, ...] = (), operators: int = 18
) -> Path:
    """A real model file that calls dark pixels car: it loads at once, takes no time. It needs ``onnx``.

    Args:
        path: the file.
        size: (height, width) of its input.
        cars: that it says to have been trained on.
        operators: version of ONNX's operators.
    """
    import onnx

    helper, types = onnx.helper, onnx.TensorProto
    info = ModelInfo(
        name="tiny",
        version="1",
        network="none",
        height=size[0],
        width=size[1],
        normalisation="none",
        threshold=0.5,
        training_data="none",
        training_cars=cars,
        licence="none",
    )
    constants = {"axis": np.array([3], np.int64), "level": np.float32(110), "slope": np.float32(0.1)}
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["photo"], ["values"], to=types.FLOAT),
            helper.make_node("ReduceMean", ["values", "axis"], ["grey"], keepdims=0),
            helper.make_node("Sub", ["level", "grey"], ["darkness"]),
            helper.make_node("Mul", ["darkness", "slope"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("photo", types.UINT8, [1, *size, 3])],
        [helper.make_tensor_value_info("probability", types.FLOAT, [1, *size])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", operators)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
    onnx.save(model, path)
    return path
