"""What ``cut`` and ``submit`` share: the engine that runs a batch, and how its progress is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from carmask.cli.messages import complain, need
from carmask.cli.progress import progress_bar
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.batch.process import PhotoTask, Result
    from carmask.batch.run import Engine


def start_engine(task: PhotoTask, timeout: float, engine: str, address: str | None) -> Engine:
    """Load the network, here or on a cluster."""
    if engine == "ray":
        need("ray", "cluster")
        from carmask.batch.engines.ray import RayEngine

        return RayEngine(task, address=address, patience=timeout)
    if address is not None:
        raise UsageError("--address is the cluster's: it needs --engine ray")
    from carmask.batch.run import LocalEngine

    return LocalEngine(task, patience=timeout)


def follow(results: Iterator[Result], total: int, what: str, mode: str) -> int:
    """Draw results, show how it goes, and at the end what failed; the number of failures."""
    failures: list[tuple[str, str]] = []
    started, done, kept = time.monotonic(), 0, 0
    try:
        with progress_bar(what, "photos", shown=mode == "bar") as step:
            for done, result in enumerate(results, 1):
                kept += result.kept
                if result.status == "failed":
                    failures.append((result.photo, result.reason))
                if mode == "json":
                    seconds = time.monotonic() - started
                    rate = (done - kept) / seconds if seconds > 0 else 0.0
                    _print_event(result, done, total, rate)
                step(done, total)
    finally:
        for _, reason in sorted(failures):
            complain(reason)
    return len(failures)


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
