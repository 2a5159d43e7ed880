from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from PIL import Image

from carmask.data.table import CarInfo, read_examples
from carmask.evaluation.predictors import file_masks
from carmask.evaluation.scoring import examine
from carmask.failures import Failure
from carmask.pages.comparison import compare_page
from carmask.pages.html import MAX_PAGE_BYTES
from carmask.pages.pictures import EXTRA, MISSED, around, difference
from carmask.pages.results import write_results
from carmask.pages.scores import scores_page
from carmask.pages.subject import Subject
from carmask.pages.worst import worst_cases
from tests.cars import SIZE, car_mask
from tests.scored import write_scored


@pytest.fixture
def data(tmp_path):
    return write_scored(tmp_path)


@pytest.fixture
def subject(data):
    return Subject(read_examples(data), {"car0": CarInfo("2014", "A<i>", "B", "", "")}, "data")


def test_the_page_of_one_model(data, subject, tmp_path):
    results = examine([file_masks(data / "predicted")], subject.examples).results
    file = write_results(tmp_path / "out", ["mine"], subject, results, worst=3)
    document = file.read_text()
    assert len(document) < MAX_PAGE_BYTES
    assert "The 3 worst photos" in document
    assert document.count('class="head"') == 3
    assert "A&lt;i&gt;" in document
    assert "A<i>" not in document
    assert "Not scored" not in document
    assert not re.search(r"https?://|@import|url\(", document)
    with (tmp_path / "out" / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6
    assert float(rows[0]["hd95"]) == results[0][0].score.metrics["hd95"]


def test_photos_that_failed_are_on_the_pages(data, subject, tmp_path):
    found = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], subject.examples)
    failed = subject._replace(failures=[Failure("bad<1>", "bad<1>: the file is truncated")])
    for results in (found.results[:1], found.results):
        document = write_results(tmp_path / "out", ["mine", "theirs"], failed, results, worst=1).read_text()
        assert "1 photo could not be scored" in document
        assert "bad&lt;1&gt;: the file is truncated" in document


def test_the_worst_come_first_and_perfect_ones_are_not_shown(data, subject):
    results = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], subject.examples).results
    cases = worst_cases(subject, results[0], 4)
    dices = [results[0][case.place].score.dice for case in cases]
    assert dices == sorted(dices)
    assert worst_cases(subject, results[1], 4) == []
    assert "No pixel is wrong." in scores_page("perfect", subject, results[1], [])


def test_a_photo_that_is_gone_when_it_is_to_be_shown_has_a_card(data, subject, tmp_path):
    found = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], subject.examples)
    (data / "train" / "car2_02.png").unlink()
    for results in (found.results[:1], found.results):
        document = write_results(tmp_path / "out", ["mine", "theirs"], subject, results, worst=2).read_text()
        assert document.count("Cannot be shown") == 1
        assert document.count('class="head"') == 2


def test_two_models_of_few_cars_are_not_told_apart(data, subject):
    results = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], subject.examples).results
    document = compare_page(("mine", "theirs"), subject, results)
    assert "cannot be tested on photos of 3 cars: that takes 6 or more" in document


def test_two_models_side_by_side(tmp_path):
    data = write_scored(tmp_path, cars=6)
    subject = Subject(read_examples(data), {}, "data")
    results = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], subject.examples).results
    document = write_results(tmp_path, ["mine", "theirs"], subject, results, worst=2).read_text()
    assert "theirs has the higher mean Dice" in document
    assert "The 2 photos with the largest difference in Dice" in document
    assert (tmp_path / "A" / "scores.csv").is_file()
    assert (tmp_path / "B" / "scores.csv").is_file()
    same = write_results(tmp_path, ["mine", "mine"], subject, [results[0], results[0]], worst=2).read_text()
    assert "not significant" in same
    assert "All masks are equal." in same
    # That none is to be shown does not make them equal.
    none = write_results(tmp_path, ["mine", "theirs"], subject, results, worst=0).read_text()
    assert "All masks are equal." not in none


def test_tables_of_very_many_photos_have_the_first_rows(data, subject, monkeypatch):
    results = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], subject.examples).results
    total = len(subject.examples)
    for module in ("subject", "scores", "comparison"):
        monkeypatch.setattr(f"carmask.pages.{module}.MAX_ROWS", 2)
    one, two = scores_page("mine", subject, results[0], []), compare_page(("mine", "theirs"), subject, results)
    for document, first in ((one, "worst"), (two, "most different")):
        assert f"The 2 {first} of {total}; scores.csv has all." in document
        assert '<span class="count">2</span>' in document


def test_a_page_that_would_be_too_large_leaves_cases_out(data, subject, monkeypatch):
    results = examine([file_masks(data / "predicted")], subject.examples).results[0]
    cases = worst_cases(subject, results, 3)
    monkeypatch.setattr("carmask.pages.scores.MAX_PAGE_BYTES", 1000)
    document = scores_page("mine", subject, results, cases)
    assert "3 more would have made the page too large" in document
    assert "No pixel is wrong." not in document


@pytest.mark.parametrize("true", ["car", "empty", "full"])
@pytest.mark.parametrize("predicted", ["empty", "full"])
def test_pages_of_one_photo_with_an_empty_or_full_mask(tmp_path, true, predicted):
    shapes = {"car": car_mask(), "empty": np.zeros(SIZE, np.bool_), "full": np.ones(SIZE, np.bool_)}
    data = write_scored(tmp_path, cars=1, views=(1,))
    Image.fromarray(shapes[true]).save(data / "train_masks" / "car0_01_mask.png")
    Image.fromarray(shapes[predicted]).save(data / "predicted" / "car0_01_mask.png")
    found = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], read_examples(data))
    subject = Subject(found.examples, {}, "data")
    for results in (found.results[:1], found.results):
        document = write_results(tmp_path / "out", ["mine", "theirs"], subject, results).read_text()
        assert not re.search(r"\bnan\b|\binf\b", re.sub(r'src="[^"]*"|<script>.*?</script>', "", document, flags=re.S))


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
