"""A drawn data set that is small enough to train on in a test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carmask.training.machines import Machines
from carmask.training.recipe import Recipe, load_recipe
from carmask.training.train import train

HEIGHT, WIDTH = 96, 144

CPU = Machines("cpu")
FAST = ["precision=32-true", "validation=1", "check_photos=2", "epoch_photos=4"]


def stages(epochs: int = 1, size: tuple[int, int] = (64, 96), batch: int = 2, more: str = "") -> str:
    return f"stages=[{{height={size[0]},width={size[1]},batch={batch},epochs={epochs}{more and f', {more}'}}}]"


def small(epochs: int = 1, *changes: str) -> Recipe:
    return load_recipe("cnn-small", [*FAST, stages(epochs), *changes])


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A dark ellipse before a light wall."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    middle = rng.uniform((40, 60), (56, 84))
    mask = ((rows - middle[0]) / rng.uniform(16, 26)) ** 2 + ((columns - middle[1]) / rng.uniform(30, 50)) ** 2 < 1
    photo = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    photo[:] = rng.integers(180, 230, 3)
    photo[mask] = rng.integers(20, 110, 3)
    noisy = photo + rng.integers(-12, 13, photo.shape)
    return noisy.clip(0, 255).astype(np.uint8), mask


def write_cars(folder: Path, cars: int, views: int) -> Path:
    (folder / "train").mkdir(parents=True)
    (folder / "train_masks").mkdir()
    for car in range(cars):
        for view in range(1, views + 1):
            photo, mask = draw(100 * car + view)
            Image.fromarray(photo).save(folder / "train" / f"car{car}_{view:02}.png")
            Image.fromarray(mask).save(folder / "train_masks" / f"car{car}_{view:02}_mask.png")
    return folder


@pytest.fixture(scope="session")
def cars(tmp_path_factory) -> Path:
    """Five cars of two views."""
    return write_cars(tmp_path_factory.mktemp("cars") / "drawn", 5, 2)


@pytest.fixture(scope="session")
def parts(tmp_path_factory) -> Path:
    """Ten photos with two parts, one half of the ellipse each."""
    folder = tmp_path_factory.mktemp("parts") / "drawn"
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for index in range(10):
        photo, mask = draw(1000 + index)
        Image.fromarray(photo).save(folder / "images" / f"{index}.png")
        images.append({"id": index, "height": HEIGHT, "width": WIDTH, "file_name": f"{index}.png"})
        rows, columns = np.nonzero(mask)
        top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
        middle = (left + right) / 2
        for part, (a, b) in enumerate(((left, middle), (middle, right)), start=2):
            box = [a, top, b, top, b, bottom, a, bottom]
            annotations.append(
                {"image_id": index, "category_id": part, "segmentation": [[float(value) for value in box]]}
            )
    categories = [{"id": 1, "name": "_background_"}, {"id": 2, "name": "front"}, {"id": 3, "name": "back"}]
    content = {"images": images, "categories": categories, "annotations": annotations}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _return_memory(monkeypatch):
    """Tests share one process: let it give memory back."""
    monkeypatch.setattr("carmask.memory.keep_memory", lambda: False)


@pytest.fixture
def pictures() -> None:
    """Asked for by tests of curves and sheets."""


@pytest.fixture(autouse=True)
def _without_pictures(request, monkeypatch):
    """Drawing curves and sheets takes longer than the few steps of a test's training."""
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr("carmask.training.module.draw_curves", lambda *_: None)
        monkeypatch.setattr("carmask.training.pictures.write_pictures", lambda *_: [])


@pytest.fixture(scope="session")
def run(cars, cache, tmp_path_factory) -> Path:
    """A finished training of three epochs."""
    out = tmp_path_factory.mktemp("runs") / "cnn"
    train(small(3), cars, out, cache=cache, machines=CPU)
    return out


def copy(data: Path, to: Path) -> Path:
    shutil.copytree(data, to)
    return to
