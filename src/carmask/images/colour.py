"""Colour spaces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def to_lab(colours: NDArray[np.floating]) -> NDArray[np.float64]:
    """Convert colours to CIE L*a*b* (1976), white point D65.

    Args:
        colours: float (n, 3), sRGB, 0 to 255.

    Returns:
        float64 (n, 3): lightness 0 to 100, a, b.
    """
    scaled = (np.asarray(colours, np.float32) / 255).reshape(1, -1, 3)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB)[0], np.float64)
