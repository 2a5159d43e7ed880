"""Training recipes: TOML files whose every key is checked."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from carmask.data.augment import AugmentSettings
from carmask.errors import RecipeError
from carmask.geometry import Size
from carmask.images.normalisation import Normalisation
from carmask.training.contour_settings import ContourSettings
from carmask.training.scene_settings import SceneSettings
from carmask.validation import Settings, describe_fault


class _Settings(Settings):
    model_config = ConfigDict(allow_inf_nan=False)


class EncoderSettings(_Settings):
    """Where the encoder's weights come from."""

    weights: Literal["imagenet", "none"] = "imagenet"
    frozen: bool = Field(False, description="leave the encoder as it was loaded, BatchNorm included")
    frozen_part: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="of the encoder's layers, from the photo on, those whose weights stay as they were loaded: the "
        "lowest ones see the most pixels, take the most time, and differ least from place to place",
    )


class StageSettings(_Settings):
    """A part of the training at one size; small first is faster and as good (progressive resizing)."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    batch: int = Field(gt=0)
    epochs: int = Field(gt=0)
    background: float | None = Field(None, ge=0, le=1, description="in place of augment.background")
    window: Size | None = Field(
        None, description="(height, width) of a part around the car to train on; the whole photo if not set"
    )
    locate: Size | None = Field(
        None,
        description="(height, width) of the localisation stage, which finds the car in the whole photo: window is the "
        "part that the car fills, and is what the model takes; a fixed part of the photo if not set",
    )

    @field_validator("window", "locate")
    @classmethod
    def _has_sides(cls, size: Size | None) -> Size | None:
        if size is not None and min(size) < 1:
            raise ValueError("both sides must be above 0")
        return size

    @model_validator(mode="after")
    def _has_window(self) -> StageSettings:
        if self.locate is not None and self.window is None:
            raise ValueError("locate needs a window")
        return self

    @property
    def size(self) -> Size:
        """(height, width) that photos are brought to."""
        return self.height, self.width

    @property
    def shown(self) -> Size:
        """(height, width) of what the network sees in training."""
        return self.window or self.size

    @property
    def taken(self) -> Size:
        """(height, width) of the input of a model that this stage is the last one of."""
        return self.size if self.locate is None else self.shown


class EarlyStoppingSettings(_Settings):
    """When to stop before all epochs are done; the best weights are returned to."""

    monitor: Literal["score", "dice", "loss", "accuracy", "f1"] = Field(
        "score", description="on the validation photos; score: the weighted mean of all data sets, see score_weights"
    )
    min_delta: float = Field(0.0, ge=0, description="less is no improvement")
    patience: int = Field(5, gt=0, description="epochs without improvement before stopping")


class Recipe(_Settings):
    """Everything that decides a training's outcome, but for data and encoder weights."""

    name: str
    network: str
    epoch_photos: int = Field(512, ge=0, description="photos that make an epoch, at whose end checkpoints come; 0: all")
    views: int = Field(
        1,
        ge=1,
        description="photos of a car that are shown together, in order: each batch is one car, and cars with another "
        "number of photos are left out",
    )
    stages: tuple[StageSettings, ...] = Field(min_length=1)
    loss: str = "bce+dice"
    class_weights: Literal["none", "median-frequency"] = Field(
        "none", description="of parts in the cross-entropy; median-frequency: rare parts count as much as common ones"
    )
    optimizer: Literal["adamw", "adam"] = "adamw"
    schedule: Literal["cosine", "constant"] = Field("cosine", description="of the learning rate, after the warm-up")
    border: float = Field(0.0, ge=0, description="how much more pixels at the contour weigh in BCE; 0 for no more")
    initialisation: Literal["own", "he", "glorot", "orthogonal"] = Field(
        "own", description="of all convolutions that no ImageNet weights are loaded into; own: as each network has it"
    )
    normalisation: Normalisation = Field(
        "imagenet", description="of photos; imagenet: as ImageNet weights were trained; unit: RGB divided by 255"
    )
    learning_rate: float = Field(1e-3, gt=0)
    encoder_rate: float = Field(1.0, ge=0, description="the encoder's rate as a fraction of the learning rate")
    weight_decay: float = Field(1e-4, ge=0, description="of adamw; adam has none")
    warmup: float = Field(0.05, ge=0, lt=1, description="fraction of all steps in which the rate rises")
    average: float = Field(0.0, ge=0, lt=1, description="decay of the moving average of weights; 0 for none")
    freeze_norm: bool = Field(False, description="leave BatchNorm's statistics as the initial weights have them")
    rescale_filters: bool = Field(
        False,
        description="bring filters of initial weights from a model file to the size that new ones have, so that the "
        "optimizer's steps are about the same part of each; BatchNorm takes the factors up",
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="auto: bf16-mixed where the hardware multiplies bfloat16, else 32-true"
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="of the split, of which photos come when, and of all random changes"
    )
    validation: int | float = Field(0.2, description="cars kept from training: how many, or which fraction")
    check_photos: int = Field(32, ge=0, description="validation photos scored after every epoch; 0 for none")
    score_weights: Literal["shares", "equal"] = Field(
        "shares",
        description="of the data sets in the score that chooses the best epoch, the mean of their Dice (of parts: F1): "
        "the share of the trained photos that comes from each, or equal ones",
    )
    keep_epochs: int = Field(10, ge=1, description="the weights of so many last epochs are kept, and of the best one")
    early_stopping: EarlyStoppingSettings | None = None
    encoder: EncoderSettings = EncoderSettings()
    augment: AugmentSettings = AugmentSettings()
    scenes: SceneSettings | None = Field(
        None, description="draw scenes for any place in place of the photos as they are; augment is not used then"
    )
    contour: ContourSettings | None = Field(
        None, description="for refinement networks: draw windows along the car's contour; augment is not used then"
    )

    @field_validator("validation", mode="before")
    @classmethod
    def _is_a_number_or_a_fraction(cls, validation: object) -> object:
        number = isinstance(validation, int) and not isinstance(validation, bool) and validation >= 0
        if not number and not (isinstance(validation, float) and 0 <= validation < 1):
            raise ValueError("give a number of cars, 0 for none, or a fraction below 1, such as 0.2")
        return validation

    @model_validator(mode="after")
    def _can_stop(self) -> Recipe:
        if self.early_stopping is not None and not self.check_photos:
            raise ValueError("early_stopping needs validation photos: set check_photos above 0")
        if self.contour is not None and (self.scenes is not None or any(one.locate for one in self.stages)):
            raise ValueError("contour goes with neither scenes nor locate: another model finds the car")
        return self

    @model_validator(mode="after")
    def _shows_cars_whole(self) -> Recipe:
        if self.views == 1:
            return self
        if any(stage.batch != self.views for stage in self.stages):
            raise ValueError(f"views: a batch is one car: set the batch of each stage to {self.views}")
        if self.epoch_photos % self.views:
            raise ValueError(f"views: set epoch_photos to a multiple of {self.views}, or to 0")
        if self.augment.mirrors or self.augment.changes_scenes or self.scenes is not None:
            raise ValueError(
                "views: each photo is changed by itself, and would no longer fit those beside it; set flip, "
                "flip_up_down, five, background, negative and crop to 0, and leave scenes out"
            )
        return self

    @property
    def epochs(self) -> int:
        """Of all stages."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.epochs * (self.epoch_photos // stage.batch) for stage in self.stages)

    def stage(self, epoch: int) -> StageSettings:
        """The stage that an epoch, counted from 0 over all stages, belongs to."""
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage
            epoch -= stage.epochs
        return self.stages[-1]

    def changes(self, epoch: int) -> AugmentSettings:
        """What is changed at random in an epoch."""
        background = self.stage(epoch).background
        return self.augment if background is None else self.augment.model_copy(update={"background": background})


def recipe_names() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def load_recipe(recipe: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply changes to it.

    Args:
        recipe: name of a shipped recipe, or a TOML file.
        changes: ``key=value``, ``table.key=value`` or, of the first stage, ``stages.0.key=value``; the value as in
            TOML, and a bare word is text.

    Returns:
        The checked recipe.

    Raises:
        RecipeError: if there is no such recipe, it is not TOML, or a key or value is wrong.
    """
    path = _shipped() / f"{recipe}.toml" if str(recipe) in recipe_names() else Path(recipe)
    settings = read_toml(path, str(recipe), "recipe", recipe_names())
    for change in changes:
        _apply(settings, change)
    settings.setdefault("name", path.stem)
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise RecipeError(f"{path}: {first_fault(error, 'the recipe', Recipe)}") from error


