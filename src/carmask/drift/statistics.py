"""Two-sample tests for photos that come several to a car, and the correction for many tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Floats = NDArray[np.float64]


def effective_size(values: ArrayLike, groups: Sequence[str]) -> float:
    """How many independent values a sample is worth whose values come in groups.

    The number of values divided by Kish's design effect, ``1 + (m - 1) rho``: m is the mean size of the group that a
    value is in, rho the intraclass correlation of the values' ranks (one-way analysis of variance), at least 0.
    Kish, Survey Sampling, 1965, section 5.4; Donner, Int. Stat. Review 54, 1986, for the estimator of rho.

    Args:
        values: numbers.
        groups: which group each is in.

    Returns:
        1 to the number of values; 0 of none.
    """
    array = np.asarray(values, np.float64)
    total = len(array)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    count = len(names)
    if count in {0, 1, total}:
        return float(count)
    _, place, tied = np.unique(array, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(tied) - (tied - 1) / 2)[place]
    sizes = np.bincount(member).astype(np.float64)
    means = np.bincount(member, ranks) / sizes
    between = float((sizes * (means - ranks.mean()) ** 2).sum()) / (count - 1)
    within = float(((ranks - means[member]) ** 2).sum()) / (total - count)
    usual = (total - float((sizes**2).sum()) / total) / (count - 1)
    spread = between + (usual - 1) * within
    correlation = min(1.0, max(0.0, (between - within) / spread)) if spread > 0 else 0.0
    return total / (1 + (float((sizes**2).sum()) / total - 1) * correlation)


def ks_distance(first: ArrayLike, second: ArrayLike) -> float:
    """The largest distance of two samples' empirical distribution functions (Kolmogorov, Smirnov), 0 to 1."""
    one, two = np.sort(np.asarray(first, np.float64)), np.sort(np.asarray(second, np.float64))
    every = np.concatenate([one, two])
    below = np.searchsorted(one, every, side="right") / len(one), np.searchsorted(two, every, side="right") / len(two)
    return float(np.abs(below[0] - below[1]).max())


def ks_p_value(distance: float, first: float, second: float) -> float:
    """The probability of a distance of two samples' distribution functions as large by chance.

    Kolmogorov's limiting distribution with Stephens' correction for small samples (J. R. Stat. Soc. B 32, 1970).

    Args:
        distance: from ``ks_distance``.
        first: size of the one sample, effective or true.
        second: size of the other.

    Returns:
        0 to 1.
    """
    root = math.sqrt(first * second / (first + second))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:
        return 1.0
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return float(min(1.0, max(0.0, sum(terms))))


def fisher_p_value(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Fisher's exact test, two-sided, of whether two rates differ.

    Args:
        first: how many have the property, and how many there are.
        second: the same of the other sample.

    Returns:
        The probability, under equal rates, of a table as unlikely as this one or more so, 0 to 1.
    """
    (hits, size), (others, rest) = first, second
    marked, total = hits + others, size + rest
    log = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])

    def choose(whole: int, part: NDArray[np.int64]) -> _Floats:
        chosen: _Floats = log[whole] - log[part] - log[whole - part]
        return chosen

    support = np.arange(max(0, marked - rest), min(size, marked) + 1)
    chance = choose(size, support) + choose(rest, marked - support) - (log[total] - log[marked] - log[total - marked])
    observed = chance[hits - support[0]]
    # Equal probabilities differ in their last bits.
    return float(min(1.0, np.exp(chance[chance <= observed + 1e-7]).sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct for many tests at once: the probability of one false alarm among all stays below a level.

    Holm, Scandinavian J. of Statistics 6, 1979; it needs no independence of the tests.

    Args:
        p_values: of the tests.

    Returns:
        Adjusted ones, in the same order: a test is significant at a level if its adjusted one is not above it.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
