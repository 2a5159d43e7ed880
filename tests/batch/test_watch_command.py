"""``carmask watch``: what it says, and its exit status, beside ``carmask cut``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from carmask.cli.app import app
from tests.conftest import draw_photo


@pytest.fixture
def run(tiny_model, tmp_path, monkeypatch):
    """A function that runs ``watch`` or ``cut`` on the folder ``day``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day").mkdir()

    def go(command, *words):
        times = ["--settle", "0.1", "--quiet-time", "0.3", "--stop-after", "0.3"] if command == "watch" else []
        return CliRunner().invoke(app, [command, "day", "--out", "out", "--model", str(tiny_model), *times, *words])

    return go


def test_what_stands_in_the_profile_is_no_fault_of_an_option(run):
    refused = run("watch", "--profile", "mobile-de")
    assert refused.exit_code == 2
    assert "profile mobile-de: name: {vehicle}_{number:02}: numbers within a vehicle" in refused.stderr
    assert "give --name {vehicle}_{name} or another without {number}" in refused.stderr
    assert "--name: {number}: numbers" in run("watch", "--profile", "mobile-de", "--name", "{number}").stderr
    placed = run("watch", "--profile", "white", "--group", "none").stderr
    assert "profile white: place: vehicle needs to know which photos show one vehicle: give --group" in placed
    assert run("watch", "--profile", "mobile-de", "--name", "{vehicle}_{name}").exit_code == 0


def photo(name):
    Path(name).parent.mkdir(exist_ok=True)
    Image.fromarray(draw_photo(1)).save(name)


def test_two_photos_of_one_name_end_nothing(run):
    photo("day/ok1.webp")
    photo("day/ok1.jpg")
    photo("day/ok2.jpg")
    for command in ("cut", "cut", "watch"):
        done = run(command)
        said = "carmask: day/ok1.webp: day/ok1.jpg has the same name in the output folder; rename one of them"
        assert (done.exit_code, done.stderr.splitlines()[-1]) == (1, said)
        assert {path.name for path in Path("out").glob("*.png")} == {"ok1.png", "ok2.png"}
    shutil.rmtree("out")
    assert said in run("watch").stderr