def read_toml(path: Path, name: str, what: str, names: Sequence[str]) -> dict[str, Any]:
    """Read the TOML file of a recipe or a pipeline.

    Args:
        path: the file.
        name: what was asked for: a shipped name, or the file.
        what: ``recipe`` or ``pipeline``, for messages.
        names: of the shipped ones.

    Raises:
        RecipeError: if there is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except IsADirectoryError as error:
        raise RecipeError(f"{name}: a folder, not a {what}") from error
    except OSError as error:
        raise RecipeError(f"{name}: neither a {what} file nor the name of one ({', '.join(names)})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error


def first_fault(error: ValidationError, whole: str, model: type[BaseModel] | None = None) -> str:
    """The first fault of a file's settings, in one line: the key, and what is wrong with it.

    Args:
        error: of the file's model.
        whole: what to name where the fault is not of one key.
        model: of the file; if it is given, a key that there is not is answered with the one that was perhaps meant.
    """
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    if first["type"] != "extra_forbidden":
        return f"{where}: {describe_fault(first)}"
    keys = [] if model is None else list(_keys(model))
    same = [key for key in keys if key.rpartition(".")[2] == str(first["loc"][-1])]
    meant = (same or difflib.get_close_matches(where, keys, 1))[:1]
    return f"{where}: there is no such key{''.join(f'; did you mean {key}?' for key in meant)}"


def _keys(model: type[BaseModel], table: str = "") -> Iterator[str]:
    """The keys of a file, with their tables; of a list of tables, those of the first."""
    for name, field in model.model_fields.items():
        yield table + name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                place = "" if kind is field.annotation or type(None) in get_args(field.annotation) else "0."
                yield from _keys(kind, f"{table}{name}.{place}")


def _shipped() -> Path:
    return Path(str(files("carmask") / "training" / "recipes"))


def _apply(settings: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"{change}: write KEY=VALUE", argument="changes")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.strip().split(".")
    place: Any = settings
    for table in tables:
        if isinstance(place, list):
            numbers = [str(number) for number in range(len(place))]
            if table not in numbers:
                raise RecipeError(f"{change}: {table}: there is {' and '.join(numbers) or 'none'}", argument="changes")
            place = place[int(table)]
        else:
            place = place.setdefault(table, {})
        if not isinstance(place, dict | list):
            raise RecipeError(f"{change}: {table} is not a table", argument="changes")
    if isinstance(place, list):
        raise RecipeError(f"{change}: say which one: {tables[-1]}.0.{last}", argument="changes")
    place[last] = value
