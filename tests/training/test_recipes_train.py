"""Every shipped recipe trains, and a recipe of every network exports."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from carmask.model.runtime import load_model
from carmask.networks import NETWORKS, Entry, build
from carmask.networks.unet import UNet
from carmask.training.export import export, read_run
from carmask.training.extra_data import Sources
from carmask.training.history import read_history
from carmask.training.predictor import TorchNetwork
from carmask.training.recipe import load_recipe, recipe_names
from carmask.training.train import train

from .conftest import CPU, FAST, stages

#: Recipes by their network, with parts and without: what those of one network differ in does not reach the model file.
BY_NETWORK: dict[tuple[str, bool], list[str]] = {}
for one in recipe_names():
    if one in {"default-guided", "best-refinement"}:
        continue  # they need another stage's model: test_train_guided.py, test_train_refinement.py
    BY_NETWORK.setdefault((load_recipe(one).network, one.startswith("parts")), []).append(one)


def train_two_steps(name, cars, parts, cache, tmp_path, monkeypatch):
    recipe = load_recipe(name)
    if recipe.network == "unet" and name != BY_NETWORK["unet", False][0]:
        # One of the five with its 31 million weights is enough.
        slim = Entry(lambda classes: UNet(classes, (8, 16, 32, 64, 128)), (64, 64), "slim")
        monkeypatch.setitem(NETWORKS, "unet", slim)
    weights = None
    encoder = build(recipe.network).encoder_module()
    if recipe.encoder.weights == "imagenet":
        weights = tmp_path / "encoder.safetensors"
        save_file({key: value.contiguous() for key, value in encoder.state_dict().items()}, weights)
    side = (128, 128) if name == "unet-deep" else (64, 96)
    views = ["views=2"] if recipe.views > 1 else []
    recipe = load_recipe(name, [*FAST, stages(1, side), *views])
    data = parts if name.startswith("parts") else cars
    out = tmp_path / "run"
    train(recipe, data, out, sources=Sources(encoder_weights=weights), cache=cache, machines=CPU)

    model, info = read_run(out)
    assert torch.load(out / "last.ckpt", weights_only=True)["global_step"] == 2
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    if recipe.encoder.frozen:
        saved, trained = encoder.state_dict(), model.network.encoder_module().state_dict()
        assert all(torch.equal(saved[key], trained[key]) for key in saved)
    (row,) = read_history(out)
    wanted = {f"{part}/{name}" for part in ("train", "validation") for name in ("loss", "accuracy", "dice")}
    assert wanted | {"epoch"} <= set(row)
    assert ("validation/f1" in row) == (data is parts)
    return out, model, info


@pytest.mark.parametrize("name", sorted(name for names in BY_NETWORK.values() for name in names[1:]))
def test_every_other_recipe_trains_two_steps(name, cars, parts, cache, tmp_path, monkeypatch):
    train_two_steps(name, cars, parts, cache, tmp_path, monkeypatch)


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("name", sorted(names[0] for names in BY_NETWORK.values()))
def test_a_recipe_of_every_network_trains_two_steps_and_exports(name, cars, parts, cache, tmp_path, monkeypatch):
    out, model, info = train_two_steps(name, cars, parts, cache, tmp_path, monkeypatch)
    sheets = {"sheet.png", "curves.png"} | ({"channels.png"} if model.network.channels > 1 else set())
    files = {file.name for file in out.iterdir()}
    assert sheets | {"recipe.json", "model.json", "versions.json", "data.csv", "weights.safetensors"} <= files
    assert ("channels.png" in files) == ("channels.png" in sheets)
    assert any(file.name.startswith("events.out.tfevents") for file in (out / "log").iterdir())

    made = export(out, tmp_path / "model.onnx")
    exported = load_model(tmp_path / "model.onnx")
    assert exported.info == made.info == info
    probe = np.random.default_rng(0).integers(0, 256, (*info.size, 3), np.uint8)
    assert np.abs(exported.run(probe) - TorchNetwork(model, info).run(probe)).mean() < 0.02
    if info.parts:
        shares = exported.run_parts(probe)
        assert shares.shape == (3, *info.size)
        assert np.abs(shares.sum(axis=0) - 1).max() < 0.02
        assert np.abs(shares - TorchNetwork(model, info).run_parts(probe)).mean() < 0.02
