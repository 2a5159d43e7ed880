"""Is the new model better by more than chance: paired differences of photos, resampled by vehicle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from carmask.errors import DataError
from carmask.words import counted

#: Resamples of the bootstrap.
RESAMPLES = 4000
#: One-sided probability of a model that is not better passing for better.
LEVEL = 0.05
#: Mean Dice that may be lost on the rehearsal set.
TOLERANCE = 0.0003


class Scored(NamedTuple):
    """A photo and its Dice.

    Attributes:
        name: of the photo.
        vehicle: that it shows.
        dice: of the predicted mask, at the photo's own size.
    """

    name: str
    vehicle: str
    dice: float


class Gain(NamedTuple):
    """The difference of two models' mean Dice on the same photos.

    Attributes:
        before: mean Dice of the old model.
        after: of the new one.
        gain: their difference.
        margin: what chance explains: the gain is better by more than chance if it is above this.
        photos: how many.
        vehicles: of how many vehicles.
    """

    before: float
    after: float
    gain: float
    margin: float
    photos: int
    vehicles: int

    @property
    def certain(self) -> bool:
        """Whether it is better by more than chance."""
        return self.gain > self.margin

    def __str__(self) -> str:
        return (
            f"Dice {self.gain:+.4f} ± {self.margin:.4f} on {counted(self.photos, 'photo')} of "
            f"{counted(self.vehicles, 'vehicle')}"
        )


def paired_gain(old: Sequence[Scored], new: Sequence[Scored], *, level: float = LEVEL) -> Gain:
    """Compare two models on the same photos.

    The standard error is that of a bootstrap over vehicles, whose photos are alike (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, section 6.4), times sqrt(n / (n - 1)), which n vehicles' resamples lack. The
    margin is this error times the quantile of Student's t with n - 1 degrees of freedom: few vehicles need a larger
    gain.

    Args:
        old: scores of the old model.
        new: of the new one: of the same photos.
        level: one-sided probability of passing for better by chance.

    Returns:
        The gain and its margin.

    Raises:
        DataError: if the photos are not the same, or there are fewer than two vehicles.
    """
    before = {one.name: one for one in old}
    if {one.name for one in new} != set(before) or not before:
        raise DataError("two models are compared on different photos")
    differences: dict[str, list[float]] = {}
    for one in new:
        differences.setdefault(one.vehicle, []).append(one.dice - before[one.name].dice)
    count = len(differences)
    if count < 2:
        raise DataError("photos of two vehicles at least are needed to tell a gain from chance")
    sums = np.array([sum(values) for values in differences.values()])
    sizes = np.array([len(values) for values in differences.values()], np.float64)
    drawn = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    error = float(means.std()) * math.sqrt(count / (count - 1))
    after, first = (float(np.mean([one.dice for one in scores])) for scores in (new, old))
    margin = student_quantile(1 - level, count - 1) * error
    return Gain(first, after, after - first, margin, len(new), count)


class Candidate(NamedTuple):
    """A new model with what it brings and costs.

    Attributes:
        share: of the newly trained weights in the average.
        corrected: on the corrected photos that were held out.
        rehearsal: on the rehearsal photos that were held out.
    """

    share: float
    corrected: Gain
    rehearsal: Gain


class Verdict(NamedTuple):
    """What is to be done.

    Attributes:
        candidate: the one to ship, or the best of those that are refused.
        accepted: whether it is shipped.
        reason: in words.
        outcomes: what became of each candidate, in words, in their order.
    """

    candidate: Candidate
    accepted: bool
    reason: str
    outcomes: tuple[str, ...] = ()


def choose(candidates: Sequence[Candidate], *, tolerance: float = TOLERANCE) -> Verdict:
    """Choose among the candidates that keep what was known, and say whether the choice is shipped.

    They are tested one after the other, each at the full level, until one is not better by more than chance: a fixed
    sequence, which passes a model that is no better as rarely as a single test does (Maurer, Hothorn and Lehmacher,
    Multiple comparisons in drug clinical trials, 1995). Of those that passed, the one of the largest gain is taken.

    Args:
        candidates: at least one, in an order that does not follow from their scores.
        tolerance: mean Dice that may be lost on the rehearsal set.

    Returns:
        The verdict.
    """
    keeping = [one for one in candidates if one.rehearsal.gain >= -tolerance]
    passed = list(takewhile(lambda one: one.corrected.certain, keeping))
    best = max(passed, key=lambda one: one.corrected.gain) if passed else None
    outcomes = tuple(_outcome(one, keeping, passed, best) for one in candidates)
    if not keeping:
        nearest = max(candidates, key=lambda one: one.rehearsal.gain)
        reason = f"forgets what was known: rehearsal {nearest.rehearsal}, and {tolerance:g} may be lost"
        return Verdict(nearest, False, reason, outcomes)
    if best is None:
        return Verdict(keeping[0], False, f"not better by more than chance: {keeping[0].corrected}", outcomes)
    reason = f"better by more than chance: {best.corrected}; rehearsal {best.rehearsal}"
    return Verdict(best, True, reason, outcomes)


def _outcome(one: Candidate, keeping: Sequence[Candidate], passed: Sequence[Candidate], best: Candidate | None) -> str:
    if one is best:
        return "taken"
    if one not in keeping:
        return "forgets"
    if one in passed:
        return "smaller gain"
    return "not beyond chance" if one is keeping[len(passed)] else "not tested"


def student_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t distribution.

    By bisection on its distribution function, which for whole degrees of freedom is a finite sum (Abramowitz and
    Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4).

    Args:
        probability: 0.5 to 1, without 1.
        freedom: degrees of freedom, 1 or more.

    Returns:
        The value that t is below with this probability.
    """
    low, high = 0.0, 1.0
    while _student(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _student(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _student(value: float, freedom: int) -> float:
    """The distribution function of Student's t, for values from 0 up."""
    angle = math.atan(value / math.sqrt(freedom))
    cosine = math.cos(angle) ** 2
    if freedom % 2:
        total, term = 0.0, math.cos(angle)
        for k in range(1, freedom - 1, 2):
            total += term
            term *= cosine * (k + 1) / (k + 2)
        inside = 2 / math.pi * (angle + math.sin(angle) * total)
    else:
        total, term = 0.0, 1.0
        for k in range(0, freedom, 2):
            total += term
            term *= cosine * (k + 1) / (k + 2)
        inside = math.sin(angle) * total
    return (1 + inside) / 2
