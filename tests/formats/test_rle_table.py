"""The CSV of masks: what is read, what is noted, what is refused and in which line."""

from __future__ import annotations

import gzip
import zipfile

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.data.mask_source import Truth
from carmask.data.table import read_examples, read_metadata
from carmask.errors import DataError
from carmask.formats.rle_csv import write_rle_csv
from carmask.formats.rle_table import EXCEL_CELL, find_mask_table, is_table, read_rle_table

ROWS = [("a.jpg", "1 2"), ("b.jpg", ""), ("c.jpg", "3 4 9 1")]
PLAIN = "img,rle_mask\n" + "".join(f"{name},{text}\n" for name, text in ROWS)


def pairs(table):
    return [(row.name, row.text) for row in table.rows]


#: All but NUL, surrogates, and a lone carriage return, which Python's writer leaves without quotes.
fields = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"))


@given(st.lists(st.tuples(fields.filter(bool), fields), max_size=6))
def test_what_pandas_writes_is_read_back(tmp_path_factory, rows):
    """With quotes, line breaks and signs of all kinds in the fields."""
    file = tmp_path_factory.mktemp("csv") / "masks.csv"
    pandas.DataFrame(rows, columns=["img", "rle_mask"]).to_csv(file, index=False)
    assert pairs(read_rle_table(file)) == rows


@pytest.mark.parametrize("name", ["masks.csv", "masks.csv.gz", "masks.CSV.GZ", "masks.csv.zip"])
def test_what_is_written_is_what_its_name_says(name, tmp_path):
    """Pandas goes by the name alone. The same rows give the same bytes."""
    file = tmp_path / name
    written = []
    for _ in range(2):
        assert write_rle_csv(file, ROWS) == 3
        written.append(file.read_bytes())
    assert written[0] == written[1]
    assert pairs(read_rle_table(file)) == ROWS
    compression = {"gz": "gzip", "zip": "zip", "csv": None}[name.lower().rsplit(".", 1)[1]]
    theirs = pandas.read_csv(file, compression=compression, keep_default_na=False)
    assert [*theirs.itertuples(index=False, name=None)] == ROWS


def test_lines_are_those_of_the_file(tmp_path):
    file = tmp_path / "masks.csv"
    file.write_text('img,rle_mask\na.jpg,1 2\n\n"b\n.jpg","1\n2"\nc.jpg,5 6\n')
    table = read_rle_table(file)
    assert [row.line for row in table.rows] == [2, 4, 7]
    assert [oddity.message for oddity in table.oddities] == ["it has 1 blank lines"]


@pytest.mark.parametrize("name", ["masks.csv.gz", "masks.csv.zip", "masks.csv"])
@pytest.mark.parametrize("compression", ["gzip", "zip", None])
def test_compressed_files_are_read_whatever_their_suffix(tmp_path, name, compression):
    file = tmp_path / name
    pandas.DataFrame(ROWS, columns=["img", "rle_mask"]).to_csv(
        file,
        index=False,
        compression={"method": compression, "archive_name": "x.csv"} if compression == "zip" else compression,
    )
    table = read_rle_table(file)
    assert pairs(table) == ROWS
    assert table.oddities == []
    assert is_table(file)
    assert Truth(file).names == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "oddities"),
    [
        (PLAIN.encode("utf-8-sig"), []),
        (PLAIN.replace("\n", "\r\n").encode(), []),
        (PLAIN.replace("\n", "\r").encode(), []),
        (PLAIN.replace(",", ";").encode(), ["its fields are separated by semicolons, not commas"]),
        (
            PLAIN.replace(",", "\t").encode("utf-16"),
            ["it is UTF-16 text, not UTF-8", "its fields are separated by tabs, not commas"],
        ),
        (PLAIN.replace("\n", ",,\n").encode(), ["it has empty columns"]),
        (PLAIN.replace("\n", "\n\n").encode(), ["it has 4 blank lines"]),
        (PLAIN.replace("img,rle_mask", '"img", rle_mask').encode(), []),
    ],
)
def test_what_spreadsheets_make_of_a_file_is_read_and_noted(tmp_path, content, oddities):
    file = tmp_path / "masks.csv"
    file.write_bytes(content)
    table = read_rle_table(file)
    assert pairs(table) == ROWS
    assert [oddity.message for oddity in table.oddities] == oddities


@pytest.mark.parametrize(("end", "cut"), [("\n", False), ("\r\n", False), ("\r", False), ("", True)])
def test_a_last_line_without_an_end_is_noted_for_its_mask_may_be_half_of_one(tmp_path, end, cut):
    file = tmp_path / "masks.csv"
    whole = "img,rle_mask\na.jpg,1 2\nb.jpg,3 4 9 15"
    file.write_bytes((whole[:-1] + end).encode())
    table = read_rle_table(file)
    assert pairs(table) == [("a.jpg", "1 2"), ("b.jpg", "3 4 9 1")]
    assert [oddity.cut for oddity in table.oddities] == [True] * cut
    assert all("its last line, 3, b.jpg, has no line end" in oddity.message for oddity in table.oddities)
    assert all(oddity.severity == "warning" and not oddity.lost for oddity in table.oddities)


