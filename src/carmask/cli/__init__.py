"""The command line: the only package that prints or exits. Each command calls a function below and shows its result."""

from __future__ import annotations

import os
import sys
import warnings

import typer

# In the order in which the help lists their commands.
from carmask.cli import cutting, parts, scoring, training
from carmask.cli.common import app, complain
from carmask.errors import CarmaskError, OutputError

__all__ = ["app", "cutting", "main", "parts", "scoring", "training"]


def main() -> None:
    """Run the command line; exit 0 if all is done, 1 if something failed, 2 if the request was wrong."""
    # Pillow warns of odd metadata in photos that it reads without fault; what it cannot read is an error anyway.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.exceptions.TyperException as error:
        # Without arguments Typer has printed the help, and the message is empty.
        if message := " ".join(error.format_message().split()):
            complain(f"{message} (try: carmask --help)")
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted")
        code = 130
    except BrokenPipeError:
        # A reader that stopped early (`| head`): nothing to say, and nothing more to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except CarmaskError as error:
        complain(str(error))
        code = 1 if isinstance(error, OutputError) else 2
    sys.exit(code if isinstance(code, int) else 0)
