"""Write the scores of parts: ``scores.csv``, ``parts.csv`` and ``confusion.csv``."""

from __future__ import annotations

from pathlib import Path

from carmask.evaluation.part_scores import PartScore, PartsResult, PhotoScore, part_scores
from carmask.formats.csv_text import encode_csv
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
    parts = part_scores(result.confusion, result.names)
    write_atomically(out / SCORES, encode_csv((*PhotoScore._fields, "failure"), [*scored, *failed]))
    write_atomically(out / PARTS, encode_csv(PartScore._fields, parts))
    names = ["background", *result.names]
    rows = [(name, *counts) for name, counts in zip(names, result.confusion.counts.tolist(), strict=True)]
    write_atomically(out / CONFUSION, encode_csv(("true \\ predicted", *names), rows))
