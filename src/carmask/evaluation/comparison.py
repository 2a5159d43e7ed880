"""Compare two predictors on the same photos: the difference of a metric, with its confidence interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.evaluation.scoring import Score

#: Resamples of the bootstrap; the ends of the interval are then exact to about a twentieth of its width.
RESAMPLES = 2000
#: Of fewer cars no difference is certain at 5 %. That five cars agree has a chance of one in sixteen where there is no
#: difference (a sign test), whatever interval a bootstrap gives of so few.
MIN_CARS = 6


class Difference(NamedTuple):
    """The difference of two predictors in a number.

    Attributes:
        first: mean of the first.
        second: mean of the second.
        low: lower end of the 95 % interval of second − first.
        high: its upper end.
        cars: how many cars the photos show; of a few the interval is too narrow, of one it is a point.
    """

    first: float
    second: float
    low: float
    high: float
    cars: int

    @property
    def certain(self) -> bool:
        """Whether the interval excludes 0; never of fewer than ``MIN_CARS``."""
        return self.cars >= MIN_CARS and (self.low > 0 or self.high < 0)


def compare(first: Sequence[Score], second: Sequence[Score], value: Callable[[Score], float]) -> Difference:
    """Compare two predictors, with the interval of their difference.

    The interval is a percentile bootstrap over cars, not photos: the 16 views of a car are alike, and photos would
    make it too narrow (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 8).

    Args:
        first: the scores of the first.
        second: those of the second, of the same photos in the same order.
        value: the number to compare, of a score.

    Returns:
        The means and the interval; the interval is a point if there is one car only.
    """
    one, other = (np.array([value(score) for score in scores], np.float64) for scores in (first, second))
    cars, index = np.unique([score.car for score in first], return_inverse=True)
    sums, counts = np.bincount(index, other - one, len(cars)), np.bincount(index, minlength=len(cars))
    picked = np.random.default_rng(0).integers(0, len(cars), (RESAMPLES, len(cars)))
    means: NDArray[np.float64] = sums[picked].sum(axis=1) / counts[picked].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(float(one.mean()), float(other.mean()), float(low), float(high), len(cars))
