"""A small network that knows dark cars before a light wall, and photos of light cars before a dark one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carmask.training.export import export
from carmask.training.recipe import load_recipe
from carmask.training.train import train
from tests.training.conftest import CPU, draw, write_cars

STAGES = "stages=[{height=64,width=96,batch=4,epochs=4}]"
#: Trained in a second or two to a Dice of 0.9 on what it knows.
CHANGES = [
    *("loss=bce+dice", "learning_rate=3e-3", "initialisation=he", "augment.binary=false", "epoch_photos=40"),
    *("validation=2", "check_photos=0", "precision=32-true", STAGES),
]


def write_shifted(folder: Path, cars: int, views: int, *, first: int = 0, random: bool = False) -> Path:
    """Light cars before a dark wall; with ``random`` the masks are of other photos."""
    (folder / "train").mkdir(parents=True)
    (folder / "train_masks").mkdir()
    for car in range(first, first + cars):
        for view in range(1, views + 1):
            seed = 10_000 + 100 * car + view
            photo, mask = draw(seed)
            if random:
                mask = np.random.default_rng(seed).random((6, 9)).repeat(16, 0).repeat(16, 1) > 0.5
            Image.fromarray(255 - photo).save(folder / "train" / f"shifted{car}_{view:02}.png")
            Image.fromarray(mask).save(folder / "train_masks" / f"shifted{car}_{view:02}_mask.png")
    return folder


@pytest.fixture(scope="session")
def known(tmp_path_factory) -> Path:
    """What the network knows: eight cars of two views."""
    return write_cars(tmp_path_factory.mktemp("known") / "drawn", 8, 2)


@pytest.fixture(scope="session")
def small_model(known, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("model")
    train(load_recipe("cnn-small", CHANGES), known, place / "run", machines=CPU)
    export(place / "run", place / "small.onnx", changes={"name": "small"})
    return place / "small.onnx"
