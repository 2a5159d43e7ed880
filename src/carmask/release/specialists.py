"""Put a network that knows one studio beside a model that knows all places."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.data.layouts import read_data
from carmask.data.table import sample
from carmask.errors import ModelError, UsageError
from carmask.model.card import save_model
from carmask.model.file import find_model, read_info
from carmask.model.info import ExtraData, ModelInfo, Specialist
from carmask.model.runtime import load_model
from carmask.prediction.predict import open_for
from carmask.prediction.specialist import background_cells
from carmask.prediction.stages import localise
from carmask.training.export import with_info
from carmask.training.joined_graphs import add_specialist, read_graph

#: Photos of the specialist's studio that its background's colours are measured on.
PHOTOS = 320
#: Added to the deviation of each of these colours: the data set's photos may be alike by chance.
_LEAST = 4.0


def join_specialist(
    model: str | Path,
    specialist: str | Path,
    data: Path,
    out: Path,
    *,
    name: str | None = None,
    version: str | None = None,
    disagreement: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ModelInfo:
    """Write a model file with a specialist for the photos of one data set.

    Args:
        model: a model with a localisation network of its own, and without a specialist.
        specialist: a model of whole cars whose segmentation network takes the photo alone, of the same size; only this
            network is taken over.
        data: the data set of its studio; the background's colours are measured on cars that it was trained on.
        out: the model file to write, its card beside it. It has no calibration and no score yet.
        name: of the new model; ``model``'s by default.
        version: of the new model; ``model``'s by default.
        disagreement: see ``Specialist``; 0 or more, its default if not given.
        progress: called with the number of photos measured and of all.

    Returns:
        The new model's description.

    Raises:
        UsageError: if the disagreement is negative.
        ModelError: if there is no such model, its file is damaged, the two do not fit together, or the specialist was
            trained on none of the data set's cars.
        DataError: if the data set is incomplete.
        PhotoError: if a photo cannot be read.
        OutputError: if the file cannot be written.
    """
    if disagreement is not None and not disagreement >= 0:
        raise UsageError(f"{disagreement:g}: a disagreement is 0 or more")
    path, other = find_model(model), find_model(specialist)
    info, known = read_info(path), read_info(other)
    _check_fit(path, info, other, known)
    mean, deviation = _describe_background(_measure_background(path, other, known, data, progress))
    described = _describe(
        info,
        known,
        Specialist(
            network=known.network,
            normalisation=known.normalisation,
            mean=mean.tolist(),
            deviation=deviation.tolist(),
            training_data=known.training_data,
            **({} if disagreement is None else {"disagreement": disagreement}),
        ),
        name=name,
        version=version,
    )
    proto = read_graph(path)
    add_specialist(proto, other, info.size)
    save_model(out, described, with_info(proto, described))
    return described


def _check_fit(path: Path, info: ModelInfo, other: Path, known: ModelInfo) -> None:
    """Refuse a model that can have no specialist, and another one that cannot be this model's."""
    if info.localisation is None or info.specialist is not None or info.parts or info.refinement is not None:
        raise ModelError(
            f"{path}: cannot have a specialist: this needs a model of whole cars with a localisation network of its "
            "own, and neither a refinement stage nor a specialist"
        )
    if known.localisation is not None or known.parts or known.size != info.size:
        raise ModelError(
            f"{other}: cannot be a specialist: this needs a model of whole cars without a localisation network of its "
            f"own, whose input is {info.width}x{info.height}"
        )


def _measure_background(
    path: Path, other: Path, known: ModelInfo, data: Path, progress: Callable[[int, int], None] | None
) -> NDArray[np.float32]:
    """The background's colours on photos that the specialist was trained on: float32 (photos, rows, columns, 3)."""
    network = load_model(path)
    cars = set(known.training_cars)
    examples = [one for one in read_data(data)[0] if one.car in cars]
    if not examples:
        raise ModelError(f"{other}: was trained on none of the cars of {data}")
    chosen, cells = sample(examples, PHOTOS), []
    for done, example in enumerate(chosen, 1):
        photo = open_for(network, example.photo)
        cells.append(background_cells(photo.pixels, localise(network, photo), network.info.behaviour.gate))
        if progress is not None:
            progress(done, len(chosen))
    return np.array(cells)


def _describe(
    info: ModelInfo, known: ModelInfo, specialist: Specialist, *, name: str | None, version: str | None
) -> ModelInfo:
    """The model's description with the specialist, whose cars count as seen; not calibrated, scored or quantized."""
    seen = known.seen()
    return ModelInfo.model_validate(
        {
            **info.model_dump(),
            "format": 4,
            "name": name or info.name,
            "version": version or info.version,
            "specialist": specialist.model_dump(),
            "training_cars": tuple(sorted({*info.training_cars, *known.training_cars})),
            "validation_cars": tuple(car for car in info.validation_cars if car not in seen),
            "extra_data": tuple(_seen_by(one, seen) for one in info.extra_data),
            "calibration": None,
            "score": None,
            "ranges": {},
        }
    )


def _seen_by(extra: ExtraData, seen: frozenset[str]) -> ExtraData:
    """An extra data set of the model, of whose validation cars the specialist has seen these."""
    cars = {
        "training_cars": tuple(sorted({*extra.training_cars, *(seen & {*extra.validation_cars})})),
        "validation_cars": tuple(car for car in extra.validation_cars if car not in seen),
    }
    return extra.model_copy(update=cars) if seen & {*extra.validation_cars} else extra


def _describe_background(cells: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation over photos: float (photos, rows, columns, 3) to (rows, columns, 3) each.

    Cells that the car fills in all photos may hold any colour.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        mean, deviation = np.nanmean(cells, axis=0, dtype=np.float64), np.nanstd(cells, axis=0, dtype=np.float64)
    filled = np.nan_to_num(np.asarray(mean, np.float64), nan=128), np.nan_to_num(deviation + _LEAST, nan=255)
    return filled[0].round(1), np.asarray(filled[1], np.float64).round(1)
