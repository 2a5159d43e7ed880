"""Summarise the scores of many photos: how each metric is distributed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from carmask.errors import DataError
from carmask.evaluation import metrics
from carmask.evaluation.scoring import Score
from carmask.words import counted

#: Masks are called inverted if at least this fraction of the photos has a Dice below the second number, and one above
#: the third with one of the masks inverted.
INVERTED_SHARE, INVERTED_BELOW, INVERTED_DICE = 0.5, 0.2, 0.8


class Distribution(NamedTuple):
    """One metric over photos.

    Attributes:
        mean: over the photos.
        median: over the photos.
        tail: the value that 5 % of the photos are worse than: the 5th percentile, or the 95th where lower is better.
        worst: the worst value.
        worst_image: the photo that has it.
    """

    mean: float
    median: float
    tail: float
    worst: float
    worst_image: str


class Summary(NamedTuple):
    """The metrics over photos.

    Attributes:
        images: how many photos.
        cars: how many cars they show.
        metrics: the distribution of each of ``metrics.METRICS``, by name.
    """

    images: int
    cars: int
    metrics: dict[str, Distribution]

    @property
    def dice(self) -> Distribution:
        """The metric that photos are ranked by."""
        return self.metrics["dice"]


def summarise(scores: Sequence[Score]) -> Summary:
    """Summarise scores over photos.

    Raises:
        DataError: if there are no scores.
    """
    if not scores:
        raise DataError("nothing was scored")
    found = {name: _distribution(metric, scores) for name, metric in metrics.METRICS.items()}
    return Summary(len(scores), len({score.car for score in scores}), found)


def _distribution(metric: metrics.Metric, scores: Sequence[Score]) -> Distribution:
    values = np.array([score.metrics[metric.name] for score in scores])
    higher = metric.direction == "higher"
    worst = int(values.argmin() if higher else values.argmax())
    return Distribution(
        mean=float(values.mean()),
        median=float(np.median(values)),
        tail=float(np.percentile(values, 5 if higher else 95)),
        worst=float(values[worst]),
        worst_image=scores[worst].image,
    )


def inverted_hint(scores: Sequence[Score]) -> str:
    """A sentence for people whose masks seem to be inverted (the car is 0); empty if they do not."""
    inverted = [one for one in scores if one.dice < INVERTED_BELOW and one.inverted_dice > INVERTED_DICE]
    # An empty or full mask is another fault.
    inverted = [one for one in inverted if 0 < one.true_area < 1 and 0 < one.predicted_area < 1]
    if not scores or len(inverted) < INVERTED_SHARE * len(scores):
        return ""
    mean = float(np.mean([one.inverted_dice for one in inverted]))
    side = "true" if sum(one.true_area - one.predicted_area for one in inverted) > 0 else "predicted"
    return (
        f"the {side} masks of {counted(len(inverted), 'photo')} seem to be inverted: with car and background "
        f"exchanged they would score a mean Dice of {mean:.4f}; in a mask the car is white"
    )


def summary_lines(summary: Summary) -> list[str]:
    """A summary as text: a line of headings, then a line for each metric."""
    width = max(len(metric.heading) for metric in metrics.METRICS.values())
    lines = [f"{'metric':{width}} {'mean':>10} {'median':>10} {'worst 5 %':>10} {'worst':>10}  worst photo"]
    for metric in metrics.METRICS.values():
        found = summary.metrics[metric.name]
        digits = 3 if metric.unit else 6
        values = (found.mean, found.median, found.tail, found.worst)
        numbers = " ".join(f"{value:10.{digits}f}" for value in values)
        lines.append(f"{metric.heading:{width}} {numbers}  {found.worst_image}")
    return lines
