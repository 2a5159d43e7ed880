"""What several test files need: real data where it is present, a car to cut, a network that is no network."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from carmask.inference.model import ModelInfo

# Examples take longer on a busy machine, and no test asserts a time.
hypothesis.settings.register_profile("carmask", deadline=None)
hypothesis.settings.load_profile("carmask")

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="session")
def carvana() -> Path:
    """The real photos: CARMASK_DATA, or ../shared/carvana beside the repository."""
    path = Path(os.environ.get("CARMASK_DATA", REPOSITORY.parent / "shared" / "carvana"))
    if not (path / "train").is_dir():
        pytest.skip(f"no real photos at {path}; set CARMASK_DATA to a folder with train/ and train_masks/")
    return path


@pytest.fixture(scope="session")
def carparts() -> Path:
    """The real photos of parts: CARMASK_PARTS, or ../shared/carparts beside the repository."""
    path = Path(os.environ.get("CARMASK_PARTS", REPOSITORY.parent / "shared" / "carparts"))
    if not (path / "annotations.json").is_file():
        pytest.skip(f"no photos of car parts at {path}; set CARMASK_PARTS to a folder with annotations.json")
    return path


@pytest.fixture
def examples() -> Path:
    return EXAMPLES


@pytest.fixture
def photo() -> np.ndarray:
    """A picture with structure: a gradient with a dark block."""
    pixels = np.empty((48, 64, 3), np.uint8)
    pixels[..., 0] = np.linspace(60, 250, 64)
    pixels[..., 1] = np.linspace(200, 90, 48)[:, None]
    pixels[..., 2] = 128
    pixels[16:40, 12:50] = (20, 30, 160)
    return pixels


class DarkIsCar:
    """A network that calls dark pixels car: exact, fast, and free of weights."""

    def __init__(self, height: int = 32, width: int = 48, **changes: object) -> None:
        self.info = ModelInfo(
            name="dark",
            version="1",
            network="none",
            height=height,
            width=width,
            normalisation="none",
            threshold=0.5,
            training_data="none",
            licence="none",
            **changes,
        )
        self.seen: list[np.ndarray] = []

    def run(self, pixels: np.ndarray) -> np.ndarray:
        self.seen.append(pixels)
        return np.clip((110 - pixels.mean(axis=2, dtype=np.float32)) / 60 + 0.5, 0, 1).astype(np.float32)


@pytest.fixture
def dark() -> DarkIsCar:
    return DarkIsCar()
