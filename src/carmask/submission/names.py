"""Check the image names of a submission against those of the sample."""

from __future__ import annotations

from collections.abc import Sequence

from carmask.formats.listing import file_stem
from carmask.formats.rle_table import RleRow
from carmask.submission.finding import Finding
from carmask.words import by_number, counted


def check_names(rows: Sequence[RleRow], wanted: Sequence[str] | None) -> list[Finding]:
    """Find names that are empty, repeated, missing, unknown, out of order, or that have another suffix.

    Args:
        rows: of the submission.
        wanted: the names of the sample, in its order; None if they are not known: then only empty and repeated ones
            are found.

    Returns:
        The findings.
    """
    lines: dict[str, int] = {}
    repeated = [(row, lines[row.name]) for row in rows if lines.setdefault(row.name, row.line) != row.line]
    findings = []
    if nameless := [row for row in rows if not row.name.strip()]:
        told = (
            f"{counted(len(nameless), 'row')} {by_number(len(nameless), 'names', 'name')} no image, the "
            f"first is line {nameless[0].line}; write each mask's image name"
        )
        findings.append(Finding("names", told))
    if repeated := [(row, first) for row, first in repeated if row.name.strip()]:
        row, first = repeated[0]
        count = len({row.name for row, _ in repeated})
        told = (
            f"{counted(count, 'image')} {by_number(count, 'has', 'have')} more than one row, the first is "
            f"{row.name}, in lines {first} and {row.line}"
        )
        findings.append(Finding("duplicates", told))
    if wanted is None:
        return findings
    findings += _against_sample(list(lines), wanted)
    if not findings and [row.name for row in rows] != list(wanted):
        findings.append(Finding("order", "the rows are not in the order of the sample", "warning"))
    return findings


def _against_sample(names: Sequence[str], wanted: Sequence[str]) -> list[Finding]:
    """Names that are missing, unknown, or have another suffix; each name of the submission is given once."""
    expected, given = set(wanted), set(names)
    unknown = [name for name in names if name not in expected]
    missing = [name for name in wanted if name not in given]
    if missing and unknown and {*map(file_stem, unknown)} >= {*map(file_stem, missing)}:
        told = (
            f"{counted(len(missing), 'image')} {by_number(len(missing), 'has', 'have')} another suffix, or "
            f"letters in another Unicode form, than in the sample: {unknown[0]}, there {missing[0]}"
        )
        return [Finding("names", told)]
    findings = []
    if missing:
        findings.append(
            Finding(
                "missing",
                f"{len(missing)} of {counted(len(wanted), 'image')} {by_number(len(missing), 'has', 'have')} "
                f"no row, the first is {missing[0]}",
            )
        )
    if unknown:
        findings.append(
            Finding(
                "unknown",
                f"{counted(len(unknown), 'row')} {by_number(len(unknown), 'names an image', 'name images')} "
                f"that the sample does not, the first is {unknown[0]}",
            )
        )
    return findings
