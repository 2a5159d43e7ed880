"""Decisions in the report of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from carmask.batch.corrections import Correction
from carmask.batch.names import REPORT
from carmask.errors import OutputError
from carmask.images import write_atomically
from carmask.review.queue import Queue


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
