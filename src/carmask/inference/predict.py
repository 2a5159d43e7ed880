"""From a photo to its mask, with one network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from carmask.arrays import Mask, Photo, Probability, Size, check_photo
from carmask.images import ReducedPhoto, open_reduced
from carmask.inference import frame
from carmask.inference.confidence import judge
from carmask.inference.model import DEFAULT_MODEL, Device, ModelInfo, Network, load_model
from carmask.inference.pieces import leave_strays


class Prediction(NamedTuple):
    """What a network says of one photo.

    Attributes:
        mask: bool (height, width) at the photo's size.
        confidence: 0 to 1, the Dice score to expect; 0 where no car was found.
        area: fraction of the photo that is car.
        probability: float32, of the whole photo, at the network's resolution, in [0, 1]: what the mask was cut from,
            without pieces that lie away from the car.
        error: expected distance of the contour from the true one, in pixels of the photo; NaN where it is not known.
    """

    mask: Mask
    confidence: float
    area: float
    probability: Probability
    error: float = math.nan


def predict(network: Network, photo: Photo) -> Prediction:
    """Find the car in a photo.

    The probabilities are enlarged to the photo's size and then cut at the model's threshold, never the other way
    round: the contour keeps sub-pixel precision.

    Args:
        network: a loaded model.
        photo: uint8 (height, width, 3), RGB.

    Returns:
        The mask and its confidence.
    """
    return predict_reduced(network, ReducedPhoto(photo, (photo.shape[0], photo.shape[1])))


def open_for(network: Network, path: Path | str, content: bytes | None = None) -> ReducedPhoto:
    """Read a photo at the size that a network makes use of. Whatever scores or ships masks of files reads them so.

    Args:
        network: a loaded model.
        path: the photo.
        content: what is in the file, if it was read before.

    Returns:
        The photo, for ``predict_reduced``.

    Raises:
        PhotoError: if it cannot be read.
    """

    def needed(size: Size) -> Size:
        return network.info.place(size).inner

    return open_reduced(path, needed, content)


def predict_reduced(network: Network, photo: ReducedPhoto) -> Prediction:
    """Find the car in a photo that was decoded at a reduced size.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        The mask, at the photo's own size, and its confidence.
    """
    return decide(probabilities(network, photo), network.info, photo.size)


def decide(small: Probability, info: ModelInfo, size: Size) -> Prediction:
    """Cut a mask from a network's answer, and say how far it can be trusted.

    Args:
        small: the part of the answer that lies on the photo, at the network's size.
        info: the model's threshold and calibration.
        size: (height, width) of the photo.

    Returns:
        The mask, at the photo's own size, and its confidence.
    """
    found = judge(small, info.threshold, info.calibration)
    small = leave_strays(small, info.threshold)
    mask = frame.resize(small, size) >= info.threshold
    # Counting is ten times faster than the mean of a bool array.
    area = int(np.count_nonzero(mask)) / mask.size
    return Prediction(mask, found.confidence, area, small, found.error * size[1] / small.shape[1])


def probabilities(network: Network, photo: ReducedPhoto) -> Probability:
    """What the network says of a photo, at its own resolution; with the photo's mirror image if the model says so.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        float32 (height, width) in [0, 1]: the part of the network's input that the photo fills.
    """
    place = network.info.place(photo.size)
    pixels = frame.enter(photo.pixels, place)
    answer = network.run(pixels)
    if network.info.flip:
        mirrored = network.run(np.ascontiguousarray(pixels[:, ::-1]))
        answer = np.float32(0.5) * (answer + mirrored[:, ::-1])
    return np.ascontiguousarray(frame.inside(answer, place))


class Cutter:
    """Cuts cars out of photos.

    >>> cutter = Cutter()
    >>> mask = cutter.mask(photo)  # doctest: +SKIP
    """

    def __init__(self, model: str | Path = DEFAULT_MODEL, *, device: Device = "cpu") -> None:
        """Load a model.

        Args:
            model: a model file, or the name of a shipped model.
            device: ``cpu`` or ``cuda``.

        Raises:
            ModelError: if there is no such model, or its file is damaged.
            DeviceError: if the device is not available.
        """
        self._network = load_model(model, device=device)

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""
        return self._network.info

    def mask(self, photo: Photo) -> Mask:
        """Find the car.

        Args:
            photo: uint8 (height, width, 3), RGB.

        Returns:
            bool (height, width), True where the car is.

        Raises:
            ArrayError: if the photo is not such an array.
        """
        return self.predict(photo).mask

    def predict(self, photo: Photo) -> Prediction:
        """Find the car, with confidence and area.

        Args:
            photo: uint8 (height, width, 3), RGB.

        Returns:
            The prediction.

        Raises:
            ArrayError: if the photo is not such an array.
        """
        return predict(self._network, check_photo(photo))

    def probability(self, photo: Photo) -> Probability:
        """Give the probability of each pixel to be car.

        Args:
            photo: uint8 (height, width, 3), RGB.

        Returns:
            float32 (height, width) in [0, 1].

        Raises:
            ArrayError: if the photo is not such an array.
        """
        check_photo(photo)
        size = photo.shape[0], photo.shape[1]
        return frame.resize(probabilities(self._network, ReducedPhoto(photo, size)), size)
