"""Errors of the library, in the words of the command line."""

from __future__ import annotations

import ast
import errno
import os
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import carmask
from carmask.cli.command import Command, option
from carmask.cli.translate import Failure, by_argument, translate_error
from carmask.errors import CarmaskError, DataError, OutputError, UsageError

from .test_cli_help import COMMANDS

SOURCE = Path(carmask.__file__).parent


@click.command("paint", cls=Command)
@click.argument("paths", metavar="PATH...", nargs=-1)
@option("--place", "-p", metavar="WHERE")
@option("--fit", type=click.Choice(["cover", "contain"]))
@option("--shadow-strength", "strength", arguments=["darkness"], metavar="0-3")
@option("--recursive", "-r", is_flag=True)
def paint(paths, place, fit, strength, recursive):
    """Paint."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UsageError("nothing to do"), "nothing to do"),
        (UsageError("it needs place='centre' or place='turntable'"), "it needs --place centre or --place turntable"),
        (
            UsageError("photos/: search with recursive=True, or name place=…"),
            "photos/: search with --recursive, or name --place WHERE",
        ),
        (
            UsageError("it goes neither with fit=… nor with place=…"),
            "it goes neither with --fit nor with --place WHERE",
        ),
        (UsageError("strength=1.5 is too much."), "--shadow-strength 1.5 is too much."),
        (UsageError("5 is too much", argument="darkness"), "--shadow-strength: 5 is too much"),
        (UsageError("at least one is needed", argument="paths"), "PATH...: at least one is needed"),
        (UsageError("no such colour", argument="unknown"), "unknown: no such colour"),
        (DataError("a.csv: line 3: x=5 and hidden_place='no' stay"), "a.csv: line 3: x=5 and hidden_place='no' stay"),
    ],
)
def test_arguments_become_options(error, message):
    assert Failure(error, click.Context(paint)).format_message() == message


def test_a_hint_is_given_where_the_help_says_more():
    context = click.Context(paint)
    assert Failure(UsageError("no", argument="place"), context).hint
    assert not Failure(UsageError("no"), context).hint
    assert not Failure(UsageError("no", argument="unknown"), context).hint


def test_exit_codes():
    context = click.Context(paint)
    assert translate_error(UsageError("no"), context).exit_code == 2
    assert translate_error(DataError("no"), context).exit_code == 2
    assert translate_error(OutputError("disk full"), context).exit_code == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENAMETOOLONG, errno.EIO])
def test_what_a_file_system_refuses_is_said_in_one_line(number):
    @click.command("read", cls=Command)
    def read():
        raise OSError(number, os.strerror(number), "/photos/a.jpg")

    with pytest.raises(Failure) as caught:
        read.main([], standalone_mode=False)
    assert caught.value.format_message() == f"/photos/a.jpg: cannot be read or written: {os.strerror(number)}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "gone", "a"), PermissionError(errno.EACCES, "no")])
def test_all_else_that_the_system_says_keeps_its_traceback(error):
    @click.command("read", cls=Command)
    def read():
        raise error

    with pytest.raises(OSError, match=r"gone|no") as caught:
        read.main([], standalone_mode=False)
    assert caught.value is error


def test_an_error_tells_a_program_its_argument_and_survives_a_process_boundary():
    error = pickle.loads(pickle.dumps(UsageError("2 is more than 1", argument="scale")))
    assert isinstance(error, UsageError)
    assert (str(error), error.message, error.argument) == ("scale: 2 is more than 1", "2 is more than 1", "scale")
    assert str(CarmaskError("plain")) == "plain"


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """The strings of a source file that are not docstrings, and where they stand."""
    tree = ast.parse(file.read_text())
    described = [
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in described:
            yield node.lineno, node.value


def test_the_library_knows_no_flags():
    # Style sheets have var(--ink) and style="--cell".
    flag = re.compile(r"(?:^|[\s(,;'])--[a-z]")
    sources = [file for file in SOURCE.rglob("*.py") if SOURCE / "cli" not in file.parents]
    assert len(sources) > 100
    found = [
        f"{file.relative_to(SOURCE)}:{line}: {text}"
        for file in sources
        for line, text in texts(file)
        if flag.search(text.replace("var(--", ""))
    ]
    assert not found


def test_names_of_earlier_versions_work_with_a_warning(capsys):
    @click.command("old", cls=Command)
    @option("--test-time-augmentation", "flip", is_flag=True, renamed=["--flip"])
    @option("--extra-data", multiple=True, renamed=["--also"])
    @click.argument("rest", nargs=-1)
    def old(flip, extra_data, rest):
        pass

    context = old.make_context("old", ["--flip", "--also", "a=1", "--also=b=2", "x", "--", "--flip"])
    assert context.params == {"flip": True, "extra_data": ("a=1", "b=2"), "rest": ("x", "--flip")}
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("carmask: --flip is now --test-time-augmentation; ")
    assert lines[1].startswith("carmask: --also is now --extra-data; ")
    assert len(lines) == 2
    assert "--also" not in old.get_help(context)


def test_every_argument_that_an_error_names_is_known_to_some_command():
    """Else a user of the command line would read the library's own name for it."""
    named = {
        (word.value.value, str(file.relative_to(SOURCE)))
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "argument" and isinstance(word.value, ast.Constant) and isinstance(word.value.value, str)
    }
    assert len(named) > 10
    known = {name for command in COMMANDS.values() for name in by_argument(command)}
    assert sorted(pair for pair in named if pair[0] not in known) == []
