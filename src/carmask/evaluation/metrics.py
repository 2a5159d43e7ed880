"""Scores from counts of pixels: one predicted mask, or picture of labels, against the true one, at the truth's size.

What depends on where the contours lie is in ``contours``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.errors import ArrayError
from carmask.geometry import Size


class Overlap(NamedTuple):
    """Counts of pixels from which the overlap scores follow.

    Attributes:
        both: car in truth and prediction.
        predicted: car in the prediction.
        true: car in the truth.
    """

    both: int
    predicted: int
    true: int

    @property
    def wrong(self) -> int:
        """Pixels that are car in one of the two only."""
        return self.predicted + self.true - 2 * self.both

    @property
    def dice(self) -> float:
        """``2 both / (predicted + true)``; 1 if both are empty, so 0 if one is. Kaggle's definition."""
        total = self.predicted + self.true
        return 2.0 * self.both / total if total else 1.0

    @property
    def iou(self) -> float:
        """``both / union``, the Jaccard index; 1 if both are empty."""
        union = self.predicted + self.true - self.both
        return self.both / union if union else 1.0

    @property
    def precision(self) -> float:
        """Fraction of the prediction that is right; 1 if it is empty and right to be so."""
        return self.both / self.predicted if self.predicted else float(not self.true)

    @property
    def recall(self) -> float:
        """Fraction of the truth that was found; 1 if there was nothing to find."""
        return self.both / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; of one image it is its Dice score."""
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total else 0.0

    def accuracy(self, size: Size) -> float:
        """Fraction of a frame's pixels that are right.

        Args:
            size: (height, width) of the frame; background counts as much as car.
        """
        return 1.0 - self.wrong / (size[0] * size[1])


def overlap(prediction: Mask, truth: Mask) -> Overlap:
    """Count the pixels that the overlap scores need.

    Args:
        prediction: bool (height, width).
        truth: bool (height, width), of the same size.

    Returns:
        The counts.

    Raises:
        ArrayError: if the sizes differ.
    """
    check_same_size(prediction, truth)
    return Overlap(
        int(np.count_nonzero(prediction & truth)), int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
    )


def dice(prediction: Mask, truth: Mask) -> float:
    """Dice score as Kaggle computes it for the challenge: https://www.kaggle.com/c/carvana-image-masking-challenge.

    Args:
        prediction: bool (height, width).
        truth: bool (height, width), of the same size.

    Returns:
        0 to 1; 1 if both are empty.

    Raises:
        ArrayError: if the sizes differ.
    """
    return overlap(prediction, truth).dice


class Confusion(NamedTuple):
    """Counts of pixels by true and predicted label.

    Attributes:
        counts: int64 (classes, classes); the row is the true label, the column the predicted one. Confusions of
            several pictures may be added up: the scores then are those of all their pixels together.
    """

    counts: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Fraction of pixels with the right label; 1 of no pixels."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts) / total) if total else 1.0

    def overlaps(self) -> list[Overlap | None]:
        """Each class against all others; None where the class is neither in the truth nor in the prediction."""
        predicted, true = self.counts.sum(axis=0), self.counts.sum(axis=1)
        return [
            Overlap(int(self.counts[i, i]), int(predicted[i]), int(true[i])) if predicted[i] + true[i] else None
            for i in range(len(self.counts))
        ]

    def mean(self, score: str, *, background: bool = True) -> float:
        """Mean of a score over the classes that occur in truth or prediction ("macro").

        Args:
            score: ``dice``, ``iou``, ``precision``, ``recall`` or ``f1``.
            background: count class 0 as well.

        Returns:
            0 to 1; 1 if no class occurs.

        Raises:
            ArrayError: if there is no such score.
        """
        if score not in {"dice", "iou", "precision", "recall", "f1"}:
            raise ArrayError(f"no score of classes is called {score!r}; choose dice, iou, precision, recall or f1")
        found = [one for one in self.overlaps()[0 if background else 1 :] if one is not None]
        return float(np.mean([getattr(one, score) for one in found])) if found else 1.0


def confusion(prediction: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> Confusion:
    """Count pixels by true and predicted label.

    Args:
        prediction: uint8 (height, width), labels below ``classes``.
        truth: the same, of the same size.
        classes: how many labels there are, background included.

    Returns:
        The counts.

    Raises:
        ArrayError: if the sizes differ, or a label is ``classes`` or more.
    """
    check_same_size(prediction, truth)
    for name, labels in (("prediction", prediction), ("truth", truth)):
        if labels.size and int(labels.max()) >= classes:
            raise ArrayError(f"the {name} has a label {int(labels.max())}, but there are {classes} classes, from 0")
    pairs = truth.astype(np.int64).ravel() * classes + prediction.ravel()
    return Confusion(np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64))


def check_same_size(prediction: NDArray[np.generic], truth: NDArray[np.generic]) -> None:
    """Refuse to compare pictures of different sizes.

    Raises:
        ArrayError: if the sizes differ.
    """
    if prediction.shape != truth.shape:
        raise ArrayError(
            f"the prediction is {prediction.shape[1]}x{prediction.shape[0]}, the truth {truth.shape[1]}x"
            f"{truth.shape[0]}; scores are taken at the truth's own size"
        )
