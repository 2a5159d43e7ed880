"""Score labels of parts: by part, and the mean over parts.

The pixels of all photos are counted together, each photo at the truth's own size. A part's precision, recall, F1 and
IoU follow from its counts; where a score would be 0 / 0 it is 0, as in scikit-learn. The mean ("macro") is over the
parts that occur in the truth or in the prediction of any of these photos; a part that is nowhere does not count, nor
does background.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from carmask.data.annotated import PartsExample
from carmask.data.table import Example
from carmask.errors import DataError
from carmask.evaluation.confusion import Confusion, confusion
from carmask.evaluation.predictors import Predictor
from carmask.failures import Failure, describe_failure
from carmask.formats.labels import Labels, encode_labels
from carmask.images import ReducedPhoto
from carmask.prefetch import prefetch
from carmask.words import counted


class PartScore(NamedTuple):
    """Scores of one class over all photos: fractions, and counts of pixels."""

    name: str
    f1: float
    iou: float
    precision: float
    recall: float
    true: int
    predicted: int


class PhotoScore(NamedTuple):
    """Scores of one photo.

    Attributes:
        image: the photo's name.
        f1: mean over the parts that this photo's truth or prediction holds; 1 if there are none.
        accuracy: fraction of pixels with the right label.
        car_dice: of all parts together.
        parts: how many parts the truth holds.
    """

    image: str
    f1: float
    accuracy: float
    car_dice: float
    parts: int


@dataclass
class PartsResult:
    """What was measured.

    Attributes:
        names: of the parts; label n is the n-th, from 1.
        confusion: pixels of all photos.
        photos: scores of each photo.
        examples: the photos that were scored, in the same order.
        kept: the predicted labels of the photos with the lowest F1, as PNG, by their place among the examples.
        failures: photos that could not be scored.
    """

    names: tuple[str, ...]
    confusion: Confusion
    photos: list[PhotoScore] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    kept: dict[int, bytes] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def parts(self, *, background: bool = False) -> list[PartScore]:
        """Scores of each class that occurs in truth or prediction."""
        scores = part_scores(self.confusion, self.names)
        return [one for one in scores[0 if background else 1 :] if one.true + one.predicted]

    def macro(self, score: str, *, background: bool = False) -> float:
        """Mean over the parts that occur.

        Args:
            score: ``f1``, ``iou``, ``precision`` or ``recall``.
            background: count it as one of them.

        Returns:
            0 to 1; 1 if no part occurs.
        """
        values = [float(getattr(one, score)) for one in self.parts(background=background)]
        return float(np.mean(values)) if values else 1.0


def evaluate_parts(
    predictor: Predictor[Labels],
    examples: Sequence[Example],
    names: Sequence[str],
    *,
    keep: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> PartsResult:
    """Score labels at each photo's own size.

    Args:
        predictor: what has labels.
        examples: photos with true labels.
        names: of the parts.
        keep: keep the predicted labels of this many photos, those with the lowest F1.
        progress: called with the number of photos done and of all.

    Returns:
        The scores, and a failure for each photo that could not be scored.

    Raises:
        DataError: if no photo could be scored; the message has the first reason.
    """
    result = PartsResult(tuple(names), Confusion(np.zeros((len(names) + 1,) * 2, np.int64)))
    open_both = partial(_open, predictor=predictor)
    for count, (example, loading) in enumerate(zip(examples, prefetch(open_both, examples), strict=True), 1):
        try:
            photo, true = loading.result()
            found = predictor.predict(example, photo)
            one = confusion(found, true, len(names) + 1)
        except Exception as error:  # noqa: BLE001  # whatever one photo raises, the others go on
            result.failures.append(describe_failure(example.name, error))
        else:
            place = len(result.photos)
            result.photos.append(_photo_score(example.name, one))
            result.examples.append(example)
            result.confusion.counts[:] += one.counts
            if keep:
                result.kept[place] = encode_labels(found)
                if len(result.kept) > keep:
                    del result.kept[max(result.kept, key=lambda at: result.photos[at].f1)]
        if progress is not None:
            progress(count, len(examples))
    if not result.photos:
        why = f"; the first: {result.failures[0].reason}" if result.failures else ""
        raise DataError(f"none of {counted(len(examples), 'photo')} could be scored{why}")
    return result


def part_scores(counts: Confusion, names: Sequence[str]) -> list[PartScore]:
    """Scores of background and each part, also of those that occur nowhere (0 throughout)."""
    scores = []
    for label, name in enumerate(["background", *names]):
        both = int(counts.counts[label, label])
        true, predicted = int(counts.counts[label].sum()), int(counts.counts[:, label].sum())
        scores.append(
            PartScore(
                name,
                f1=_ratio(2 * both, true + predicted),
                iou=_ratio(both, true + predicted - both),
                precision=_ratio(both, predicted),
                recall=_ratio(both, true),
                true=true,
                predicted=predicted,
            )
        )
    return scores


def added(parts: Sequence[Confusion]) -> Confusion:
    """The confusion of several pictures together."""
    return Confusion(np.sum([part.counts for part in parts], axis=0))


def _open(example: Example, *, predictor: Predictor[Labels]) -> tuple[ReducedPhoto, Labels]:
    if not isinstance(example, PartsExample):
        raise DataError(f"{example.name}: has a mask, but no labels of parts")
    photo, labels = predictor.open(example), example.read_labels()
    if labels.shape != photo.size:
        height, width = photo.size
        raise DataError(
            f"{example.name}: the labels are {labels.shape[1]}x{labels.shape[0]}, the photo {width}x{height}"
        )
    return photo, labels


def _photo_score(name: str, one: Confusion) -> PhotoScore:
    counts = one.counts
    car, total = int(counts[1:, 1:].sum()), int(counts[1:].sum() + counts[:, 1:].sum())
    return PhotoScore(
        name,
        f1=one.mean("f1", background=False),
        accuracy=one.accuracy,
        car_dice=2 * car / total if total else 1.0,
        parts=int((counts[1:].sum(axis=1) > 0).sum()),
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
