from __future__ import annotations

import re

import pytest

from carmask.pages import charts
from carmask.pages.html import Cell, Column, Html, keep_within, page, table, text


def test_tables_escape_and_sort_by_value():
    made = table(
        (Column("a"), Column("b", number=True)),
        [("<x>", 0.123456), (Html("<i>1</i>"), Cell("1 k", 1000)), ("", float("nan"))],
    )
    assert "&lt;x&gt;" in made
    assert "<i>1</i>" in made
    assert 'data-v="0.123456">0.1235' in made
    assert 'data-v="1000">1 k' in made
    assert ">–</td>" in made
    assert text('"<&') == "&quot;&lt;&amp;"


@pytest.mark.parametrize(
    "chart",
    [
        charts.bars([], []),
        charts.bars(["a<"], [0]),
        charts.histogram([], edges=[0, 1, 2], name="x"),
        charts.histogram([0.5, 7], edges=[0, 1, 2], name="x"),
        charts.boxes([("1", [0.5]), ("2", [])], name="x"),
        charts.boxes([], name="x"),
        charts.scatter([], across="x", up="y"),
        charts.scatter([(1, 1, "one<")], across="x", up="y", diagonal=True),
        charts.scatter([(1, float("nan"), "one"), (float("inf"), 2, "two")], across="x", up="y"),
        charts.stacked(["a"], [(0, 0)], ("e", "m")),
    ],
)
def test_charts_of_little_or_nothing_are_well_formed(chart):
    from xml.etree import ElementTree

    ElementTree.fromstring(f"<div>{chart}</div>")
    assert "nan" not in chart


@pytest.mark.parametrize(("most", "ticks"), [(1, "01"), (2, "012"), (3, "0123"), (7, "0246"), (30, "0 10 20 30")])
def test_counts_have_whole_numbers_on_their_scale(most, ticks):
    from xml.etree import ElementTree

    chart = ElementTree.fromstring(charts.histogram([0.5] * most, edges=[0, 1], name="x", digits=0))
    shown = [one.text for one in chart.iter("text") if one.get("text-anchor") == "end"]
    assert shown == (ticks.split() if " " in ticks else list(ticks))


@pytest.mark.parametrize("numbers", [[17.4, 18.1, 19.1], [0.0, 60.0], [0.5, 0.5]])
def test_no_two_ticks_of_an_axis_read_alike(numbers):
    """Areas of 17 to 19 % had the ticks 18, 18, 18 and 19."""
    chart = charts.boxes([("1", numbers)], name="x", digits=0)
    ticks = re.findall(r'text-anchor="end">([^<]*)<', str(chart))
    assert len(ticks) == len({*ticks}) > 1


def test_a_histogram_counts_everything():
    chart = charts.histogram([-1, 0.5, 1.5, 9], edges=[0, 1, 2], name="x", digits=0)
    assert "0 to 1: 2" in chart
    assert "1 to 2: 2" in chart


def test_a_page_needs_nothing_from_outside():
    document = page("T", "lead", [])
    assert "http" not in document
    assert "</html>" in document


def test_pieces_that_would_make_a_page_too_large_are_left_out():
    pieces = [Html("x" * 400_000)] * 3
    kept, note = keep_within(1_000_000, Html("page"), pieces)
    assert kept == pieces[:2]
    assert note == " 1 more would have made the page too large."
    assert keep_within(2_000_000, Html("page"), pieces) == (pieces, "")
