"""Depthwise weights of models trained in bfloat16."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from carmask.model.file import find_model, read_info
from carmask.training.export import read_graph, with_info


def graph(depthwise: np.ndarray, dense: np.ndarray) -> onnx.ModelProto:
    """A depthwise convolution, then a dense one; weights in 16 bits behind a Cast, as they are stored."""
    nodes = [
        helper.make_node("Cast", ["depthwise.half"], ["depthwise"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Conv", ["photo", "depthwise"], ["middle"], group=len(depthwise)),
        helper.make_node("Conv", ["middle", "dense"], ["out"]),
    ]
    shapes = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("photo", "out")]
    weights = [numpy_helper.from_array(depthwise, "depthwise.half"), numpy_helper.from_array(dense, "dense")]
    return helper.make_model(helper.make_graph(nodes, "graph", [shapes[0]], [shapes[1]], weights))


def weights_of(content: bytes) -> dict[str, np.ndarray]:
    return {one.name: numpy_helper.to_array(one) for one in onnx.load_from_string(content).graph.initializer}


@pytest.mark.parametrize("trained_in", ["float32", "bfloat16"])
def test_they_are_rounded_as_torch_rounds_and_dense_ones_are_kept(trained_in):
    rng = np.random.default_rng(0)
    depthwise = (rng.normal(size=(6, 1, 3, 3)) * rng.choice([1e-3, 1, 200], (6, 1, 1, 1))).astype(np.float16)
    dense = rng.normal(size=(4, 6, 1, 1)).astype(np.float32)
    info = read_info(find_model("default")).model_copy(update={"trained_in": trained_in})
    found = weights_of(with_info(graph(depthwise, dense), info))
    as_torch = torch.from_numpy(depthwise.astype(np.float32)).bfloat16().float().numpy().astype(np.float16)
    assert not np.array_equal(as_torch, depthwise)
    np.testing.assert_array_equal(found["depthwise.half"], depthwise if trained_in == "float32" else as_torch)
    assert found["depthwise.half"].dtype == np.float16
    np.testing.assert_array_equal(found["dense"], dense)


@pytest.mark.parametrize("name", ["default", "best"])
def test_the_shipped_files_hold_rounded_weights(name):
    path = find_model(name)
    assert read_info(path).trained_in == "bfloat16"
    # Writing it again rounds again, which changes nothing.
    again = onnx.load_model_from_string(with_info(read_graph(path), read_info(path)))
    assert again.graph == read_graph(path).graph
