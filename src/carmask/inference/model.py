"""Model files: ONNX that describes itself.

The graph takes uint8 (1, height, width, 3) RGB and returns float32 (1, height, width) probabilities, or, of a model
that tells parts apart, float32 (1, 1 + parts, height, width): background first, adding up to 1. Normalisation is inside
it. All else that is known of a model stands in the file's metadata under the key ``carmask``, as JSON.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from carmask.arrays import Photo, Probability, Size
from carmask.errors import ModelError
from carmask.inference import frame, onnxfile
from carmask.inference.confidence import Calibration

#: The metadata key of an ONNX file under which a model's description stands.
METADATA_KEY = "carmask"
DEFAULT_MODEL = "default"

Device = Literal["cpu", "cuda", "tensorrt"]


class FurtherData(BaseModel):
    """A data set that was trained on beside the main one.

    Attributes:
        name: of its folder, or of the model that the training began with.
        share: of the photos trained on, 0 to 1; 0 for what was seen before, by the model that the training began with.
        training_cars: the cars, or photos where each is a car of its own, that the model has seen.
        validation_cars: those it has not seen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    share: float
    training_cars: tuple[str, ...]
    validation_cars: tuple[str, ...]


class ModelInfo(BaseModel):
    """What a model file says of itself.

    Attributes:
        format: version of this description.
        name: the model's name.
        version: the model's own version.
        network: name in the table of networks.
        classes: what the network tells from background: the car, or its parts.
        height: of the input, in pixels.
        width: of the input, in pixels.
        stretch: photos of any shape are stretched to fill the input, as in training; else those of another shape are
            placed in it whole.
        locate: (height, width) of a first look at the whole photo, by which the network finds the car: the input is
            then the part of the photo that the car fills (``carmask.inference.region``). None for one look at it all.
        normalisation: what the graph does to values of 0 to 255 first, for the reader.
        threshold: probabilities at or above it are car.
        calibration: what signs of trouble mean for this network (``carmask calibrate``), or None.
        ranges: of the values that enter its convolutions (``carmask quantize``): with them it is computed in 8 bits on
            processors that can; empty for floats everywhere.
        flip: the photo is predicted mirrored too, and both answers averaged: better, in twice the time.
        training_data: what it was trained on.
        training_cars: the cars it has seen.
        validation_cars: the cars it was measured on, none of which it has seen.
        further_data: what else it was trained on, with its own split.
        score: ``measure`` at native size on the validation cars, or None before it was measured.
        licence: terms that come with the model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    version: str
    network: str
    classes: tuple[str, ...] = ("car",)
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    stretch: bool = False
    locate: Size | None = None
    normalisation: str
    threshold: float = Field(gt=0, lt=1)
    calibration: Calibration | None = None
    ranges: dict[str, tuple[float, float]] = {}
    flip: bool = False
    training_data: str
    training_cars: tuple[str, ...] = ()
    validation_cars: tuple[str, ...] = ()
    further_data: tuple[FurtherData, ...] = ()
    score: float | None = None
    licence: str

    @field_validator("calibration", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        # Files of the first version hold an empty list.
        return value or None

    @property
    def size(self) -> Size:
        """(height, width) of the input."""
        return self.height, self.width

    @property
    def parts(self) -> bool:
        """Whether it tells parts of the car apart."""
        return len(self.classes) > 1

    @property
    def measure(self) -> str:
        """What ``score`` is."""
        return "mean F1 over the parts" if self.parts else "mean Dice"

    def held_out(self, cars: Collection[str]) -> tuple[str, ...]:
        """The validation cars that this data set has: those of the model's main data, or of the further data it is.

        Args:
            cars: all cars of a data set.

        Returns:
            Their names; empty if the model names none for this data set.
        """
        for names in (self.validation_cars, *(one.validation_cars for one in self.further_data)):
            if names and set(names) <= set(cars):
                return names
        return ()

    def seen_of(self, cars: Collection[str]) -> frozenset[str]:
        """Which cars of a data set were trained on, if it is one of the model's own, as their names say.

        Args:
            cars: all cars of a data set.

        Returns:
            Those seen, of data sets that know at least half of these cars: a few names may be alike by chance.
        """
        mine = [(self.training_cars, self.validation_cars)]
        mine += [(one.training_cars, one.validation_cars) for one in self.further_data]
        given, seen = set(cars), set[str]()
        for trained, held in mine:
            if 2 * len(given & {*trained, *held}) >= len(given):
                seen |= given.intersection(trained)
        return frozenset(seen)

    def seen(self) -> frozenset[str]:
        """All cars that were trained on."""
        return frozenset(self.training_cars).union(*(one.training_cars for one in self.further_data))

    def place(self, photo: Size) -> frame.Frame:
        """Where a photo of (height, width) lies in the input."""
        return frame.Frame(self.size, 0, 0, self.size) if self.stretch else frame.fit(photo, self.size)


class Network(Protocol):
    """Anything that predicts: a model file in a runtime, or a network in training."""

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""

    def run(self, pixels: Photo) -> Probability:
        """Predict. May be called by several threads at the same time.

        Args:
            pixels: uint8 (``*info.size``, 3), RGB; or of size ``info.locate``.

        Returns:
            float32, of the same height and width, in [0, 1]: the probability of car, of any part.
        """

    def run_parts(self, pixels: Photo) -> NDArray[np.float32]:
        """Predict the parts; only models whose ``info.parts`` is true can.

        Args:
            pixels: as ``run``.

        Returns:
            float32 (1 + parts, ``*info.size``) in [0, 1], background first; they add up to 1 for each pixel.
        """


def car_of_parts(classes: NDArray[np.float32]) -> Probability:
    """The probability of car, any part of it, where background has the first of several probabilities."""
    return np.asarray(np.clip(1 - classes[0], 0, 1), np.float32)


def find_model(model: str | Path) -> Path:
    """Find a model's file.

    Args:
        model: a path, or the name of a shipped model; a file of that name in the working folder comes second.

    Returns:
        The path.

    Raises:
        ModelError: if there is neither.
    """
    shipped = Path(str(files("carmask") / "models"))
    names = sorted(path.stem for path in shipped.glob("*.onnx"))
    if str(model) in names:
        return shipped / f"{model}.onnx"
    path = Path(model)
    if path.is_file():
        return path
    raise ModelError(f"{model}: neither a model file nor the name of a shipped model ({', '.join(names) or 'none'})")


def read_info(path: Path) -> ModelInfo:
    """Read a model's description without loading the network.

    Raises:
        ModelError: if the file is not ONNX, or is ONNX that does not describe itself to carmask.
    """
    text = onnxfile.read_metadata(path).get(METADATA_KEY)
    if text is None:
        raise ModelError(f"{path}: an ONNX file, but not a carmask model; 'carmask export' writes those")
    try:
        return ModelInfo.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: its description is not one this version reads: {where}: {first['msg']}") from error


def load_model(model: str | Path = DEFAULT_MODEL, *, device: Device = "cpu", streams: int | None = None) -> Network:
    """Load a model.

    Args:
        model: a path, or the name of a shipped model.
        device: ``cpu`` runs OpenVINO, ``cuda`` runs ONNX Runtime's TensorRT or CUDA provider.
        streams: how many photos are predicted at the same time, each on one processor core: the most photos an hour.
            None predicts one at a time on all cores: the least time for a photo. On ``cuda`` it makes no difference.

    Returns:
        The network, ready to run.

    Raises:
        ModelError: if there is no such model, or its file is damaged.
        DeviceError: if the device is not available.
    """
    path = find_model(model)
    info = read_info(path)
    if device != "cpu":
        from carmask.inference.cuda import CudaNetwork

        return CudaNetwork(path, info, device)
    from carmask.inference.cpu import CpuNetwork

    return CpuNetwork(path, info, streams=streams)
