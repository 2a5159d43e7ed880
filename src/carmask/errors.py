"""Everything that carmask raises on purpose.

::

    CarmaskError                 one line that says what was wrong, where, and what to do
    ├── UsageError               the request itself cannot be served: nothing was started
    │   ├── UnknownNameError     no network, model, recipe … has this name
    │   ├── InUseError           another process is writing to the same output folder
    │   └── DeviceError          the device that was asked for is not there
    ├── PhotoError               a photo or mask cannot be read or is not what it should be
    ├── OutputError              a result cannot be written (permissions, disk full, a folder in the way)
    │   └── IncompleteError      a file that must be complete was not written, because parts of it failed
    ├── ArrayError               an array has another dtype, shape or range than its contract says
    ├── RLEError                 a run-length text is malformed or does not fit its frame
    ├── DataError                a data set is incomplete or contradicts itself
    ├── SubmissionError          a submission or truth CSV cannot be read
    ├── RecipeError              a training recipe has a wrong key or value
    ├── WeightsError             encoder weights or a checkpoint do not fit
    ├── ModelError               a model file is not one, or is damaged
    └── StudioError              a car cannot be built, or not rendered, as asked

``Terminated`` is none of them: it ends the process, as ``KeyboardInterrupt`` does.

Anything else that escapes is a bug and keeps its traceback.

Messages speak of arguments as a Python program gives them, ``place='turntable'``. An error about the value of one
argument carries the argument's name; the command line shows its own name for it.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, get_args

#: No message is longer.
_LONGEST = 4000


class CarmaskError(Exception):
    """Base of all errors that a user can do something about.

    Attributes:
        message: what was wrong and what to do, without the argument's name.
        argument: the argument whose value is wrong, as the function or class names it; None if it is not one argument.
    """

    def __init__(self, message: str = "", *, argument: str | None = None) -> None:
        """State what was wrong, and in which argument."""
        # What a damaged file holds may be quoted in it, and be of any length.
        long = len(message) > _LONGEST
        self.message = f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 4 :]}" if long else message
        super().__init__(self.message)
        self.argument = argument

    def __str__(self) -> str:
        return self.message if self.argument is None else f"{self.argument}: {self.message}"


class UsageError(CarmaskError):
    """The request cannot be served as it was put; nothing was started."""


class UnknownNameError(UsageError):
    """A name that is not in the table it was looked up in."""


class InUseError(UsageError):
    """Another process is writing to the same output folder; it is free when that ends."""


class DeviceError(UsageError):
    """The device that was asked for is not available."""


class PhotoError(CarmaskError):
    """A photo or mask file cannot be used."""


class OutputError(CarmaskError):
    """A result cannot be written."""


class IncompleteError(OutputError):
    """A file that must be complete was not written, because parts of it failed."""


class ArrayError(CarmaskError):
    """An array breaks its contract."""


class RLEError(CarmaskError):
    """A run-length text is malformed or does not fit its frame."""


class DataError(CarmaskError):
    """A data set is incomplete or contradicts itself."""


class SubmissionError(CarmaskError):
    """A submission or truth CSV cannot be read."""


class RecipeError(CarmaskError):
    """A training recipe has a wrong key or value."""


class WeightsError(CarmaskError):
    """Weights or a checkpoint do not fit the network."""


class ModelError(CarmaskError):
    """A model file is not one, or is damaged."""


class StudioError(CarmaskError):
    """A car cannot be built or rendered as asked."""


class Terminated(SystemExit):
    """The process was asked to end, by SIGTERM; its exit status is 143, as a shell gives it."""

    def __init__(self) -> None:
        """Set the status."""
        super().__init__(143)


def check_choice(value: object, choices: Any, argument: str) -> None:
    """Refuse a value that is none of a ``Literal``'s, as a program may give it that no type checker has seen.

    Args:
        value: what was given.
        choices: the ``Literal``.
        argument: whose value it is.

    Raises:
        UsageError: if it is none of them.
    """
    if value not in get_args(choices):
        raise UsageError(f"{value!r}: give {', '.join(map(repr, get_args(choices)))}", argument=argument)


def check_number(value: object, argument: str) -> None:
    """Refuse what is no number, as a program may give it that no type checker has seen.

    Args:
        value: what was given.
        argument: whose value it is.

    Raises:
        UsageError: if it is none.
    """
    if not isinstance(value, Real):
        raise UsageError(f"{value!r}: give a number", argument=argument)


def check_kind(value: object, kind: type, argument: str) -> None:
    """Refuse what is of another type.

    Args:
        value: what was given.
        kind: the type.
        argument: whose value it is.

    Raises:
        UsageError: if it is of another one.
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise UsageError(f"{value!r}: give {article} {kind.__name__}, such as {kind.__name__}()", argument=argument)
