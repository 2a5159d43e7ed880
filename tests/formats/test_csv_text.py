"""Tables as text: whatever a cell holds comes back, and a table that was cut off is noticed."""

from __future__ import annotations

import csv
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.formats.csv_text import csv_lines, csv_rows, encode_csv

#: What Linux allows as the name of a file: bytes, which need not be UTF-8.
NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not {0, ord("/")} & {*name}).map(os.fsdecode)
CELLS = st.one_of(NAMES, st.text(st.sampled_from('a ,;\t"\r\n\u2028\x85'), max_size=5))
TABLES = st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=4))


def stream(text: str) -> io.StringIO:
    return io.StringIO(text, newline="")


@given(TABLES, st.sampled_from(",;\t"))
def test_pythons_own_reader_and_ours_get_every_cell_back(rows, separator):
    text = "".join(csv_lines(rows, separator))
    assert list(csv.reader(stream(text), delimiter=separator)) == rows
    assert [row.cells for row in csv_rows(stream(text), separator)] == rows


@given(TABLES)
def test_a_file_of_it_holds_the_bytes_of_the_names(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("table") / "names.csv"
    file.write_bytes(encode_csv(["name"], rows))
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as content:
        assert list(csv.reader(content)) == [["name"], *rows]


def test_what_is_no_text_and_where_lines_end():
    assert encode_csv(["a", "b"], [[1, 0.1], [None, "x\ry"]]) == b'a,b\n1,0.1\n,"x\ry"\n'


def test_rows_say_in_which_line_they_begin():
    rows = list(csv_rows(stream('a,b\n"1\n2",3\n\n"4\r5",6\r\n7,8'), first=10))
    assert [row.line for row in rows] == [10, 11, 13, 14, 16]
    assert rows[3].cells == ["4\r5", "6"]


@given(TABLES.filter(bool), st.data())
def test_a_table_that_ends_in_a_quoted_cell_is_none(rows, data):
    """Cut off anywhere in its last cell, or with the rows behind one quotation mark too many."""
    whole = "".join(csv_lines(rows)) + 'last,"the last cell'
    text = whole + data.draw(st.sampled_from(["", "\n", "\r\n", "\nnext,row\n"]))
    lines = stream("".join(csv_lines(rows))).readlines()
    with pytest.raises(csv.Error, match=f"^line {len(lines) + 1}: a quotation mark opens a cell that is never closed"):
        list(csv_rows(stream(text)))
    closed = list(csv_rows(stream(text + '"')))
    assert len(closed) == len(rows) + 1
