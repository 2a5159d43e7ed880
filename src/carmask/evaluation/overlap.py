"""Overlap of a predicted mask with the true one: counts of pixels, and the scores that follow from them."""

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
        """Fraction of the prediction that is right; 1 if both are empty, 0 if it alone is."""
        return self.both / self.predicted if self.predicted else float(not self.true)

    @property
    def recall(self) -> float:
        """Fraction of the truth that was found; 1 if both are empty, 0 if it alone is."""
        return self.both / self.true if self.true else float(not self.predicted)

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


def overlap_of_runs(prediction: NDArray[np.int64], truth: NDArray[np.int64]) -> Overlap:
    """Count the overlap of two masks without painting them.

    Args:
        prediction: int64 (runs, 2): start, numbered from 1, and length; in order, without overlaps.
        truth: the same.

    Returns:
        The counts that the scores need.
    """
    predicted, true = int(prediction[:, 1].sum()), int(truth[:, 1].sum())
    if not predicted or not true:
        return Overlap(0, predicted, true)
    covered = np.concatenate([[0], np.cumsum(truth[:, 1])])

    def before(position: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many true pixels lie before each position."""
        index = np.searchsorted(truth[:, 0], position, side="right") - 1
        first = np.maximum(index, 0)
        inside = np.clip(position - truth[first, 0], 0, truth[first, 1])
        return np.where(index < 0, 0, covered[first] + inside)

    both = before(prediction[:, 0] + prediction[:, 1]) - before(prediction[:, 0])
    return Overlap(int(both.sum()), predicted, true)


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


def check_same_size(prediction: NDArray[np.generic], truth: NDArray[np.generic]) -> None:
    """Refuse to compare pictures of different sizes.

    Args:
        prediction: a mask, labels or a probability, (height, width).
        truth: the same.

    Raises:
        ArrayError: if the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ArrayError(
            f"the prediction is {prediction.shape[1]}x{prediction.shape[0]}, the truth {truth.shape[1]}x"
            f"{truth.shape[0]}; scores are taken at the truth's own size"
        )
