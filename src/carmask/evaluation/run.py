"""Evaluate models, or masks that exist as files, on a data set: open, choose the photos, score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from carmask.data.layouts import read_data
from carmask.data.parts import read_parts
from carmask.data.table import CarInfo, Example, find_metadata, of_cars, read_cars, read_metadata
from carmask.errors import UsageError
from carmask.evaluation.part_scores import PartsResult, evaluate_parts
from carmask.evaluation.predictors import open_labels, open_masks
from carmask.evaluation.scoring import Examination, examine
from carmask.evaluation.summary import inverted_hint
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.model.runtime import Device
from carmask.words import by_number

Progress = Callable[[int, int], None]


class Evaluation(NamedTuple):
    """Scores of one model, or of two on the same photos.

    Attributes:
        titles: of the models.
        found: the scores, and the photos that failed.
        metadata: year, make and model by car; empty if the data set has no ``metadata.csv``.
        warnings: sentences about what makes the scores doubtful.
    """

    titles: list[str]
    found: Examination
    metadata: dict[str, CarInfo]
    warnings: list[str]


class PartsEvaluation(NamedTuple):
    """Scores of one model of parts.

    Attributes:
        title: of the model.
        result: the scores, and the photos that failed.
        warnings: sentences about what makes the scores doubtful.
    """

    title: str
    result: PartsResult
    warnings: list[str]


def evaluate_masks(
    models: Sequence[str],
    data: Path,
    *,
    cars: Path | None = None,
    validation: bool = False,
    device: Device = "cpu",
    layout: str | None = None,
    mask_threshold: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score the masks of models on a data set.

    Args:
        models: one or two: model files, names of shipped models, folders of masks, or CSVs of masks.
        data: the data set.
        cars: a file that lists the cars to use, a name on each line.
        validation: use only the cars that the first model names for validation; if it names none, the second's.
        device: where a model runs.
        layout: the name of the data's layout, see ``data.layouts``; found out if it is None.
        mask_threshold: for grey and JPEG masks, true ones and those of ``models``: values from this one up are car.
        progress: called with the number of photos done and of all.

    Returns:
        The scores.

    Raises:
        UsageError: if ``cars`` and ``validation`` are both given, no model names validation cars of this data, or there
            is no such layout.
        ModelError: if there is no such model, or its file is damaged.
        DeviceError: if the device is not available.
        DataError: if the data or masks cannot be read, or no photo could be scored.
    """
    predictors = [open_masks(model, device, mask_threshold) for model in models]
    infos = [one.info for one in predictors if one.info is not None]
    everything = read_data(data, layout=layout, mask_threshold=mask_threshold, complete=False)[0]
    examples = choose(everything, models, data, infos, cars=cars, validation=validation)
    found = examine(predictors, examples, progress=progress)
    hints = [inverted_hint([one.score for one in result]) for result in found.results]
    warnings = [*dict.fromkeys(hint for hint in hints if hint), *_seen_in_training(examples, everything, infos)]
    file = find_metadata(data)
    return Evaluation([one.title for one in predictors], found, {} if file is None else read_metadata(file), warnings)


def evaluate_labels(
    model: str,
    data: Path,
    *,
    cars: Path | None = None,
    validation: bool = False,
    compared: Sequence[str] = (),
    keep: int = 0,
    device: Device = "cpu",
    layout: str | None = None,
    progress: Progress | None = None,
) -> PartsEvaluation:
    """Score the labels of a model of parts on a data set of parts.

    Args:
        model: a model file, the name of a shipped model, or a folder of labels.
        data: the data set.
        cars: a file that lists the cars to use, a name on each line.
        validation: use only the cars that the model names for validation.
        compared: this model and others that are scored one after the other, on the same photos: with ``validation`` the
            first that names cars decides.
        keep: keep the predicted labels of this many photos, those with the lowest F1.
        device: where a model runs.
        layout: the name of the data's layout; found out if it is None.
        progress: called with the number of photos done and of all.

    Returns:
        The scores.

    Raises:
        UsageError: if ``cars`` and ``validation`` are both given, or the model names no validation cars of this data.
        ModelError: if there is no such model, or its file is damaged.
        DeviceError: if the device is not available.
        DataError: if the data or labels cannot be read, or no photo could be scored.
    """
    everything, names = read_parts(data, complete=False, layout=layout)
    predictor = open_labels(model, names, device)
    infos = [predictor.info] if predictor.info is not None else []
    named = infos if not compared else [read_info(find_model(one)) for one in compared if not Path(one).is_dir()]
    examples = choose(everything, compared or [model], data, named, cars=cars, validation=validation)
    result = evaluate_parts(predictor, examples, names, keep=keep, progress=progress)
    return PartsEvaluation(predictor.title, result, _seen_in_training(examples, everything, infos))


def choose(
    examples: Sequence[Example],
    models: Sequence[str],
    data: Path,
    infos: Sequence[ModelInfo],
    *,
    cars: Path | None,
    validation: bool,
) -> list[Example]:
    """Choose the photos to score: all, those of listed cars, or those of the validation cars.

    Args:
        examples: of the data set.
        models: what is scored, for messages.
        data: the data set, for messages.
        infos: of the models.
        cars: a file that lists cars.
        validation: only the cars that a model names for validation.

    Returns:
        The chosen photos.

    Raises:
        UsageError: if ``cars`` and ``validation`` are both given, or no model names validation cars of this data.
        DataError: if the list cannot be read, or one of its cars has no photo.
    """
    if cars is not None and validation:
        raise UsageError("a list of cars and the validation cars exclude each other", argument="cars")
    if cars is not None:
        return of_cars(examples, read_cars(cars))
    if not validation:
        return list(examples)
    known = {example.car for example in examples}
    chosen = next((held for info in infos if (held := info.held_out(known))), ())
    if not chosen:
        new = infos and not any(known & info.seen() for info in infos)
        hint = (
            "none of its cars was trained on: leave this out, and all are scored" if new else "choose some with cars=…"
        )
        raise UsageError(f"{models[0]} names no validation cars of {data}; {hint}", argument="validation")
    return of_cars(examples, chosen)


def _seen_in_training(
    examples: Sequence[Example], everything: Sequence[Example], infos: Sequence[ModelInfo]
) -> list[str]:
    """What is to be said of cars that models were trained on, as far as names tell."""
    warnings = []
    cars, known = {example.car for example in examples}, {example.car for example in everything}
    for info in infos:
        seen = cars & info.seen()
        if not seen:
            continue
        number = len(seen)
        told = f"{number} of these cars {by_number(number, 'was', 'were')} used to train {info.name}: it scores better"
        if not seen & info.seen_of(known):
            # A few of another data set, such as a camera's numbers, may be alike by chance.
            told = (
                f"{number} of these cars {by_number(number, 'is', 'are')} called as one that {info.name} was trained "
                "on; if they are the same, it scores better"
            )
        warnings.append(f"{told} on them than on new ones; choose the validation cars, or a list of other cars")
    return warnings
