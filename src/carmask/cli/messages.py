"""What the commands say, apart from progress."""

from __future__ import annotations

import os
import sys
import unicodedata

from carmask.errors import UsageError
from carmask.words import counted

__all__ = ["OutputClosedError", "complain", "counted", "need"]


class OutputClosedError(Exception):
    """The reader of the output went away, as in ``carmask models list | head -1``."""


def complain(message: str) -> None:
    """Print one line on standard error, whatever characters a file name holds."""
    line = " ".join(message.splitlines())
    # A file's name may hold what a terminal takes for a command.
    line = "".join(repr(one)[1:-1] if unicodedata.category(one) == "Cc" else one for one in line)
    try:
        print(f"carmask: {line}".encode(errors="backslashreplace").decode(), file=sys.stderr, flush=True)
    except BrokenPipeError:
        # As in `2>&1 | head`: nobody hears it, and the exit status must still tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def need(module: str, extra: str) -> None:
    """Refuse a command whose extra is not installed.

    Raises:
        UsageError: The module cannot be found; the message names the extra to install.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise UsageError(f"this command needs more than the base install: pip install 'carmask[{extra}]'")
