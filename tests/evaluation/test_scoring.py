from __future__ import annotations

import csv
import logging
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import read_data
from carmask.data.table import read_examples
from carmask.errors import DataError, ModelError, UsageError
from carmask.evaluation.comparison import MIN_CARS, compare
from carmask.evaluation.overlap import dice
from carmask.evaluation.predictors import file_masks, network_masks, open_masks, predicts_parts
from carmask.evaluation.run import _seen_in_training, evaluate_masks
from carmask.evaluation.score_table import write_scores
from carmask.evaluation.scoring import evaluate, examine
from carmask.evaluation.summary import inverted_hint, summarise
from carmask.failures import Failure
from carmask.formats.convert import convert
from carmask.formats.labels import write_labels
from carmask.formats.rle import runs_to_mask
from carmask.formats.table import read_annotations
from carmask.model.file import read_info
from tests.cars import SIZE, car_mask
from tests.scored import write_scored


@pytest.fixture
def data(tmp_path):
    return write_scored(tmp_path)


@pytest.fixture
def examples(data):
    return read_examples(data)


def test_names_that_are_alike_by_chance_are_not_called_trained_on(examples, tiny_model):
    cars = tuple(dict.fromkeys(one.car for one in examples))
    info = read_info(tiny_model)
    of_it = info.model_copy(update={"training_cars": cars})
    other = info.model_copy(update={"training_cars": (cars[0], *(f"other{number}" for number in range(20)))})
    (told,) = _seen_in_training(examples, examples, [of_it])
    assert f"{len(cars)} of these cars were used to train" in told
    (told,) = _seen_in_training(examples, examples, [other])
    assert "1 of these cars is called as one that" in told
    assert not _seen_in_training(examples, examples, [info.model_copy(update={"training_cars": ("x",)})])


def test_a_csv_and_a_folder_of_masks_score_alike(data, examples):
    one, other = examine([file_masks(data / "predicted"), file_masks(data.parent / "predicted.csv")], examples).results
    for a, b in zip(one, other, strict=True):
        assert a.score.metrics == b.score.metrics
        assert np.isnan(a.score.confidence)
        assert np.array_equal(a.runs, b.runs)
        assert a.errors.wrong == round((1 - a.score.metrics["accuracy"]) * SIZE[0] * SIZE[1])


def test_masks_in_a_tool_s_file_are_scored(data, examples, tmp_path):
    """As the folder that it lies in; it was taken for a model."""
    convert(read_annotations(data / "predicted"), tmp_path / "coco", "coco", photos="none", check=False)
    plain = examine([open_masks(str(data / "predicted"), "cpu")], examples).results[0]
    file = tmp_path / "coco" / "annotations" / "instances_default.json"
    for what in (file, tmp_path / "coco"):
        assert not predicts_parts([str(what)], data)
        found = examine([open_masks(str(what), "cpu")], examples).results[0]
        assert [one.score.metrics for one in found] == [one.score.metrics for one in plain]


def test_examine_scores_as_evaluate_does(examples, dark):
    network = type(dark)(*SIZE)
    plain, examined = evaluate(network, examples), examine([network_masks(network)], examples).results[0]
    assert [s.dice for s in plain] == [one.score.dice for one in examined]
    assert all(runs_to_mask(one.runs, *SIZE).mean() == one.score.predicted_area for one in examined)


