"""What several test files need: real data where it is present, a car to cut, a network that is no network."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

from carmask.batch.engines import isolated
from carmask.model.info import ModelInfo
from tests.drawn import draw_photo, write_tiny_model

# Examples take longer on a busy machine, and no test asserts a time. The same examples at every run: what a change is
# judged by does not depend on a draw. New ones: pytest --hypothesis-profile=random.
hypothesis.settings.register_profile("random", deadline=None)
hypothesis.settings.register_profile("carmask", deadline=None, derandomize=True)
hypothesis.settings.load_profile("carmask")

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = REPOSITORY / "examples"
# What models this machine has besides the shipped ones is nothing to the tests.
os.environ["CARMASK_MODELS"] = str(REPOSITORY / "no-models")
# No test waits longer for a process than it may take itself.
isolated.LOADING = 200.0


#: What a test may be skipped for where all that can be installed is (CARMASK_SKIPS=listed, which `make test` sets).
ALLOWED_SKIPS = (
    # Libraries of annotation tools that do not install beside ours: tests/formats/oracles.py says how to run them.
    "set CARMASK_ORACLES",
    "set CARMASK_FIFTYONE",
    # Programs of the system, which make installs where it may.
    "no Chromium",
    "no C compiler",
    "curl is not installed",
    "no real photos",
    "no photos of car parts",
    "needs a GPU",
    "needs make",
    "needs a machine without a GPU",
    "needs another operating system",
)


def pytest_terminal_summary(terminalreporter) -> None:
    """Name each kind of skip once, with how many tests it concerns."""
    counts = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    for reason, count in sorted(counts.items()):
        terminalreporter.write_line(f"skipped {count}: {reason}")
    if _NOT_ALLOWED and os.environ.get("CARMASK_SKIPS") == "listed":
        for line in ("skipped though everything should be installed:", *_NOT_ALLOWED):
            terminalreporter.write_line(line)


def pytest_runtest_logreport(report) -> None:
    """Collect the reasons that are not allowed."""
    if report.skipped and not hasattr(report, "wasxfail") and not _reason(report).startswith(ALLOWED_SKIPS):
        _NOT_ALLOWED.append(f"{report.nodeid}: {_reason(report)}")


def pytest_sessionfinish(session, exitstatus) -> None:
    """Where all is installed, a test that is skipped for want of something is a failure."""
    if _NOT_ALLOWED and exitstatus == 0 and os.environ.get("CARMASK_SKIPS") == "listed":
        session.exitstatus = 1


def _reason(report) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


_NOT_ALLOWED: list[str] = []


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


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A real model file that calls dark pixels car, as ``DarkIsCar`` does: 32x48, loads at once, takes no time."""
    pytest.importorskip("onnx")
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder of twelve photos, two of them in a sub-folder."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for seed in range(12):
        place = folder / "more" if seed > 9 else folder
        Image.fromarray(draw_photo(seed)).save(place / f"car {seed:02d}.jpg")
    return folder
