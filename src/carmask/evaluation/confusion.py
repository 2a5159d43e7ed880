"""Confusion of labels: counts of pixels by true and predicted label, and the scores of each class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.errors import ArrayError
from carmask.evaluation.overlap import Overlap, check_same_size


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
