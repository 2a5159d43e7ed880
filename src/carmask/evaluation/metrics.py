"""Scores of one predicted mask against the true one, both at the truth's size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from carmask.arrays import Mask
from carmask.errors import ArrayError


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
    if prediction.shape != truth.shape:
        raise ArrayError(
            f"the prediction is {prediction.shape[1]}x{prediction.shape[0]}, the truth {truth.shape[1]}x"
            f"{truth.shape[0]}; scores are taken at the truth's own size"
        )
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
