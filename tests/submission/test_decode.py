"""carmask rle decode and encode: what they say before they write."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from carmask.cli import app
from carmask.formats.rle_csv import write_rle_csv
from carmask.images import read_mask
from tests.conftest import REPOSITORY

MASKS = REPOSITORY / "tests" / "rendered" / "train_masks"


@pytest.fixture
def table(tmp_path):
    CliRunner().invoke(app, ["rle", "encode", str(MASKS), "--out", str(tmp_path / "masks.csv")])
    return tmp_path / "masks.csv"


def decode(table, size, out):
    return CliRunner().invoke(app, ["rle", "decode", str(table), "--size", size, "--out", str(out)])


def test_height_and_width_exchanged_are_noticed_where_the_runs_show_it(table, tmp_path):
    """Both have as many pixels, so that no run ends beyond."""
    said = decode(table, "80x120", tmp_path / "out")
    assert said.exit_code == 0
    assert "the masks show rows of 120 pixels, but the frame that was given is 80 wide and 120 high" in said.output
    assert "if they were written for 120 wide and 80 high, exchange the two" in said.output
    assert "rows of 120 pixels" in (torn := decode(table, "96x100", tmp_path / "out").output)
    assert "exchange the two" not in torn


def test_nothing_is_said_where_the_size_is_right_or_the_runs_do_not_tell(table, tmp_path):
    said = decode(table, "120x80", tmp_path / "out")
    assert said.output == f"16 masks in {tmp_path / 'out'}\n"
    for file in MASKS.iterdir():
        assert np.array_equal(read_mask(tmp_path / "out" / file.name), read_mask(file))
    write_rle_csv(table, [("small.jpg", "1 3 12 3"), ("empty.jpg", "")])
    assert decode(table, "10x20", tmp_path / "small").output == f"2 masks in {tmp_path / 'small'}\n"
    # Rows of less than 64 pixels are not looked for.
    narrow = " ".join(f"{60 * row + 10 + row % 3} {30 + row % 5}" for row in range(40))
    write_rle_csv(table, [("narrow.jpg", narrow)])
    assert decode(table, "60x50", tmp_path / "narrow").output == f"1 mask in {tmp_path / 'narrow'}\n"


def test_encode_writes_nothing_if_a_file_is_missing(tmp_path):
    """It wrote a header, and rows of the files before."""
    first = min(MASKS.iterdir())
    said = CliRunner().invoke(app, ["rle", "encode", str(first), str(tmp_path / "none.png")])
    assert said.exit_code == 2
    assert "img,rle_mask" not in said.stdout
    assert "none.png: there is no such file" in said.output
