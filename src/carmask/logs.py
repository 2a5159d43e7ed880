"""What a long run says: a log file beside what it writes, and durations as people say them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from carmask.errors import OutputError

if TYPE_CHECKING:  # the command line's help does without it
    import logging


def duration(seconds: float | None) -> str:
    """Seconds as people say them: ``45 s``, ``12 min``, ``3 h 05 min``; ``?`` for None."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


@contextmanager
def log_to(logger: logging.Logger, handler: logging.Handler, times: str) -> Iterator[None]:
    """Give a logger's lines to a handler too, each after its time.

    Args:
        logger: whose lines, from level INFO upwards.
        handler: closed at the end.
        times: how times are written, in the words of ``time.strftime``.
    """
    import logging

    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", times))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
        with suppress(OSError):  # a full disk: what was made does not depend on its log
            handler.close()


@contextmanager
def log_file(logger: logging.Logger, file: Path) -> Iterator[None]:
    """Write a logger's lines to a file too; an earlier run's lines stay. Bytes that are no UTF-8 become numbers.

    Args:
        logger: whose lines, from level INFO upwards.
        file: in a folder that exists.

    Raises:
        OutputError: if the file cannot be written.
    """
    import logging

    try:
        handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from error
    with log_to(logger, handler, "%Y-%m-%d %H:%M:%S"):
        yield
