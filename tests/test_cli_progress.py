"""Progress: a bar on a terminal, lines in a log, nothing where none is wanted."""

from __future__ import annotations

import io
import re

import click
import pytest

from carmask.cli.command import Command
from carmask.cli.messages import counted
from carmask.cli.options import progress_option
from carmask.cli.progress import Lines, progress_bar

from .test_cli_help import COMMANDS

#: Commands that read or write one thing, or only print.
SINGLE = {"about", "score", "networks", "augment", "blend", "compare", "review", "serve", "corrections", "models"}
#: Commands that print a line for each photo, or only texts.
SINGLE |= {"watch", "profile", "deliver"}


@pytest.mark.parametrize("path", COMMANDS)
def test_commands_with_many_files_show_progress(path):
    options = {name for param in COMMANDS[path].params for name in param.opts}
    assert ("--progress" in options) != (path.split()[1] in SINGLE)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_every_ten_seconds_and_at_the_end(capsys):
    clock = Clock()
    lines = Lines("scoring", "photos", clock)
    for done in range(1, 101):
        clock.now += 0.25
        lines(done, 100)
    assert capsys.readouterr().err.splitlines() == [
        "scoring: 40 of 100 photos (40 %), 4.0/s, 15 s left",
        "scoring: 80 of 100 photos (80 %), 4.0/s, 5 s left",
        "scoring: 100 of 100 photos (100 %), 4.0/s",
    ]


def test_a_short_run_says_nothing(capsys):
    clock = Clock()
    lines = Lines("scoring", "photos", clock)
    for done in range(1, 10):
        clock.now += 1
        lines(done, 9)
    assert capsys.readouterr().err == ""


def test_long_times_are_told_in_minutes_and_hours(capsys):
    clock = Clock()
    lines = Lines("cutting", "photos", clock)
    clock.now = 100
    lines(100, 1000)
    clock.now = 200
    lines(200, 20000)
    told = [line.rsplit(", ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert told == ["15 min left", "5 h 30 min left"]


def test_slow_things_are_told_by_the_time_that_each_takes(capsys):
    clock = Clock()
    lines = Lines("rendering", "photos", clock)
    clock.now = 47
    lines(0, 4)
    lines(1, 4)
    clock.now = 94
    lines(2, 4)
    assert capsys.readouterr().err.splitlines() == [
        "rendering: 0 of 4 photos (0 %), 0.0/s",
        "rendering: 2 of 4 photos (50 %), 47 s each, 2 min left",
    ]


def test_a_second_count_has_a_rate_of_its_own(capsys):
    clock = Clock()
    lines = Lines("building", "photos", clock)
    clock.now = 10
    lines(20, 20)
    clock.now = 3600  # a training, in between
    for done in range(41):
        lines(done, 100)
        clock.now += 0.5
    assert capsys.readouterr().err.splitlines() == [
        "building: 20 of 20 photos (100 %), 2.0/s",
        "building: 20 of 100 photos (20 %), 2.0/s, 40 s left",
        "building: 40 of 100 photos (40 %), 2.0/s, 30 s left",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("words", "terminal", "wanted"),
    [
        ([], True, "bar"),
        ([], False, "lines"),
        (["--progress", "bar"], True, "bar"),
        (["--progress", "bar"], False, ""),
        (["--progress", "lines"], True, "lines"),
        (["--progress", "quiet"], True, ""),
        (["--progress", "quiet"], False, ""),
    ],
)
def test_what_is_shown_where(monkeypatch, words, terminal, wanted):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("carmask.cli.progress.PERIOD", 0.0)
    monkeypatch.setenv("TERM", "xterm")

    @click.command("work", cls=Command)
    @progress_option
    def work():
        with progress_bar("scoring", "photos") as step:
            step(3, 7)

    work.main(words, standalone_mode=False)
    text = stream.getvalue()
    shown = "lines" if re.search(r"scoring: 3 of 7 photos", text) else "bar" if "3/7" in text else text
    assert shown == wanted


def test_one_thing_is_counted_in_the_singular():
    assert [counted(number, "photo") for number in (0, 1, 2)] == ["0 photos", "1 photo", "2 photos"]
