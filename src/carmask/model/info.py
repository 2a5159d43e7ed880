"""What a model file says of itself.

The description stands in the file's metadata as JSON; ``carmask.model.file`` reads it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from carmask import geometry
from carmask.geometry import Size
from carmask.model.behaviour import Behaviour
from carmask.model.calibration import Calibration

_OLD_NAMES = {"further_data": "extra_data", "locate": "localisation_size", "flip": "test_time_augmentation"}


class ExtraData(BaseModel):
    """A data set that was trained on beside the main one.

    Attributes:
        name: of its folder, or of the model whose weights the training was initialised with.
        share: of the photos trained on, 0 to 1; 0 for what the model of the initial weights had seen.
        training_cars: the cars, or photos where each is a car of its own, that the model has seen.
        validation_cars: those it has not seen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    share: float
    training_cars: tuple[str, ...]
    validation_cars: tuple[str, ...]


class Localisation(BaseModel):
    """A localisation network of its own in the model file: it finds the car in the whole photo.

    Attributes:
        network: name in the table of networks.
        normalisation: what its graph does to values of 0 to 255 first, for the reader.
        threshold: its probabilities at or above it are car; they decide which crop the segmentation stage is given.
        guides: its map is an input of the segmentation network.
        training_data: what it was trained on, for the reader.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    normalisation: str
    threshold: float = Field(0.5, gt=0, lt=1)
    guides: bool = True
    training_data: str = ""


class Refinement(BaseModel):
    """A refinement network in the model file: it moves the other stages' contour, at the photo's own size.

    Boundary refinement at native resolution, as in CascadePSP (Cheng et al. 2020, https://arxiv.org/abs/2005.02551) and
    Boundary Patch Refinement (Tang et al. 2021, https://arxiv.org/abs/2104.05239), but on the car in one piece.

    Attributes:
        network: name in the table of networks.
        normalisation: what its graph does to values of 0 to 255 first, for the reader.
        size: (height, width) of its input.
        margin: around the box of the other stages' car, above, to the left, below and to the right, as fractions of the
            box's height and width.
        max_zoom: the car is enlarged by no more than this factor over its size in the whole photo that fits into the
            input.
        training_data: what it was trained on, for the reader.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    normalisation: str
    size: Size
    margin: tuple[float, float, float, float] = (0.04, 0.02, 0.03, 0.02)
    max_zoom: float = Field(5 / 3, ge=1)
    training_data: str = ""


class Specialist(BaseModel):
    """A second segmentation network in the model file, for photos of the one studio that it was trained on.

    A mixture of two experts (Jacobs et al. 1991, https://doi.org/10.1162/neco.1991.3.1.79) with a simple gate: it
    segments photos whose background has the studio's colours, and its map is taken if localisation, which knows other
    places too, sees the same car. All other photos are left to the segmentation network.

    Attributes:
        network: name in the table of networks.
        normalisation: what its graph does to values of 0 to 255 first, for the reader.
        mean: the studio's background: mean RGB, 0 to 255, of each cell of ``behaviour.gate.grid`` over the photo; of
            rows, then columns, then colours.
        deviation: by how much photos of the studio differ from it, in the same order.
        distance: a photo is of the studio if its background differs from the mean by at most so many deviations (root
            mean square over cells and colours).
        disagreement: how large the part may be that one of both calls car and the other does not, away from
            localisation's contour, as a fraction of localisation's car.
        training_data: what it was trained on, for the reader.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    normalisation: str
    mean: tuple[tuple[tuple[float, float, float], ...], ...]
    deviation: tuple[tuple[tuple[float, float, float], ...], ...]
    distance: float = Field(1.45, gt=0)
    disagreement: float = Field(0.02, ge=0)
    training_data: str = ""

    def describes(self, grid: Size) -> bool:
        """Whether it knows the background of a grid of (rows, columns) cells, each with deviations above 0."""
        cells = (self.mean, self.deviation)
        if any([len(row) for row in one] != [grid[1]] * grid[0] for one in cells):
            return False
        return all(value > 0 for row in self.deviation for cell in row for value in cell)


class ModelInfo(BaseModel):
    """What a model file says of itself.

    Attributes:
        format: version of this description: 4 where there is a specialist, 3 where there is a refinement network, 2
            where there is a localisation network of its own, else 1.
        name: the model's name.
        version: the model's own version.
        network: name in the table of networks.
        classes: what the network tells from background: the car, or its parts.
        height: of the input, in pixels.
        width: of the input, in pixels.
        stretch: photos of any shape are stretched to fill the input, as in training; else those of another shape are
            placed in it whole.
        localisation_size: (height, width) of the localisation stage's input, the whole photo: the input of the
            segmentation stage is then the crop that holds the car (``carmask.prediction.stages``). None for one stage,
            on the whole photo.
        localisation: the network of that stage, if it is one of its own; else the same network is both stages.
        specialist: the segmentation network for one studio, or None without one.
        refinement: the network of the refinement stage, or None without one.
        trained_in: the arithmetic of the training's convolutions. Depthwise weights of a model trained in bfloat16 are
            rounded to it in the file, for that is what the training saw: docs/decisions/0018-precision.md.
        normalisation: what the graph does to values of 0 to 255 first, for the reader.
        threshold: probabilities at or above it are car.
        calibration: what confidence features mean for this network (``carmask calibrate``), or None.
        ranges: of the values that enter its convolutions (``carmask quantize``): with them it is computed in 8 bits on
            processors that can; empty for floats everywhere.
        test_time_augmentation: the photo is predicted mirrored too, and both predictions averaged: better, in twice the
            time.
        behaviour: all other numbers that decide a mask or a confidence.
        training_data: what it was trained on.
        training_cars: the cars it has seen.
        validation_cars: the cars it was measured on, none of which it has seen.
        extra_data: what else it was trained on, with its own split.
        score: ``measure`` at native size on the validation cars, or None before it was measured.
        licence: terms that come with the model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1, 2, 3, 4] = 1
    name: str
    version: str
    network: str
    classes: tuple[str, ...] = ("car",)
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    stretch: bool = False
    localisation_size: Size | None = None
    localisation: Localisation | None = None
    specialist: Specialist | None = None
    refinement: Refinement | None = None
    trained_in: Literal["float32", "bfloat16", "float16"] = "float32"
    normalisation: str
    threshold: float = Field(gt=0, lt=1)
    calibration: Calibration | None = None
    ranges: dict[str, tuple[float, float]] = {}
    test_time_augmentation: bool = False
    behaviour: Behaviour = Behaviour()
    training_data: str
    training_cars: tuple[str, ...] = ()
    validation_cars: tuple[str, ...] = ()
    extra_data: tuple[ExtraData, ...] = ()
    score: float | None = None
    licence: str

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, values: object) -> object:
        # Of files of version 4 and before.
        if isinstance(values, dict):
            values = {_OLD_NAMES.get(key, key): value for key, value in values.items()}
        return values

    @field_validator("calibration", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        # Files of the first version hold an empty list.
        return value or None

    @model_validator(mode="after")
    def _fits(self) -> ModelInfo:
        stages = (self.localisation, self.refinement, self.specialist)
        needed = max(number for number, stage in zip((2, 3, 4), stages, strict=True) if stage) if any(stages) else 1
        if self.format != needed:
            raise ValueError(
                f"format {self.format} does not fit: 4 is for files with a specialist, 3 for those with a refinement "
                "network, 2 for those with a localisation network of its own, 1 for all others"
            )
        if self.specialist is not None and (self.localisation is None or self.parts):
            raise ValueError("a specialist needs a localisation network of its own, and masks of whole cars")
        if self.specialist is not None and not self.specialist.describes(self.behaviour.gate.grid):
            raise ValueError("a specialist needs a mean and a deviation above 0 for each cell of behaviour.gate.grid")
        if self.refinement is not None and (self.localisation_size is None or self.parts):
            raise ValueError("a refinement network needs localisation_size, and masks of whole cars")
        if self.localisation is not None and self.localisation_size is None:
            raise ValueError("a localisation network needs localisation_size")
        return self

    @property
    def size(self) -> Size:
        """(height, width) of the input."""
        return self.height, self.width

    @property
    def guided(self) -> bool:
        """Whether the segmentation network takes the localisation stage's map beside the photo."""
        return self.localisation is not None and self.localisation.guides

    @property
    def localisation_threshold(self) -> float:
        """Probabilities of the localisation stage at or above it are car."""
        return self.threshold if self.localisation is None else self.localisation.threshold

    @property
    def parts(self) -> bool:
        """Whether it tells parts of the car apart."""
        return len(self.classes) > 1

    @property
    def measure(self) -> str:
        """What ``score`` is."""
        return "mean F1 over the parts" if self.parts else "mean Dice"

    def held_out(self, cars: Collection[str]) -> tuple[str, ...]:
        """The validation cars that this data set has: those of the model's main data, or of the extra data it is.

        Args:
            cars: all cars of a data set.

        Returns:
            Their names; empty if the model names none for this data set.
        """
        for names in (self.validation_cars, *(one.validation_cars for one in self.extra_data)):
            if names and set(names) <= set(cars):
                return names
        return ()

    def seen_of(self, cars: Collection[str]) -> frozenset[str]:
        """Which cars of a data set were trained on, if it is one of the model's own, as their names say.

        Args:
            cars: all cars of a data set.

        Returns:
            Those seen, by ``known_of``'s rule.
        """
        return frozenset(car for trained, _ in self.known_of(cars) for car in trained)

    def known_of(self, cars: Collection[str]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """The model's own data sets that a data set is one of, or has grown from, as the names of their cars say.

        A few names may be alike by chance: at least half of the cars of the smaller of both sets must be in the other.

        Args:
            cars: all cars of a data set.

        Returns:
            For each, those of ``cars`` that were trained on, and those that were kept for validation.
        """
        mine = [(self.training_cars, self.validation_cars)]
        mine += [(one.training_cars, one.validation_cars) for one in self.extra_data]
        given, found = set(cars), []
        for trained, held in mine:
            names = {*trained, *held}
            if names and 2 * len(given & names) >= min(len(given), len(names)):
                found.append(
                    (tuple(car for car in trained if car in given), tuple(car for car in held if car in given))
                )
        return found

    def seen(self) -> frozenset[str]:
        """All cars that were trained on."""
        return frozenset(self.training_cars).union(*(one.training_cars for one in self.extra_data))

    def place(self, photo: Size) -> geometry.Letterbox:
        """Where a photo of (height, width) lies in the input."""
        return (
            geometry.Letterbox(self.size, 0, 0, self.size) if self.stretch else geometry.fit_letterbox(photo, self.size)
        )
