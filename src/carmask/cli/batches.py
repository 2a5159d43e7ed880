"""What ``cut``, ``submit`` and ``watch`` share: how a batch goes on, and what is wrong with its vehicles."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from carmask.cli.messages import complain, counted
from carmask.cli.progress import progress_bar

if TYPE_CHECKING:
    from carmask.batch.job import Result
    from carmask.batch.vehicle_report import Vehicle


@contextmanager
def following(what: str, mode: str) -> Iterator[Callable[[Result, int, int], None]]:
    """Show how a run goes, and at the end what failed.

    Args:
        what: what is done with the photos, for the bar.
        mode: value of ``--progress``; ``json`` prints a line of JSON for each photo.

    Yields:
        What to call after each photo, with its result, the number done and the number of all.
    """
    failures: list[tuple[str, str]] = []
    started, kept = time.monotonic(), 0

    def follow(result: Result, done: int, total: int) -> None:
        nonlocal kept
        kept += result.kept
        if result.status == "failed":
            failures.append((result.photo, result.reason))
        if mode == "json":
            seconds = time.monotonic() - started
            rate = (done - kept) / seconds if seconds > 0 else 0.0
            _print_event(result, done, total, rate)
        step(done, total)

    try:
        with progress_bar(what, "photos") as step:
            yield follow
    finally:
        for _, reason in sorted(failures):
            complain(reason)


def _print_event(result: Result, done: int, total: int, rate: float) -> None:
    """A line of JSON for a photo: for logs, and for programs that wait for results."""
    event = {
        "photo": result.photo,
        "status": result.status,
        "reason": result.reason,
        "confidence": result.confidence,
        "area": result.area,
        "expected_error_px": result.error,
        "seconds": round(result.seconds, 4),
        "kept": result.kept,
        "done": done,
        "total": total,
        "photos_per_second": round(rate, 2),
        "seconds_left": round((total - done) / rate) if rate else None,
    }
    print(json.dumps(event), flush=True)


def complain_of(vehicles: Iterable[Vehicle], report: Path) -> int:
    """Say what is wrong with vehicles, and how many photos have none.

    Args:
        vehicles: of a run.
        report: its table.

    Returns:
        How many problems there are.
    """
    problems = [(vehicle, problem) for vehicle in vehicles for problem in vehicle.problems]
    for one, problem in problems:
        none = f"{counted(one.photos, 'photo')} without a vehicle: those whose column vehicle is empty in {report}"
        complain(f"{one.vehicle}: {problem}" if one.vehicle else none)
    return len(problems)
