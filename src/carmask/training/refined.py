"""A model with a refinement stage: what it is joined of, and what its file says of itself."""

from __future__ import annotations

from pathlib import Path

from carmask.errors import ModelError
from carmask.model.file import read_info
from carmask.model.info import ExtraData, ModelInfo, Refinement
from carmask.model.network import PREFIXES


def check_base(file: Path) -> ModelInfo:
    """Read the description of a model file whose contours are to be refined, without a refinement stage that it has.

    Raises:
        ModelError: if the file is damaged, tells parts apart, or does not localise the car first.
    """
    info = read_info(file)
    if info.parts or info.localisation_size is None:
        raise ModelError(f"{file}: cannot be refined: this needs a model of whole cars that localises the car first")
    if info.refinement is None:
        return info
    ranges = {name: span for name, span in info.ranges.items() if not name.startswith(PREFIXES["refinement"])}
    number = 4 if info.specialist is not None else 2 if info.localisation is not None else 1
    plain = {"format": number, "refinement": None, "calibration": None, "score": None, "ranges": ranges}
    return ModelInfo.model_validate({**info.model_dump(), **plain})


def trained_network(info: ModelInfo) -> str:
    """The network that a run trains, by the description of the model that it makes."""
    return info.network if info.refinement is None else info.refinement.network


def describe_refined(base: ModelInfo, run: ModelInfo) -> ModelInfo:
    """The description of a model and its refinement stage together.

    Args:
        base: the model.
        run: the refinement network's, by itself.

    Returns:
        The run's name and version; what either has seen it has seen. It has no score and no calibration, and the ranges
        of the base alone.
    """
    seen = base.seen() | run.seen()
    extra = {one.name: one for one in base.extra_data}
    for one in run.extra_data:
        both = [one, *([extra[one.name]] if one.name in extra else [])]
        held = {car for each in both for car in each.validation_cars}
        extra[one.name] = ExtraData(
            name=one.name,
            share=one.share,
            training_cars=tuple(sorted({car for each in both for car in each.training_cars})),
            validation_cars=tuple(sorted(held - seen)),
        )
    stage = Refinement(
        network=run.network, normalisation=run.normalisation, size=run.size, training_data=run.training_data
    )
    return ModelInfo.model_validate(
        {
            **base.model_dump(),
            "format": 3 if base.specialist is None else 4,
            "name": run.name,
            "version": run.version,
            "refinement": stage.model_dump(),
            "training_data": run.training_data,
            "training_cars": tuple(sorted({*base.training_cars, *run.training_cars})),
            "validation_cars": tuple(car for car in run.validation_cars if car not in seen),
            "extra_data": [one.model_dump() for one in extra.values()],
            "calibration": None,
            "score": None,
        }
    )
