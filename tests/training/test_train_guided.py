"""A localisation stage and a segmentation stage that is guided by it: trained for two steps, joined in one file."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from carmask.data.layouts import read_data
from carmask.errors import ModelError, RecipeError, UsageError
from carmask.images import ReducedPhoto
from carmask.learning.weights import average_into
from carmask.model.behaviour import ConfirmationSettings
from carmask.model.file import find_model, read_info
from carmask.model.network import GUIDE, LOCATED, PHOTO, PROBABILITY, WHOLE
from carmask.model.openvino import OpenVINONetwork
from carmask.model.runtime import load_model
from carmask.networks import build
from carmask.networks.mobilenetv2_unet import widen
from carmask.prediction.predict import predict
from carmask.prediction.stages import network_inputs
from carmask.release.specialists import join_specialist
from carmask.release.weight_averaging import average_weights
from carmask.training.export import export, read_run, to_onnx
from carmask.training.extra_data import Sources
from carmask.training.initial_weights import load_network
from carmask.training.predictor import Normalised, TorchNetwork
from carmask.training.recipe import load_recipe
from carmask.training.train import train
from tests.drawn import write_tiny_model

from .conftest import CPU, FAST, draw, stages

GUIDED = [
    *FAST,
    "encoder.weights=none",
    "stages=[{height=128,width=192,window=[64,96],locate=[64,96],batch=2,epochs=1}]",
]


@pytest.fixture(scope="module")
def localisation(cars, cache, tmp_path_factory):
    """A localisation stage of a tiny size, exported; trained with backgrounds."""
    folder = tmp_path_factory.mktemp("localisation")
    recipe = load_recipe("default-localisation", [*FAST, "encoder.weights=none", stages(1, (64, 96))])
    (folder / "pictures").mkdir()
    cv2.imwrite(str(folder / "pictures" / "wall.png"), np.full((96, 144, 3), 200, np.uint8))
    backgrounds = Sources(backgrounds=folder / "pictures")
    train(recipe, cars, folder / "run", sources=backgrounds, cache=cache, machines=CPU)
    assert "backgrounds are not used" not in (folder / "run" / "train.log").read_text()
    export(folder / "run", folder / "localisation.onnx")
    return folder / "localisation.onnx"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Weights of the network without a guide, as a run keeps them."""
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("plain") / "weights.safetensors"
    model = Normalised(build("mobilenetv2-unet"))
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, file)
    return file


@pytest.fixture(scope="module")
def guided(cars, cache, localisation, tmp_path_factory):
    """A run of the segmentation stage, and its model file."""
    folder = tmp_path_factory.mktemp("guided")
    recipe = load_recipe("default-guided", GUIDED)
    train(recipe, cars, folder / "run", sources=Sources(localisation=localisation), cache=cache, machines=CPU)
    export(folder / "run", folder / "guided.onnx")
    return folder


def test_one_file_holds_both_graphs_and_describes_them(guided, localisation):
    info = read_info(guided / "guided.onnx")
    assert (info.format, info.localisation_size, info.size) == (2, (64, 96), (64, 96))
    assert info.guided
    assert info.localisation.network == "efficientnet-lite2-unet"
    # What is shipped was chosen by measurement; a training that leaves it at version 4's removes what it should not.
    assert info.behaviour.confirmation == read_info(find_model("default")).behaviour.confirmation
    assert info.behaviour.confirmation != ConfirmationSettings()
    graph = onnx.load(guided / "guided.onnx").graph
    assert {one.name for one in graph.input} == {PHOTO, GUIDE, WHOLE}
    assert {one.name for one in graph.output} == {PROBABILITY, LOCATED}
    apart = (guided / "guided.onnx").stat().st_size - localisation.stat().st_size
    # The localisation stage's weights are stored in 8 bits here, in 16 in its own file.
    assert apart < 2_000_000


