"""A refinement stage: trained for two steps on the contours of a model, joined with it in one file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from carmask.errors import ModelError, RecipeError
from carmask.images import ReducedPhoto
from carmask.model.file import read_info
from carmask.model.network import COARSE, DETAIL, REFINED
from carmask.model.openvino import OpenVINONetwork
from carmask.networks import build
from carmask.prediction.predict import predict
from carmask.prediction.stages import refinement_inputs
from carmask.training.export import export, read_run, to_onnx, with_info
from carmask.training.extra_data import Sources
from carmask.training.initial_weights import load_initial_weights
from carmask.training.plain_base import plain_base
from carmask.training.predictor import Normalised, RefiningNetwork
from carmask.training.recipe import load_recipe
from carmask.training.train import train

from .conftest import CPU, FAST, draw, small, stages

REFINEMENT = [
    *FAST,
    "encoder.weights=none",
    "contour.car_width=[60, 120]",
    "stages=[{height=96,width=160,window=[64,64],batch=2,epochs=1}]",
]


@pytest.fixture(scope="module")
def base(cars, cache, tmp_path_factory):
    """A model with two stages of one network, of a tiny size, trained a little, exported."""
    folder = tmp_path_factory.mktemp("base")
    located = "window=[64,96],locate=[64,96]"
    recipe = small(1, stages(1, (96, 128), more=located), "augment.background=0", "learning_rate=0.01")
    train(recipe, cars, folder / "run", cache=cache, machines=CPU)
    export(folder / "run", folder / "base.onnx")
    return folder / "base.onnx"


@pytest.fixture(scope="module")
def refined(cars, cache, base, tmp_path_factory):
    """A run of the refinement stage, and its model file."""
    folder = tmp_path_factory.mktemp("refined")
    recipe = load_recipe("best-refinement", REFINEMENT)
    train(recipe, cars, folder / "run", sources=Sources(base=base), cache=cache, machines=CPU)
    export(folder / "run", folder / "best.onnx", changes={"name": "best"}, data=cars)
    return folder


def test_one_file_holds_the_model_and_its_refinement(refined, base):
    info, before = read_info(refined / "best.onnx"), read_info(base)
    assert (info.format, info.name, info.network) == (3, "best", before.network)
    assert info.refinement.network == "mobilenetv2-unet-refinement"
    assert info.refinement.size == (96, 160)
    assert info.validation_cars == before.validation_cars
    assert info.score is not None
    names = {one.name for one in onnx.load(refined / "best.onnx").graph.input}
    assert {DETAIL, COARSE} <= names
    assert REFINED in {one.name for one in onnx.load(refined / "best.onnx").graph.output}


def test_the_file_predicts_as_the_trained_network_does(refined, base):
    """Against PyTorch: the stage by itself, and all stages on a photo."""
    file = OpenVINONetwork(refined / "best.onnx", read_info(refined / "best.onnx"))
    model, info = read_run(refined / "run")
    trained = RefiningNetwork(model, info, OpenVINONetwork(base, read_info(base)))
    rng = np.random.default_rng(0)
    pixels, coarse = rng.integers(0, 256, (96, 160, 3), np.uint8), rng.random((96, 160), np.float32)
    assert np.abs(file.refine(pixels, coarse) - trained.refine(pixels, coarse)).mean() < 0.02
    photo, _ = draw(5)
    reduced = ReducedPhoto(photo, photo.shape[:2])
    mine, theirs = refinement_inputs(file, reduced), refinement_inputs(trained, reduced)
    assert (mine is None) == (theirs is None)
    found, expected = predict(file, photo), predict(trained, photo)
    assert np.mean(found.mask ^ expected.mask) < 0.05


def test_the_base_predicts_in_the_joined_file_as_before(refined, base):
    joined = OpenVINONetwork(refined / "best.onnx", read_info(refined / "best.onnx"))
    alone = OpenVINONetwork(base, read_info(base))
    pixels = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    assert np.array_equal(joined.run(pixels), alone.run(pixels))


def test_onnx_runtime_computes_the_refinement_graph(refined):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(refined / "best.onnx"))
    rng = np.random.default_rng(0)
    given = {DETAIL: rng.integers(0, 256, (1, 96, 160, 3), np.uint8), COARSE: rng.random((1, 96, 160), np.float32)}
    given["photo"] = np.zeros((1, 64, 96, 3), np.uint8)
    (found,) = session.run([REFINED], given)
    file = OpenVINONetwork(refined / "best.onnx", read_info(refined / "best.onnx"))
    assert np.abs(file.refine(given[DETAIL][0], given[COARSE][0]) - found[0]).mean() < 0.02


def test_a_run_goes_on_with_its_own_base(refined, cars, cache):
    train(load_recipe("best-refinement", REFINEMENT), cars, refined / "run", cache=cache, machines=CPU)
    assert read_run(refined / "run")[1].refinement is not None


def test_an_untrained_stage_leaves_the_contour_where_it_is():
    """Its last layer is zero: the logit is a fraction of the coarse one, which has the same sign."""
    torch.manual_seed(0)
    model = Normalised(build("mobilenetv2-unet-refinement")).eval()
    pixels, coarse = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8), torch.rand(1, 64, 96)
    with torch.no_grad():
        logits = model(pixels, coarse)[:, 0]
    certain = coarse.clamp(2.5e-3, 1 - 2.5e-3)
    torch.testing.assert_close(logits, 0.6 * torch.log(certain / (1 - certain)), rtol=1e-4, atol=1e-4)


def test_it_starts_from_the_weights_of_a_guided_network(tmp_path):
    from carmask.model.info import ModelInfo

    torch.manual_seed(1)
    guided = Normalised(build("mobilenetv2-unet")).eval()
    info = ModelInfo(
        name="g",
        version="1",
        network="mobilenetv2-unet",
        height=64,
        width=96,
        normalisation="",
        threshold=0.5,
        training_data="",
        licence="",
    )
    (tmp_path / "g.onnx").write_bytes(to_onnx(guided, info))
    model = Normalised(build("mobilenetv2-unet-refinement"))
    photos = torch.randint(0, 256, (4, 64, 96, 3), dtype=torch.uint8)
    load_initial_weights(model, tmp_path / "g.onnx", photos)
    network, source = model.network, guided.network
    torch.testing.assert_close(network.head.weight[:4], source.head.weight, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(network.head.weight[4:8], -source.head.weight, rtol=1e-2, atol=1e-3)
    assert not network.detail[2].weight.any()


def test_a_refinement_stage_is_trained_on(refined, base, cars, cache, tmp_path):
    """A model that has one was refused as the base, and no command took the stage out of it."""
    best = refined / "best.onnx"
    ranges = {"refinement.layer": (0.0, 6.0), "layer": (0.0, 1.0)}
    stale = read_info(best).model_copy(update={"ranges": ranges})
    (tmp_path / "best.onnx").write_bytes(with_info(onnx.load(best), stale))
    plain = plain_base(tmp_path / "best.onnx", tmp_path)
    assert read_info(plain).refinement is read_info(plain).score is None
    assert read_info(plain).ranges == {"layer": (0.0, 1.0)}
    assert plain_base(base, tmp_path) == base
    one, other = (OpenVINONetwork(file, read_info(base)) for file in (plain, base))
    pixels = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    assert np.array_equal(one.run(pixels), other.run(pixels))
    recipe = load_recipe("best-refinement", REFINEMENT)
    train(recipe, cars, tmp_path / "run", sources=Sources(base=best, initial_weights=best), cache=cache, machines=CPU)
    export(tmp_path / "run", tmp_path / "again.onnx", strict=False)
    names = [node.output[0] for node in onnx.load(tmp_path / "again.onnx").graph.node]
    assert len(names) == len(onnx.load(best).graph.node) == len({*names})


def test_what_does_not_fit_is_refused(cars, cache, tiny_model, base, tmp_path):
    recipe = load_recipe("best-refinement", REFINEMENT)

    def start(recipe, **sources):
        train(recipe, cars, tmp_path / "run", sources=Sources(**sources), cache=cache, machines=CPU)

    with pytest.raises(RecipeError, match="refines a model's contours; name its file"):
        start(recipe)
    with pytest.raises(RecipeError, match="refines no model; leave it out"):
        start(small(), base=base)
    with pytest.raises(ModelError, match="cannot be refined"):
        start(recipe, base=tiny_model)
    with pytest.raises(RecipeError, match="contour goes with neither scenes nor locate"):
        load_recipe("best-refinement", [*REFINEMENT, "scenes.real=0.46"])
    assert not (tmp_path / "run").exists()
