"""What is measured on each photo of a run, so that a later run can be compared with it: light, colour, size, features.

The numbers describe what a photo is like for the network, not what it shows: ``carmask.drift`` compares their
distributions. They are measured on a picture of ``SIDE`` pixels and take about a millisecond.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from carmask import geometry
from carmask.arrays import Photo
from carmask.images import ReducedPhoto
from carmask.prediction.predict import Prediction

#: Pixels of the longer side of what brightness and colours are measured on.
SIDE = 160


class Measure(NamedTuple):
    """A number that is measured on each photo.

    Attributes:
        title: what it is, for the reader.
        group: what it is about: ``light``, ``colour``, ``car`` or ``confidence``.
    """

    title: str
    group: str


#: All of them, by name. L*, a*, b* are those of CIELAB under D65: 0 to 100, green to red, blue to yellow.
MEASURES = {
    "light": Measure("brightness of the photo, mean L*", "light"),
    "contrast": Measure("contrast of the photo, standard deviation of L*", "light"),
    "background_light": Measure("brightness around the car, mean L*", "light"),
    "background_contrast": Measure("contrast around the car, standard deviation of L*", "light"),
    "background_a": Measure("colour around the car, green to red, mean a*", "colour"),
    "background_b": Measure("colour around the car, blue to yellow, mean b*", "colour"),
    "car_light": Measure("brightness of the car, mean L*", "colour"),
    "car_a": Measure("colour of the car, green to red, mean a*", "colour"),
    "car_b": Measure("colour of the car, blue to yellow, mean b*", "colour"),
    "shape": Measure("view: width over height of the car's box (front 1.2, side 2.5), logarithm", "car"),
    "across": Measure("place of the car's middle, from the left", "car"),
    "down": Measure("place of the car's lower edge, from the top", "car"),
    "confidence": Measure("confidence", "confidence"),
    "width": Measure("uncertainty along the contour", "confidence"),
    "uncertainty": Measure("expected 1 - Dice, logarithm", "confidence"),
    "band": Measure("undecided pixels along the contour", "confidence"),
    "far": Measure("uncertainty away from the contour", "confidence"),
    "components": Measure("area of other connected components", "confidence"),
    "holes": Measure("area of holes", "confidence"),
    "rough": Measure("length of the contour for its area", "confidence"),
    "area": Measure("size: the car's share of the photo, logarithm", "car"),
    "cut": Measure("share of the frame's sides that is car", "car"),
    "sides": Measure("sides of the frame that the car reaches", "car"),
    "disagreement": Measure("disagreement of localisation and segmentation stage", "confidence"),
    "unsure": Measure("uncertainty of the localisation stage", "confidence"),
}


def thumbnail(photo: ReducedPhoto) -> Photo:
    """The picture that brightness and colours are measured on: uint8, its longer side ``SIDE`` pixels or less."""
    height, width = photo.pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return geometry.resize(geometry.subsample(photo.pixels, size), size)


def measure_photo(small: Photo, found: Prediction) -> dict[str, float]:
    """Measure a photo.

    Args:
        small: from ``thumbnail``, uint8 (height, width, 3), sRGB.
        found: the network's own prediction for the photo, before any correction.

    Returns:
        Numbers by the names in ``MEASURES``; without a car, those of the photo alone; confidence features only where
        the model is calibrated.
    """
    lab = cv2.cvtColor(small.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    size = (small.shape[0], small.shape[1])
    car = cv2.resize(found.mask.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    (light, _, _), (spread, _, _) = _moments(lab, None)
    measured = {"light": light, "contrast": spread}
    if cv2.countNonZero(car) < car.size:
        (behind, green, blue), (uneven, _, _) = _moments(lab, 1 - car)
        measured |= {
            "background_light": behind,
            "background_contrast": uneven,
            "background_a": green,
            "background_b": blue,
        }
    box = geometry.box_of(found.mask)
    if box is not None:
        height, width = found.mask.shape
        measured |= {
            "shape": math.log((box.right - box.left) / (box.bottom - box.top)),
            "across": (box.left + box.right) / 2 / width,
            "down": box.bottom / height,
            "confidence": found.confidence,
        }
        if cv2.countNonZero(car):
            measured |= dict(zip(("car_light", "car_a", "car_b"), _moments(lab, car)[0], strict=True))
    if found.features is not None:
        measured |= found.features._asdict()
    return {name: round(float(value), 4) for name, value in measured.items()}


def to_text(measured: Mapping[str, float]) -> str:
    """Measured numbers as a line of JSON, as a manifest keeps them."""
    return json.dumps(measured, separators=(",", ":"))


def _moments(lab: np.ndarray, mask: np.ndarray | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel where the mask is not 0."""
    mean, spread = cv2.meanStdDev(lab, mask=mask)
    return tuple(mean.ravel().tolist()), tuple(spread.ravel().tolist())
