"""Write a submission anew, as it was meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from carmask.errors import RLEError, SubmissionError
from carmask.geometry import Size
from carmask.rle import parse_runs, rle_encode
from carmask.submission.diagnose import Finding, read_rows
from carmask.submission.read import Reading, read
from carmask.submission.submission import write_submission


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
    rows = read_rows(file)
    unsure = [finding for finding in findings if finding.kind == "frame" and finding.reading is None]
    if unsure:
        raise SubmissionError(
            f"{file}: cannot be repaired yet: give --truth or --photos to find out how its frame lies in the photo"
        )
    reading = next((finding.reading for finding in findings if finding.reading is not None), Reading(size))
    rotation = next((finding.rows for finding in findings if finding.rows), 0)
    texts: dict[str, str] = {}
    for index, (_, text) in enumerate(rows):
        stem = Path(rows[(index + rotation) % len(rows)][0]).stem
        if texts.setdefault(stem, text) != text:
            raise SubmissionError(f"{file}: cannot be repaired: line {index + 2}: {stem} has another mask before")
    wanted = list(names) if names is not None else list(dict.fromkeys(name for name, _ in rows))
    missing = [name for name in wanted if Path(name).stem not in texts]
    if missing:
        raise SubmissionError(
            f"{file}: cannot be repaired: {len(missing)} images have no row, the first is {missing[0]}"
        )

    def repaired() -> Iterator[tuple[str, str]]:
        for name in wanted:
            try:
                found = read(parse_runs(texts[Path(name).stem]), reading, size)
            except RLEError as error:
                raise SubmissionError(f"{file}: cannot be repaired: {name}: {error}") from error
            if found.lost:
                raise SubmissionError(
                    f"{file}: cannot be repaired exactly: {name}: {found.lost}; predict and encode again"
                )
            yield name, rle_encode(found.mask)

    return write_submission(out, repaired())
