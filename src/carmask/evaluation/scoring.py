"""Score a model on a data set, image by image, at native size."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.data.mask_source import Truth
from carmask.data.table import CarInfo, Example
from carmask.errors import DataError
from carmask.evaluation.contours import contour_scores
from carmask.evaluation.error_breakdown import Losses, losses
from carmask.evaluation.metrics import overlap
from carmask.geometry import Crop, Size
from carmask.images import ReducedPhoto, make_folder, picture_size, read_photo, write_atomically
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.model.runtime import Device, load_model
from carmask.prediction.predict import Prediction, open_for, predict_reduced
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prefetch import prefetch
from carmask.rle import mask_to_runs

SCORES = "scores.csv"


@dataclass(frozen=True)
class Score:
    """How well one photo was cut.

    Scores are fractions, areas are fractions of the photo, the contour error and HD95 are in pixels (see ``contours``).
    The confidence is NaN where the masks come from files.
    """

    image: str
    car: str
    view: int
    dice: float
    iou: float
    precision: float
    recall: float
    accuracy: float
    contour_error: float
    hd95: float
    boundary_iou: float
    boundary_iou_2px: float
    boundary_iou_5px: float
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


class Predictor(Protocol):
    """Anything that has a mask for an example: a network, or files that something else wrote.

    Attributes:
        title: what it is, for people.
        info: what the model says of itself; None where there is no model.
    """

    title: str
    info: ModelInfo | None

    def open(self, example: Example) -> ReducedPhoto:
        """Read what it needs of a photo; may be called in another thread.

        Args:
            example: the photo's name and files.

        Returns:
            The photo's own size, and as much of its pixels as ``predict`` looks at.

        Raises:
            PhotoError: if the photo cannot be read.
        """

    def predict(self, example: Example, photo: ReducedPhoto) -> Prediction:
        """Give the mask of a photo.

        Args:
            example: the photo's name and files.
            photo: from ``open``.

        Returns:
            The mask, at the photo's own size.

        Raises:
            DataError: if there is no mask for it, or it has another size.
        """


class NetworkPredictor:
    """Predicts as ``carmask cut`` would."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.info: ModelInfo | None = network.info
        self.title = f"{network.info.name} {network.info.version}"

    def open(self, example: Example) -> ReducedPhoto:
        """Read the photo at the size that the network makes use of."""
        return open_for(self._network, example.photo)

    def predict(self, example: Example, photo: ReducedPhoto) -> Prediction:  # noqa: ARG002  # it looks at pixels only
        """Run the network."""
        return predict_reduced(self._network, photo)


class FilePredictor:
    """Looks masks up in a CSV or a folder: the work of another program, or of people."""

    def __init__(self, source: Path) -> None:
        """Open it.

        Args:
            source: a CSV ``img,rle_mask``, or a folder of masks.

        Raises:
            DataError: if it is neither, or cannot be read.
        """
        self._masks, self._source = Truth(source), source
        self.info: ModelInfo | None = None
        self.title = source.name

    def open(self, example: Example) -> ReducedPhoto:
        """Read the photo's size; its pixels are not looked at."""
        return ReducedPhoto(np.zeros((1, 1, 3), np.uint8), picture_size(example.photo))

    def predict(self, example: Example, photo: ReducedPhoto) -> Prediction:
        """Read or decode the mask of a photo; its confidence is not known.

        Raises:
            DataError: if there is no mask for it, or it has another size.
            PhotoError: if the mask's file cannot be read.
            RLEError: if its text does not fit the photo; the message names the line.
        """
        size = photo.size
        mask = self._masks.mask(example.name, size)
        if mask.shape != size:
            raise DataError(
                f"{self._source}: {example.name}: the mask is {mask.shape[1]}x{mask.shape[0]}, its photo "
                f"{size[1]}x{size[0]}"
            )
        return Prediction(
            mask, float("nan"), float(mask.mean()), ProbabilityMap(mask.astype(np.float32), Crop.whole(size))
        )


