"""Choose the photos that are most worth correcting: uncertain, and unlike those that were corrected before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.batch.measured import Measured
from carmask.drift.summary import Summary
from carmask.model.calibration import compress
from carmask.prediction.measures import MEASURES

#: Photos that are chosen by default.
PHOTOS = 30


class Choice(NamedTuple):
    """A photo to correct.

    Attributes:
        row: the photo.
        distance: from the nearest one that was corrected or chosen before it, in deviations of the reference.
        unusual: titles of what is most unusual in it, each with by how many deviations.
    """

    row: Measured
    distance: float
    unusual: tuple[tuple[str, float], ...]


def choose_photos(rows: Sequence[Measured], reference: Summary, *, count: int = PHOTOS) -> list[Choice]:
    """Choose photos one after another, each the best in the light of those before it.

    The best has the greatest product of its uncertainty (the share of photos that are as certain or more so) and its
    distance from the nearest photo that was corrected or chosen. That is the greedy choice of a core set (Sener and
    Savarese, Active Learning for Convolutional Neural Networks: A Core-Set Approach, ICLR 2018), weighted by
    uncertainty.

    Args:
        rows: the photos; those that a person has decided on are not chosen, and corrected ones are kept away from.
        reference: its spread is the unit of distance.
        count: how many.

    Returns:
        The photos, the best first; fewer if there are fewer with a car.
    """
    names = [name for name in MEASURES if name in reference.measures]
    there = [row for row in rows if row.measures and row.confidence is not None]
    if not there or not names:
        return []
    values = _standardised(there, reference, names)
    known = np.array([row.decision == "corrected" for row in there])
    free = np.array([not row.decision for row in there])
    confidence = np.array([row.confidence for row in there], np.float64)
    uncertainty = _ranks(confidence)
    nearest = np.full(len(there), np.inf)
    for at in np.flatnonzero(known).tolist():
        nearest = np.minimum(nearest, _distances(values, at))
    chosen: list[Choice] = []
    while free.any() and len(chosen) < count:
        # Before anything is known, uncertainty alone decides.
        score = np.where(free, uncertainty * (nearest if np.isfinite(nearest).all() else 1.0), -1.0)
        best = int(score.argmax())
        order = np.argsort(-np.abs(values[best]))[:3]
        unusual = tuple((MEASURES[names[at]].title, float(values[best, at])) for at in order)
        chosen.append(Choice(there[best], float(nearest[best]), unusual))
        nearest = np.minimum(nearest, _distances(values, best))
        free[best] = False
    return chosen


def _standardised(rows: Sequence[Measured], reference: Summary, names: Sequence[str]) -> NDArray[np.float64]:
    """Deviations from the reference's median; what was not measured is taken as usual."""
    columns = []
    for name in names:
        usual = reference.measures[name]
        column = np.array([row.measures.get(name, usual.median) for row in rows])
        spread = max(usual.spread, float(column.std()) / 4, 1e-6)
        columns.append([compress(value) for value in ((column - usual.median) / spread).tolist()])
    return np.array(columns, np.float64).T


def _ranks(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(confidence)
    return 1 - np.searchsorted(ordered, confidence, side="left") / len(confidence)


def _distances(values: NDArray[np.float64], at: int) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((values - values[at]) ** 2).mean(1)), np.float64)
