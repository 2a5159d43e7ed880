"""Trainings on parts: what is theirs alone, and what they refuse."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from carmask.errors import RecipeError
from carmask.training.history import read_history
from carmask.training.recipe import load_recipe
from carmask.training.train import train

from .conftest import CPU, FAST, small, stages


def test_parts_of_one_side_alone_are_not_mirrored(parts, cache, tmp_path):
    shutil.copytree(parts, tmp_path / "data")
    file = tmp_path / "data" / "annotations.json"
    file.write_text(file.read_text().replace('"front"', '"left_side"'))
    with pytest.raises(RecipeError, match="left_side has no partner right_side"):
        train(
            load_recipe("parts-unet", [*FAST, stages()]), tmp_path / "data", tmp_path / "run", cache=cache, machines=CPU
        )


def test_class_weights_are_for_parts(cars, parts, cache, tmp_path):
    with pytest.raises(RecipeError, match="class_weights: they are for parts"):
        train(small(1, "class_weights=median-frequency"), cars, tmp_path / "run", cache=cache, machines=CPU)
    changes = ["network=cnn-small", "encoder.weights=none", "class_weights=median-frequency"]
    recipe = load_recipe("parts-deeplabv3plus", [*FAST, stages(), *changes])
    train(recipe, parts, tmp_path / "run", cache=cache, machines=CPU)
    assert np.isfinite(read_history(tmp_path / "run")[0]["train/loss"])


def test_near_duplicates_are_on_one_side_of_the_split(parts, cache, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(parts, data)
    for name in range(1, 5):
        shutil.copy(data / "images" / "0.png", data / "images" / f"{name}.png")
    recipe = load_recipe("parts-unet", [*FAST, stages(), "network=cnn-small", "validation=3"])
    train(recipe, data, tmp_path / "run", cache=cache, machines=CPU)
    info = json.loads((tmp_path / "run" / "model.json").read_text())
    sides = [set(info[f"{side}_cars"]) & set("01234") for side in ("training", "validation")]
    assert sorted(map(len, sides)) == [0, 5]


def test_scenes_of_parts_are_not_changed(parts, cache, tmp_path):
    recipe = load_recipe("parts-unet", [*FAST, stages(), "augment.background=0.5"])
    with pytest.raises(RecipeError, match="for masks of whole cars"):
        train(recipe, parts, tmp_path / "run", cache=cache, machines=CPU)
