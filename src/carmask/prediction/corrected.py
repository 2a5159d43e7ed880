"""A prediction whose mask a person has corrected."""

from __future__ import annotations

import cv2
import numpy as np

from carmask import geometry
from carmask.arrays import Mask, Probability
from carmask.errors import DataError
from carmask.geometry import Crop
from carmask.prediction.predict import Prediction
from carmask.prediction.probability_map import ProbabilityMap

#: Probabilities that lie closer than this to a change, in pixels of the network, follow the corrected mask.
REACH = 4


def without_car(found: Prediction) -> Prediction:
    """The same prediction of a photo, with nothing that is car; its confidence is still the network's."""
    prob_map = found.probability_map
    return found._replace(
        mask=np.zeros_like(found.mask),
        area=0.0,
        probability_map=prob_map._replace(probability=np.zeros_like(prob_map.probability)),
    )


def with_mask(found: Prediction, mask: Mask, threshold: float) -> Prediction:
    """Put a corrected mask in place of a network's.

    Where both agree, the network's probabilities stay: they say how soft the edge is. Around each change they follow
    the corrected mask, so that rendering finds its contour, not the network's.

    Args:
        found: the network's prediction.
        mask: bool (height, width), the corrected mask, of the photo's size.
        threshold: the model's.

    Returns:
        The prediction with that mask and its area; confidence and error are still the network's.

    Raises:
        DataError: if the mask has another size than the photo.
    """
    if mask.shape != found.mask.shape:
        height, width = found.mask.shape
        raise DataError(f"the corrected mask is {mask.shape[1]}x{mask.shape[0]}, the photo {width}x{height}")
    probability = found.probability_map.whole()
    size = probability.shape[0], probability.shape[1]
    soft = np.interp(geometry.resize(mask.astype(np.float32), size), (0, 0.5, 1), (0, threshold, 1)).astype(np.float32)
    changed = geometry.resize((mask != found.mask).astype(np.float32), size) > 0
    around = cv2.dilate(changed.view(np.uint8), np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)).astype(np.bool_)
    merged: Probability = np.where(around, soft, probability)
    prob_map = ProbabilityMap(merged, Crop.whole((mask.shape[0], mask.shape[1])))
    return found._replace(mask=mask, area=int(np.count_nonzero(mask)) / mask.size, probability_map=prob_map)