def test_a_photo_that_fails_is_a_row_and_the_others_are_scored(data, examples, tmp_path):
    whole = [one.score for one in examine([file_masks(data / "predicted")], examples).results[0]]
    (data / "train" / "car0_01.png").write_bytes(b"\x89PNG no more")
    (data / "predicted" / "car1_01_mask.png").unlink()
    Image.fromarray(car_mask()[:100]).save(data / "predicted" / "car2_01_mask.png")
    steps = []
    predictors = [file_masks(data / "predicted"), file_masks(data / "train_masks")]
    found = examine(predictors, examples, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (6, 6)
    assert [example.name for example in found.examples] == ["car0_02", "car1_02", "car2_02"]
    assert [one.score.dice for one in found.results[0]] == [score.dice for score in whole[1::2]]
    assert [len(result) for result in found.results] == [3, 3]
    reasons = {failure.name: failure.reason for failure in found.failures}
    assert list(reasons) == ["car0_01", "car1_01", "car2_01"]
    assert "not an image" in reasons["car0_01"]
    assert "has no mask of car1_01" in reasons["car1_01"]
    assert "car2_01: the mask is 480x100, its photo 480x320" in reasons["car2_01"]
    named = replace(found.results[0][0].score, image=os.fsdecode(b"car0\r\xff_02"))
    file = write_scores(tmp_path / "out", [named, *(one.score for one in found.results[0][1:])], {}, found.failures)
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows if not row["failure"]] == [named.image, "car1_02", "car2_02"]
    assert float(rows[0]["dice"]) == named.dice  # to the last bit
    assert rows[-1] == dict.fromkeys(rows[-1], "") | {
        "image": "car2_01",
        "car": "car2",
        "view": "1",
        "failure": reasons["car2_01"],
    }


def test_a_bug_in_one_photo_is_a_failure_with_its_traceback_in_the_log(data, examples, caplog):
    class Broken:
        title, info = "broken", None

        def __init__(self):
            self.inner = file_masks(data / "predicted")

        def open(self, example):
            return self.inner.open(example)

        def predict(self, example, photo):
            if example.name == "car1_02":
                raise IndexError("list index out of range")
            return self.inner.predict(example, photo)

    with caplog.at_level(logging.ERROR, "carmask.failures"):
        found = examine([Broken()], examples)
    assert found.failures == [("car1_02", "car1_02: unexpected IndexError: list index out of range")]
    assert len(found.examples) == 5
    assert "Traceback" in caplog.text


def test_if_nothing_can_be_scored_it_is_said(data, examples):
    for file in (data / "predicted").iterdir():
        file.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"none of 6 photos could be scored; the first: .*car0_01_mask\.png"):
        examine([file_masks(data / "predicted")], examples)
    with pytest.raises(ModelError, match="neither a model file"):
        open_masks("nothing.onnx", "cpu")


def test_the_choice_of_cars(data, tmp_path, tiny_model):
    (tmp_path / "cars.txt").write_text("car1\n")
    found = evaluate_masks([str(data / "predicted")], data, cars=tmp_path / "cars.txt").found
    assert [example.car for example in found.examples] == ["car1", "car1"]
    with pytest.raises(UsageError, match=r"validation: .* names no validation cars of"):
        evaluate_masks([str(data / "predicted")], data, validation=True)
    # Of a model that knows none of the cars there is nothing to choose.
    with pytest.raises(UsageError, match="none of its cars was trained on: leave this out, and all are scored"):
        evaluate_masks([str(tiny_model)], data, validation=True)
    with pytest.raises(UsageError, match="exclude each other"):
        evaluate_masks([str(data / "predicted")], data, validation=True, cars=tmp_path / "cars.txt")


@pytest.mark.parametrize("layout", ["carvana", "table", "folders", "pairs", "labelled"])
def test_a_photo_without_a_mask_is_a_failure_and_the_others_are_scored(data, layout):
    photos, masks = data / "train", data / "train_masks"
    if layout == "table":
        rows = [f"{file.stem.removesuffix('_mask')}.png,1 5" for file in sorted(masks.iterdir())]
        shutil.rmtree(masks)
        (data / "train_masks.csv").write_text("\n".join(["img,rle_mask", *rows[:2], *rows[3:]]) + "\n")
    else:
        (masks / "car1_01_mask.png").unlink()
    if layout == "folders":
        photos.rename(data / "images")
        masks.rename(data / "masks")
    if layout == "labelled":
        photos.rename(data / "photos")
        (data / "labels").mkdir()
        for file in masks.iterdir():
            write_labels(
                data / "labels" / f"{file.stem.removesuffix('_mask')}.png",
                np.asarray(Image.open(file)).astype(np.uint8),
            )
    source = data if layout != "pairs" else data / "pairs"
    if layout == "pairs":
        source.mkdir()
        for file in (*photos.iterdir(), *masks.iterdir()):
            file.rename(source / file.name)
    with pytest.raises(DataError, match="1 of 6 photos has no mask, the first is car1_01"):
        read_data(source)
    for cars in (None, data / "cars.txt"):
        (data / "cars.txt").write_text("car1\n")
        found = evaluate_masks([str(data / "predicted")], source, cars=cars).found
        assert len(found.examples) == (5 if cars is None else 1)
        assert found.failures == [Failure("car1_01", "car1_01: the data set has no mask of this photo")]


