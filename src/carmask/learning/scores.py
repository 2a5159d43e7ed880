"""Score models on photos, each photo once: what is known is kept in a file, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from carmask.arrays import Mask
from carmask.data.table import Example
from carmask.errors import OutputError
from carmask.evaluation.contours import contour_scores
from carmask.evaluation.overlap import dice
from carmask.evaluation.scoring import open_pair
from carmask.images import ReducedPhoto, make_folder
from carmask.learning.decide import Scored
from carmask.learning.recalibrate import Residual
from carmask.model.calibration import ConfidenceFeatures
from carmask.model.file import read_info
from carmask.model.info import ModelInfo
from carmask.model.network import Network, without_specialist
from carmask.model.runtime import load_model
from carmask.prediction.confidence import measure_map
from carmask.prediction.predict import finish_prediction
from carmask.prediction.stages import predict_map
from carmask.prefetch import prefetch


class ScoreFile:
    """Scores of models on photos, by the contents of the model's file, the kind of photo and its name."""

    def __init__(self, file: Path) -> None:
        """Read what is known.

        Args:
            file: a line of JSON for each photo and model; a last line that was cut off is dropped.

        Raises:
            OutputError: if it cannot be read or written.
        """
        self._file = file
        self._known: dict[tuple[str, str, str], dict[str, Any]] = {}
        make_folder(file.parent)
        try:
            # What a power cut left may be no text; it is no JSON either.
            lines = file.read_text(encoding="utf-8", errors="replace").split("\n") if file.exists() else []
        except OSError as error:
            raise OutputError(f"{file}: cannot be read: {error.strerror or error}") from error
        for line in lines[:-1]:
            try:
                row = json.loads(line)
                self._known[row["model"], row["kind"], row["name"]] = row
            except (ValueError, KeyError, TypeError):
                continue
        if lines and lines[-1]:
            # Written on from here, half a line would spoil the next one.
            with _added_to(file) as stream:
                stream.write("\n")

    def score(
        self,
        model: Path,
        examples: Sequence[Example],
        *,
        kind: str,
        contours: bool = False,
        specialist: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Score a model on photos; those that are known are passed over.

        Args:
            model: its file.
            examples: photos with their true masks.
            kind: of photo: photos of two kinds may have the same name.
            contours: measure the contour's error, too.
            specialist: let the model's specialist segment photos of its studio; else the segmentation network does.
            progress: called with the number done and of all.

        Returns:
            A row for each photo: ``name``, ``car``, ``dice``, ``confidence``, ``features`` (None without a car),
            ``error`` (None if not measured), ``kind``.

        Raises:
            DataError: if a mask has another size than its photo.
            PhotoError: if a photo or mask cannot be read.
            OutputError: if the scores cannot be written; those that were are kept.
        """
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        todo = [
            one
            for one in examples
            if (row := self._known.get((digest, kind, one.name))) is None or (contours and row["error"] is None)
        ]
        done = len(examples) - len(todo)
        if todo:
            network, info = load_model(model), read_info(model)
            if not specialist:
                network = without_specialist(network)
            with _added_to(self._file) as stream:
                for example, loading in zip(todo, prefetch(partial(open_pair, network), todo), strict=True):
                    photo, truth = loading.result()
                    scores = _scores(network, info, photo, truth, contours=contours)
                    row = {"model": digest, "name": example.name, "car": example.car, "kind": kind, **scores}
                    self._known[digest, kind, example.name] = row
                    stream.write(json.dumps(row) + "\n")
                    stream.flush()
                    done += 1
                    if progress is not None:
                        progress(done, len(examples))
        return [self._known[digest, kind, one.name] for one in examples]


def _scores(
    network: Network, info: ModelInfo, photo: ReducedPhoto, truth: Mask, *, contours: bool
) -> dict[str, float | list[float] | None]:
    """What is kept of a photo, by the names that ``ScoreFile.score`` gives."""
    prob_map = predict_map(network, photo)
    found = finish_prediction(prob_map, info)
    features = measure_map(prob_map, info) if (prob_map.probability >= info.threshold).any() else None
    return {
        "dice": dice(found.mask, truth),
        "confidence": found.confidence,
        "features": None if features is None else list(features),
        "error": contour_scores(found.mask, truth).contour_error / prob_map.scale if contours else None,
    }


@contextmanager
def _added_to(file: Path) -> Iterator[TextIO]:
    """Open a text file to write at its end.

    Raises:
        OutputError: if it cannot be written.
    """
    try:
        with file.open("a", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror or error}") from error


def as_scored(rows: Sequence[dict[str, Any]]) -> list[Scored]:
    """The rows' Dice, for ``paired_gain``."""
    return [Scored(row["name"], row["car"], row["dice"]) for row in rows]


def as_residuals(rows: Sequence[dict[str, Any]]) -> list[Residual]:
    """The rows in which a car was found, for ``recalibrate``."""
    return [
        Residual(
            ConfidenceFeatures(*row["features"]),
            row["dice"],
            float("nan") if row["error"] is None else row["error"],
            row["kind"],
        )
        for row in rows
        if row["features"] is not None
    ]
