from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carmask.errors import ArrayError
from carmask.evaluation.confusion import confusion
from carmask.evaluation.overlap import overlap

labels = arrays(np.uint8, (7, 8), elements=st.integers(0, 3))


def test_confusion_by_hand():
    truth = np.array([[0, 0, 1, 1, 2]], np.uint8)
    prediction = np.array([[0, 1, 1, 1, 0]], np.uint8)
    found = confusion(prediction, truth, 4)
    assert found.counts.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert found.accuracy == 3 / 5
    background, one, two, three = found.overlaps()
    assert background == (1, 2, 2)
    assert one == (2, 3, 2)
    assert two == (0, 0, 1)
    assert three is None
    assert found.mean("iou") == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)
    assert found.mean("iou", background=False) == pytest.approx((2 / 3 + 0) / 2)


def test_confusion_refuses_labels_and_scores_that_are_not_there():
    with pytest.raises(ArrayError, match="the truth has a label 3, but there are 3 classes"):
        confusion(np.zeros((1, 2), np.uint8), np.array([[0, 3]], np.uint8), 3)
    with pytest.raises(ArrayError, match="no score of classes is called 'wrong'"):
        confusion(np.zeros((1, 2), np.uint8), np.zeros((1, 2), np.uint8), 3).mean("wrong")
    assert confusion(np.zeros((0, 2), np.uint8), np.zeros((0, 2), np.uint8), 3).mean("dice") == 1


@given(labels, labels)
def test_two_classes_are_a_mask(prediction, truth):
    binary = confusion((prediction > 0).astype(np.uint8), (truth > 0).astype(np.uint8), 2)
    found = binary.overlaps()[1]
    assert (found.dice if found else 1.0) == overlap(prediction > 0, truth > 0).dice


@settings(deadline=None, max_examples=25)
@given(labels, labels)
def test_against_torchmetrics(prediction, truth):
    torch = pytest.importorskip("torch")
    from torchmetrics.functional import classification

    found = confusion(prediction, truth, 4)
    p, t = torch.from_numpy(prediction.astype(np.int64)), torch.from_numpy(truth.astype(np.int64))
    assert found.counts.tolist() == classification.multiclass_confusion_matrix(p, t, 4).tolist()
    for name, theirs in (
        ("iou", classification.multiclass_jaccard_index(p, t, 4, average="macro")),
        ("f1", classification.multiclass_f1_score(p, t, 4, average="macro")),
    ):
        assert found.mean(name) == pytest.approx(float(theirs), abs=1e-6)
    assert found.accuracy == pytest.approx(
        float(classification.multiclass_accuracy(p, t, 4, average="micro")), abs=1e-6
    )


def test_sizes_must_agree():
    with pytest.raises(ArrayError, match="the prediction is 4x3, the truth 5x3"):
        confusion(np.zeros((3, 4), np.uint8), np.zeros((3, 5), np.uint8), 2)
