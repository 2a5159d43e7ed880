"""What is scored: a network, or files that another program or a person made. One protocol, two implementations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from carmask.data.mask_source import Truth
from carmask.data.parts import part_names
from carmask.data.table import Example
from carmask.errors import CarmaskError, DataError
from carmask.formats.labels import Labels, read_labels
from carmask.formats.listing import find_masks
from carmask.formats.rle_table import is_table
from carmask.formats.table import FORMATS
from carmask.geometry import Crop, Size
from carmask.images import ReducedPhoto, picture_size
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.model.runtime import Device, load_model
from carmask.prediction.parts import predict_parts
from carmask.prediction.predict import Prediction, open_for, predict_reduced
from carmask.prediction.probability_map import ProbabilityMap

#: What files of annotation tools end in.
_EXPORTS = frozenset({".json", ".xml", ".zip"})

Predicted = TypeVar("Predicted")
_Predicted_co = TypeVar("_Predicted_co", covariant=True)


class Predictor(Protocol[_Predicted_co]):
    """Anything that has a prediction for a photo: a mask (``Prediction``), or labels of parts (``Labels``).

    Attributes:
        title: what it is, for people.
        info: what the model says of itself; None where there is no model.
    """

    title: str
    info: ModelInfo | None

    def open(self, example: Example) -> ReducedPhoto:
        """Read what it needs of a photo; may be called in another thread.

        Args:
            example: the photo's name and files.

        Returns:
            The photo's own size, and as much of its pixels as ``predict`` needs.

        Raises:
            PhotoError: if the photo cannot be read.
        """

    def predict(self, example: Example, photo: ReducedPhoto) -> _Predicted_co:
        """Predict.

        Args:
            example: the photo's name and files.
            photo: from ``open``.

        Returns:
            The prediction, at the photo's own size.

        Raises:
            DataError: if there is none for this photo.
            PhotoError: if its file cannot be read.
            RLEError: if its text does not fit the photo; the message names the line.
        """


class NetworkPredictor(Generic[Predicted]):
    """Predicts with a network, as ``carmask cut`` does."""

    def __init__(self, network: Network, run: Callable[[Network, ReducedPhoto], Predicted]) -> None:
        """Take a loaded network and the function that predicts with it."""
        self._network, self._run = network, run
        self.info: ModelInfo | None = network.info
        self.title = f"{network.info.name} {network.info.version}"

    def open(self, example: Example) -> ReducedPhoto:
        """Read the photo at the size that the network makes use of."""
        return open_for(self._network, example.photo)

    def predict(self, example: Example, photo: ReducedPhoto) -> Predicted:  # noqa: ARG002  # a network needs pixels only
        """Run the network."""
        return self._run(self._network, photo)


class FilePredictor(Generic[Predicted]):
    """Reads predictions from files."""

    def __init__(self, source: Path, read: Callable[[str, Size], Predicted]) -> None:
        """Take the files' place, and the function that reads the prediction of a photo by name and (height, width)."""
        self._read = read
        self.info: ModelInfo | None = None
        self.title = source.name

    def open(self, example: Example) -> ReducedPhoto:
        """Read the photo's size; its pixels are not needed."""
        return ReducedPhoto(np.zeros((1, 1, 3), np.uint8), picture_size(example.photo))

    def predict(self, example: Example, photo: ReducedPhoto) -> Predicted:
        """Read the prediction of a photo."""
        return self._read(example.name, photo.size)


def network_masks(network: Network) -> Predictor[Prediction]:
    """The masks of a network."""
    return NetworkPredictor(network, predict_reduced)


def network_labels(network: Network, names: Sequence[str]) -> Predictor[Labels]:
    """The labels of a network of parts, in the numbering of a data set.

    Args:
        network: a loaded model.
        names: of the data's parts.

    Raises:
        DataError: if the model distinguishes other parts than the data.
    """
    info = network.info
    if set(info.classes) != set(names):
        odd = sorted(set(info.classes) ^ set(names))
        raise DataError(
            f"{info.name} {info.version} and the data do not have the same parts; in one of them only: {', '.join(odd)}"
        )
    table = np.array([0, *(list(names).index(one) + 1 for one in info.classes)], np.uint8)
    return NetworkPredictor(network, lambda network, photo: table[predict_parts(network, photo).labels])


