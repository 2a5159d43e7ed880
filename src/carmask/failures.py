"""What could not be done of a list of photos: a name and a reason for each, so that one failure never ends a run."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from carmask.errors import CarmaskError, OutputError

_logger = logging.getLogger(__name__)


class Failure(NamedTuple):
    """Something that could not be done.

    Attributes:
        name: of the photo, mask or car.
        reason: what was wrong, in one line that names it.
    """

    name: str
    reason: str


def in_one_line(error: BaseException) -> str:
    """What an exception says, without line breaks and other characters that are not seen."""
    text = " ".join(str(error).split())
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def first_line(error: BaseException) -> str:
    """The first line of what an exception says: libraries add how to report a bug. Its type where it says nothing."""
    return _lines(error)[0]


def last_line(error: BaseException) -> str:
    """The last line: some libraries put a traceback before what was wrong. Its type where it says nothing."""
    return _lines(error)[-1]


def _lines(error: BaseException) -> list[str]:
    return str(error).strip().splitlines() or [type(error).__name__]


def describe_failure(name: str, error: Exception) -> Failure:
    """Turn an exception into a failure.

    An exception that is none of ``carmask.errors`` is a bug: its traceback goes to the log ``carmask.failures``.

    Args:
        name: of what failed.
        error: what was raised.

    Returns:
        The failure; its reason names what failed even if the exception does not.
    """
    said = in_one_line(error)
    if isinstance(error, CarmaskError):
        named = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said)
        return Failure(name, said if named else f"{name}: {said}")
    if isinstance(error, MemoryError):
        return Failure(name, f"{name}: too large for this machine's memory")
    _logger.error("unexpected error in %s", name, exc_info=error)
    return Failure(name, f"{name}: unexpected {type(error).__name__}{': ' * bool(said)}{said}")


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Say in one line what the disk refused, where libraries pass the system's errors through.

    Args:
        place: named where the error names no file.

    Raises:
        OutputError: in place of any ``OSError``.
    """
    try:
        yield
    except OSError as error:
        file = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else place
        # A process of PyTorch's puts its whole traceback into the message.
        said = error.strerror or last_line(error)
        raise OutputError(f"{file}: cannot be read or written: {said}") from error
