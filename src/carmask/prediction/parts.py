"""From a photo to the parts of its car."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask import geometry
from carmask.arrays import Probability
from carmask.formats.labels import Labels
from carmask.geometry import Crop, Size
from carmask.images import ReducedPhoto
from carmask.model.info import ModelInfo
from carmask.model.network import Network, car_of_parts
from carmask.prediction.predict import Prediction, finish_prediction
from carmask.prediction.probability_map import ProbabilityMap


class PartsPrediction(NamedTuple):
    """The result of a network of parts for one photo.

    Attributes:
        car: all parts together, and how far that can be trusted.
        labels: uint8 (height, width) at the photo's size: 0 background, else the number of the part, from 1.
        glass: float32, of the whole photo, at the network's resolution, in [0, 1]: the probability of a window.
    """

    car: Prediction
    labels: Labels
    glass: Probability


def glass_classes(info: ModelInfo) -> list[int]:
    """The labels of the parts that are windows: those whose names end in ``glass``."""
    return [label for label, name in enumerate(info.classes, 1) if info.parts and name.endswith("glass")]


def predict_parts(network: Network, photo: ReducedPhoto) -> PartsPrediction:
    """Find the parts of the car in a photo.

    Args:
        network: a loaded model whose ``info.parts`` is true.
        photo: from ``open_for``.

    Returns:
        Mask and labels, at the photo's own size. They need not agree at every pixel: the mask is cut at the model's
        threshold, the labels are what is most probable.
    """
    place = network.info.place(photo.size)
    found = network.run_parts(geometry.letterbox(photo.pixels, place))
    inner = np.stack([geometry.without_bars(one, place) for one in found])
    return PartsPrediction(
        finish_prediction(ProbabilityMap(car_of_parts(inner), Crop.whole(photo.size)), network.info),
        most_probable(inner, photo.size),
        inner[glass_classes(network.info)].sum(axis=0),
    )


def most_probable(probabilities: NDArray[np.float32], size: Size) -> Labels:
    """Enlarge the probability of each class softly, then take the largest: contours keep sub-pixel precision.

    One class at a time, so that no more than two of them are held at full size.

    Args:
        probabilities: float32 (classes, height, width), adding up to 1 for each pixel.
        size: (height, width) wanted.

    Returns:
        uint8 ``size``; of equal classes the first.
    """
    labels = np.zeros(size, np.uint8)
    best = geometry.resize(probabilities[0], size)
    for label, one in enumerate(probabilities[1:], 1):
        # Of n classes the most probable has 1/n at least; half of that leaves room for 16-bit arithmetic.
        if one.max() < 0.5 / len(probabilities):
            continue
        large = geometry.resize(one, size)
        labels[large > best] = label
        np.maximum(best, large, out=best)
    return labels
