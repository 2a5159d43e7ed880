"""The table of metrics: values by hand, the way each is documented, and that one row is all that a new metric takes."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from PIL import Image

from carmask.data.table import read_examples
from carmask.errors import ArrayError
from carmask.evaluation.metrics import METRICS, MaskPair, Metric, measure
from carmask.evaluation.predictors import file_masks
from carmask.evaluation.scoring import examine
from carmask.evaluation.summary import summarise, summary_lines
from carmask.pages.results import write_results
from carmask.pages.subject import Subject
from tests.cars import car_mask, car_photo
from tests.conftest import REPOSITORY

masks = arrays(np.bool_, (6, 9))


def test_by_hand():
    truth, prediction = np.zeros((4, 5), np.bool_), np.zeros((4, 5), np.bool_)
    truth[1:3, 1:4] = True  # 6 pixels
    prediction[1:4, 2:4] = True  # 6 pixels, 4 of them right
    found = measure(MaskPair(prediction, truth))
    assert list(found) == list(METRICS)
    assert found["dice"] == pytest.approx(8 / 12)
    assert found["iou"] == pytest.approx(4 / 8)
    assert found["precision"] == found["recall"] == pytest.approx(4 / 6)
    assert found["accuracy"] == pytest.approx(16 / 20)
    # Every pixel is on a contour. Of the truth, column 1 is 1 away; of the prediction, row 3 is 1 away.
    assert found["contour_error"] == pytest.approx(4 / 12)
    assert found["hd95"] == pytest.approx(1)
    assert found["boundary_iou"] == found["boundary_iou_2px"] == found["boundary_iou_5px"] == pytest.approx(4 / 8)


@given(masks, masks)
def test_a_perfect_mask_is_as_good_as_any(prediction, truth):
    perfect, other = measure(MaskPair(truth, truth)), measure(MaskPair(prediction, truth))
    for name, metric in METRICS.items():
        if metric.direction == "higher":
            assert 0 <= other[name] <= perfect[name] == 1
        else:
            assert other[name] >= perfect[name] == 0


def test_sizes_must_agree():
    with pytest.raises(ArrayError, match="scores are taken at the truth's own size"):
        MaskPair(np.zeros((3, 4), np.bool_), np.zeros((3, 5), np.bool_))


def test_every_metric_is_documented():
    rows = set((REPOSITORY / "docs" / "scores.md").read_text().splitlines())
    for name, metric in METRICS.items():
        unit = metric.unit or "0 to 1"
        assert f"| `{name}` | {metric.title} | {unit} | {metric.direction} | {metric.description} |" in rows
        assert re.fullmatch(r"[a-z0-9_]+", name)
        assert metric.name == name


@pytest.fixture
def examined(tmp_path):
    for folder in ("train", "train_masks", "predicted"):
        (tmp_path / folder).mkdir()
    for car in range(1, 7):
        Image.fromarray(car_photo(car_mask())).save(tmp_path / "train" / f"car{car}_01.png")
        Image.fromarray(car_mask()).save(tmp_path / "train_masks" / f"car{car}_01_mask.png")
        Image.fromarray(car_mask(car)).save(tmp_path / "predicted" / f"car{car}_01_mask.png")

    def run():
        predictors = [file_masks(tmp_path / "predicted"), file_masks(tmp_path / "train_masks")]
        return examine(predictors, read_examples(tmp_path))

    return run


def test_a_metric_added_to_the_table_appears_everywhere(examined, tmp_path, monkeypatch):
    def wrong(pair: MaskPair) -> float:
        return float(np.count_nonzero(pair.prediction ^ pair.truth))

    added = Metric("wrong", "wrong pixels", "How many pixels are <wrong>.", "px", "lower", wrong)
    monkeypatch.setitem(METRICS, "wrong", added)
    found = examined()
    subject = Subject(found.examples, {}, "data")
    scores = [one.score for one in found.results[0]]
    mean = sum(score.metrics["wrong"] for score in scores) / 6
    assert mean > 0
    page = write_results(tmp_path / "one", ["mine"], subject, found.results[:1]).read_text()
    with (tmp_path / "one" / "scores.csv").open(newline="") as stream:
        assert [float(row["wrong"]) for row in csv.DictReader(stream)] == [score.metrics["wrong"] for score in scores]
    assert re.search(r">lower</td><td[^>]*>How many pixels are &lt;wrong&gt;\.</td>", page)
    assert page.count("wrong pixels, px") == 2  # the overview and the table of all photos
    assert f">{mean:.2f}<" in page
    comparison = write_results(tmp_path / "two", ["mine", "theirs"], subject, found.results).read_text()
    assert re.search(rf"wrong pixels, px</td><td[^>]*>{mean:.3f}<.*>B</td>", comparison)
    [line] = [line for line in summary_lines(summarise(scores)) if line.startswith("wrong pixels, px")]
    assert f"{mean:.3f}" in line
