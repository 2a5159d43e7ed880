"""The metrics of a predicted mask against the true one: the one list that every table and page reads.

A metric is a row of ``METRICS``. The columns of ``scores.csv``, the score page, the comparison, the history of a
training and the table that ``carmask evaluate`` prints all follow from it. ``docs/scores.md`` lists the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal, NamedTuple

from carmask.arrays import Mask
from carmask.evaluation.contours import ContourScores, contour_scores
from carmask.evaluation.overlap import Overlap, check_same_size, overlap
from carmask.geometry import Size


class MaskPair:
    """A predicted mask and the true one; what several metrics need is computed once, on first use.

    Attributes:
        prediction: bool (height, width).
        truth: bool (height, width).
    """

    def __init__(self, prediction: Mask, truth: Mask) -> None:
        """Pair two masks.

        Args:
            prediction: bool (height, width).
            truth: bool (height, width), of the same size.

        Raises:
            ArrayError: if the sizes differ.
        """
        check_same_size(prediction, truth)
        self.prediction, self.truth = prediction, truth

    @property
    def size(self) -> Size:
        """(height, width) of both masks."""
        return self.truth.shape[0], self.truth.shape[1]

    @cached_property
    def overlap(self) -> Overlap:
        """Counts of pixels."""
        return overlap(self.prediction, self.truth)

    @cached_property
    def contours(self) -> ContourScores:
        """Distances between the contours."""
        return contour_scores(self.prediction, self.truth)


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: its column in ``scores.csv``, and its key in ``METRICS``.
        title: its name on pages, without the unit.
        description: what it measures, in one sentence.
        unit: ``px``, or empty for a fraction from 0 to 1.
        direction: which values are better.
        measure: computes it.
    """

    name: str
    title: str
    description: str
    unit: Literal["", "px"]
    direction: Literal["higher", "lower"]
    measure: Callable[[MaskPair], float]

    @property
    def heading(self) -> str:
        """Title and unit: ``HD95, px``."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def digits(self) -> int:
        """Decimals that are shown."""
        return 2 if self.unit else 4

    def shown(self, value: float) -> str:
        """A value as text, without its unit."""
        return f"{value:.{self.digits}f}"


#: All metrics by name, in the order in which they are shown; the first is the one that photos are ranked by.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "dice",
            "Dice",
            "Twice the common pixels, divided by the pixels of both masks; the F1 score of one photo, and the "
            "challenge's score.",
            "",
            "higher",
            lambda pair: pair.overlap.dice,
        ),
        Metric(
            "iou",
            "IoU",
            "The common pixels, divided by the pixels that are in either mask (Jaccard index).",
            "",
            "higher",
            lambda pair: pair.overlap.iou,
        ),
        Metric(
            "precision",
            "precision",
            "The fraction of the predicted pixels that are car.",
            "",
            "higher",
            lambda pair: pair.overlap.precision,
        ),
        Metric(
            "recall",
            "recall",
            "The fraction of the car's pixels that were predicted.",
            "",
            "higher",
            lambda pair: pair.overlap.recall,
        ),
        Metric(
            "accuracy",
            "pixel accuracy",
            "The fraction of the photo's pixels, background included, that are right.",
            "",
            "higher",
            lambda pair: pair.overlap.accuracy(pair.size),
        ),
        Metric(
            "contour_error",
            "contour error",
            "The mean distance of the pixels of each contour to the other contour.",
            "px",
            "lower",
            lambda pair: pair.contours.contour_error,
        ),
        Metric(
            "hd95",
            "HD95",
            "The 95th percentile of the distances from one contour to the other, the larger of both "
            "directions (Hausdorff distance).",
            "px",
            "lower",
            lambda pair: pair.contours.hd95,
        ),
        Metric(
            "boundary_iou",
            "boundary IoU, 2 % of the diagonal",
            "The IoU of the pixels that lie within 2 % of the photo's diagonal of their own mask's contour.",
            "",
            "higher",
            lambda pair: pair.contours.boundary_iou,
        ),
        Metric(
            "boundary_iou_2px",
            "boundary IoU, 2 px",
            "The IoU of the pixels that lie within 2 pixels of their own mask's contour.",
            "",
            "higher",
            lambda pair: pair.contours.boundary_iou_2px,
        ),
        Metric(
            "boundary_iou_5px",
            "boundary IoU, 5 px",
            "The IoU of the pixels that lie within 5 pixels of their own mask's contour.",
            "",
            "higher",
            lambda pair: pair.contours.boundary_iou_5px,
        ),
    )
}


def measure(pair: MaskPair) -> dict[str, float]:
    """All metrics of a pair of masks, by name, in the order of ``METRICS``."""
    return {name: metric.measure(pair) for name, metric in METRICS.items()}