def file_masks(source: Path, mask_threshold: int | None = None) -> Predictor[Prediction]:
    """Masks that exist as files.

    Args:
        source: a CSV ``img,rle_mask``, a folder of masks, or a file or folder in any format.
        mask_threshold: for grey, anti-aliased and JPEG masks, see ``read_mask``.

    Returns:
        Their predictor; the confidence of its predictions is NaN.

    Raises:
        DataError: if it is neither, or cannot be read.
    """
    masks = Truth(source, mask_threshold)

    def read(name: str, size: Size) -> Prediction:
        mask = masks.mask(name, size)
        if mask.shape != size:
            raise DataError(
                f"{source}: {name}: the mask is {mask.shape[1]}x{mask.shape[0]}, its photo {size[1]}x{size[0]}"
            )
        probability = ProbabilityMap(mask.astype(np.float32), Crop.whole(size))
        return Prediction(mask, float("nan"), float(mask.mean()), probability)

    return FilePredictor(source, read)


def file_labels(folder: Path, names: Sequence[str]) -> Predictor[Labels]:
    """Labels that exist as index PNG: ``NAME.png``, or ``NAME_parts.png`` as ``carmask cut --parts`` writes.

    Args:
        folder: holds the files; their values count the data's parts from 1.
        names: of the data's parts.

    Raises:
        DataError: if the folder holds no such files.
    """
    found = find_masks(folder)
    files = {name: file for name, file in found.items() if not name.endswith("_parts")}
    files |= {name.removesuffix("_parts"): file for name, file in found.items() if name.endswith("_parts")}

    def read(name: str, size: Size) -> Labels:
        if name not in files:
            raise DataError(f"{folder}: no labels for {name}")
        labels = read_labels(files[name])
        if labels.max(initial=0) > len(names):
            raise DataError(f"{files[name]}: holds the value {labels.max()}, but there are {len(names)} parts")
        if labels.shape != size:
            raise DataError(
                f"{files[name]}: the labels are {labels.shape[1]}x{labels.shape[0]}, the photo {size[1]}x{size[0]}"
            )
        return labels

    return FilePredictor(folder, read)


def open_masks(what: str, device: Device, mask_threshold: int | None = None) -> Predictor[Prediction]:
    """Open a model, or masks that exist as files.

    Args:
        what: a model file, the name of a shipped model, or masks, see ``file_masks``.
        device: where a model runs.
        mask_threshold: for grey, anti-aliased and JPEG masks, see ``read_mask``.

    Returns:
        The predictor.

    Raises:
        ModelError: if there is no such model, or its file is damaged.
        DeviceError: if the device is not available.
        DataError: if the masks cannot be read.
    """
    path = Path(what)
    if _are_files(path):
        return file_masks(path, mask_threshold)
    return network_masks(load_model(what, device=device))


def open_labels(what: str, names: Sequence[str], device: Device) -> Predictor[Labels]:
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
    path = Path(what)
    return file_labels(path, names) if path.is_dir() else network_labels(load_model(what, device=device), names)


def predicts_parts(models: Sequence[str], data: Path, layout: str | None = None) -> bool:
    """Whether labels of parts are to be scored, not masks: the data has parts, and so have the models.

    Data that was rendered with parts has masks of whole cars as well. If its layout is not named, labels are scored
    where all models are of its parts, and folders hold labels.

    Args:
        models: files or names of models, or folders of labels.
        data: the data set.
        layout: the name of the data's layout, see ``data.layouts``; found out if it is None.

    Raises:
        ModelError: if there is no such model.
        DataError: if one of two models knows parts and the other does not.
    """
    names = part_names(data, layout)
    if not names:
        return False
    if layout is None and FORMATS["carvana"].detect(data):
        return all(_has_labels(Path(model), names) or set(_parts_of(model)) == set(names) for model in models)
    known = [Path(model).is_dir() or bool(_parts_of(model)) for model in models]
    if len(set(known)) > 1:
        raise DataError(f"{models[known.index(False)]}: knows no parts, the other one does; score them one by one")
    return known[0]


def _parts_of(model: str) -> tuple[str, ...]:
    """The parts that a model knows; none of masks that are files."""
    if _are_files(Path(model)):
        return ()
    info = read_info(find_model(model))
    return info.classes if info.parts else ()


def _are_files(path: Path) -> bool:
    """Whether masks are there as files: in a folder, a table or an export of an annotation tool."""
    return path.is_dir() or is_table(path) or (path.is_file() and path.suffix.lower() in _EXPORTS)


def _has_labels(folder: Path, names: Sequence[str]) -> bool:
    """Whether a folder's files are called ``NAME_parts``, or the first holds numbers of parts: a mask has 1 or 255."""
    if not folder.is_dir():
        return False
    try:
        files = find_masks(folder)
        if any(name.endswith("_parts") for name in files):
            return True
        return bool(1 < read_labels(next(iter(files.values()))).max(initial=0) <= len(names))
    except CarmaskError:
        return False