def open_predictor(what: str, device: Device) -> Predictor:
    """Open a model, or masks that are there already.

    Args:
        what: a model file, the name of a shipped model, a CSV ``img,rle_mask``, or a folder of masks.
        device: where a model runs.

    Returns:
        The predictor.

    Raises:
        ModelError: if there is no such model, or its file is damaged.
        DeviceError: if the device is not available.
        DataError: if the masks cannot be read.
    """
    path = Path(what)
    if path.is_dir() or path.suffix.lower() == ".csv":
        return FilePredictor(path)
    return NetworkPredictor(load_model(what, device=device))


class Examined(NamedTuple):
    """One scored photo, with what is needed to look at it again.

    Attributes:
        score: the scores.
        runs: the predicted mask, as runs.
        losses: where its pixels are wrong.
    """

    score: Score
    runs: NDArray[np.int64]
    losses: Losses


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
    predictor = NetworkPredictor(network)
    scores = []
    for example, (photos, truth) in _loaded(examples, [predictor]):
        scores.append(_score(example, photos[0], truth, predictor)[0])
        if progress is not None:
            progress(len(scores), len(examples))
    return scores


def examine(
    predictors: Sequence[Predictor],
    examples: Sequence[Example],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[Examined]]:
    """Score one predictor, or several on the same photos, and find out where the wrong pixels are.

    Args:
        predictors: what has masks.
        examples: photos with true masks.
        progress: called with the number of photos done and of all.

    Returns:
        For each predictor one result for each example, in the same order.

    Raises:
        PhotoError: if a photo or mask cannot be read.
        RLEError: if a mask in a CSV does not fit its photo.
        DataError: if a mask is missing or has another size than its photo.
    """
    results: list[list[Examined]] = [[] for _ in predictors]
    for done, (example, (photos, truth)) in enumerate(_loaded(examples, predictors), 1):
        for predictor, photo, examined in zip(predictors, photos, results, strict=True):
            score, mask = _score(example, photo, truth, predictor)
            examined.append(Examined(score, mask_to_runs(mask), losses(mask, truth)))
        if progress is not None:
            progress(done, len(examples))
    return results


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
    return photo, _read_truth(example, (photo.shape[0], photo.shape[1]))


def _read_truth(example: Example, size: Size) -> Mask:
    truth = example.read_mask()
    if truth.shape != size:
        raise DataError(
            f"{example.mask or example.name}: the mask is {truth.shape[1]}x{truth.shape[0]}, its photo "
            f"{size[1]}x{size[0]}"
        )
    return truth


def _open(example: Example, *, predictors: Sequence[Predictor]) -> tuple[list[ReducedPhoto], Mask]:
    photos = [predictor.open(example) for predictor in predictors]
    return photos, _read_truth(example, photos[0].size)


def _loaded(
    examples: Sequence[Example], predictors: Sequence[Predictor]
) -> Iterator[tuple[Example, tuple[list[ReducedPhoto], Mask]]]:
    for example, loading in zip(examples, prefetch(partial(_open, predictors=predictors), examples), strict=True):
        yield example, loading.result()


def _score(example: Example, photo: ReducedPhoto, truth: Mask, predictor: Predictor) -> tuple[Score, Mask]:
    started = time.perf_counter()
    predicted = predictor.predict(example, photo)
    seconds = time.perf_counter() - started
    found, size = overlap(predicted.mask, truth), (truth.shape[0], truth.shape[1])
    return Score(
        image=example.name,
        car=example.car,
        view=example.view,
        dice=found.dice,
        iou=found.iou,
        precision=found.precision,
        recall=found.recall,
        accuracy=found.accuracy(size),
        **contour_scores(predicted.mask, truth)._asdict(),
        confidence=predicted.confidence,
        true_area=found.true / truth.size,
        predicted_area=predicted.area,
        seconds=seconds,
    ), predicted.mask
