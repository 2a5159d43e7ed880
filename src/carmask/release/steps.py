"""The kinds of steps of a pipeline: their settings, what they need, and what they write.

A kind is added by a class here, a function in ``step_functions`` and a line in the tables of both.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from carmask.training.extra_data import HOLD_OUT
from carmask.training.recipe import Recipe, load_recipe
from carmask.training.run_folder import INFO_FILE, WEIGHTS_FILE

#: ``@NAME`` is an input of the pipeline, anything else the id of an earlier step.
Reference = Annotated[str, Field(min_length=1, pattern=r"^@?[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Extra(_Settings):
    """Extra data of a training; see ``carmask.training.extra_data.ExtraFolder``."""

    folder: Reference
    share: float
    hold_out: float = HOLD_OUT
    ranges: bool = False


class Step(_Settings):
    """What all kinds of steps have.

    Attributes:
        REVISION: of what the kind writes; raised when the same settings and inputs give something else than before, so
            that earlier results are not taken for current ones.
        id: names the step and its output: lower-case letters, digits and hyphens.
    """

    REVISION: ClassVar[int] = 1

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")

    def references(self) -> dict[str, str]:
        """Inputs and earlier steps that are needed, by the settings that name them."""
        return {key: one for name, value in self for key, one in self._references_of(name, value)}

    def _references_of(self, name: str, value: Any) -> list[tuple[str, str]]:
        return [(name, value)] if name in self.REFERENCES and value is not None else []

    #: The settings that are references.
    REFERENCES: ClassVar[frozenset[str]] = frozenset()

    def settings(self, changes: tuple[str, ...]) -> dict[str, Any]:
        """What decides the result, apart from the content of what is referred to.

        Args:
            changes: of the recipes of all trainings, as ``load_recipe`` takes them.
        """
        del changes
        return self.model_dump(mode="json", exclude={"id"} | set(self.REFERENCES), exclude_defaults=True)

    @abstractmethod
    def outputs(self, out: Path) -> list[Path]:
        """The files that the step is done with, in the folder of the build; the first is what references mean."""


class _ModelStep(Step):
    """A step whose result is a model file with its card."""

    def outputs(self, out: Path) -> list[Path]:
        """The model file, and its card."""
        return [out / f"{self.id}.onnx", out / f"{self.id}.md"]


class TrainStep(Step):
    """``carmask.training.train``: the result is the weights of a run, in a folder of the step's id."""

    REFERENCES: ClassVar[frozenset[str]] = frozenset(
        {"data", "backgrounds", "initial_weights", "encoder_weights", "localisation", "base", "validation_cars"}
    )

    kind: Literal["train"]
    recipe: str
    set: tuple[str, ...] = Field((), description="changes of the recipe, KEY=VALUE")
    data: Reference
    extra: tuple[Extra, ...] = ()
    backgrounds: Reference | None = None
    initial_weights: Reference | None = None
    encoder_weights: Reference | None = None
    localisation: Reference | None = None
    base: Reference | None = None
    validation_cars: Reference | None = None

    def load_recipe(self, changes: tuple[str, ...] = ()) -> Recipe:
        """The recipe with the step's changes, and those of the whole build.

        Raises:
            RecipeError: if there is no such recipe, or a change does not fit it.
        """
        return load_recipe(self.recipe, [*self.set, *changes])

    def settings(self, changes: tuple[str, ...]) -> dict[str, Any]:
        """The recipe's content takes the place of its name."""
        own = super().settings(changes)
        del own["recipe"]
        own.pop("set", None)
        return own | {"recipe": self.load_recipe(changes).model_dump(mode="json", exclude_defaults=True)}

    def _references_of(self, name: str, value: Any) -> list[tuple[str, str]]:
        if name == "extra":
            return [(f"extra.{index}", one.folder) for index, one in enumerate(value)]
        return super()._references_of(name, value)

    def outputs(self, out: Path) -> list[Path]:
        """The weights, and the description of the model."""
        return [out / self.id / WEIGHTS_FILE, out / self.id / INFO_FILE]


class ExportStep(_ModelStep):
    """``carmask.training.export``."""

    REFERENCES: ClassVar[frozenset[str]] = frozenset({"run", "data"})

    kind: Literal["export"]
    run: Reference
    data: Reference | None = None
    name: str | None = None
    version: str | None = None
    licence: str | None = None


class AverageStep(_ModelStep):
    """``carmask.release.weight_averaging``."""

    REFERENCES: ClassVar[frozenset[str]] = frozenset({"first", "second"})

    kind: Literal["average"]
    first: Reference
    second: Reference
    share: float = Field(0.5, ge=0, le=1, description="of the second")
    name: str | None = None


class SpecialistStep(_ModelStep):
    """``carmask.release.specialists``."""

    REVISION: ClassVar[int] = 2
    REFERENCES: ClassVar[frozenset[str]] = frozenset({"model", "specialist", "data"})

    kind: Literal["specialist"]
    model: Reference
    specialist: Reference
    data: Reference
    disagreement: float | None = Field(None, ge=0, description="how much localisation may contradict")
    name: str | None = None
    version: str | None = None


class QuantizeStep(_ModelStep):
    """``carmask.release.int8_ranges``."""

    REFERENCES: ClassVar[frozenset[str]] = frozenset({"model", "data"})

    kind: Literal["quantize"]
    model: Reference
    data: Reference
    extra: tuple[Reference, ...] = ()
    tolerance: float | None = Field(None, ge=0, description="mean Dice that 8 bits may cost; the function's if not set")

    def _references_of(self, name: str, value: Any) -> list[tuple[str, str]]:
        return _listed(value) if name == "extra" else super()._references_of(name, value)


class CalibrateStep(_ModelStep):
    """``carmask.release.calibration``; with ``page``, confidence.html goes into ``pages/ID``."""

    REVISION: ClassVar[int] = 2
    REFERENCES: ClassVar[frozenset[str]] = frozenset({"model", "data"})

    kind: Literal["calibrate"]
    model: Reference
    data: Reference
    extra: tuple[Reference, ...] = ()
    tune: bool = False
    test_time_augmentation: bool | None = None
    name: str | None = None
    version: str | None = None
    page: bool = False

    def _references_of(self, name: str, value: Any) -> list[tuple[str, str]]:
        return _listed(value) if name == "extra" else super()._references_of(name, value)


AnyStep = Annotated[
    TrainStep | ExportStep | AverageStep | SpecialistStep | QuantizeStep | CalibrateStep, Field(discriminator="kind")
]


def _listed(values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"extra.{index}", one) for index, one in enumerate(values)]
