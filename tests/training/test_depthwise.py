"""Depthwise weights of models trained in bfloat16."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from carmask.errors import ModelError
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.networks import build
from carmask.training import export as export_module
from carmask.training.epochs import save_weights
from carmask.training.export import read_run, to_onnx, with_info
from carmask.training.joined_graphs import read_graph
from carmask.training.predictor import Normalised
from carmask.training.run_folder import INFO_FILE, WEIGHTS_FILE


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


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run whose network was trained in bfloat16."""
    torch.manual_seed(0)
    model = Normalised(build("mobilenetv2-unet")).eval()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.7, 1.4)
    folder = tmp_path_factory.mktemp("run")
    save_weights(folder / WEIGHTS_FILE, model)
    texts = {"name": "m", "version": "1", "normalisation": "", "training_data": "", "licence": ""}
    info = ModelInfo(network="mobilenetv2-unet", height=64, width=96, threshold=0.5, trained_in="bfloat16", **texts)
    (folder / INFO_FILE).write_text(info.model_dump_json())
    return folder


def _difference(run, file, trained_in):
    """What a file in 32 bits predicts otherwise than the network, on the noise that export compares on."""
    model, info = read_run(run)
    file.write_bytes(to_onnx(model, info.model_copy(update={"trained_in": trained_in})))
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: noise[None]})[0][0]
    with torch.no_grad():
        wanted = model.car(torch.from_numpy(noise)[None])[0].numpy()
    return float(np.abs(found - wanted).mean())


def test_rounding_on_purpose_is_not_taken_for_a_damaged_file(run, tmp_path, monkeypatch):
    stored, rounded = (_difference(run, tmp_path / "m.onnx", one) for one in ("float32", "bfloat16"))
    assert rounded > 2 * stored
    monkeypatch.setattr(export_module, "STORAGE_TOLERANCE", (stored * rounded) ** 0.5)
    assert export_module.export(run, tmp_path / "out.onnx").info.trained_in == "bfloat16"
    monkeypatch.setattr(export_module, "STORAGE_TOLERANCE", stored / 2)
    with pytest.raises(ModelError, match="not written"):
        export_module.export(run, tmp_path / "again.onnx")
    assert not (tmp_path / "again.onnx").exists()
    # Whoever judges the file by himself gets it.
    assert export_module.export(run, tmp_path / "again.onnx", strict=False).difference > 0
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "out.onnx").read_bytes()
