from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import carmask
from carmask.errors import DeviceError, ModelError
from carmask.model import metadata, openvino
from carmask.model.file import METADATA_KEY, find_model, read_info
from carmask.model.info import ModelInfo
from carmask.model.runtime import load_model
from tests.drawn import write_tiny_model

DEFAULT = find_model("default")


def test_the_shipped_model_describes_itself():
    info = read_info(DEFAULT)
    assert info.name == "default"
    assert info.score is not None
    assert info.score >= 0.99
    assert info.training_cars
    assert info.validation_cars
    assert not set(info.training_cars) & set(info.validation_cars)
    assert DEFAULT.stat().st_size < 15e6


def test_descriptions_with_the_old_name_of_extra_data_still_load():
    info = read_info(DEFAULT)
    (street,) = [one for one in info.extra_data if one.name == "street"]
    assert street.share > 0
    old = {"further_data" if key == "extra_data" else key: value for key, value in info.model_dump().items()}
    assert ModelInfo.model_validate(old) == info
    assert ModelInfo.model_validate_json(json.dumps(old)) == info


def test_a_data_set_that_has_grown_is_known_and_a_few_names_that_are_alike_are_not():
    info = read_info(DEFAULT)
    mine = {*info.training_cars, *info.validation_cars}
    grown = {*mine, *(f"new{number}" for number in range(3 * len(mine)))}
    assert (info.training_cars, info.validation_cars) in info.known_of(grown)
    assert info.seen_of(grown) == set(info.training_cars)
    assert info.known_of({info.training_cars[0], "a", "b", "c"}) == []


def test_the_card_belongs_to_the_shipped_file():
    card = DEFAULT.with_suffix(".md").read_text()
    info = read_info(DEFAULT)
    assert hashlib.sha256(DEFAULT.read_bytes()).hexdigest() in card
    assert f"{info.score:.6f}" in card
    assert "Carvana Image Masking Challenge" in card
    for car in info.validation_cars:
        assert car in card


def test_metadata_agrees_with_the_onnx_library():
    # onnx is the format's own reader; ours does without it.
    proto = onnx.load(DEFAULT)
    assert metadata.read_metadata(DEFAULT) == {entry.key: entry.value for entry in proto.metadata_props}


def test_the_graph_holds_no_paths_of_a_machine():
    proto = onnx.load(DEFAULT)
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)


def test_runs_and_agrees_with_onnxruntime():
    ort = pytest.importorskip("onnxruntime")
    network = load_model()
    pixels = np.random.default_rng(0).integers(0, 256, (*network.info.size, 3), np.uint8)
    ours = network.run(pixels)
    session = ort.InferenceSession(str(DEFAULT), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(
        ["probability"],
        {
            "photo": pixels[None],
            "guide": np.full((1, *network.info.size), 0.5, np.float32),
            "whole": np.zeros((1, *network.info.localisation_size, 3), np.uint8),
            "familiar": np.zeros((1, *network.info.size, 3), np.uint8),
        },
    )
    assert ours.dtype == np.float32
    assert ours.shape == network.info.size
    # OpenVINO may compute in bf16.
    assert np.abs(ours - theirs[0]).mean() < 0.01


def test_results_are_not_overwritten_by_the_next_photo():
    network = load_model()
    first = network.run(np.zeros((*network.info.size, 3), np.uint8))
    kept = first.copy()
    network.run(np.full((*network.info.size, 3), 255, np.uint8))
    assert np.array_equal(first, kept)


def test_files_that_are_no_models(tmp_path):
    cases = {
        "empty.onnx": b"",
        "text.onnx": b"hello, this is text and no model",
        "zip.onnx": b"PK\x03\x04" + bytes(100),
        "half.onnx": DEFAULT.read_bytes()[: DEFAULT.stat().st_size // 2],
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match="not an ONNX model file") as caught:
            load_model(tmp_path / name)
        assert name in str(caught.value)
    with pytest.raises(ModelError, match=r"neither a model file nor the name of a model here \(.*default"):
        load_model(tmp_path / "missing.onnx")
    with pytest.raises(ModelError, match=r"neither a model file"):
        load_model(tmp_path)


def rewritten(path: Path, metadata: dict[str, str], model: Path = DEFAULT) -> Path:
    proto = onnx.load(model)
    del proto.metadata_props[:]
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(proto, path)
    return path


def test_onnx_files_of_others(tmp_path):
    with pytest.raises(ModelError, match="not a carmask model"):
        load_model(rewritten(tmp_path / "other.onnx", {"author": "x"}))
    with pytest.raises(ModelError, match="not one this version reads: "):
        load_model(rewritten(tmp_path / "old.onnx", {METADATA_KEY: "{}"}))
    tiny = write_tiny_model(tmp_path / "tiny.onnx")
    info = json.loads(read_info(tiny).model_dump_json())
    rewritten(tmp_path / "size.onnx", {METADATA_KEY: json.dumps({**info, "height": 64})}, tiny)
    with pytest.raises(ModelError, match="does not take a photo of shape"):
        load_model(tmp_path / "size.onnx")
    with pytest.raises(ModelError, match="threshold"):
        read_info(rewritten(tmp_path / "wrong.onnx", {METADATA_KEY: json.dumps({**info, "threshold": 2})}))


def test_damage_inside_the_graph_is_the_runtime_s_to_report(tmp_path):
    proto = onnx.load(DEFAULT)
    proto.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(proto, tmp_path / "damaged.onnx")
    with pytest.raises(ModelError, match="OpenVINO cannot load it"):
        load_model(tmp_path / "damaged.onnx")


def test_a_damaged_name_in_the_runtime_s_own_message_is_said(tiny_model, monkeypatch):
    """Its message is no text then."""

    def unreadable(*_):
        return b"\xff".decode()

    monkeypatch.setattr(openvino, "read_merged", unreadable)
    with pytest.raises(ModelError, match="OpenVINO cannot load it"):
        load_model(tiny_model)


def test_a_missing_gpu_is_an_error():
    with pytest.raises(DeviceError, match="cuda"):
        load_model(device="cuda")


def test_descriptions_are_strict():
    info = json.loads(read_info(DEFAULT).model_dump_json())
    with pytest.raises(ValueError, match="colour"):
        ModelInfo.model_validate({**info, "colour": "red"})


def test_public_names():
    for name in carmask.__all__:
        assert getattr(carmask, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = carmask.nothing
