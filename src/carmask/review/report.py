"""Decisions in the report of a run, and what a later run makes of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from carmask.batch.process import Job
from carmask.batch.run import REPORT
from carmask.errors import OutputError
from carmask.images import write_atomically
from carmask.review.queue import Queue
from carmask.review.store import Correction, Corrections


def with_corrections(jobs: Sequence[Job], store: Corrections) -> list[Job]:
    """Give each job the corrected mask that holds for it.

    Args:
        jobs: from ``plan``.
        store: of the same output folder.

    Returns:
        The same, in their order.
    """
    names = {name for name, one in store.decided().items() if one.decision == "corrected"}
    result = []
    for job in jobs:
        found = store.current(job.name) if job.name in names else None
        if found is not None and found.mask is not None:
            job = replace(job, correction=found.mask, corrected_photo=found.photo)
        result.append(job)
    return result


def decisions(store: Corrections) -> dict[str, str]:
    """What was decided, by name: ``accepted``, ``corrected`` or ``rejected``."""
    return {name: one.decision for name, one in store.decided().items()}


def write_decisions(out: Path, queue: Queue, decided: Mapping[str, Correction]) -> None:
    """Bring the ``decision`` column of a report up to date; all else stays.

    Args:
        out: the folder with the report; nothing is done if there is none.
        queue: the run's photos.
        decided: the decisions that hold, by name.

    Raises:
        OutputError: if it cannot be read or written.
    """
    file = out / REPORT
    try:
        text = file.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{file}: cannot be read: {error.strerror or error}") from error
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or "photo" not in rows[0]:
        return
    by_photo = {entry.photo: decided[entry.name].decision for entry in queue.entries if entry.name in decided}
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(_marked(rows, by_photo))
    write_atomically(file, buffer.getvalue().encode("utf-8", "surrogateescape"))


def _marked(rows: list[list[str]], by_photo: Mapping[str, str]) -> Iterable[list[str]]:
    header = rows[0] if "decision" in rows[0] else [*rows[0], "decision"]
    photo, decision = header.index("photo"), header.index("decision")
    yield header
    for row in rows[1:]:
        filled = [*row, *[""] * (len(header) - len(row))]
        filled[decision] = by_photo.get(row[photo], "") if row else ""
        yield filled
