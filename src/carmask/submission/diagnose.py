"""Find out what is wrong with a submission, and describe it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from carmask.data.mask_source import Runs
from carmask.formats.rle_table import Oddity
from carmask.geometry import Size
from carmask.submission.compare import compare_known
from carmask.submission.conventions import conventions_of_file
from carmask.submission.finding import Finding
from carmask.submission.frames import odd_row_length
from carmask.submission.known import KnownMasks
from carmask.submission.names import check_names
from carmask.submission.rows import STYLES, parse_rows, row_findings
from carmask.submission.table import read_table
from carmask.words import by_number, counted


def diagnose(
    file: Path,
    names: Sequence[str] | None,
    size: Size,
    *,
    truth: KnownMasks | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Check a submission against the names it must hold and the frame it must be written in.

    Args:
        file: the submission.
        names: image names, in the order of the sample; None if they are not known.
        size: (height, width) of the photos.
        truth: masks of some of the images: all known conventions are tried on them.
        progress: called with the number of rows done and of all.

    Returns:
        What is wrong, errors first, and what is wrong with the file itself before what follows from it; nothing if the
        file is good.

    Raises:
        SubmissionError: if the file cannot be read as ``img,rle_mask`` rows at all.
    """
    table = read_table(file)
    rows = table.rows
    parsed = parse_rows(rows, size, progress=progress)
    length = odd_row_length(parsed.runs, size)
    if truth is None:
        meant = conventions_of_file(parsed.runs, size, length)
    else:
        meant = compare_known([row.name for row in rows], parsed.runs, truth, size, length)
    text = [fault for fault in parsed.faults if fault.kind in {"malformed", *STYLES}]
    rest = [fault for fault in parsed.faults if fault.kind not in {"malformed", *STYLES}]
    # Runs that overlap or lie outside are what another convention looks like: they are no second fault.
    explained = any(finding.reading is not None or finding.kind in {"frame", "ends"} for finding in meant)
    findings = [
        *map(_odd, table.oddities),
        *row_findings(text, size),
        *check_names(rows, names),
        *meant,
        *([] if explained else row_findings(rest, size)),
        *_check_content(parsed.runs),
    ]
    return sorted(findings, key=lambda finding: finding.severity == "warning")


def _odd(oddity: Oddity) -> Finding:
    severity, kind = oddity.severity, "truncated" if oddity.cut else "table"
    return Finding(kind, f"{oddity.message}; {oddity.advice}", severity, lost=oddity.lost)


def _check_content(parsed: Mapping[str, Runs]) -> list[Finding]:
    small = [name for name, runs in parsed.items() if int(runs[:, 1].sum()) <= 1]
    if not small:
        return []
    told = (
        f"{len(small)} of {counted(len(parsed), 'mask')} {by_number(len(small), 'is', 'are')} empty or a "
        f"single pixel, as in the sample; the first is {small[0]}"
    )
    return [Finding("empty", told, "warning")]
