"""Run-length texts in other styles, and faults of single rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carmask.errors import RLEError
from carmask.formats.rle import check_runs, mask_to_runs, parse_runs
from carmask.formats.rle_table import RleRow
from carmask.submission.rows import ADVICE, STYLES, parse_rows, parse_text, row_findings

SPACES = " \t\n\r\x0b\x0c\x85\xa0\u2003\u3000"


@given(hnp.arrays(np.bool_, (5, 7)).filter(np.any), st.sampled_from(SPACES))
def test_every_style_means_the_same_runs(mask, space):
    runs = mask_to_runs(mask)
    numbers = runs.ravel().tolist()
    for style, text in (
        ("" if space == " " else "white-space", space + space.join(map(str, numbers)) + space),
        ("list", str(numbers)),
        ("list", f"({', '.join(map(str, numbers))})"),
        ("list", "[" + " ".join(f"{number}.0" for number in numbers) + "]"),
        ("decimals", " ".join(f"{number}.0" for number in numbers)),
        ("decimals", " ".join(f"{number}." for number in numbers)),
    ):
        found, kind = parse_text(text)
        assert np.array_equal(found, runs)
        assert kind == style
    assert len(parse_text("")[0]) == len(parse_text("[]")[0]) == 0


@pytest.mark.parametrize(
    "text",
    ["1.5 2", "1e3 2", "1.00E+03 2", "-1 2", "1,000 2", "1 2 3", "[1, 2", "1\u200b2 3", "x", "²1 3", "٣ 1", "[]]"],
)
def test_what_has_no_single_meaning_is_refused(text):
    with pytest.raises(RLEError):
        parse_text(text)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=5))
def test_a_row_has_a_fault_if_and_only_if_its_runs_are_not_those_of_a_mask(numbers):
    text = " ".join(f"{start} {length}" for start, length in numbers)
    parsed = parse_rows([RleRow(2, "a.jpg", text)], (4, 8))
    try:
        check_runs(parse_runs(text), 4, 8)
        expected = []
    except RLEError as error:
        expected = [str(error)]
    assert [fault.message for fault in parsed.faults] == expected
    assert all(fault.kind in ADVICE.keys() - STYLES - {"malformed"} for fault in parsed.faults)


def test_findings_name_the_first_line_of_each_kind():
    rows = [RleRow(2, "a.jpg", "1 2"), RleRow(3, "b.jpg", "1\t2"), RleRow(5, "c.jpg", "0 2"), RleRow(6, "d.jpg", "0 3")]
    rows += [RleRow(7, "e.jpg", "[4, 9999]"), RleRow(8, "f.jpg", "9 x")]
    parsed = parse_rows(rows, (4, 8))
    assert sorted(parsed.runs) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]
    findings = {finding.kind: finding for finding in row_findings(parsed.faults, (4, 8))}
    assert set(findings) == {"white-space", "off-by-one", "list", "outside", "malformed"}
    assert findings["off-by-one"].message.startswith("2 rows: ")
    assert "the first is line 5, c.jpg: run 1 (0 2) starts before pixel 1" in findings["off-by-one"].message
    assert "the photo's 8x4; the first is line 7, e.jpg" in findings["outside"].message
    assert "line 8, f.jpg: 'x' is not a whole number" in findings["malformed"].message
    assert findings["white-space"].severity == "warning"
