"""The experiments of benchmarks/networks.py are recipes that exist, with settings that hold."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from carmask.training.recipe import load_recipe

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "networks.py"


@pytest.fixture(autouse=True)
def beside_the_others(monkeypatch):
    """Run by its path, a script finds the modules beside it; runpy does not see to that."""
    monkeypatch.syspath_prepend(SCRIPT.parent)


@pytest.fixture
def script():
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize("with_weights", [False, True])
def test_every_experiment_is_a_valid_recipe(script, with_weights):
    weights = {kind: Path("w.safetensors") if with_weights else None for kind in ("mobilenet", "vgg", "resnet")}
    for group in script["GROUPS"].values():
        for experiment in group:
            changes, extra = script["settings"](experiment, weights)
            recipe = load_recipe(experiment.recipe, changes)
            assert recipe.epoch_photos == 256
            assert recipe.early_stopping.patience == 1000
            assert bool(extra) == (recipe.encoder.weights == "imagenet")
            assert not (recipe.encoder.frozen and recipe.encoder.weights == "none")


@pytest.mark.parametrize("with_weights", [False, True])
def test_every_training_of_the_parts_benchmark_is_a_valid_recipe(with_weights):
    script = runpy.run_path(str(SCRIPT.with_name("parts.py")))
    weights = {kind: Path("w.safetensors") if with_weights else None for kind in ("mobilenet", "resnet")}
    for training in script["TRAININGS"]:
        changes, extra = script["settings"](training, weights)
        recipe = load_recipe(training.recipe, changes)
        assert {(stage.height, stage.width) for stage in recipe.stages} == {(256, 256)}
        assert recipe.network == training.name.partition(",")[0]
        assert recipe.early_stopping.monitor == "f1"
        assert (recipe.validation, recipe.seed, recipe.schedule) == (0.1, 0, "constant")
        assert bool(extra) == (recipe.encoder.weights == "imagenet")