def test_masks_of_another_program_that_lie_beside_photos_may_lack_one(data, tmp_path):
    (tmp_path / "theirs").mkdir()
    for name, copy in (("train", "images"), ("predicted", "masks")):
        shutil.copytree(data / name, tmp_path / "theirs" / copy)
    (tmp_path / "theirs" / "masks" / "car1_01_mask.png").unlink()
    found = evaluate_masks([str(tmp_path / "theirs")], data).found
    assert len(found.examples) == 5
    assert [failure.reason for failure in found.failures] == [f"{tmp_path / 'theirs'}: has no mask of car1_01"]


def test_a_mask_threshold_is_for_the_masks_that_are_scored_too(data):
    plain = evaluate_masks([str(data / "predicted")], data).found
    for file in (data / "predicted").iterdir():
        grey = np.where(np.asarray(Image.open(file).convert("L")) > 0, 200, 0).astype(np.uint8)
        grey[0, 0] = 90  # neither background nor car
        Image.fromarray(grey).save(file)
    with pytest.raises(DataError, match="a mask threshold of 128 takes"):
        evaluate_masks([str(data / "predicted")], data)
    found = evaluate_masks([str(data / "predicted")], data, mask_threshold=128).found
    assert [one.score.metrics for one in found.results[0]] == [one.score.metrics for one in plain.results[0]]


def test_the_summary_by_hand(data, examples):
    scores = [one.score for one in examine([file_masks(data / "predicted")], examples).results[0]]
    found = summarise(scores)
    assert (found.images, found.cars) == (6, 3)
    dices, errors = [s.dice for s in scores], [s.metrics["contour_error"] for s in scores]
    assert found.dice.mean == pytest.approx(sum(dices) / 6)
    assert found.dice.tail == pytest.approx(np.percentile(dices, 5))
    assert (found.dice.worst, found.dice.worst_image) == (min(dices), "car2_02")
    assert found.metrics["contour_error"].worst == max(errors)
    assert found.metrics["contour_error"].tail == pytest.approx(np.percentile(errors, 95))
    with pytest.raises(DataError, match="nothing was scored"):
        summarise([])


def test_inverted_masks_are_named(data, examples):
    assert inverted_hint([one.score for one in examine([file_masks(data / "predicted")], examples).results[0]]) == ""
    expected = [one.score for one in examine([file_masks(data / "predicted")], examples).results[0]]
    for folder, side in (("predicted", "predicted"), ("train_masks", "true")):
        files = list((data / folder).iterdir())
        for file in files:
            Image.fromarray(~np.asarray(Image.open(file))).save(file)
        found = evaluate_masks([str(data / "predicted")], data)
        scores = [one.score for one in found.found.results[0]]
        [hint] = found.warnings
        assert f"the {side} masks of 6 photos seem to be inverted" in hint
        assert max(score.dice for score in scores) < 0.2
        mean = np.mean([score.inverted_dice for score in scores])
        assert f"{mean:.4f}" in hint
        assert mean == pytest.approx(np.mean([score.dice for score in expected]))
        for file in files:
            Image.fromarray(~np.asarray(Image.open(file))).save(file)


