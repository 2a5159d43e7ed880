"""Read the run-length text of each row, and find what is wrong with single rows.

Texts that are not as the challenge writes them, but have one possible meaning, are understood: lists
(``[1, 3, 10, 5]``), whole numbers with a decimal point (``1.0 3.0``), and white space of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from carmask.data.mask_source import Runs
from carmask.errors import RLEError
from carmask.formats.rle import check_runs, parse_runs
from carmask.formats.rle_table import RleRow
from carmask.geometry import Size
from carmask.submission.finding import Finding
from carmask.words import counted

_PLAIN = re.compile(r"[0-9 ]*")
_LIST = re.compile(r"\s*[\[(](.*)[\])]\s*", re.DOTALL)
_WHOLE_DECIMAL = re.compile(r"([0-9]+)\.0*(?=\s|$)")

#: What to do about each kind of fault of a row.
ADVICE = {
    "malformed": "write 'start length start length …'",
    "list": "the runs are written as a list; separate the numbers by spaces alone",
    "decimals": "numbers have a decimal point; write whole numbers",
    "white-space": "numbers are separated by tabs, line breaks or other white space; separate them by spaces",
    "empty-runs": "leave empty runs out",
    "off-by-one": "starts seem to be counted from 0, they count from 1: add 1 to each",
    "outside": "the mask is larger than the photo's {width}x{height}",
    "overlaps": "a pixel may belong to one run only: merge the runs",
    "order-of-runs": "runs must rise: sort them",
}
#: Kinds of text that are understood all the same.
STYLES = frozenset({"list", "decimals", "white-space"})


class Fault(NamedTuple):
    """One fault of one row: a kind of ``ADVICE``, the row, and what is wrong with it."""

    kind: str
    row: RleRow
    message: str


class Parsed(NamedTuple):
    """What was read of all rows.

    Attributes:
        runs: by image name, of the rows that could be understood.
        faults: of rows, in the file's order; a row may have several.
    """

    runs: dict[str, Runs]
    faults: list[Fault]


def parse_text(text: str) -> tuple[Runs, str]:
    """Read a run-length text, also one that is written in another style.

    Args:
        text: ``"start length …"``, a list of these numbers, or numbers such as ``1000.0``.

    Returns:
        int64 (runs, 2), start and length as written, and the style: one of ``STYLES``; empty for the challenge's own.

    Raises:
        RLEError: if it is not an even count of whole numbers in any style.
    """
    if _PLAIN.fullmatch(text):
        return parse_runs(text), ""
    try:
        return parse_runs(text), "white-space"
    except RLEError as error:
        found = _LIST.fullmatch(text)
        inner = text if found is None else found[1].replace(",", " ")
        try:
            return parse_runs(_WHOLE_DECIMAL.sub(r"\1", inner)), "decimals" if found is None else "list"
        except RLEError:
            raise error from None  # what is said is about the text as it stands


def parse_rows(rows: Sequence[RleRow], size: Size, *, progress: Callable[[int, int], None] | None = None) -> Parsed:
    """Read all rows and check each in the photos' frame.

    Args:
        rows: of the submission.
        size: (height, width) of the photos.
        progress: called with the number of rows done and of all.

    Returns:
        The runs and the faults.
    """
    parsed = Parsed({}, [])
    for done, row in enumerate(rows, 1):
        try:
            runs, style = parse_text(row.text)
        except RLEError as error:
            parsed.faults.append(Fault("malformed", row, str(error)))
        else:
            parsed.runs[row.name] = runs
            if style:
                parsed.faults.append(Fault(style, row, f"{row.text[:30]!r}"))
            kind = _kind(runs, size)
            if kind:
                parsed.faults.append(Fault(kind, row, _message(runs, size)))
        if progress is not None:
            progress(done, len(rows))
    return parsed


def row_findings(faults: Iterable[Fault], size: Size) -> list[Finding]:
    """A finding for each kind of fault, with the first row that has it."""
    by_kind: dict[str, list[Fault]] = {}
    for fault in faults:
        by_kind.setdefault(fault.kind, []).append(fault)
    findings = []
    for kind, advice in ADVICE.items():
        if kind in by_kind:
            first = by_kind[kind][0]
            told = advice.format(height=size[0], width=size[1])
            where = f"line {first.row.line}, {first.row.name}: {first.message}"
            message = f"{counted(len(by_kind[kind]), 'row')}: {told}; the first is {where}"
            findings.append(Finding(kind, message, "warning" if kind == "white-space" else "error"))
    return findings


def _kind(runs: Runs, size: Size) -> str:
    """The first fault of runs, in the order in which ``check_runs`` finds them; empty if they are good."""
    starts, lengths = runs[:, 0], runs[:, 1]
    ends = starts + lengths
    if (lengths < 1).any():
        return "empty-runs"
    if (starts < 1).any():
        return "off-by-one"
    if (ends - 1 > size[0] * size[1]).any():
        return "outside"
    early = starts[1:] < ends[:-1]
    if early.any():
        at = int(np.argmax(early)) + 1
        return "overlaps" if starts[at] >= starts[at - 1] else "order-of-runs"
    return ""


def _message(runs: Runs, size: Size) -> str:
    try:
        check_runs(runs, *size)
    except RLEError as error:
        return str(error)
    return ""
