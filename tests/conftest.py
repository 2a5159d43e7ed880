"""What several test files need: real data where it is present, a car to cut, a network that is no network."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

from carmask.model.file import METADATA_KEY
from carmask.model.info import ModelInfo

# Examples take longer on a busy machine, and no test asserts a time.
hypothesis.settings.register_profile("carmask", deadline=None)
hypothesis.settings.load_profile("carmask")

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = REPOSITORY / "examples"
# What models this machine has besides the shipped ones is nothing to the tests.
os.environ["CARMASK_MODELS"] = str(REPOSITORY / "no-models")


#: What a test may be skipped for where all that can be installed is (CARMASK_SKIPS=listed, which `make test` sets).
ALLOWED_SKIPS = (
    # Libraries of annotation tools that do not install beside ours: tests/formats/oracles.py says how to run them.
    "set CARMASK_ORACLES",
    "set CARMASK_FIFTYONE",
    # Programs of the system, which make installs where it may.
    "no Chromium",
    "curl is not installed",
    "no real photos",
    "no photos of car parts",
    "needs a GPU",
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
    onnx = pytest.importorskip("onnx")
    helper, types = onnx.helper, onnx.TensorProto
    info = ModelInfo(
        name="tiny",
        version="1",
        network="none",
        height=32,
        width=48,
        normalisation="none",
        threshold=0.5,
        training_data="none",
        licence="none",
    )
    constants = {"axis": np.array([3], np.int64), "level": np.float32(110), "slope": np.float32(0.1)}
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["photo"], ["values"], to=types.FLOAT),
            helper.make_node("ReduceMean", ["values", "axis"], ["grey"], keepdims=0),
            helper.make_node("Sub", ["level", "grey"], ["darkness"]),
            helper.make_node("Mul", ["darkness", "slope"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("photo", types.UINT8, [1, 32, 48, 3])],
        [helper.make_tensor_value_info("probability", types.FLOAT, [1, 32, 48])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    onnx.save(model, path)
    return path


def draw_photo(seed: int, size: tuple[int, int] = (128, 192)) -> np.ndarray:
    """A bright picture with a dark block, other for each seed."""
    random = np.random.default_rng(seed)
    pixels = random.integers(170, 255, (*size, 3), np.uint8)
    top, left = random.integers(8, size[0] // 2), random.integers(8, size[1] // 2)
    pixels[top : top + size[0] // 3, left : left + size[1] // 3] = random.integers(0, 60, 3)
    return pixels


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder of twelve photos, two of them in a sub-folder."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for seed in range(12):
        place = folder / "more" if seed > 9 else folder
        Image.fromarray(draw_photo(seed)).save(place / f"car {seed:02d}.jpg")
    return folder