def test_a_table_without_rows_is_not_taken_for_one_that_was_cut_off(tmp_path):
    (tmp_path / "masks.csv").write_text("img,rle_mask")
    assert read_rle_table(tmp_path / "masks.csv") == (tmp_path / "masks.csv", [], [])


def test_cells_that_excel_has_cut_off_are_noted(tmp_path):
    file = tmp_path / "masks.csv"
    text = "12 3 " * 8000
    file.write_text(f"img,rle_mask\na.jpg,{text[:EXCEL_CELL]}\nb.jpg,1 2\n")
    [oddity] = read_rle_table(file).oddities
    assert "1 mask has exactly 32,767 characters" in oddity.message
    assert oddity.lost
    file.write_text(f"img,rle_mask\na.jpg,{text[:EXCEL_CELL]}\n{text[EXCEL_CELL:]}\n")
    with pytest.raises(DataError, match=r"line 3: 1 fields .*the mask before has 32,767 characters: Excel cuts cells"):
        read_rle_table(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image,mask\n", "line 1: the header must be 'img,rle_mask', not 'image,mask'"),
        (b"a.jpg,1 2\n", "line 1: the header must be"),
        (b"", "line 1: the header must be"),
        (b",img,rle_mask\n0,a.jpg,1 2\n", "line 1: there is an index column before img; .*index=False"),
        (b"img,rle_mask\na.jpg,1 2\nb.jpg\n", "line 3: 1 fields where img and rle_mask are two"),
        (b"img,rle_mask\na.jpg,1,2,3,4\n", "line 2: 5 fields .*separated by spaces"),
        (b"img,rle_mask\na.jpg,[1, 2, 3, 4]\n", "line 2: 5 fields .*separated by spaces"),
        (b'img,rle_mask\na.jpg,1 2\n"b.jpg","3 4', "line 3: a quotation mark opens a cell that is never closed"),
        (b'img,rle_mask\na.jpg,"1 2\nb.jpg,3 4\n', "line 2: a quotation mark opens a cell that is never closed"),
        (b"img,rle_mask\n\xff\xfe\n", "not UTF-8 text"),
        (PLAIN.encode("latin-1") + b"\xe4.jpg,1 2\n", "not UTF-8 text"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-9], "damaged or of an unknown kind"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:12] + b"\xff" * 30, "damaged"),
        (b"\x1f\x8bnot gzip", "cannot be read|damaged"),
        (b"PK\x03\x04not a zip file", "damaged or of an unknown kind"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, content, message):
    file = tmp_path / "masks.csv"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message) as refused:
        read_rle_table(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_zip_files_hold_one_table(tmp_path):
    file = tmp_path / "masks.csv.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train_masks.csv", PLAIN)
        archive.writestr("__MACOSX/._train_masks.csv", "rubbish")
    assert pairs(read_rle_table(file)) == ROWS
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("other.csv", PLAIN)
    with pytest.raises(DataError, match="holds 2 CSV files"):
        read_rle_table(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.jpg", "")
    with pytest.raises(DataError, match="holds 0 CSV files"):
        read_rle_table(file)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_rle_table(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="Is a directory"):
        read_rle_table(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "same"), [("a.jpg", "9 9", "another mask"), ("a.png", "1 2", "the same mask")]
)
def test_two_rows_for_an_image_are_refused_wherever_a_table_is_read(tmp_path, name, text, same):
    (tmp_path / "train").mkdir()
    for stem in "abc":
        (tmp_path / "train" / f"{stem}.jpg").touch()
    file = tmp_path / "train_masks.csv"
    file.write_text(PLAIN + f"{name},{text}\n")
    message = rf"train_masks\.csv: line 5: {name} has a row already, in line 2, with {same}; remove one of them"
    for read in (lambda: read_rle_table(file).by_stem(), lambda: read_examples(tmp_path), lambda: Truth(tmp_path)):
        with pytest.raises(DataError, match=message):
            read()
    (tmp_path / "metadata.csv").write_text("id,year,make,model,trim1,trim2\nx,1,a,b,c,d\ny,1,a,b,c,d\nx,2,a,b,c,d\n")
    with pytest.raises(DataError, match=r"metadata\.csv: line 4: x has a row already, in line 2"):
        read_metadata(tmp_path / "metadata.csv")


def test_a_data_set_may_have_a_compressed_table(tmp_path):
    (tmp_path / "train").mkdir()
    for stem in "abc":
        (tmp_path / "train" / f"{stem}.jpg").touch()
    assert find_mask_table(tmp_path) is None
    (tmp_path / "train_masks.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    assert find_mask_table(tmp_path) == tmp_path / "train_masks.csv.gz"
    assert [example.rle for example in read_examples(tmp_path)] == [text for _, text in ROWS]
    assert Truth(tmp_path).names == ["a", "b", "c"]


def test_masks_longer_than_the_csv_module_s_own_limit(tmp_path):
    text = " ".join(f"{start} 1" for start in range(1, 100_000, 2))
    (tmp_path / "long.csv").write_text(f"img,rle_mask\na.jpg,{text}\n")
    assert pairs(read_rle_table(tmp_path / "long.csv")) == [("a.jpg", text)]
