"""CSV tables as text: whatever a cell holds, reading gives it back (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


def csv_lines(rows: Iterable[Iterable[object]], separator: str = ",") -> Iterator[str]:
    """The rows of a table as text, one at a time.

    Cells are quoted where they hold the separator, a quotation mark, or a line feed or carriage return, which names of
    files may have. None becomes an empty cell.

    Args:
        rows: of cells; ``str`` is written of what is no text.
        separator: of the cells.

    Yields:
        Each row with a line feed at its end.
    """
    buffer = io.StringIO()
    # The line end decides what is quoted: before Python 3.13, cells with a carriage return are not if it is "\n" alone.
    writer = csv.writer(buffer, lineterminator="\r\n", delimiter=separator)
    for row in rows:
        writer.writerow(row)
        yield buffer.getvalue().removesuffix("\r\n") + "\n"
        buffer.seek(0)
        buffer.truncate()


def encode_csv(header: Sequence[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A table with commas as the content of a file, in UTF-8.

    Args:
        header: the names of the columns.
        rows: of cells. Bytes of file names that are no UTF-8 become what they were (``surrogateescape``).
    """
    return "".join(csv_lines([header, *rows])).encode("utf-8", "surrogateescape")


class CsvRow(NamedTuple):
    """A row: the line of the file that it begins in, counted from 1, and its cells."""

    line: int
    cells: list[str]


def csv_rows(lines: Iterable[str], separator: str = ",", *, first: int = 1) -> Iterator[CsvRow]:
    """Read the rows of a table, blank lines included.

    Args:
        lines: with their line ends as they stand in the file: of a stream that was opened with ``newline=""``.
        separator: of the cells.
        first: the number of the first of these lines in its file.

    Yields:
        The rows; one that ends in the middle of a quoted cell is none.

    Raises:
        csv.Error: if it is no table, or a quoted cell is never closed: the file was cut off, or one quotation mark is
            too many, and the rows behind it would be taken for the cell's text. The message names the line.
    """
    ended = False

    def to_the_end() -> Iterator[str]:
        nonlocal ended
        yield from lines
        ended = True

    reader = csv.reader(to_the_end(), delimiter=separator)
    line = first
    for cells in reader:
        # A reader asks for a line after the last one only while a cell is open.
        if ended:
            raise csv.Error(f"line {line}: a quotation mark opens a cell that is never closed")
        yield CsvRow(line, cells)
        line = first + reader.line_num
