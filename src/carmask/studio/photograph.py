"""Make a photograph of a rendering: what a lens, a sensor and a JPEG encoder do to light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo


def photograph(light: NDArray[np.float32], rng: np.random.Generator, *, noise: float = 1.0) -> Photo:
    """Expose, and add what a camera adds: vignetting, lens blur, a tone curve, shot and read noise.

    Args:
        light: float32 (height, width, 3), linear, 1 is white; values outside [0, 1] are clipped.
        rng: where the noise and the lens come from.
        noise: in proportion to the usual; 0 for none.

    Returns:
        uint8 (height, width, 3), sRGB.
    """
    height, width = light.shape[:2]
    exposure = rng.uniform(0.94, 1.03)
    balance = np.array([rng.uniform(0.985, 1.015), 1.0, rng.uniform(0.985, 1.015)], np.float32)
    falloff, softness = rng.uniform(0.02, 0.08), rng.uniform(0.35, 0.6) * max(width / 960, 0.6)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / (width**2 / 4 + height**2 / 4)
    picture = light * (exposure * balance) * (1 - falloff * radius)[..., None]
    picture = cv2.GaussianBlur(np.clip(picture, 0, 1), (0, 0), softness)
    # Shot noise grows with the root of the light, read noise does not; both are correlated by demosaicing.
    grain = rng.normal(0, 1, picture.shape).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.55) * 1.6
    picture = picture + noise * grain * np.sqrt(1.5e-6 + 3.2e-5 * picture)
    return (encode_srgb(picture) * 255).round().astype(np.uint8)


def encode_srgb(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sRGB curve (IEC 61966-2-1): linear light to display values, both clipped to [0, 1]."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
