"""Score labels of parts: by part, and the mean over parts.

The pixels of all photos are counted together, each photo at the truth's own size. A part's precision, recall, F1 and
IoU follow from its counts; where a score would be 0 / 0 it is 0, as in scikit-learn. The mean ("macro") is over the
parts that occur in the truth or in the prediction of any of these photos; a part that is nowhere does not count, nor
does background.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from carmask.data.labels import Labels, encode_labels, read_labels
from carmask.data.parts import PartsExample, is_parts
from carmask.data.table import Example, find_masks
from carmask.errors import DataError
from carmask.evaluation.metrics import Confusion, confusion
from carmask.images import make_folder, write_atomically
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.model.runtime import Device, load_model
from carmask.prediction.parts import predict_parts
from carmask.prediction.predict import open_for
from carmask.prefetch import prefetch

SCORES, PARTS, CONFUSION = "scores.csv", "parts.csv", "confusion.csv"


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
        photos: scores of each, in the order of the examples.
        kept: the predicted labels of the photos with the lowest F1, as PNG, by their place among the examples.
    """

    names: tuple[str, ...]
    confusion: Confusion
    photos: list[PhotoScore] = field(default_factory=list)
    kept: dict[int, bytes] = field(default_factory=dict)

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


class LabelSource(Protocol):
    """Anything that has labels for a photo.

    Attributes:
        title: what it is, for people.
        info: what the model says of itself; None where there is no model.
    """

    title: str
    info: ModelInfo | None

    def labels(self, example: Example) -> Labels:
        """Give the labels of a photo, in the data's numbering: uint8 (height, width) at the photo's own size."""


class NetworkLabels:
    """Predicts as ``carmask cut --parts`` would."""

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        """Take a model.

        Args:
            network: a loaded model.
            names: of the data's parts.

        Raises:
            DataError: if the model tells other parts apart than the data.
        """
        self._network = network
        self.info: ModelInfo | None = network.info
        self.title = f"{network.info.name} {network.info.version}"
        if set(network.info.classes) != set(names):
            odd = sorted(set(network.info.classes) ^ set(names))
            raise DataError(
                f"{self.title} and the data do not have the same parts; in one of them only: {', '.join(odd)}"
            )
        self._table = np.array([0, *(list(names).index(one) + 1 for one in network.info.classes)], np.uint8)

    def labels(self, example: Example) -> Labels:
        """Run the network."""
        return self._table[predict_parts(self._network, open_for(self._network, example.photo)).labels]


class FileLabels:
    """Looks labels up in a folder of index PNG: ``NAME.png``, or ``NAME_parts.png`` as of ``carmask cut --parts``."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        """Open it.

        Args:
            folder: holds the files; their values count the data's parts from 1.
            names: of the data's parts.

        Raises:
            DataError: if there are none.
        """
        files = find_masks(folder)
        self._files = {name: file for name, file in files.items() if not name.endswith("_parts")}
        self._files |= {name.removesuffix("_parts"): file for name, file in files.items() if name.endswith("_parts")}
        self.info: ModelInfo | None = None
        self.title, self._folder, self._names = folder.name, folder, names

    def labels(self, example: Example) -> Labels:
        """Read the labels of a photo.

        Raises:
            DataError: if there are none, or a value is no part.
            PhotoError: if the file cannot be read.
        """
        if example.name not in self._files:
            raise DataError(f"{self._folder}: no labels for {example.name}")
        labels = read_labels(self._files[example.name])
        if labels.max(initial=0) > len(self._names):
            raise DataError(
                f"{self._files[example.name]}: holds the value {labels.max()}, but there are {len(self._names)} parts"
            )
        return labels


def of_parts(models: Sequence[str], data: Path) -> bool:
    """Whether labels are to be scored, not masks: the data has parts, and so have the models.

    Args:
        models: files or names of models, or folders of labels.
        data: the data set.

    Raises:
        ModelError: if there is no such model.
        DataError: if one of two models knows parts and the other does not.
    """
    if not is_parts(data):
        return False
    known = [Path(model).is_dir() or (not _is_csv(model) and read_info(find_model(model)).parts) for model in models]
    if len(set(known)) > 1:
        raise DataError(f"{models[known.index(False)]}: knows no parts, the other one does; score them one by one")
    return known[0]


def _is_csv(model: str) -> bool:
    return Path(model).suffix.lower() == ".csv"


def open_labels(what: str, names: Sequence[str], device: Device) -> LabelSource:
    """Open a model of parts, or a folder of labels.

    Args:
        what: a model file, or a folder.
        names: of the data's parts.
        device: where a model runs.

    Raises:
        ModelError: if there is no such model, or its file is damaged.
        DeviceError: if the device is not available.
        DataError: if its parts are not the data's, or the folder holds no labels.
    """
    if Path(what).is_dir():
        return FileLabels(Path(what), names)
    return NetworkLabels(load_model(what, device=device), names)


def evaluate_parts(
    source: LabelSource,
    examples: Sequence[Example],
    names: Sequence[str],
    *,
    keep: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> PartsResult:
    """Score labels at each photo's own size.

    Args:
        source: what has labels.
        examples: photos with true labels.
        names: of the parts.
        keep: keep the predicted labels of this many photos, those with the lowest F1.
        progress: called with the number of photos done and of all.

    Returns:
        The scores.

    Raises:
        DataError: if there are no examples, or labels are missing or have another size than their photo's.
        PhotoError: if a photo or labels cannot be read.
    """
    if not examples:
        raise DataError("nothing was scored")
    result = PartsResult(tuple(names), Confusion(np.zeros((len(names) + 1,) * 2, np.int64)))
    for place, (example, truth) in enumerate(zip(examples, prefetch(_truth, examples), strict=True)):
        true, found = truth.result(), source.labels(example)
        if found.shape != true.shape:
            raise DataError(
                f"{example.name}: the labels are {found.shape[1]}x{found.shape[0]}, the truth "
                f"{true.shape[1]}x{true.shape[0]}"
            )
        one = confusion(found, true, len(names) + 1)
        result.photos.append(_photo_score(example.name, one))
        result.confusion.counts[:] += one.counts
        if keep:
            result.kept[place] = encode_labels(found)
            if len(result.kept) > keep:
                del result.kept[max(result.kept, key=lambda at: result.photos[at].f1)]
        if progress is not None:
            progress(place + 1, len(examples))
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


def write_parts_scores(out: Path, result: PartsResult) -> None:
    """Write ``scores.csv`` (a row for each photo), ``parts.csv`` (for each part) and ``confusion.csv``.

    Args:
        out: folder to write to; made if it is missing.
        result: what to write.

    Raises:
        OutputError: if they cannot be written.
    """
    make_folder(out)
    _write(out / SCORES, PhotoScore._fields, result.photos)
    _write(out / PARTS, PartScore._fields, part_scores(result.confusion, result.names))
    names = ["background", *result.names]
    rows = [(name, *counts) for name, counts in zip(names, result.confusion.counts.tolist(), strict=True)]
    _write(out / CONFUSION, ("true \\ predicted", *names), rows)


def _write(file: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    # repr of a float reads back as the same float: the table says exactly what was measured.
    writer.writerows([repr(value) if isinstance(value, float) else value for value in row] for row in rows)
    write_atomically(file, buffer.getvalue().encode())


def _truth(example: Example) -> Labels:
    if not isinstance(example, PartsExample):
        raise DataError(f"{example.name}: has a mask, but no labels of parts")
    return example.read_labels()


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
