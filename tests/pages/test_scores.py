from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from PIL import Image

from carmask.data.table import CarInfo, read_examples
from carmask.errors import DataError, ModelError
from carmask.evaluation.scoring import FilePredictor, NetworkPredictor, evaluate, examine, open_predictor
from carmask.pages import charts
from carmask.pages.comparison import compare
from carmask.pages.html import MAX_PAGE_BYTES, Cell, Column, Html, page, table, text
from carmask.pages.pictures import EXTRA, MISSED, around, difference
from carmask.pages.results import write_results
from carmask.pages.scores import Subject, scores_page, worst_cases
from carmask.rle import rle_encode, runs_to_mask
from tests.cars import SIZE, car_mask, car_photo


@pytest.fixture
def data(tmp_path):
    """Three cars of two views, and predictions that miss a corner of each."""
    rows = []
    for folder in ("train", "train_masks", "predicted"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for i, name in enumerate(f"car{c}_{v:02d}" for c in range(3) for v in (1, 2)):
        mask = np.roll(car_mask(), 4 * i, 1)
        predicted = mask.copy()
        predicted[150:200, 100 : 110 + 8 * i] = False
        Image.fromarray(car_photo(mask, (20, 20, 30))).save(tmp_path / "data" / "train" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "data" / "train_masks" / f"{name}_mask.png")
        Image.fromarray(predicted).save(tmp_path / "data" / "predicted" / f"{name}_mask.png")
        rows.append(f"{name}.png,{rle_encode(predicted)}")
    (tmp_path / "predicted.csv").write_text("img,rle_mask\n" + "\n".join(rows) + "\n")
    return tmp_path / "data"


@pytest.fixture
def subject(data):
    return Subject(read_examples(data), {"car0": CarInfo("2014", "A<i>", "B", "", "")}, "data")


def test_a_csv_and_a_folder_of_masks_score_alike(data, subject):
    folder, table_ = FilePredictor(data / "predicted"), FilePredictor(data.parent / "predicted.csv")
    one, other = examine([folder, table_], subject.examples)
    for a, b in zip(one, other, strict=True):
        assert a.score.dice == b.score.dice
        assert np.isnan(a.score.confidence)
        assert np.array_equal(a.runs, b.runs)
        assert a.losses.wrong == round((1 - a.score.accuracy) * SIZE[0] * SIZE[1])


def test_examine_scores_as_evaluate_does(subject, dark):
    network = type(dark)(*SIZE)
    plain, examined = evaluate(network, subject.examples), examine([NetworkPredictor(network)], subject.examples)[0]
    assert [s.dice for s in plain] == [one.score.dice for one in examined]
    assert all(runs_to_mask(one.runs, *SIZE).mean() == one.score.predicted_area for one in examined)


def test_predictors_that_cannot_be(data, subject):
    with pytest.raises(ModelError, match="neither a model file"):
        open_predictor("nothing.onnx", "cpu")
    (data / "predicted" / "car0_01_mask.png").unlink()
    with pytest.raises(DataError, match="has no mask of car0_01"):
        examine([open_predictor(str(data / "predicted"), "cpu")], subject.examples)
    Image.fromarray(car_mask()[:100]).save(data / "predicted" / "car0_01_mask.png")
    with pytest.raises(DataError, match="car0_01: the mask is 480x100, its photo 480x320"):
        examine([open_predictor(str(data / "predicted"), "cpu")], subject.examples)


def test_the_page_of_one_model(data, subject, tmp_path):
    results = examine([FilePredictor(data / "predicted")], subject.examples)
    file = write_results(tmp_path / "out", ["mine"], subject, results, worst=3)
    document = file.read_text()
    assert len(document) < MAX_PAGE_BYTES
    assert "The 3 worst" in document
    assert document.count('class="head"') == 3
    assert "A&lt;i&gt;" in document
    assert "A<i>" not in document
    assert not re.search(r"https?://|@import|url\(", document)
    with (tmp_path / "out" / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6
    assert float(rows[0]["hd95"]) == results[0][0].score.hd95


def test_the_worst_come_first_and_perfect_ones_are_not_shown(data, subject):
    results = examine([FilePredictor(data / "predicted"), FilePredictor(data / "train_masks")], subject.examples)
    cases = worst_cases(subject, results[0], 4)
    dices = [results[0][case.place].score.dice for case in cases]
    assert dices == sorted(dices)
    assert worst_cases(subject, results[1], 4) == []
    assert "There is no wrong pixel." in scores_page("perfect", subject, results[1], [])


def test_two_models_side_by_side(data, subject, tmp_path):
    results = examine([FilePredictor(data / "predicted"), FilePredictor(data / "train_masks")], subject.examples)
    document = write_results(tmp_path, ["mine", "theirs"], subject, results, worst=2).read_text()
    assert "theirs is better by" in document
    assert "The 2 photos on which they differ most" in document
    assert (tmp_path / "A" / "scores.csv").is_file()
    assert (tmp_path / "B" / "scores.csv").is_file()
    first, second = ([one.score for one in result] for result in results)
    found = compare(first, second, "dice")
    assert found.certain
    assert found.low <= found.second - found.first <= found.high
    same = compare(first, first, "dice")
    assert (same.low, same.high, same.certain) == (0, 0, False)
    assert compare(first, second, "dice") == found  # the interval is the same each time


def test_a_page_that_would_be_too_large_leaves_cases_out(data, subject, monkeypatch):
    results = examine([FilePredictor(data / "predicted")], subject.examples)[0]
    cases = worst_cases(subject, results, 3)
    monkeypatch.setattr("carmask.pages.scores.MAX_PAGE_BYTES", 1000)
    assert "3 more would have made the page too large" in scores_page("mine", subject, results, cases)


def test_a_difference_by_hand():
    truth, prediction = np.array([[True, True, False, False]]), np.array([[True, False, True, False]])
    shown = difference(np.full((1, 4, 3), 100, np.uint8), prediction, truth, strength=1)
    assert shown[0, 2].tolist() == list(EXTRA)
    assert shown[0, 1].tolist() == list(MISSED)
    assert len(set(shown[0, 0].tolist())) == len(set(shown[0, 3].tolist())) == 1


def test_a_window_stays_in_the_picture():
    assert around((0, 0), (1280, 1918)) == (slice(0, 440), slice(0, 660))
    assert around((1279, 1917), (1280, 1918)) == (slice(840, 1280), slice(1258, 1918))
    assert around((10, 10), (100, 200)) == (slice(0, 100), slice(0, 200))


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
        charts.stacked(["a"], [(0, 0)], ("e", "m")),
    ],
)
def test_charts_of_little_or_nothing_are_well_formed(chart):
    from xml.etree import ElementTree

    ElementTree.fromstring(f"<div>{chart}</div>")
    assert "nan" not in chart


def test_a_histogram_counts_everything():
    chart = charts.histogram([-1, 0.5, 1.5, 9], edges=[0, 1, 2], name="x", digits=0)
    assert "0 to 1: 2" in chart
    assert "1 to 2: 2" in chart


def test_a_page_needs_nothing_from_outside():
    document = page("T", "lead", [])
    assert "http" not in document
    assert "</html>" in document
