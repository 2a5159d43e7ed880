"""Write the scores of parts: ``scores.csv``, ``parts.csv`` and ``confusion.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from carmask.evaluation.part_scores import PartScore, PartsResult, PhotoScore, part_scores
from carmask.images import make_folder, write_atomically

SCORES, PARTS, CONFUSION = "scores.csv", "parts.csv", "confusion.csv"


def write_parts_scores(out: Path, result: PartsResult) -> None:
    """Write ``scores.csv``, a row for each photo; ``parts.csv``, a row for each part; and ``confusion.csv``.

    Args:
        out: folder to write to; made if it is missing.
        result: what to write.

    Raises:
        OutputError: if they cannot be written.
    """
    make_folder(out)
    failed = [(one.name, *[""] * (len(PhotoScore._fields) - 1), one.reason) for one in result.failures]
    scored = [(*one, "") for one in result.photos]
    _write(out / SCORES, (*PhotoScore._fields, "failure"), [*scored, *failed])
    _write(out / PARTS, PartScore._fields, part_scores(result.confusion, result.names))
    names = ["background", *result.names]
    rows = [(name, *counts) for name, counts in zip(names, result.confusion.counts.tolist(), strict=True)]
    _write(out / CONFUSION, ("true \\ predicted", *names), rows)


def _write(file: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    # repr of a float reads back as the same float: the table says exactly what was measured.
    writer.writerows([repr(value) if isinstance(value, float) else value for value in row] for row in rows)
    write_atomically(file, buffer.getvalue().encode())
