"""From a photo to its mask, with one network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from carmask import geometry
from carmask.arrays import Mask, Photo, Probability, check_photo
from carmask.geometry import Crop, Size
from carmask.images import ReducedPhoto, open_reduced
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.model.runtime import DEFAULT_MODEL, Device, load_model
from carmask.prediction.components import remove_small_components
from carmask.prediction.confidence import estimate_confidence
from carmask.prediction.crops import (
    AROUND,
    AROUND_MIRRORED,
    WHOLE,
    CroppedInput,
    beyond_crop,
    crop_around,
    crop_photo,
    find_box,
    largest_useful_size,
    suppress_unconfirmed,
)
from carmask.prediction.probability_map import ProbabilityMap


class Prediction(NamedTuple):
    """What a network says of one photo.

    Attributes:
        mask: bool (height, width) at the photo's size.
        confidence: 0 to 1, the Dice score to expect; 0 where no car was found.
        area: fraction of the photo that is car.
        probability_map: the probabilities that the mask was cut from, without pieces that lie away from the car.
        error: expected distance of the contour from the true one, in pixels of the photo; NaN where it is not known.
    """

    mask: Mask
    confidence: float
    area: float
    probability_map: ProbabilityMap
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
        return info.place(size).inner if info.locate is None else largest_useful_size(size, info.size)

    return open_reduced(path, needed, content)


def predict_reduced(network: Network, photo: ReducedPhoto) -> Prediction:
    """Find the car in a photo that was decoded at a reduced size.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        The mask, at the photo's own size, and its confidence.
    """
    return finish_prediction(predict_map(network, photo), network.info)


def finish_prediction(prob_map: ProbabilityMap, info: ModelInfo) -> Prediction:
    """Cut a mask from a network's prediction, and say how far it can be trusted.

    Args:
        prob_map: the network's.
        info: the model's threshold and calibration.

    Returns:
        The mask, at the photo's own size, and its confidence.
    """
    found = estimate_confidence(prob_map.probability, info.threshold, info.calibration, prob_map.crop)
    prob_map = ProbabilityMap(remove_small_components(prob_map.probability, info.threshold), prob_map.crop)
    mask = prob_map.mask(info.threshold)
    # Counting is ten times faster than the mean of a bool array.
    area = int(np.count_nonzero(mask)) / mask.size
    return Prediction(mask, found.confidence, area, prob_map, found.error * prob_map.scale)


def predict_map(network: Network, photo: ReducedPhoto) -> ProbabilityMap:
    """What the network says of a photo, at its own resolution; with the photo's mirror image if the model says so.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        The prob_map, of all of the photo or of the part around the car.
    """
    info = network.info
    if info.locate is None:
        region = _all_of(network, photo)
        prob_map = _look(network, photo, region)
        return _mean(prob_map, _look(network, photo, region, mirrored=True)) if info.flip else prob_map
    size, first = _size(photo), _first_look(network, photo)
    found = find_box(first, info.threshold)
    box = found or WHOLE
    prob_map = _look(network, photo, crop_around(box.grown(*AROUND), size, info.size))
    more = beyond_crop(prob_map, info.threshold)
    if more is not None:
        # The first look missed some of the car: once more, with all that may be missing.
        box = more
        prob_map = _look(network, photo, crop_around(box, size, info.size))
    if info.flip:
        wider = crop_around(box.grown(*AROUND_MIRRORED), size, info.size)
        prob_map = _mean(prob_map, _look(network, photo, wider, mirrored=True))
    # A first look that missed some of the car has no say in what is car.
    return prob_map if found is None or more is not None else suppress_unconfirmed(prob_map, first, info.threshold)


def find_crop(network: Network, photo: ReducedPhoto) -> CroppedInput:
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
    return crop_around(box.grown(*AROUND), _size(photo), network.info.size)


def network_input(network: Network, photo: ReducedPhoto) -> Photo:
    """What a network is network_input of a photo to find the contour: uint8 (``*info.size``, 3), RGB."""
    return crop_photo(photo.pixels, find_crop(network, photo))


def _size(photo: ReducedPhoto) -> Size:
    """(height, width) of the photo as it was decoded."""
    return photo.pixels.shape[0], photo.pixels.shape[1]


def _all_of(network: Network, photo: ReducedPhoto) -> CroppedInput:
    return CroppedInput(Crop.whole(_size(photo)), network.info.place(photo.size))


def _first_look(network: Network, photo: ReducedPhoto) -> ProbabilityMap:
    """What the network says of the whole photo, small."""
    place = geometry.fit_letterbox(photo.size, network.info.locate or network.info.size)
    found = network.run(geometry.letterbox(geometry.subsample(photo.pixels, place.inner), place))
    return ProbabilityMap(np.ascontiguousarray(geometry.without_bars(found, place)), Crop.whole(photo.size))


def _look(network: Network, photo: ReducedPhoto, region: CroppedInput, *, mirrored: bool = False) -> ProbabilityMap:
    pixels = crop_photo(photo.pixels, region)
    found = network.run(np.ascontiguousarray(pixels[:, ::-1]))[:, ::-1] if mirrored else network.run(pixels)
    return ProbabilityMap(np.ascontiguousarray(geometry.without_bars(found, region.place)), region.crop.of(photo.size))


def _mean(one: ProbabilityMap, other: ProbabilityMap) -> ProbabilityMap:
    """The mean of two answers, at the first one's place and resolution."""
    size = one.probability.shape[0], one.probability.shape[1]
    return ProbabilityMap(np.float32(0.5) * (one.probability + other.seen_in(one.crop, size)), one.crop)


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
        return predict_map(self._network, ReducedPhoto(photo, size)).enlarged()
