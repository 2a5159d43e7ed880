"""Scores of parts against scikit-learn, and what is written of them."""

from __future__ import annotations

import csv

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

from carmask.data.parts import read_parts
from carmask.data.table import read_examples
from carmask.errors import DataError
from carmask.evaluation.confusion import confusion
from carmask.evaluation.part_scores import PartsResult, evaluate_parts
from carmask.evaluation.predictors import file_labels, network_labels, open_labels, predicts_parts
from carmask.evaluation.run import evaluate_labels
from carmask.formats.labels import write_labels
from carmask.model.file import METADATA_KEY, read_info
from carmask.pages.parts import write_parts_results
from tests.prediction.test_parts import Halves

NAMES = ("hood", "door", "wheel", "<i>glass</i>")


@given(st.integers(0, 9999), st.integers(1, 5), st.integers(1, 5))
def test_scores_are_those_of_scikit_learn(seed, true_classes, predicted_classes):
    """Also where a class is in the truth only, in the prediction only, or nowhere."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, true_classes, (9, 7)).astype(np.uint8)
    found = np.where(rng.random((9, 7)) < 0.5, truth, rng.integers(0, predicted_classes, (9, 7))).astype(np.uint8)
    result = PartsResult(NAMES, confusion(found, truth, 5))
    y, p = truth.ravel(), found.ravel()
    assert np.array_equal(result.confusion.counts, confusion_matrix(y, p, labels=range(5)))
    there = [label for label in range(5) if (y == label).any() or (p == label).any()]
    for score, theirs in (
        ("f1", f1_score),
        ("iou", jaccard_score),
        ("precision", precision_score),
        ("recall", recall_score),
    ):
        for background in (True, False):
            labels = [label for label in there if label or background]
            each = theirs(y, p, labels=labels, average=None, zero_division=0) if labels else []
            ours = [getattr(one, score) for one in result.parts(background=background)]
            assert ours == pytest.approx(list(each))
            expected = float(np.mean(each)) if len(each) else 1.0
            assert result.macro(score, background=background) == pytest.approx(expected)


@pytest.fixture
def data(tmp_path):
    """Three photos with index PNG; predictions beside them: right, wrong, and one with a missing part."""
    for folder in ("data/images", "data/labels", "found"):
        (tmp_path / folder).mkdir(parents=True)
    rng = np.random.default_rng(5)
    for index, name in enumerate("abc"):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(tmp_path / "data" / "images" / f"{name}.png")
        labels = np.zeros((40, 60), np.uint8)
        labels[5:20, 5:30], labels[20:35, 10:50] = 1, 2 + index % 2
        write_labels(tmp_path / "data" / "labels" / f"{name}.png", labels)
        found = labels.copy()
        if name == "b":
            found[found == 3] = 2
        if name == "c":
            found[found == 1] = 0
        write_labels(tmp_path / "found" / f"{name}_parts.png", found)
    lines = [f"{value} {name}" for value, name in enumerate(NAMES, 1)]
    (tmp_path / "data" / "classes.txt").write_text("\n".join(lines))
    return tmp_path


def test_a_folder_of_labels_is_scored_and_written(data):
    examples, names = read_parts(data / "data")
    assert predicts_parts([str(data / "found")], data / "data")
    result = evaluate_parts(open_labels(str(data / "found"), names, "cpu"), examples, names, keep=2)
    assert [one.image for one in result.photos] == ["a", "b", "c"]
    assert result.photos[0].f1 == 1.0
    # b: hood right, door 0 (not in its truth), wheel 0.
    assert result.photos[1].f1 == pytest.approx(1 / 3)
    assert set(result.kept) == {1, 2}
    page = write_parts_results(data / "out", "found", "data", result)
    text = page.read_text()
    assert "&lt;i&gt;glass" not in text.split('id="parts"')[1].split("</section>")[0]  # a part that is nowhere
    assert "The 2 worst" in text
    with (data / "out" / "parts.csv").open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert float(rows["hood"]["recall"]) == pytest.approx(2 / 3)
    assert float(rows["wheel"]["f1"]) == 0.0
    with (data / "out" / "confusion.csv").open(newline="") as stream:
        assert list(csv.reader(stream))[4][3] == str(15 * 40)
    assert len((data / "out" / "scores.csv").read_text().splitlines()) == 4


def test_names_are_escaped(data):
    write_labels(data / "data" / "labels" / "a.png", np.full((40, 60), 4, np.uint8))
    examples, names = read_parts(data / "data")
    result = evaluate_parts(file_labels(data / "found", names), examples, names, keep=3)
    text = write_parts_results(data / "out", "<b>", "data", result).read_text()
    assert "<i>glass" not in text
    assert "&lt;i&gt;glass" in text


def test_a_network_s_parts_are_brought_into_the_data_s_order(data):
    examples, _ = read_parts(data / "data")
    network = Halves()
    one, other = (
        predictor.predict(examples[0], predictor.open(examples[0]))
        for predictor in (network_labels(network, ("front", "back")), network_labels(network, ("back", "front")))
    )
    assert np.array_equal(np.array([0, 2, 1], np.uint8)[one], other)
    with pytest.raises(DataError, match="in one of them only: back, front, hood"):
        network_labels(network, ("hood",))


def test_a_photo_that_fails_is_a_row_and_the_others_are_scored(data):
    (data / "found" / "a_parts.png").unlink()
    write_labels(data / "found" / "b_parts.png", np.full((40, 60), 9, np.uint8))
    Image.new("RGB", (60, 40)).save(data / "data" / "images" / "d.png")
    found = evaluate_labels(str(data / "found"), data / "data", keep=3)
    assert [one.image for one in found.result.photos] == ["c"]
    reasons = dict(found.result.failures)
    assert "no labels for a" in reasons["a"]
    assert reasons["d"] == "d: the data set has no mask of this photo"
    assert "holds the value 9, but there are 4 parts" in reasons["b"]
    page = write_parts_results(data / "out", "found", "data", found.result).read_text()
    assert "3 photos could not be scored" in page
    with (data / "out" / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["image"], bool(row["f1"]), bool(row["failure"])) for row in rows] == [
        ("c", True, False),
        ("a", False, True),
        ("b", False, True),
        ("d", False, True),
    ]


def test_two_models_are_scored_on_the_same_validation_cars(data, tiny_model, tmp_path):
    """Each had its own, and a folder of labels none."""
    loaded, info = onnx.load(tiny_model), read_info(tiny_model)
    model = tmp_path / "model.onnx"
    onnx.helper.set_model_props(
        loaded, {METADATA_KEY: info.model_copy(update={"validation_cars": ("b", "c")}).model_dump_json()}
    )
    onnx.save(loaded, model)
    both = [str(model), str(data / "found")]
    found = evaluate_labels(both[1], data / "data", validation=True, compared=both)
    assert [one.image for one in found.result.photos] == ["b", "c"]


def test_what_cannot_be_scored_is_named(data, examples):
    parts, names = read_parts(data / "data")
    predictor = file_labels(data / "found", names)
    with pytest.raises(DataError, match="none of 0 photos could be scored"):
        evaluate_parts(predictor, [], names)
    with pytest.raises(DataError, match=r"none of 1 photo could be scored; the first: .*has a mask, but no labels"):
        evaluate_parts(predictor, read_examples(examples)[:1], names)
    write_labels(data / "found" / "a_parts.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match="the labels are 4x4, the photo 60x40"):
        evaluate_parts(predictor, parts[:1], names)


def test_masks_and_labels_are_not_mixed(data, examples):
    assert not predicts_parts(["default"], examples)
    assert not predicts_parts(["default"], data / "data")
    with pytest.raises(DataError, match="default: knows no parts"):
        predicts_parts([str(data / "found"), "default"], data / "data")
