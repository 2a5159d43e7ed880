"""Write a submission again by the challenge's convention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from carmask.errors import RLEError, SubmissionError
from carmask.formats.listing import file_stem
from carmask.formats.rle import rle_encode
from carmask.formats.rle_csv import write_rle_csv
from carmask.formats.rle_table import RleRow
from carmask.geometry import Size
from carmask.submission.finding import Finding
from carmask.submission.read import Reading, read
from carmask.submission.rows import parse_text
from carmask.submission.table import read_table
from carmask.words import by_number, counted


def repair(file: Path, out: Path, names: Sequence[str] | None, size: Size, findings: Sequence[Finding]) -> int:
    """Repair a submission, if that can be done without losing or inventing a pixel.

    Rows are put in the order of the sample and named as it names them, runs are sorted and merged, and masks read
    as the findings say.

    Args:
        file: the submission.
        out: where the repaired one goes.
        names: image names, in the order of the sample; None to keep the file's.
        size: (height, width) of the photos.
        findings: from ``diagnose``.

    Returns:
        The number of rows written.

    Raises:
        SubmissionError: if it cannot be repaired exactly; nothing is written. The message says why.
        OutputError: if it cannot be written.
    """
    rows = read_table(file).rows
    lost = next((finding for finding in findings if finding.lost), None)
    if lost is not None:
        raise SubmissionError(f"{file}: cannot be repaired: {lost.message}")
    if any(finding.kind in {"frame", "ends"} and finding.reading is None for finding in findings):
        raise SubmissionError(f"{file}: cannot be repaired yet: true masks or photos are needed to find its convention")
    reading = next((finding.reading for finding in findings if finding.reading is not None), Reading(size))
    rotation = next((finding.rows for finding in findings if finding.rows), 0)
    by_stem: dict[str, RleRow] = {}
    for index, row in enumerate(rows):
        stem = file_stem(rows[(index + rotation) % len(rows)].name)
        first = by_stem.setdefault(stem, row)
        if first.text != row.text:
            raise SubmissionError(
                f"{file}: cannot be repaired: {stem} has one mask in line {first.line} and another in line {row.line}"
            )
    wanted = list(names) if names is not None else list(dict.fromkeys(row.name for row in rows))
    missing = [name for name in wanted if file_stem(name) not in by_stem]
    if missing:
        raise SubmissionError(
            f"{file}: cannot be repaired: {counted(len(missing), 'image')} "
            f"{by_number(len(missing), 'has', 'have')} no row, the first is {missing[0]}"
        )

    def repaired() -> Iterator[tuple[str, str]]:
        for name in wanted:
            row = by_stem[file_stem(name)]
            try:
                found = read(parse_text(row.text)[0], reading, size)
            except RLEError as error:
                raise SubmissionError(f"{file}: cannot be repaired: line {row.line}: {name}: {error}") from error
            if found.lost:
                raise SubmissionError(
                    f"{file}: cannot be repaired exactly: {name}: {found.lost}; predict and encode again"
                )
            yield name, rle_encode(found.mask)

    return write_rle_csv(out, repaired())
