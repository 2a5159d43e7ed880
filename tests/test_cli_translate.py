"""Errors of the library, in the words of the command line."""

from __future__ import annotations

import pickle

import click
import pytest

from carmask.cli.command import Command, option
from carmask.cli.translate import Failure, translate_error
from carmask.errors import CarmaskError, DataError, OutputError, UsageError


@click.command("paint", cls=Command)
@click.argument("paths", metavar="PATH...", nargs=-1)
@option("--place", "-p", metavar="WHERE")
@option("--shadow-strength", "strength", arguments=["darkness"], metavar="0-3")
@option("--recursive", "-r", is_flag=True)
def paint(paths, place, strength, recursive):
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


def test_an_error_tells_a_program_its_argument_and_survives_a_process_boundary():
    error = pickle.loads(pickle.dumps(UsageError("2 is more than 1", argument="scale")))
    assert isinstance(error, UsageError)
    assert (str(error), error.message, error.argument) == ("scale: 2 is more than 1", "2 is more than 1", "scale")
    assert str(CarmaskError("plain")) == "plain"
