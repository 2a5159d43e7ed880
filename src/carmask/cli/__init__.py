"""The command line: the only package that prints or exits. Each command parses, calls the library, shows the result."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings

import click

from carmask.cli.app import app
from carmask.cli.messages import OutputClosedError, complain
from carmask.errors import Terminated

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line and exit.

    The exit status is 0 if everything is done, 1 if something failed, 2 if the request cannot be served, 130 after an
    interrupt, 143 after SIGTERM and 141 if the reader of the output went away.
    """
    _open_streams()
    # Pillow warns of odd metadata in photos that it reads without fault; what it cannot read is an error anyway.
    warnings.filterwarnings("ignore", module="PIL")
    # Letters that a terminal or a pipe has not are written as numbers: a photo's name must not end a run.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app.main(prog_name="carmask", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a command: its help, on standard error since nothing was asked for.
        print(error.format_message(), file=sys.stderr)
        code = 2
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
        context = getattr(error, "ctx", None)
        if getattr(error, "hint", True):
            message += f" (try: {context.command_path if context is not None else 'carmask'} --help)"
        complain(message)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted")
        code = 130
    except Terminated as ended:
        complain("terminated")
        code = ended.code
    except (BrokenPipeError, OutputClosedError):
        # A reader that stopped early (`| head`): nothing to say.
        _give_up_output()
        code = 141
    except OSError as error:
        # The library has a CarmaskError for its own files, so this is standard output.
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        complain("standard output cannot be written: no space left on the device")
        _give_up_output()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _open_streams() -> None:
    """Open standard streams that were closed (``>&-``): else the next file that is opened takes their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, so this one
            os.dup2(nothing, number)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def _give_up_output() -> None:
    """Let nothing more be flushed to standard output at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
