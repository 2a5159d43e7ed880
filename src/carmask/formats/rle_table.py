"""Read the challenge's CSV of masks, ``img,rle_mask``: truth and submissions, plain or compressed.

What spreadsheets and compressors do to such a file is understood and noted: semicolons or tabs in place of commas,
UTF-16, empty columns, blank lines, ``.csv.gz``, ``.csv.zip``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TextIO

from carmask.errors import DataError
from carmask.formats.csv_file import SUFFIXES, find_csv, open_csv
from carmask.formats.csv_text import csv_rows
from carmask.formats.listing import file_stem
from carmask.words import by_number, counted

HEADER = ("img", "rle_mask")
#: Characters that Excel keeps of a cell.
EXCEL_CELL = 32_767
_DELIMITERS = {",": "", ";": "semicolons", "\t": "tabs"}
_HEADER_LIMIT = 4096


class RleRow(NamedTuple):
    """A row: its line in the file, the image's name and the run-length text, both as written."""

    line: int
    name: str
    text: str


class Oddity(NamedTuple):
    """Something that other readers of the file may refuse, and that was understood here.

    Attributes:
        message: what, in a clause: ``its fields are separated by semicolons``.
        severity: a ``warning`` is harmless or may be; with an ``error`` other readers fail, or masks are damaged.
        lost: parts of masks are missing.
        advice: what to do.
        cut: the file or masks in it are cut off, or may be: what is read of it may be wrong.
    """

    message: str
    severity: Literal["error", "warning"] = "error"
    lost: bool = False
    advice: str = "save it as CSV UTF-8 with commas"
    cut: bool = False


class RleTable(NamedTuple):
    """The rows of a file.

    Attributes:
        file: where they are from.
        rows: in the file's order.
        oddities: what other readers may refuse.
    """

    file: Path
    rows: list[RleRow]
    oddities: list[Oddity]

    def by_stem(self) -> dict[str, RleRow]:
        """The rows by the stem of the image's name.

        Raises:
            DataError: if an image has two rows; the message names both lines.
        """
        found: dict[str, RleRow] = {}
        for row in self.rows:
            first = found.setdefault(file_stem(row.name), row)
            if first is not row:
                same = "the same mask" if first.text == row.text else "another mask"
                raise DataError(
                    f"{self.file}: line {row.line}: {row.name} has a row already, in line {first.line}, with {same}; "
                    "remove one of them"
                )
        return found


def find_mask_table(data: Path) -> Path | None:
    """The CSV of a data set's masks, in place of a folder of masks, plain or compressed; None if it has none."""
    return find_csv(data, "train_masks")


def is_table(path: Path) -> bool:
    """Whether a name is that of a CSV: ``.csv``, ``.csv.gz`` or ``.csv.zip``."""
    return path.name.lower().endswith(SUFFIXES)


def read_rle_table(file: Path) -> RleTable:
    """Read a CSV with the columns ``img,rle_mask``.

    Args:
        file: a CSV, or one that is compressed by gzip or zip.

    Returns:
        Its rows, and what is odd about it.

    Raises:
        DataError: if the file is missing, is not text, has another header, a row has not two fields, or a quoted one is
            never closed; the message names the line.
    """
    # 2^31 - 1: a mask may be a longer field than the csv module's own limit of 128 KiB.
    csv.field_size_limit(2**31 - 1)
    try:
        with open_csv(file) as (stream, wide):
            return _read(file, stream, [Oddity("it is UTF-16 text, not UTF-8")] if wide else [])
    except csv.Error as error:
        raise DataError(f"{file}: damaged, or not a CSV text file ({error}); write it again") from error


def _read(file: Path, stream: TextIO, oddities: list[Oddity]) -> RleTable:
    delimiter, columns = _read_header(file, stream.readline(_HEADER_LIMIT))
    if _DELIMITERS[delimiter]:
        oddities.append(Oddity(f"its fields are separated by {_DELIMITERS[delimiter]}, not commas"))
    rows: list[RleRow] = []
    blank, wide, cut = 0, columns > len(HEADER), 0
    lines = _Lines(stream)
    for line, row in csv_rows(lines, delimiter, first=2):
        while len(row) > len(HEADER) and not row[-1]:
            row, wide = row[:-1], True
        if not any(row):
            blank += 1
            continue
        if len(row) != len(HEADER):
            raise DataError(f"{file}: line {line}: {len(row)} fields where img and rle_mask are two{_why(row, rows)}")
        cut += len(row[1]) == EXCEL_CELL
        rows.append(RleRow(line, row[0], row[1]))
    if wide:
        oddities.append(Oddity("it has empty columns"))
    if blank:
        oddities.append(Oddity(f"it has {blank} blank lines", "warning"))
    if cut:
        told = (
            f"{counted(cut, 'mask')} {by_number(cut, 'has', 'have')} exactly {EXCEL_CELL:,} characters, "
            "the most that Excel keeps in a cell: they are cut off"
        )
        oddities.append(Oddity(told, lost=True, advice="write it again from the masks", cut=True))
    if rows and not lines.ended:
        # A mask that lost its last numbers is a mask, too: nothing else shows it.
        last = rows[-1]
        told = f"its last line, {last.line}, {last.name}, has no line end: the file may be cut off there"
        oddities.append(Oddity(told, "warning", advice="compare it with the file that it was copied from", cut=True))
    return RleTable(file, rows, oddities)


class _Lines:
    """The lines of a file, and whether the last of them has a line end.

    Attributes:
        ended: of the line that was given last.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.ended = True

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.ended = line.endswith(("\n", "\r"))
            yield line


def _read_header(file: Path, line: str) -> tuple[str, int]:
    """The delimiter, and how many columns there are."""
    for delimiter in _DELIMITERS:
        fields = [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]
        if tuple(fields[: len(HEADER)]) == HEADER and not any(fields[len(HEADER) :]):
            return delimiter, len(fields)
        if tuple(fields) == ("", *HEADER):
            raise DataError(
                f"{file}: line 1: there is an index column before img; with pandas, write it with index=False"
            )
    shown = line.strip()[:60]
    raise DataError(f"{file}: line 1: the header must be 'img,rle_mask', not {shown!r}")


def _why(row: list[str], before: list[RleRow]) -> str:
    """What may have made a row have another number of fields."""
    if before and len(before[-1].text) >= EXCEL_CELL:
        return f"; the mask before has {len(before[-1].text):,} characters: Excel cuts cells at {EXCEL_CELL:,}"
    if len(row) > len(HEADER) and all(field.strip(" []()").isdigit() for field in row[1:]):
        return "; the numbers of a mask are separated by spaces, not by the sign between fields"
    return ""
