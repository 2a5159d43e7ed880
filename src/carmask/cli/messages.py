"""What the commands say, apart from progress."""

from __future__ import annotations

import sys
import unicodedata

from carmask.errors import UsageError
from carmask.words import counted

__all__ = ["complain", "counted", "need"]


def complain(message: str) -> None:
    """Print one line on standard error, whatever characters a file name holds."""
    line = " ".join(message.splitlines())
    # A file's name may hold what a terminal takes for a command.
    line = "".join(repr(one)[1:-1] if unicodedata.category(one) == "Cc" else one for one in line)
    print(f"carmask: {line}".encode(errors="backslashreplace").decode(), file=sys.stderr)


def need(module: str, extra: str) -> None:
    """Refuse a command whose extra is not installed.

    Raises:
        UsageError: The module cannot be found; the message names the extra to install.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise UsageError(f"this command needs more than the base install: pip install 'carmask[{extra}]'")
