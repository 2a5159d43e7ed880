"""The recipe of a learning run, from what the model says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carmask.errors import UsageError
from carmask.learning.decide import LEVEL, TOLERANCE
from carmask.model.info import ModelInfo
from carmask.training.recipe import Recipe

#: Photos of a batch, and of an epoch, after which a run that is killed goes on.
BATCH, LOCALISATION_BATCH, EPOCH = 4, 8, 64
#: Of an encoder's layers, those that stay as they are: what edges look like is the same in every studio, and the first
#: third takes two fifths of a step.
LOWEST = 0.35
#: Photos in which the learning rate rises.
WARM_PHOTOS = 64
#: How often the photos are gone through at most, whatever the time.
PASSES = 40
#: Of the photos trained on, those that are corrected ones; the others rehearse.
CORRECTED = 0.6
LEARNING_RATE = 3e-4

#: Of networks that are guided by a localisation stage: photos nearly as they are, few scenes that are put together.
_SCENES = {
    "real": 0.0,
    "composite": 0.12,
    "main": 0.85,
    "empty": 0.03,
    "main_as_is": 0.8,
    "others": 0.2,
    "captions": 0.0,
}
#: Of all others.
_AUGMENT = {"flip": 0.5, "shift": 0.03, "scale": 0.08, "rotate": 2, "brightness": 0.1, "contrast": 0.1}


@dataclass(frozen=True)
class Limits:
    """How long a run may train, and what passes for better.

    Attributes:
        minutes: of training, by the clock, all stages together; None for no limit.
        processor_minutes: of training, in processor time; None for no limit.
        passes: how often the photos are gone through at most, in each stage.
        rate: the learning rate.
        scale: of the photos that the segmentation stage is trained on, relative to the model's input: smaller ones are
            faster, and less exact.
        level: one-sided probability of a model that is not better passing for better.
        tolerance: mean Dice that may be lost on the rehearsal set.
    """

    minutes: float | None = None
    processor_minutes: float | None = None
    passes: float = PASSES
    rate: float = LEARNING_RATE
    scale: float = 1.0
    level: float = LEVEL
    tolerance: float = TOLERANCE


def learning_recipe(
    info: ModelInfo, photos: int, *, passes: float = PASSES, rate: float = LEARNING_RATE, scale: float = 1.0
) -> Recipe:
    """The settings of a fine-tuning of the segmentation stage that may end at any time.

    The learning rate is constant after the warm-up, and the result is a moving average of the weights: so what a budget
    of time leaves undone costs nothing but itself.

    Args:
        info: of the model to fine-tune.
        photos: how many are trained on.
        passes: how often they are gone through at most.
        rate: the learning rate.
        scale: of the photos trained on, relative to the model's input: smaller ones are faster.

    Returns:
        The recipe; nothing is validated while it trains.

    Raises:
        UsageError: if the model is one of parts, or the scale is out of range.
    """
    if not 0.25 <= scale <= 1:
        raise UsageError(f"{scale:g} is not in 0.25 to 1", argument="scale")
    if info.parts:
        raise UsageError(f"{info.name} tells parts apart; learning needs a model of whole cars", argument="model")
    height, width = (_even(scale * side) if scale < 1 else side for side in info.size)
    stage: dict[str, Any] = {"height": height, "width": width}
    if info.localisation_size is not None:
        # Of a scene the car fills about two thirds: as large as the shipped recipes' last stage has it.
        scene = {"height": _even(1.857 * height), "width": _even(1.5 * width)}
        stage |= scene | {"window": (height, width)}
        stage["locate"] = info.localisation_size
    drawn: dict[str, Any] = {"scenes": _SCENES} if info.guided else {"augment": _AUGMENT}
    return _recipe(info.network, stage, photos, passes, rate, BATCH, drawn | {"border": 1.0})


def localisation_recipe(info: ModelInfo, photos: int, *, passes: float = PASSES, rate: float = LEARNING_RATE) -> Recipe:
    """The same for the localisation network of a model that has one: whole photos at the size that it takes.

    Args:
        info: of the model.
        photos: how many are trained on.
        passes: how often they are gone through at most.
        rate: the learning rate.

    Returns:
        The recipe.
    """
    assert info.localisation is not None
    assert info.localisation_size is not None
    height, width = info.localisation_size
    stage = {"height": height, "width": width}
    return _recipe(info.localisation.network, stage, photos, passes, rate, LOCALISATION_BATCH, {"scenes": _SCENES})


def _recipe(
    network: str,
    stage: dict[str, Any],
    photos: int,
    passes: float,
    rate: float,
    batch: int,
    changes: dict[str, Any],
) -> Recipe:
    epochs = max(1, round(passes * photos / EPOCH))
    settings: dict[str, Any] = {
        "name": "learn",
        "network": network,
        "stages": [{**stage, "batch": batch, "epochs": epochs}],
        "loss": "bce+dice",
        "epoch_photos": EPOCH,
        "learning_rate": rate,
        "encoder_rate": 0.5,
        "schedule": "constant",
        "warmup": min(0.5, WARM_PHOTOS / (epochs * EPOCH)),
        "average": 0.97,
        "freeze_norm": True,
        "rescale_filters": True,
        "precision": "auto",
        "validation": 0,
        "check_photos": 0,
        "keep_epochs": 1,
        "encoder": {"weights": "none", "frozen_part": LOWEST},
    }
    return Recipe.model_validate(settings | changes)


def _even(side: float) -> int:
    """The nearest multiple of 32: networks halve their input five times."""
    return max(32, 32 * round(side / 32))
