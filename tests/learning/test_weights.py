"""Averages of weights, and the localisation stage by itself."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from carmask.errors import ModelError
from carmask.learning.weights import average_into, extract_localisation
from carmask.model.file import find_model, read_info
from carmask.model.runtime import load_model
from carmask.training.initial_weights import load_network
from tests.drawn import write_tiny_model


def _weights(file):
    return {one.name: numpy_helper.to_array(one) for one in onnx.load(file).graph.initializer}


def test_the_localisation_stage_predicts_by_itself_what_it_does_in_its_file(tmp_path):
    shipped = find_model("shipped:default")
    info, out = read_info(shipped), tmp_path / "localisation.onnx"
    extract_localisation(shipped, info, out)
    rng = np.random.default_rng(0)
    photo = np.full((*info.localisation_size, 3), 220, np.uint8)
    photo[90:200, 80:300] = rng.integers(0, 120, 3)
    there, alone = load_model(shipped).locate(photo), load_model(out).run(photo)
    # In its file it is computed in 8 bits where the processor can.
    assert np.abs(there - alone).mean() < 0.02
    assert read_info(out).network == info.localisation.network
    # Training takes it, too, and computes the same.
    assert np.abs(load_network(out).run(photo) - alone).mean() < 0.02


def test_averages_lie_between_and_the_localisation_stage_stays(tmp_path):
    shipped = find_model("shipped:default")
    info = read_info(shipped)
    other = onnx.load(shipped)
    layers = {name for node in other.graph.node if node.op_type == "Conv" for name in node.input[1:]}
    for tensor in other.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if np.issubdtype(values.dtype, np.floating):
            tensor.CopyFrom(numpy_helper.from_array((values * 2).astype(values.dtype), tensor.name))
    onnx.save(other, tmp_path / "doubled.onnx")
    average_into(
        shipped, tmp_path / "doubled.onnx", 0.5, info.model_copy(update={"name": "new"}), tmp_path / "out.onnx"
    )
    old, new = _weights(shipped), _weights(tmp_path / "out.onnx")
    assert set(old) == set(new)
    assert read_info(tmp_path / "out.onnx").name == "new"
    for name, values in old.items():
        # Constants, such as the mean of the normalisation, and the other stage stay as they are.
        weight = name.removesuffix(".half") in layers and not name.startswith(("localisation.", "specialist."))
        factor = 1.5 if weight and np.issubdtype(values.dtype, np.floating) else 1
        # 16 bits, and depthwise weights are rounded to bfloat16.
        np.testing.assert_allclose(
            new[name].astype(np.float64), factor * values.astype(np.float64), rtol=8e-3, atol=1e-6
        )


def test_the_localisation_stage_is_averaged_if_it_was_trained(tmp_path):
    shipped = find_model("shipped:default")
    other = onnx.load(shipped)
    for tensor in other.graph.initializer:
        # Weights in 8 bits are doubled by their scales.
        if tensor.name.startswith("localisation.") and tensor.name.endswith((".scale", ".half")):
            values = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array((values * 2).astype(values.dtype), tensor.name))
    onnx.save(other, tmp_path / "doubled.onnx")
    average_into(shipped, tmp_path / "doubled.onnx", 0.5, read_info(shipped), tmp_path / "out.onnx", localisation=True)
    old, new = _weights(shipped), _weights(tmp_path / "out.onnx")
    assert set(old) == set(new)
    in_bytes = [name for name in old if name.endswith(".bytes")]
    assert len(in_bytes) > 20
    for name in in_bytes:
        assert new[name].dtype == np.int8
        np.testing.assert_array_equal(new[name], old[name])
        scale = name.replace(".bytes", ".scale")
        factor = 1.5 if name.startswith("localisation.") else 1
        np.testing.assert_allclose(new[scale], factor * old[scale], rtol=1e-5, atol=1e-9)
    for name, values in old.items():
        if name.endswith(".half"):
            factor = 1.5 if name.startswith("localisation.") else 1
            wanted = factor * values.astype(np.float64)
            np.testing.assert_allclose(new[name].astype(np.float64), wanted, rtol=8e-3, atol=1e-6)


def test_an_average_with_itself_is_the_old_model(tmp_path):
    shipped = find_model("shipped:best")
    average_into(shipped, shipped, 0.4, read_info(shipped), tmp_path / "same.onnx")
    same = _weights(tmp_path / "same.onnx")
    for name, values in _weights(shipped).items():
        np.testing.assert_allclose(same[name], values, rtol=2e-3)


def test_other_networks_are_refused(tmp_path):
    default, tiny = find_model("shipped:default"), write_tiny_model(tmp_path / "tiny.onnx")
    with pytest.raises(ModelError, match="cannot be averaged"):
        average_into(default, tiny, 0.5, read_info(default), tmp_path / "out.onnx")
