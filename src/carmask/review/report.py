"""Decisions in the report of a run."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from carmask.batch.corrections import Correction
from carmask.batch.names import MANIFEST, REPORT, STATE
from carmask.batch.report import read_report
from carmask.errors import InUseError, OutputError
from carmask.failures import in_one_line
from carmask.formats.spreadsheet import write_sheet
from carmask.images import is_file, write_atomically
from carmask.review.queue import Queue


def write_decisions(out: Path, queue: Queue, decided: Mapping[str, Correction]) -> None:
    """Bring the ``decision`` column of a report up to date; all else stays.

    Args:
        out: the folder with the report; nothing is done if there is none.
        queue: the run's photos.
        decided: the decisions that hold, by name.

    Raises:
        InUseError: if a run is writing there: what it adds to the report would be lost.
        OutputError: if it cannot be read or written.
        UsageError: if it is no report any more.
    """
    if not (out / REPORT).exists():
        return
    with _without_runs(out / STATE / MANIFEST):
        _write(out, queue, decided)


def _write(out: Path, queue: Queue, decided: Mapping[str, Correction]) -> None:
    sheet = read_report(out)
    by_photo = {entry.photo: decided[entry.name].decision for entry in queue.entries if entry.name in decided}
    header = sheet.header if "decision" in sheet.header else [*sheet.header, "decision"]
    photo, decision = header.index("photo"), header.index("decision")
    rows = [[*row, *[""] * (len(header) - len(row))] for row in sheet.rows]
    for row in rows:
        row[decision] = by_photo.get(row[photo], "")
    write_atomically(out / REPORT, write_sheet(sheet._replace(header=header, rows=rows)))


@contextlib.contextmanager
def _without_runs(manifest: Path) -> Iterator[None]:
    """Keep runs from the manifest, without which none writes a report; where there is none, none is made."""
    if not is_file(manifest):
        yield
        return
    try:
        with contextlib.closing(sqlite3.connect(manifest, timeout=0, isolation_level=None)) as base:
            base.execute("BEGIN IMMEDIATE")
            yield
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise InUseError(f"{manifest.parent}: another carmask is writing here") from error
        raise OutputError(f"{manifest}: cannot be read: {in_one_line(error)}") from error