def test_the_file_predicts_as_the_trained_networks_do(guided, localisation):
    """Against PyTorch: each stage by itself, and both on a photo."""
    file = OpenVINONetwork(guided / "guided.onnx", read_info(guided / "guided.onnx"))
    model, info = read_run(guided / "run")
    trained = TorchNetwork(model, info, locating=load_network(localisation))
    photo, _ = draw(5)
    whole = cv2.resize(photo, (96, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(file.locate(whole) - trained.locate(whole)).mean() < 0.02
    reduced = ReducedPhoto(photo, photo.shape[:2])
    inputs = network_inputs(trained, reduced)
    assert [one.shape for one in inputs] == [(64, 96, 3), (64, 96)]
    assert np.abs(file.run(*inputs) - trained.run(*inputs)).mean() < 0.02
    found, expected = predict(file, photo), predict(trained, photo)
    assert found.mask.shape == photo.shape[:2]
    assert np.mean(found.mask ^ expected.mask) < 0.05


def test_onnx_runtime_computes_the_two_graphs_one_by_one(guided):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(guided / "guided.onnx"))
    rng = np.random.default_rng(0)
    photo, whole = (rng.integers(0, 256, (1, 64, 96, 3), np.uint8) for _ in range(2))
    guide = rng.random((1, 64, 96), np.float32)
    given = {PHOTO: photo, GUIDE: guide, WHOLE: whole}
    (located,) = session.run([LOCATED], {**given, PHOTO: 0 * photo, GUIDE: 0 * guide})
    (probability,) = session.run([PROBABILITY], {**given, WHOLE: 0 * whole})
    file = OpenVINONetwork(guided / "guided.onnx", read_info(guided / "guided.onnx"))
    assert np.abs(file.locate(whole[0]) - located[0]).mean() < 0.02
    assert np.abs(file.run(photo[0], guide[0]) - probability[0]).mean() < 0.02


def test_a_run_goes_on_with_its_own_localisation_stage(guided, cars, cache):
    recipe = load_recipe("default-guided", GUIDED)
    train(recipe, cars, guided / "run", cache=cache, machines=CPU)
    assert read_run(guided / "run")[1].guided


def test_a_guided_network_starts_as_the_one_without(plain):
    model = Normalised(build("mobilenetv2-unet")).eval()
    state = load_file(plain)
    model.load_state_dict(state)
    wide = Normalised(build("mobilenetv2-unet-guided")).eval()
    own = wide.state_dict()
    for name, value in state.items():
        own[name] = value if value.shape == own[name].shape else widen(value, own[name])
    wide.load_state_dict(own)
    photo = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3), np.uint8))
    for guide in (None, torch.rand(1, 64, 96)):
        torch.testing.assert_close(wide(photo, guide), model(photo), rtol=0, atol=1e-4)


def test_the_mean_with_the_network_that_is_not_guided(guided, plain, tmp_path):
    """The first layer's weights are few enough for 32 bits without the guide, and stored in 16 with it."""
    model = Normalised(build("mobilenetv2-unet")).eval()
    model.load_state_dict(load_file(plain))
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.bias.data.normal_(0, 0.1)  # equal biases would be stored once
    described = read_info(guided / "guided.onnx")
    changed = {"network": "mobilenetv2-unet", "format": 1, "localisation": None, "localisation_size": None}
    info = described.model_copy(update=changed)
    (tmp_path / "plain.onnx").write_bytes(to_onnx(model, info))
    average_weights(tmp_path / "plain.onnx", guided / "guided.onnx", tmp_path / "mean.onnx", share=0.0)
    mean = OpenVINONetwork(tmp_path / "mean.onnx", read_info(tmp_path / "mean.onnx"))
    rng = np.random.default_rng(2)
    photo, guide = rng.integers(0, 256, (64, 96, 3), np.uint8), rng.random((64, 96), np.float32)
    with torch.no_grad():
        wanted = model.car(torch.from_numpy(photo)[None])[0].numpy()
    assert np.abs(mean.run(photo, guide) - wanted).mean() < 0.01


