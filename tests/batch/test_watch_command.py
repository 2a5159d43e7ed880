"""``carmask watch``: what it says, and its exit status, beside ``carmask cut``."""

from __future__ import annotations

import contextlib
import io
import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from carmask.cli.app import app
from carmask.cli.commands.watch import _stopping
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


def test_a_vehicle_that_is_wrong_or_not_known_ends_with_status_1(run):
    for name in ("4711_1", "4711_2", "9999_1"):
        photo(f"day/{name}.jpg")
    Path("table.csv").write_text("stock,vin\n4711,1HGCM82633A004353\n", encoding="utf-8")
    wrong = [run(command, "--group", "table.csv") for command in ("cut", "watch")]
    for done in wrong:
        vin, none = done.stderr.splitlines()[-2:]
        assert vin.startswith("carmask: 4711: VIN 1HGCM82633A004353: ")
        assert none == "carmask: 1 photo without a vehicle: those whose column vehicle is empty in out/report.csv"
        assert done.exit_code == 1
    assert "finished 4711: 2 of 2 photos done; " in wrong[1].stdout
    Path("table.csv").write_text("stock\n4711\n9999\n", encoding="utf-8")
    assert [run(command, "--group", "table.csv").exit_code for command in ("cut", "watch")] == [0, 0]


def test_a_folder_that_comes_later_changes_nothing_for_the_photos_beside_it(run):
    photo("day/loose.jpg")
    assert run("watch", "--group", "folder").exit_code == 1
    photo("day/4711/front.jpg")
    said = "carmask: 1 photo without a vehicle: those whose column vehicle is empty in out/report.csv"
    for command, worked in (("watch", "1 photo worked on"), ("cut", "2 of 2 photos done")):
        done = run(command, "--group", "folder", *(["-r"] if command == "cut" else []))
        assert (done.exit_code, done.stderr.splitlines()[-1]) == (1, said)
        assert worked in done.stdout
        assert {path.parent.name for path in Path("out").rglob("*.png")} == {"no-vehicle", "4711"}


def test_a_signal_that_comes_while_a_line_is_written_stops_it():
    """Its handler wrote a line of its own within that line, which Python refuses: the watch ended with a traceback."""

    class Output(io.RawIOBase):
        def writable(self):
            return True

        def write(self, content):
            if not stop.is_set():
                signal.raise_signal(signal.SIGTERM)
            return len(content)

    text = io.TextIOWrapper(io.BufferedWriter(Output()))
    with _stopping() as stop, contextlib.redirect_stdout(text):
        text.write("done a.jpg\n")
        text.flush()
        assert stop.is_set()
