"""The scripts that train the small networks: their options are the trainings' settings."""

from __future__ import annotations

import runpy
import sys

import pytest

from carmask.training.plates.train import Settings as PlateSettings
from carmask.training.views.train import Settings as ViewSettings
from tests.conftest import REPOSITORY

EXAMPLES = REPOSITORY / "examples"
VIEWS = ["--data", "d", "--pictures", "p"]


@pytest.fixture
def run(monkeypatch):
    """Run a script with its training replaced; what the training was given."""

    def run(name, words, build):
        given = {}

        def note(out, **more):
            given.update(more, out=out)
            out.mkdir(parents=True)
            (out / "n.onnx").write_bytes(b"abc")
            return out / "n.onnx"

        monkeypatch.syspath_prepend(EXAMPLES)
        monkeypatch.setattr(build, note)
        monkeypatch.setattr("carmask.model.runtime.load_model", lambda model, streams: (model, streams))
        monkeypatch.setattr(sys, "argv", [name, *words])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return given

    return run


@pytest.mark.parametrize(
    ("name", "words", "settings"),
    [("views", VIEWS, ViewSettings), ("plates", ["--photos", "p"], PlateSettings)],
)
def test_options_are_the_settings(run, tmp_path, capsys, name, words, settings):
    build = f"carmask.training.{name}.build.build_{name}"
    usual = run(f"train_{name}.py", [*words, "--out", str(tmp_path / "a")], build)
    assert (usual["settings"], usual["weights"], usual["cache"]) == (settings(), None, tmp_path / "a" / "cache")
    words = [*words, "--epochs", "3", "--learning-rate", "1e-4", "--seed", "9", "--weights", "w", "--cache", "c"]
    other = run(f"train_{name}.py", [*words, "--out", str(tmp_path / "b")], build)
    assert other["settings"] == settings(epochs=3, learning_rate=1e-4, seed=9)
    assert (other["weights"].name, other["cache"].name) == ("w", "c")
    other["report"]("training", 5, 10)
    other["report"]("training", 10, 10)
    printed = capsys.readouterr().out
    assert "training: 10 of 10" in printed
    assert "training: 5 of 10" not in printed  # not before 20 seconds have gone by
    assert "n.onnx: 3 bytes" in printed
