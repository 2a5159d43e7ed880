from __future__ import annotations

import csv
from pathlib import Path

from carmask.batch.job import Job, Result
from carmask.batch.manifest import Manifest
from carmask.batch.plan import Plan
from carmask.batch.report import REPORT_COLUMNS, REVIEW_BELOW, Review, default_review, write_report
from carmask.images import LeftOut


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
