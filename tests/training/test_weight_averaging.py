"""Weight averaging: the mean of two models' weights, and a description that counts what either has seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from carmask.cli import app
from carmask.errors import ModelError, UsageError
from carmask.images.normalisation import describe
from carmask.model.file import read_info
from carmask.model.info import ExtraData, ModelInfo
from carmask.model.runtime import load_model
from carmask.networks import build
from carmask.release.weight_averaging import average_weights
from carmask.training.export import to_onnx
from carmask.training.predictor import Normalised

INFO = ModelInfo(
    name="first",
    version="1",
    network="unet-small",
    height=32,
    width=48,
    normalisation="",
    threshold=0.4,
    training_data="drawn",
    training_cars=("a", "b"),
    validation_cars=("c", "d"),
    extra_data=(ExtraData(name="street", share=0.1, training_cars=("s",), validation_cars=("t", "u")),),
    score=0.9,
    licence="",
)
OTHER = INFO.model_copy(
    update={
        "name": "second",
        "threshold": 0.6,
        "training_cars": ("a", "c"),
        "validation_cars": ("b", "d", "e"),
        "extra_data": (
            ExtraData(name="street", share=0.2, training_cars=("t",), validation_cars=("s", "u")),
            ExtraData(name="yard", share=0.2, training_cars=("x",), validation_cars=("y",)),
        ),
    }
)


def network(seed: int) -> Normalised:
    torch.manual_seed(seed)
    return Normalised(build("unet-small")).eval()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two networks, whose BatchNorm changes nothing, as files."""
    folder = tmp_path_factory.mktemp("models")
    files = folder / "first.onnx", folder / "second.onnx"
    for seed, (file, info) in enumerate(zip(files, (INFO, OTHER), strict=True)):
        file.write_bytes(to_onnx(network(seed), info))
    return files


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_it_computes_what_the_mean_of_the_weights_does(models, photo, tmp_path, share):
    average_weights(*models, tmp_path / "new.onnx", share=share)
    mean = network(0)
    other = network(1).state_dict()
    mean.load_state_dict(
        {
            name: torch.lerp(value, other[name], share) if value.is_floating_point() else value
            for name, value in mean.state_dict().items()
        }
    )
    with torch.no_grad():
        wanted = mean.car(torch.from_numpy(photo)[None])[0].numpy()
    assert np.abs(load_model(tmp_path / "new.onnx").run(photo) - wanted).mean() < 0.004  # 16-bit weights, bf16


def test_its_description_counts_as_seen_what_either_has_seen(models, tmp_path):
    info = average_weights(*models, tmp_path / "deep" / "new.onnx", share=0.25, name="both")
    assert read_info(tmp_path / "deep" / "new.onnx") == info
    assert (info.name, info.score, info.calibration) == ("both", None, None)
    assert info.threshold == pytest.approx(0.45)
    assert info.training_cars == ("a", "b", "c")
    assert info.validation_cars == ("d", "e")
    street, yard = info.extra_data
    assert (street.training_cars, street.validation_cars) == (("s", "t"), ("u",))
    assert (yard.training_cars, yard.validation_cars) == (("x",), ("y",))
    assert "# both, version 1" in (tmp_path / "deep" / "new.md").read_text()


def test_models_of_different_kinds_are_refused_and_nothing_is_written(models, tmp_path):
    strange = tmp_path / "strange.onnx"
    strange.write_bytes(to_onnx(Normalised(build("cnn-small")), INFO.model_copy(update={"network": "cnn-small"})))
    disguised = tmp_path / "disguised.onnx"
    disguised.write_bytes(to_onnx(Normalised(build("cnn-small")), INFO))
    for other, message in ((strange, "unet-small with 1 classes and cnn-small"), (disguised, "only one has")):
        with pytest.raises(ModelError, match=message):
            average_weights(models[0], other, tmp_path / "new.onnx")
    assert not (tmp_path / "new.onnx").exists()


def test_the_command(models, tmp_path):
    arguments = ["blend", *map(str, models), "--out", str(tmp_path / "new.onnx")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert "50% of" in done.output
    with pytest.raises(UsageError, match=r"share: 1\.5 is not in 0"):
        average_weights(*models, tmp_path / "other.onnx", share=1.5)
    # Its card would have its name.
    with pytest.raises(UsageError, match=r"other\.md: the name of a model file ends in \.onnx"):
        average_weights(*models, tmp_path / "other.md")
    assert not (tmp_path / "other.md").exists()


def test_networks_of_another_normalisation_have_no_mean(models, tmp_path):
    """Their weights are for other values of the same photo; what photos are normalised by is a weight, too."""
    info = OTHER.model_copy(update={"normalisation": describe("unit")})
    (tmp_path / "unit.onnx").write_bytes(to_onnx(Normalised(build("unet-small"), "unit").eval(), info))
    with pytest.raises(ModelError, match="cannot be averaged: the photos of one are normalised as imagenet, those of"):
        average_weights(models[0], tmp_path / "unit.onnx", tmp_path / "new.onnx")
    assert not (tmp_path / "new.onnx").exists()
