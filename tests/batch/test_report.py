from __future__ import annotations

from carmask.batch.report import REVIEW_BELOW, Review, default_review


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
