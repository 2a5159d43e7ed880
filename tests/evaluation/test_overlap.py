from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from carmask.errors import ArrayError
from carmask.evaluation.overlap import dice, overlap

masks = arrays(np.bool_, (6, 9))


def test_by_hand():
    truth = np.zeros((4, 5), np.bool_)
    truth[1:3, 1:4] = True  # 6 pixels
    prediction = np.zeros_like(truth)
    prediction[1:4, 2:4] = True  # 6 pixels, 4 of them right
    found = overlap(prediction, truth)
    assert found == (4, 6, 6)
    assert found.wrong == 4
    assert found.dice == found.f1 == pytest.approx(8 / 12)
    assert found.iou == 4 / 8
    assert found.precision == found.recall == pytest.approx(4 / 6)
    assert found.accuracy((4, 5)) == pytest.approx(16 / 20)


@pytest.mark.parametrize(
    ("prediction", "truth", "dice_", "iou", "precision", "recall"),
    [
        (False, False, 1, 1, 1, 1),
        (True, False, 0, 0, 0, 0),
        (False, True, 0, 0, 0, 0),
        (True, True, 1, 1, 1, 1),
    ],
)
def test_empty_and_full(prediction, truth, dice_, iou, precision, recall):
    found = overlap(np.full((3, 4), prediction), np.full((3, 4), truth))
    assert (found.dice, found.iou, found.precision, found.recall) == (dice_, iou, precision, recall)
    assert found.f1 == dice_
    assert found.accuracy((3, 4)) == (prediction == truth)


@given(masks, masks)
def test_invariants(prediction, truth):
    found, turned = overlap(prediction, truth), overlap(truth, prediction)
    assert found.dice == turned.dice == dice(prediction, truth)
    assert found.precision == turned.recall
    assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou))
    assert found.f1 == pytest.approx(found.dice)
    assert found.wrong == np.count_nonzero(prediction ^ truth)


def test_sizes_must_agree():
    with pytest.raises(ArrayError, match="the prediction is 4x3, the truth 5x3"):
        overlap(np.zeros((3, 4), np.bool_), np.zeros((3, 5), np.bool_))


@settings(deadline=None, max_examples=25)
@given(masks, masks)
def test_against_torchmetrics(prediction, truth):
    torch = pytest.importorskip("torch")
    from torchmetrics.functional import classification

    one, b, a = overlap(prediction, truth), torch.from_numpy(prediction), torch.from_numpy(truth)
    assert one.accuracy(truth.shape) == pytest.approx(float(classification.binary_accuracy(b.int(), a.int())), abs=1e-6)
    if prediction.any() or truth.any():  # of two empty masks its scores are 0
        assert one.dice == pytest.approx(float(classification.binary_f1_score(b.int(), a.int())), abs=1e-6)
        assert one.iou == pytest.approx(float(classification.binary_jaccard_index(b.int(), a.int())), abs=1e-6)
        assert one.precision == pytest.approx(float(classification.binary_precision(b.int(), a.int())), abs=1e-6)
        assert one.recall == pytest.approx(float(classification.binary_recall(b.int(), a.int())), abs=1e-6)
