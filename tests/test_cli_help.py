"""The command line's help: complete, true to the commands, and quick to come."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import click
import pytest
from click.testing import CliRunner

import carmask
from carmask.cli import app
from carmask.cli.command import Command, LazyGroup
from carmask.compositing.background import Fit
from carmask.compositing.placement import Rule
from carmask.compositing.shadow import Shadow
from carmask.formats.photos import PhotoMode
from carmask.formats.table import FORMATS, WRITABLE
from carmask.images.writing import Format
from carmask.model.runtime import Device
from carmask.training.recipe import recipe_names


def walk(group: LazyGroup, path: str) -> Iterator[tuple[str, click.Command, str]]:
    """All commands below a group: path, command, the summary in its group's table."""
    for name, entry in group.entries.items():
        found = group.get_command(click.Context(group), name)
        assert found is not None
        yield f"{path} {name}", found, entry.summary
        if isinstance(found, LazyGroup):
            yield from walk(found, f"{path} {name}")


EVERY = {path: (command, summary) for path, command, summary in walk(app, "carmask")}
COMMANDS = {path: command for path, (command, _) in EVERY.items() if isinstance(command, Command)}
EXAMPLES = [line for command in COMMANDS.values() for line in command.examples if line.startswith("carmask ")]


@pytest.mark.parametrize("path", EVERY)
def test_the_tables_state_the_commands_own_names_and_summaries(path):
    command, summary = EVERY[path]
    assert command.name == path.rpartition(" ")[2]
    assert (command.help or "").partition("\n\n")[0] == summary


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_teaches(path):
    command = COMMANDS[path]
    text = CliRunner().invoke(app, [*path.split()[1:], "--help"], terminal_width=100).output
    assert text.startswith(f"Usage: {path} ")
    assert "\n\n" in (command.help or ""), "what it does and writes, after the summary"
    for param in command.params:
        assert getattr(param, "help", None), f"{path}: {param.name} has no help"
        assert isinstance(param, click.Argument) or max(param.opts, key=len) in text
    assert command.examples
    for line in command.examples:
        assert f"  {line}\n" in text


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_parse(line):
    words = shlex.split(line)
    context = click.Context(app, info_name="carmask")
    assert words.pop(0) == "carmask"
    command: click.Command = app
    while isinstance(command, LazyGroup):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        context, command = click.Context(found, parent=context), found
    command.make_context(line, words)


def test_some_example_of_each_command_is_of_the_command_itself():
    for path, command in COMMANDS.items():
        assert any(line.startswith(f"{path} ") or line == path for line in command.examples), path


def test_the_group_lists_every_command_in_its_section():
    text = CliRunner().invoke(app, ["--help"]).output
    for name, entry in app.entries.items():
        assert f"\n{entry.section}:\n" in text
        assert f"\n  {name} " in text
        assert entry.summary in text


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["cut", "--help"], ["train", "--help"]])
def test_help_loads_neither_the_other_commands_nor_anything_heavy(arguments):
    code = (
        "import sys\n"
        "from carmask.cli import main\n"
        f"sys.argv = ['carmask', *{arguments!r}]\n"
        "try: main()\n"
        "except SystemExit: print('loaded', *sys.modules)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(shown.rpartition("loaded ")[2].split())
    assert not loaded & {"numpy", "cv2", "openvino", "torch", "PIL", "pydantic", "rich", "logging", "asyncio"}
    mine = {name for name in loaded if name.startswith("carmask.")}
    wanted = {f"carmask.cli.commands.{arguments[0]}"} if not arguments[0].startswith("-") else set()
    assert {name for name in mine if name.startswith("carmask.cli.commands.")} == wanted
    light = {"carmask.errors", "carmask.logs", "carmask.words", "carmask._version"}
    assert {name for name in mine if not name.startswith("carmask.cli")} <= light


def test_help_lists_the_recipes():
    text = CliRunner().invoke(app, ["train", "--help"], terminal_width=60).output
    listed = text.partition("Shipped recipes:")[2].partition("Examples:")[0]
    assert listed.replace(",", " ").split() == recipe_names()


def test_choices_are_those_of_the_library():
    choices = {
        (path, param.name): tuple(param.type.choices)
        for path, command in COMMANDS.items()
        for param in command.params
        if isinstance(param.type, click.Choice)
    }
    assert choices["carmask cut", "device"] == get_args(Device)
    assert choices["carmask cut", "picture"] == get_args(Format)
    assert choices["carmask cut", "fit"] == get_args(Fit)
    assert choices["carmask cut", "shadow"] == get_args(Shadow)
    assert choices["carmask cut", "place"] == get_args(Rule)
    assert choices["carmask convert", "to"] == WRITABLE
    assert choices["carmask convert", "form"] == tuple(sorted(FORMATS))
    assert choices["carmask convert", "photo_files"] == get_args(PhotoMode)


def test_about_and_the_long_version_say_the_same():
    shown = CliRunner().invoke(app, ["about"])
    assert shown.exit_code == 0
    assert shown.output == CliRunner().invoke(app, ["--version", "--verbose"]).output
    rows = {line[:18].strip(): line[18:] for line in shown.output.splitlines()}
    assert rows["carmask"] == carmask.__version__
    assert rows["model"].startswith("default version ")
    assert len(rows["SHA-256"]) == 64
    assert "float" in rows["precision"]
    assert "cores" in rows


def test_the_short_version():
    assert CliRunner().invoke(app, ["--version"]).output == f"carmask {carmask.__version__}\n"
    assert CliRunner().invoke(app, ["--verbose"]).exit_code == 2
    assert CliRunner().invoke(app, []).exit_code == 2


def test_a_wrong_name_gets_similar_ones():
    result = CliRunner().invoke(app, ["evalute"])
    assert result.exit_code == 2
    assert "evaluate" in result.output


def test_shell_completion_knows_commands_and_options():
    command = [sys.executable, "-m", "carmask"]
    environment = {**os.environ, "_CARMASK_COMPLETE": "bash_complete", "COMP_WORDS": "carmask ev", "COMP_CWORD": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,evaluate\n"
