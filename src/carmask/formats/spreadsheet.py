"""CSV tables as they come back from people: spreadsheets save them with a mark, semicolons or tabs, or as UTF-16."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

from carmask.formats.csv_text import csv_lines, csv_rows


class Sheet(NamedTuple):
    """A table of texts.

    Attributes:
        header: the names of the columns.
        rows: the cells of each row; short ones are filled up, empty ones left out.
        separator: of the cells: a comma, a semicolon or a tab.
        encoding: of the file.
    """

    header: list[str]
    rows: list[list[str]]
    separator: str = ","
    encoding: str = "utf-8"

    def records(self) -> list[dict[str, str]]:
        """Each row by the names of the columns."""
        return [dict(zip(self.header, row, strict=False)) for row in self.rows]


def read_sheet(content: bytes) -> Sheet:
    """Read a table.

    Args:
        content: a CSV file, in UTF-8, UTF-16 with its mark, or Windows-1252, as Excel saves "CSV" in western Europe
            and America. Bytes that are no UTF-8 are kept in a table that no spreadsheet has saved, as names of files
            may hold them.

    Returns:
        The table; it may be empty.

    Raises:
        ValueError: if it is no table, or in another encoding. The message goes on after the file's name.
    """
    encoding = _encoding(content)
    try:
        text = content.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "strict")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        lines = [row.cells for row in csv_rows(io.StringIO(text, newline=""), separator)]
    except UnicodeDecodeError as error:
        raise ValueError("not a table in UTF-8; save it as 'CSV UTF-8'") from error
    except csv.Error as error:
        raise ValueError(f"not a table: {error}") from error
    header = lines[0] if lines else []
    rows = [[*row, *[""] * (len(header) - len(row))] for row in lines[1:] if row]
    return Sheet(header, rows, separator, encoding)


def write_sheet(sheet: Sheet) -> bytes:
    """Write a table in the form in which it was read, with a line feed after each row."""
    text = "".join(csv_lines([sheet.header, *sheet.rows], sheet.separator))
    return text.encode(sheet.encoding, "surrogateescape" if sheet.encoding.startswith("utf-8") else "replace")


def _encoding(content: bytes) -> str:
    """The encoding of a table: spreadsheets mark UTF-8 and UTF-16, and end lines as Windows does."""
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    if content[:3] == b"\xef\xbb\xbf":
        return "utf-8-sig"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        first = content.partition(b"\n")[0]
        by_spreadsheet = first.endswith(b"\r") or max(b",;\t", key=first.count) != ord(",")
        return "cp1252" if by_spreadsheet else "utf-8"
    return "utf-8"
