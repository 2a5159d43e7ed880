"""From a photo to its mask and confidence, with one model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from carmask.arrays import Mask, Photo
from carmask.geometry import Size
from carmask.images import PhotoFile, ReducedPhoto, open_reduced, reduce_photo
from carmask.model.calibration import ConfidenceFeatures
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.prediction.components import remove_small_components
from carmask.prediction.confidence import estimate_confidence
from carmask.prediction.crops import largest_useful_size
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.stages import predict_map


class Prediction(NamedTuple):
    """A photo's mask and its confidence.

    Attributes:
        mask: bool (height, width) at the photo's size.
        confidence: 0 to 1, the Dice score to expect; 0 where no car was found.
        area: fraction of the photo that is car.
        probability_map: the probabilities that the mask was cut from, without small components away from the car.
        error: expected distance of the contour from the true one, in pixels of the photo; NaN where it is not known.
        features: what confidence and error were estimated from; None where they were not measured.
    """

    mask: Mask
    confidence: float
    area: float
    probability_map: ProbabilityMap
    error: float = math.nan
    features: ConfidenceFeatures | None = None


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
    return open_reduced(path, lambda size: _useful_size(network.info, size), content)


def reduce_for(network: Network, photo: PhotoFile) -> ReducedPhoto:
    """Reduce a photo that was decoded at its own size to the size that a network makes use of.

    Of large JPEG files the masks differ slightly from those of ``open_for``: docs/decisions/0024-one-decode.md.

    Args:
        network: a loaded model.
        photo: from ``open_photo``.

    Returns:
        The photo, for ``predict_reduced``.
    """
    return reduce_photo(photo, lambda size: _useful_size(network.info, size))


def _useful_size(info: ModelInfo, size: Size) -> Size:
    """The least (height, width) of a photo of which the model makes use."""
    if info.localisation_size is None:
        return info.place(size).inner
    useful = largest_useful_size(size, info.size, info.behaviour.crop.max_zoom)
    if info.refinement is None:
        return useful
    return max(useful, largest_useful_size(size, info.refinement.size, info.refinement.max_zoom))


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
    """Cut a mask from a network's probabilities, and estimate its confidence.

    Args:
        prob_map: from ``predict_map``.
        info: the model's threshold, behaviour and calibration.

    Returns:
        The mask, at the photo's own size, and its confidence.
    """
    found = estimate_confidence(prob_map, info)
    prob_map = ProbabilityMap(
        remove_small_components(prob_map.probability, info.threshold, info.behaviour.components), prob_map.crop
    )
    mask = prob_map.mask(info.threshold)
    # Counting is ten times faster than the mean of a bool array.
    area = int(np.count_nonzero(mask)) / mask.size
    return Prediction(mask, found.confidence, area, prob_map, found.error * prob_map.scale, found.features)
