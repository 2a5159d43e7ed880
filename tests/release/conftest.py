"""A pipeline whose steps write text, so that a build takes no time; and drawn cars for one that does."""

from __future__ import annotations

import json

import pytest

from carmask.release import step_functions
from tests.training.conftest import write_cars

PIPELINE = """
[inputs]
data = { about = "cars" }
street = { about = "other cars" }
weights = { about = "weights", optional = true }

[[steps]]
id = "run"
kind = "train"
recipe = "cnn-small"
data = "@data"
extra = [{ folder = "@street", share = 0.1 }]
encoder_weights = "@weights"

[[steps]]
id = "first"
kind = "export"
run = "run"

[[steps]]
id = "both"
kind = "average"
first = "first"
second = "first"
share = 0.25

[[steps]]
id = "final"
kind = "calibrate"
model = "both"
data = "@data"
extra = ["@street"]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.toml"
    path.write_text(PIPELINE)
    return path


@pytest.fixture
def inputs(tmp_path):
    for name in ("data", "street"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photo.txt").write_text(name)
    return {name: tmp_path / name for name in ("data", "street")}


@pytest.fixture
def calls(monkeypatch):
    """The ids of the steps that were run. Each writes what decides its result, as a text."""
    ran = []

    def run(step, context):
        ran.append(step.id)
        needed = [context.paths[one].name for one in step.references().values() if one in context.paths]
        for path in step.outputs(context.out):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps([step.settings(context.changes), needed], sort_keys=True))
        return "done"

    monkeypatch.setattr(step_functions, "FUNCTIONS", dict.fromkeys(step_functions.FUNCTIONS, run))
    return ran


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Ten cars of eight views: thirty photos of each half of the validation cars, which a calibration needs."""
    return write_cars(tmp_path_factory.mktemp("drawn") / "cars", 10, 8)
