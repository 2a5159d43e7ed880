"""Tables as spreadsheets save them."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.formats.spreadsheet import Sheet, read_sheet, write_sheet

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=4),
    st.sampled_from(",;\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_is_written_is_read(rows, separator, encoding):
    sheet = Sheet(["photo", "status", "review"], rows, separator, encoding)
    assert read_sheet(write_sheet(sheet)) == sheet


@pytest.fixture
def _usual_limit():
    """Cells of at most 131,072 characters: Python's own limit, which reading submissions raises for the process."""
    before = csv.field_size_limit(131_072)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("_usual_limit")
def test_bytes_that_are_no_utf8_short_rows_and_what_is_no_table():
    sheet = read_sheet(b"photo,status\nbad\xff.jpg\n\n")
    assert sheet.records() == [{"photo": "bad\udcff.jpg", "status": ""}]
    assert write_sheet(sheet) == b"photo,status\nbad\xff.jpg,\n"
    assert read_sheet(b"") == Sheet([], [])
    # Excel's "CSV" in western Europe and America is Windows-1252; a table with bytes of names of files is not.
    for content in (b"photo;status\nM\xfcller \x80;done\n", b"photo,status\r\nM\xfcller \x80,done\r\n"):
        sheet = read_sheet(content)
        assert sheet.records() == [{"photo": "Müller \u20ac", "status": "done"}]
        assert write_sheet(sheet) == content.replace(b"\r", b"")
    for content in (b'a,b\n"' + b"x" * 200_000, b"\xff\xfea"):
        with pytest.raises(ValueError, match="not a table"):
            read_sheet(content)
