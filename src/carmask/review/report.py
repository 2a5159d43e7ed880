"""Decisions in the report of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from carmask.batch.corrections import Correction
from carmask.batch.names import REPORT
from carmask.batch.report import read_report
from carmask.formats.spreadsheet import write_sheet
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
        UsageError: if it is no report any more.
    """
    if not (out / REPORT).exists():
        return
    sheet = read_report(out)
    by_photo = {entry.photo: decided[entry.name].decision for entry in queue.entries if entry.name in decided}
    header = sheet.header if "decision" in sheet.header else [*sheet.header, "decision"]
    photo, decision = header.index("photo"), header.index("decision")
    rows = [[*row, *[""] * (len(header) - len(row))] for row in sheet.rows]
    for row in rows:
        row[decision] = by_photo.get(row[photo], "")
    write_atomically(out / REPORT, write_sheet(sheet._replace(header=header, rows=rows)))