def test_inverted_dice_is_the_dice_of_one_inverted_mask(data, examples):
    [result] = examine([file_masks(data / "predicted")], examples).results
    for example, one in zip(examples, result, strict=True):
        truth, prediction = example.read_mask(), runs_to_mask(one.runs, *SIZE)
        larger = dice(~prediction, truth) if prediction.sum() > truth.sum() else dice(prediction, ~truth)
        assert one.score.inverted_dice == pytest.approx(larger)


def test_all_but_a_corner_is_no_inverted_mask(tmp_path):
    """A model that calls nearly all of the photo car: inverted, its mask has nothing of the car."""
    data = write_scored(tmp_path, cars=1, views=(1,))
    mask = np.ones(SIZE, np.bool_)
    mask[:8, :8] = False
    truth = np.zeros(SIZE, np.bool_)
    truth[40:44, 50:56] = True
    for folder, shape in (("predicted", mask), ("train_masks", truth)):
        for file in (data / folder).iterdir():
            Image.fromarray(shape).save(file)
    found = evaluate_masks([str(data / "predicted")], data)
    assert found.found.results[0][0].score.dice < 0.2
    assert found.warnings == []


@pytest.mark.parametrize("true", ["car", "empty", "full"])
@pytest.mark.parametrize("predicted", ["car", "empty", "full"])
def test_empty_and_full_masks_are_scored(tmp_path, true, predicted):
    shapes = {"car": car_mask(), "empty": np.zeros(SIZE, np.bool_), "full": np.ones(SIZE, np.bool_)}
    data = write_scored(tmp_path, cars=1, views=(1,))
    Image.fromarray(shapes[true]).save(data / "train_masks" / "car0_01_mask.png")
    Image.fromarray(shapes[predicted]).save(data / "predicted" / "car0_01_mask.png")
    found = evaluate_masks([str(data / "predicted")], data)
    [[one]] = found.found.results
    assert one.score.dice == dice(shapes[predicted], shapes[true])
    assert all(np.isfinite(value) for value in one.score.metrics.values())
    assert one.errors.wrong == np.count_nonzero(shapes[predicted] ^ shapes[true])
    assert found.warnings == []


def test_comparison(tmp_path):
    data = write_scored(tmp_path, cars=MIN_CARS)
    found = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], read_examples(data))
    first, second = ([one.score for one in result] for result in found.results)
    change = compare(first, second, lambda score: score.dice)
    assert change.certain
    assert change.low <= change.second - change.first <= change.high
    assert compare(first, second, lambda score: score.dice) == change  # the interval is the same each time
    same = compare(first, first, lambda score: score.metrics["hd95"])
    assert (same.low, same.high, same.certain) == (0, 0, False)


def test_as_many_cars_as_a_sign_test_needs_make_a_difference_certain():
    """All of them agree by chance, whichever model is better, at most once in twenty times."""
    chance = [2 * 0.5**cars for cars in (MIN_CARS - 1, MIN_CARS)]
    assert chance[0] > 0.05 >= chance[1]


def test_few_cars_make_no_difference_certain(data, examples):
    """All photos are better, and the bootstrap's interval of three cars is narrow."""
    found = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], examples)
    first, second = ([one.score for one in result] for result in found.results)
    change = compare(first, second, lambda score: score.dice)
    assert change.low > 0
    assert (change.cars, change.certain) == (3, False)


def test_a_single_car_makes_no_difference_certain(data, examples):
    """Its photos are alike: the interval is a point, which excludes 0 whatever the difference is."""
    alone = [one for one in examples if one.car == examples[0].car]
    found = examine([file_masks(data / "predicted"), file_masks(data / "train_masks")], alone)
    first, second = ([one.score for one in result] for result in found.results)
    change = compare(first, second, lambda score: score.dice)
    assert change.low == change.high == pytest.approx(change.second - change.first)
    assert change.low > 0
    assert (change.cars, change.certain) == (1, False)
