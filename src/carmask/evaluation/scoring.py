"""Score predictors on a data set, photo by photo, at the truth's own size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.data.table import Example
from carmask.errors import DataError
from carmask.evaluation.error_breakdown import ErrorBreakdown, error_breakdown
from carmask.evaluation.metrics import MaskPair, measure
from carmask.evaluation.predictors import Predictor, network_masks
from carmask.failures import Failure, describe_failure
from carmask.formats.rle import mask_to_runs
from carmask.images import ReducedPhoto, read_photo
from carmask.model.network import Network
from carmask.prediction.predict import Prediction, open_for
from carmask.prefetch import prefetch
from carmask.words import counted


@dataclass(frozen=True)
class Score:
    """The scores of one photo.

    Attributes:
        image: the photo's name.
        car: the car it shows.
        view: 1 to 16, or 0 where the name does not say.
        metrics: the value of each of ``metrics.METRICS``, by name.
        confidence: of the model; NaN where the masks come from files.
        true_area: fraction of the photo that is car.
        predicted_area: fraction of the photo that was predicted to be car.
        seconds: taken by the prediction.
    """

    image: str
    car: str
    view: int
    metrics: Mapping[str, float]
    confidence: float
    true_area: float
    predicted_area: float
    seconds: float

    @property
    def dice(self) -> float:
        """The metric that photos are ranked by."""
        return self.metrics["dice"]

    @property
    def inverted_dice(self) -> float:
        """The Dice with car and background exchanged in one of the two masks: in the one that has more car."""
        wrong = (self.true_area + self.predicted_area) * (1.0 - self.dice)
        apart = abs(self.true_area - self.predicted_area)
        # Of the areas: what only the larger one has is not in common with the other, what only the smaller one has is.
        common, whole = (wrong - apart) / 2, 1.0 - apart
        return 2.0 * common / whole if whole > 0 else 0.0


class Examined(NamedTuple):
    """One scored photo, with what is needed to show it.

    Attributes:
        score: the scores.
        runs: the predicted mask, as runs.
        errors: where its pixels are wrong.
    """

    score: Score
    runs: NDArray[np.int64]
    errors: ErrorBreakdown


class Examination(NamedTuple):
    """Scores of one predictor, or of several on the same photos.

    Attributes:
        examples: the photos that were scored.
        results: for each predictor one result for each of them, in the same order.
        failures: the photos that could not be scored.
    """

    examples: list[Example]
    results: list[list[Examined]]
    failures: list[Failure]


def evaluate(
    network: Network, examples: Sequence[Example], *, progress: Callable[[int, int], None] | None = None
) -> list[Score]:
    """Predict each example as ``carmask cut`` does and score it at the truth's own size.

    Args:
        network: a loaded model.
        examples: photos with true masks.
        progress: called with the number done and the number of all.

    Returns:
        One score for each example, in the same order.

    Raises:
        PhotoError: if a photo or mask cannot be read.
        RLEError: if a truth in a CSV does not fit its photo.
        DataError: if a mask has another size than its photo.
    """
    predictor = network_masks(network)
    scores = []
    for example, load in _loaded(examples, [predictor]):
        photos, truth = load()
        scores.append(_score(example, photos[0], truth, predictor)[0])
        if progress is not None:
            progress(len(scores), len(examples))
    return scores


def examine(
    predictors: Sequence[Predictor[Prediction]],
    examples: Sequence[Example],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Examination:
    """Score one predictor, or several on the same photos, and find out where the wrong pixels are.

    A photo that fails with one predictor is left out of the results of all, so they stay comparable.

    Args:
        predictors: what has masks.
        examples: photos with true masks.
        progress: called with the number of photos done and of all.

    Returns:
        The results, and a failure for each photo that could not be scored.

    Raises:
        DataError: if no photo could be scored; the message has the first reason.
    """
    done = Examination([], [[] for _ in predictors], [])
    for count, (example, load) in enumerate(_loaded(examples, predictors), 1):
        try:
            photos, truth = load()
            row = [
                _examine(example, photo, truth, predictor) for predictor, photo in zip(predictors, photos, strict=True)
            ]
        except Exception as error:  # noqa: BLE001  # whatever one photo raises, the others go on
            done.failures.append(describe_failure(example.name, error))
        else:
            done.examples.append(example)
            for results, examined in zip(done.results, row, strict=True):
                results.append(examined)
        if progress is not None:
            progress(count, len(examples))
    if not done.examples:
        why = f"; the first: {done.failures[0].reason}" if done.failures else ""
        raise DataError(f"none of {counted(len(examples), 'photo')} could be scored{why}")
    return done


def load_pair(example: Example) -> tuple[Photo, Mask]:
    """Read a photo and its true mask.

    Returns:
        uint8 (height, width, 3), RGB, and bool (height, width).

    Raises:
        PhotoError: if one cannot be read.
        RLEError: if the truth's text does not fit the photo.
        DataError: if their sizes differ.
    """
    photo = read_photo(example.photo)
    return photo, example.read_mask_of((photo.shape[0], photo.shape[1]))


def open_pair(network: Network, example: Example) -> tuple[ReducedPhoto, Mask]:
    """Read a photo at the size that a network makes use of, and its true mask at its own.

    Raises:
        PhotoError: if one cannot be read.
        RLEError: if the truth's text does not fit the photo.
        DataError: if their sizes differ.
    """
    photo = open_for(network, example.photo)
    return photo, example.read_mask_of(photo.size)


def _open(example: Example, *, predictors: Sequence[Predictor[Prediction]]) -> tuple[list[ReducedPhoto], Mask]:
    photos = [predictor.open(example) for predictor in predictors]
    return photos, example.read_mask_of(photos[0].size)


def _loaded(
    examples: Sequence[Example], predictors: Sequence[Predictor[Prediction]]
) -> Iterator[tuple[Example, Callable[[], tuple[list[ReducedPhoto], Mask]]]]:
    for example, loading in zip(examples, prefetch(partial(_open, predictors=predictors), examples), strict=True):
        yield example, loading.result


def _examine(example: Example, photo: ReducedPhoto, truth: Mask, predictor: Predictor[Prediction]) -> Examined:
    score, mask = _score(example, photo, truth, predictor)
    return Examined(score, mask_to_runs(mask), error_breakdown(mask, truth))


def _score(example: Example, photo: ReducedPhoto, truth: Mask, predictor: Predictor[Prediction]) -> tuple[Score, Mask]:
    started = time.perf_counter()
    predicted = predictor.predict(example, photo)
    seconds = time.perf_counter() - started
    pair = MaskPair(predicted.mask, truth)
    return Score(
        image=example.name,
        car=example.car,
        view=example.view,
        metrics=measure(pair),
        confidence=predicted.confidence,
        true_area=pair.overlap.true / truth.size,
        predicted_area=predicted.area,
        seconds=seconds,
    ), predicted.mask