def test_what_does_not_fit_is_refused(cars, cache, localisation, guided, tmp_path):
    recipe = load_recipe("default-guided", GUIDED)
    with pytest.raises(RecipeError, match="is guided by a localisation stage"):
        train(recipe, cars, tmp_path / "run", cache=cache, machines=CPU)
    with pytest.raises(RecipeError, match="takes no map of a localisation stage"):
        train(
            load_recipe("cnn-small", [*FAST, stages(1)]),
            cars,
            tmp_path / "run",
            sources=Sources(localisation=localisation),
            cache=cache,
            machines=CPU,
        )
    with pytest.raises(ModelError, match="cannot be a localisation stage"):
        train(
            recipe,
            cars,
            tmp_path / "run",
            sources=Sources(localisation=guided / "guided.onnx"),
            cache=cache,
            machines=CPU,
        )
    assert not (tmp_path / "run").exists()


def test_a_specialist_beside_it(guided, cars, tmp_path):
    """One more network in the file, which photos of its studio are segmented by; all others are as they were."""
    names = tuple(sorted({one.car for one in read_data(cars)[0]}))
    tiny = write_tiny_model(tmp_path / "tiny.onnx", size=(64, 96), cars=names, operators=20)
    made = join_specialist(
        guided / "guided.onnx", tiny, cars, tmp_path / "both.onnx", name="both", version="2", disagreement=0.03
    )
    assert made.specialist.disagreement == 0.03
    assert (made.format, made.name, made.version, made.specialist.network) == (4, "both", "2", "none")
    assert made == read_info(tmp_path / "both.onnx")
    assert "of photos of one studio by `none`" in (tmp_path / "both.md").read_text()
    before, both, alone = (load_model(file) for file in (guided / "guided.onnx", tmp_path / "both.onnx", tiny))
    rng = np.random.default_rng(0)
    pixels, guide = rng.integers(0, 256, (64, 96, 3), np.uint8), rng.random((64, 96), np.float32)
    assert np.allclose(both.specialise(pixels), alone.run(pixels), atol=0.01)
    assert np.array_equal(both.run(pixels, guide), before.run(pixels, guide))
    assert np.array_equal(both.locate(pixels), before.locate(pixels))
    assert np.shape(made.specialist.mean) == np.shape(made.specialist.deviation) == (*made.behaviour.gate.grid, 3)
    # It is averaged and learned from with the specialist as it is.
    average_into(tmp_path / "both.onnx", guided / "guided.onnx", 0.5, made, tmp_path / "again.onnx")
    assert np.array_equal(load_model(tmp_path / "again.onnx").specialise(pixels), both.specialise(pixels))


def test_what_cannot_have_or_be_a_specialist(guided, cars, tmp_path):
    tiny = write_tiny_model(tmp_path / "tiny.onnx", size=(64, 96), cars=("nobody",))
    with pytest.raises(UsageError, match="a disagreement is 0 or more"):
        join_specialist(guided / "guided.onnx", tiny, cars, tmp_path / "out.onnx", disagreement=-0.1)
    with pytest.raises(ModelError, match="cannot have a specialist"):
        join_specialist(tiny, tiny, cars, tmp_path / "out.onnx")
    with pytest.raises(ModelError, match=r"cannot be a specialist: .* whose input is 96x64"):
        join_specialist(guided / "guided.onnx", write_tiny_model(tmp_path / "s.onnx"), cars, tmp_path / "out.onnx")
    with pytest.raises(ModelError, match="was trained on none of the cars"):
        join_specialist(guided / "guided.onnx", tiny, cars, tmp_path / "out.onnx")
    old = write_tiny_model(tmp_path / "old.onnx", size=(64, 96), cars=(read_data(cars)[0][0].car,))
    with pytest.raises(ModelError, match="other ONNX operators"):
        join_specialist(guided / "guided.onnx", old, cars, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
