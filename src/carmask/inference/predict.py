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
from carmask.inference.region import (
    AROUND,
    AROUND_MIRRORED,
    WHOLE,
    Answer,
    Part,
    Region,
    agreed,
    cut_out,
    find_box,
    largest,
    surround,
    unseen,
)


class Prediction(NamedTuple):
    """What a network says of one photo.

    Attributes:
        mask: bool (height, width) at the photo's size.
        confidence: 0 to 1, the Dice score to expect; 0 where no car was found.
        area: fraction of the photo that is car.
        answer: the probabilities that the mask was cut from, without pieces that lie away from the car.
        error: expected distance of the contour from the true one, in pixels of the photo; NaN where it is not known.
    """

    mask: Mask
    confidence: float
    area: float
    answer: Answer
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
        info = network.info
        return info.place(size).inner if info.locate is None else largest(size, info.size)

    return open_reduced(path, needed, content)


def predict_reduced(network: Network, photo: ReducedPhoto) -> Prediction:
    """Find the car in a photo that was decoded at a reduced size.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        The mask, at the photo's own size, and its confidence.
    """
    return decide(ask(network, photo), network.info)


def decide(answer: Answer, info: ModelInfo) -> Prediction:
    """Cut a mask from a network's answer, and say how far it can be trusted.

    Args:
        answer: the network's.
        info: the model's threshold and calibration.

    Returns:
        The mask, at the photo's own size, and its confidence.
    """
    found = judge(answer.probability, info.threshold, info.calibration, answer.part)
    answer = Answer(leave_strays(answer.probability, info.threshold), answer.part)
    mask = answer.mask(info.threshold)
    # Counting is ten times faster than the mean of a bool array.
    area = int(np.count_nonzero(mask)) / mask.size
    return Prediction(mask, found.confidence, area, answer, found.error * answer.scale)


def ask(network: Network, photo: ReducedPhoto) -> Answer:
    """What the network says of a photo, at its own resolution; with the photo's mirror image if the model says so.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        The answer, of all of the photo or of the part around the car.
    """
    info = network.info
    if info.locate is None:
        region = _all_of(network, photo)
        answer = _look(network, photo, region)
        return _mean(answer, _look(network, photo, region, mirrored=True)) if info.flip else answer
    size, first = _size(photo), _first_look(network, photo)
    found = find_box(first, info.threshold)
    box = found or WHOLE
    answer = _look(network, photo, surround(box.grown(*AROUND), size, info.size))
    more = unseen(answer, info.threshold)
    if more is not None:
        # The first look missed some of the car: once more, with all that may be missing.
        box = more
        answer = _look(network, photo, surround(box, size, info.size))
    if info.flip:
        wider = surround(box.grown(*AROUND_MIRRORED), size, info.size)
        answer = _mean(answer, _look(network, photo, wider, mirrored=True))
    # A first look that missed some of the car has no say in what is car.
    return answer if found is None or more is not None else agreed(answer, first, info.threshold)


def find_region(network: Network, photo: ReducedPhoto) -> Region:
    """What of a photo a network looks at to find the contour: all, or what a first, small look says that the car fills.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        The part of the photo, at the size that it was decoded at.
    """
    if network.info.locate is None:
        return _all_of(network, photo)
    box = find_box(_first_look(network, photo), network.info.threshold) or WHOLE
    return surround(box.grown(*AROUND), _size(photo), network.info.size)


def shown(network: Network, photo: ReducedPhoto) -> Photo:
    """What a network is shown of a photo to find the contour: uint8 (``*info.size``, 3), RGB."""
    return cut_out(photo.pixels, find_region(network, photo))


def _size(photo: ReducedPhoto) -> Size:
    """(height, width) of the photo as it was decoded."""
    return photo.pixels.shape[0], photo.pixels.shape[1]


def _all_of(network: Network, photo: ReducedPhoto) -> Region:
    return Region(Part.whole(_size(photo)), network.info.place(photo.size))


def _first_look(network: Network, photo: ReducedPhoto) -> Answer:
    """What the network says of the whole photo, small."""
    place = frame.fit(photo.size, network.info.locate or network.info.size)
    found = network.run(frame.enter(frame.thinned(photo.pixels, place.inner), place))
    return Answer(np.ascontiguousarray(frame.inside(found, place)), Part.whole(photo.size))


def _look(network: Network, photo: ReducedPhoto, region: Region, *, mirrored: bool = False) -> Answer:
    pixels = cut_out(photo.pixels, region)
    found = network.run(np.ascontiguousarray(pixels[:, ::-1]))[:, ::-1] if mirrored else network.run(pixels)
    return Answer(np.ascontiguousarray(frame.inside(found, region.place)), region.part.of(photo.size))


def _mean(one: Answer, other: Answer) -> Answer:
    """The mean of two answers, at the first one's place and resolution."""
    size = one.probability.shape[0], one.probability.shape[1]
    return Answer(np.float32(0.5) * (one.probability + other.seen_in(one.part, size)), one.part)


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
        return ask(self._network, ReducedPhoto(photo, size)).enlarged()
