"""Progress on standard error: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from carmask.logs import duration, log_to

#: Where the option ``--progress`` keeps its value in click's context.
MODE = "carmask.progress"
#: Seconds between two lines of a log.
PERIOD = 10.0

#: Called with the number done and the number of all.
Step = Callable[[int, int], None]


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Step]:
    """Show how far a command is, as its option ``--progress`` says.

    Args:
        what: what is done, such as ``scoring``.
        unit: of the things that are counted, in the plural.

    Yields:
        What to call after each of them, with the number done and the number of all.
    """
    if shows_bar():
        with _bar(what, unit) as step:
            yield step
    elif _shows_lines():
        yield Lines(what, unit)
    else:
        yield lambda _done, _total: None


def shows_bar() -> bool:
    """Whether the option ``--progress`` asks for a bar, and standard error is a terminal."""
    return _mode() in {"auto", "bar"} and sys.stderr.isatty()


def _shows_lines() -> bool:
    return _mode() == "lines" or (_mode() == "auto" and not sys.stderr.isatty())


def _mode() -> str:
    context = click.get_current_context(silent=True)
    return "auto" if context is None else str(context.meta.get(MODE, "auto"))


class Lines:
    """Progress as lines of a log: one every ten seconds, none for what is done before.

    Args:
        what: what is done.
        unit: of the things that are counted, in the plural.
        clock: the time in seconds.
    """

    def __init__(self, what: str, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._unit, self._clock = what, unit, clock
        self._started = self._said = clock()
        self._before = 0

    def __call__(self, done: int, total: int) -> None:
        """Print a line if it is time for one; a number below the last one begins a new count, with its own rate."""
        now = self._clock()
        if done < self._before:
            self._started = self._said = now
        self._before = done
        if now - self._said < PERIOD and not (done >= total and self._said > self._started):
            return
        self._said = now
        rate = done / (now - self._started)
        speed = _each(rate) or f"{rate:.1f}/s"
        left = f", {duration((total - done) / rate)} left" if 0 < done < total else ""
        share = f" ({100 * done // total} %)" if total else ""
        print(f"{self._what}: {done} of {total} {self._unit}{share}, {speed}{left}", file=sys.stderr, flush=True)


def _each(rate: float) -> str:
    """How long one thing takes, where that tells more than how many a second: 0.0/s."""
    return f"{duration(1 / rate)} each" if 0 < rate < 0.1 else ""


@contextmanager
def _bar(what: str, unit: str) -> Iterator[Step]:
    """A bar with rate and time left, which goes when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, rate="")

        def step(done: int, total: int) -> None:
            speed = progress.tasks[0].speed
            rate = (_each(speed) or f"{speed:.1f} {unit}/s") if speed else ""
            progress.update(task, completed=done, total=total, rate=rate)

        yield step


@contextmanager
def log_lines(name: str) -> Iterator[None]:
    """Print a logger's lines on standard error, with the time of day, if the option ``--progress`` asks for lines."""
    if not _shows_lines():
        yield
        return
    import logging

    with log_to(logging.getLogger(name), logging.StreamHandler(), "%H:%M:%S"):
        yield
