"""Every command and option is described on a page that a person has written."""

from __future__ import annotations

import re

import click
import pytest

from tests.conftest import REPOSITORY
from tests.test_cli_help import COMMANDS

#: Records of decisions and experiments tell how things came about, not how they are used.
RECORDS = {"decisions", "experiments"}
SHARED = ("command-line.md", "Options of several commands")
PAGES = [
    REPOSITORY / "README.md",
    *(page for page in (REPOSITORY / "docs").rglob("*.md") if not RECORDS & {*page.relative_to(REPOSITORY).parts}),
]


@pytest.fixture(scope="module")
def text() -> str:
    assert len(PAGES) > 10
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_described(text, path):
    inner = path.split(maxsplit=1)[1]
    assert re.search(rf"`{inner}[ `]|\b{path}\b", text), f"no page shows '{path}'"


def rows(page: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    section = (
        (REPOSITORY / "docs" / page).read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    )
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def written(param: click.Option) -> str:
    """An option with its value, as the help shows it: ``--model FILE|NAME``."""
    value = "" if param.is_flag else param.make_metavar(click.Context(click.Command("help"))).strip("[]")
    return f"{max(param.opts, key=len)} {value}".strip()


def test_the_table_of_shared_options_has_all_their_commands():
    shown = {cells[0].split("`")[1]: set(re.findall(r"`([^`]+)`", cells[1])) for cells in rows(*SHARED)}
    assert len(shown) > 8
    del shown["--out"]  # of most commands
    having = {
        name: {
            path.split(maxsplit=1)[1]
            for path, command in COMMANDS.items()
            for param in command.params
            if isinstance(param, click.Option) and written(param) == name
        }
        for name in shown
    }
    assert shown == having


def test_the_table_of_single_options_names_options_that_exist():
    for commands, options, *_ in rows("command-line.md", "Options of single commands"):
        for name in re.findall(r"`([^`]+)`", commands):
            known = {option for param in COMMANDS[f"carmask {name}"].params for option in param.opts}
            assert {*re.findall(r"--[\w-]+", options)} <= known, name


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_described(text, path):
    options = [max(param.opts, key=len) for param in COMMANDS[path].params if isinstance(param, click.Option)]
    missing = [name for name in options if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)]
    assert not missing, f"no page describes {', '.join(missing)} of '{path}'"
