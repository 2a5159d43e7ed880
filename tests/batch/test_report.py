from __future__ import annotations

import csv
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from carmask.batch.job import Job, Result
from carmask.batch.manifest import Manifest
from carmask.batch.plan import Plan
from carmask.batch.report import REPORT_COLUMNS, REVIEW_BELOW, Review, default_review, read_report, write_report
from carmask.images import LeftOut
from tests.formats.test_csv_text import NAMES


def test_without_a_calibration_the_default_holds(tiny_model):
    assert default_review(tiny_model) == Review(REVIEW_BELOW)


def test_what_is_marked_for_review():
    confidences = {"a": 0.99, "b": 0.2, "c": 0.95, "d": 0.95}
    assert Review(0.96).choose(confidences) == {"b", "c", "d"}
    assert Review(0.0).choose(confidences) == set()
    assert Review(0.96, 0.25).choose(confidences) == {"b"}
    assert Review(0.96, 0.26).choose(confidences) == {"b", "c"}  # rounded up, ties by name
    assert Review(0.96, 0.0).choose(confidences) == set()
    assert Review(0.96, 1.0).choose(confidences) == set(confidences)
    assert Review(0.5, 0.5).choose({}) == set()


@given(st.lists(NAMES, min_size=2, max_size=4, unique=True))
def test_photos_of_any_name_are_read_back(tmp_path_factory, names):
    """Line ends, quotation marks and bytes that are no UTF-8 among them; a spreadsheet's own writing is in formats."""
    folder = tmp_path_factory.mktemp("report")
    *done, last = names
    jobs = tuple(Job(name, name, ()) for name in done)
    with Manifest(folder / "m", "{}") as manifest:
        for name in done:
            manifest.record(name, Result(name, "failed", f"{name}: cannot be read"))
        write_report(folder, Plan(jobs, (LeftOut(Path(last), "no picture"),)), manifest)
    records = read_report(folder).records()
    assert [(row["photo"], row["status"]) for row in records] == [
        *((name, "failed") for name in done),
        (str(Path(last)), "left out"),
    ]


def test_facts_are_columns_after_the_fixed_ones(tmp_path):
    jobs = (Job("a.jpg", "a", ()), Job("b.jpg", "b", ()))
    with Manifest(tmp_path / "m", "{}") as manifest:
        manifest.record("a", Result("a.jpg", "done", facts={"zoo": "x", "view": 3, "view_confidence": None}))
        manifest.record("b", Result("b.jpg", "failed"))
        write_report(tmp_path, Plan(jobs, (LeftOut(Path("c.txt"), "no picture"),)), manifest)
    header, *rows = list(csv.reader((tmp_path / "report.csv").open(newline="")))
    assert header == [*REPORT_COLUMNS, "view", "view_confidence", "zoo"]
    assert [row[-3:] for row in rows] == [["3", "", "x"], ["", "", ""], ["", "", ""]]
    assert {len(row) for row in rows} == {len(header)}
