"""Score a model on a data set, image by image, at native size."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np

from carmask.arrays import Mask
from carmask.data.table import CarInfo, Example
from carmask.errors import DataError
from carmask.evaluation.metrics import overlap
from carmask.images import ReducedPhoto, make_folder, write_atomically
from carmask.inference.ahead import ahead
from carmask.inference.model import Network
from carmask.inference.predict import open_for, predict_reduced

SCORES = "scores.csv"


@dataclass(frozen=True)
class Score:
    """How well one photo was cut. Scores are fractions, areas are fractions of the photo."""

    image: str
    car: str
    view: int
    dice: float
    iou: float
    precision: float
    recall: float
    confidence: float
    true_area: float
    predicted_area: float
    seconds: float


@dataclass(frozen=True)
class Summary:
    """Dice over images."""

    images: int
    cars: int
    mean: float
    median: float
    fifth_percentile: float
    minimum: float


def evaluate(
    network: Network, examples: Sequence[Example], *, progress: Callable[[int, int], None] | None = None
) -> list[Score]:
    """Predict each example as ``carmask cut`` would and score it at the truth's own size.

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
    scores = []
    for example, loading in zip(examples, ahead(partial(_load, network), examples), strict=True):
        photo, truth = loading.result()
        started = time.perf_counter()
        predicted = predict_reduced(network, photo)
        seconds = time.perf_counter() - started
        found = overlap(predicted.mask, truth)
        scores.append(
            Score(
                image=example.name,
                car=example.car,
                view=example.view,
                dice=found.dice,
                iou=found.iou,
                precision=found.precision,
                recall=found.recall,
                confidence=predicted.confidence,
                true_area=found.true / truth.size,
                predicted_area=predicted.area,
                seconds=seconds,
            )
        )
        if progress is not None:
            progress(len(scores), len(examples))
    return scores


def summarise(scores: Sequence[Score]) -> Summary:
    """Summarise Dice over images.

    Raises:
        DataError: if there are no scores.
    """
    if not scores:
        raise DataError("nothing was scored")
    values = np.array([score.dice for score in scores])
    return Summary(
        images=len(values),
        cars=len({score.car for score in scores}),
        mean=float(values.mean()),
        median=float(np.median(values)),
        fifth_percentile=float(np.percentile(values, 5)),
        minimum=float(values.min()),
    )


def write_scores(out: Path, scores: Sequence[Score], metadata: Mapping[str, CarInfo]) -> Path:
    """Write ``scores.csv``: a row for each photo, with what is known of its car.

    Args:
        out: folder to write to; made if it is missing.
        scores: what to write.
        metadata: year, make and model by car; the columns stay empty for cars that are not in it.

    Returns:
        The file.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [field.name for field in fields(Score)]
    writer.writerow([*names, "year", "make", "model"])
    for score in scores:
        values = [getattr(score, name) for name in names]
        info = metadata.get(score.car)
        known = [info.year, info.make, info.model] if info else ["", "", ""]
        # repr of a float reads back as the same float: the table says exactly what was measured.
        writer.writerow([*(repr(v) if isinstance(v, float) else v for v in values), *known])
    write_atomically(out / SCORES, buffer.getvalue().encode())
    return out / SCORES


def _load(network: Network, example: Example) -> tuple[ReducedPhoto, Mask]:
    photo, truth = open_for(network, example.photo), example.read_mask()
    if truth.shape != photo.size:
        raise DataError(
            f"{example.mask or example.name}: the mask is {truth.shape[1]}x{truth.shape[0]}, its photo "
            f"{photo.size[1]}x{photo.size[0]}"
        )
    return photo, truth
