"""Display values and linear light: where pixels mix, light adds up, not the numbers in a file."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo

#: How far apart two entries of the table back are: fine enough for every display value to come back as it was.
_STEPS = 16384


def _to_linear() -> NDArray[np.float32]:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _to_display() -> NDArray[np.uint8]:
    light = np.arange(_STEPS + 1) / _STEPS
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (value * 255).round().astype(np.uint8)


#: float32 (256,): the linear light of each display value by the sRGB curve (IEC 61966-2-1), 0 to 1.
LINEAR = _to_linear()
_DISPLAY = _to_display()
#: The curve's slope in logarithms, about: a factor f on light is f ** (1 / GAMMA) on display values.
GAMMA = 2.2


def to_display(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Display values of linear light.

    Args:
        light: float32, any shape; clipped to [0, 1].

    Returns:
        uint8, the same shape, by the sRGB curve.
    """
    return _DISPLAY[(np.clip(light, 0, 1) * _STEPS + 0.5).astype(np.int32)]


def matched(car: Photo, before: NDArray[np.float64], after: NDArray[np.float64], strength: float) -> Photo:
    """Light a car as its new surroundings are lit: a factor on each channel, von Kries' model of another light.

    Args:
        car: uint8 (height, width, 3), RGB.
        before: float (3,), mean linear light of the surroundings that it was photographed in.
        after: the same of the new ones.
        strength: 0 leaves it as it is, 1 goes half of the way: people expect a car to keep its colour.

    Returns:
        uint8 (height, width, 3); no channel brighter or darker than by a factor of 1.6 in light.
    """
    factor = np.clip((after + 0.02) / (before + 0.02), 0.2, 5.0) ** (0.5 * strength)
    factor = np.clip(factor, 1 / 1.6, 1.6)
    table = np.stack([to_display((LINEAR * value).astype(np.float32)) for value in factor], axis=1)
    return cv2.LUT(car, table[None]).astype(np.uint8, copy=False)
