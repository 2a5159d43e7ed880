"""Random changes of how a photo was taken and stored: light, colour, lens, sensor, compression. The mask stays.

All work on uint8 (height, width, 3) RGB and return new arrays of the same shape.
"""

from __future__ import annotations

import cv2
import numpy as np

from carmask.arrays import Photo


def change_light(photo: Photo, strength: float, *, rng: np.random.Generator) -> Photo:
    """Another exposure, gamma, contrast and white balance, in one table for each channel.

    Args:
        photo: uint8 (height, width, 3), RGB.
        strength: standard deviation of the logarithms of exposure and gamma.
        rng: source of all randomness.
    """
    values = np.linspace(0, 1, 256)
    curve = values ** np.exp(rng.normal(0, strength)) * np.exp(rng.normal(0, strength))
    curve = (curve - 0.5) * np.exp(rng.normal(0, 0.7 * strength)) + 0.5
    table = (curve[:, None] * (1 + rng.normal(0, 0.3 * strength, 3)) * 255).clip(0, 255).astype(np.uint8)
    return cv2.LUT(np.ascontiguousarray(photo), table[:, None]).astype(np.uint8, copy=False)


def change_camera(photo: Photo, *, scale: float = 1.0, rng: np.random.Generator) -> Photo:
    """Another light, saturation, hue, vignette, sharpness, noise and compression, each now and then.

    Args:
        photo: uint8 (height, width, 3), RGB.
        scale: the photo's size relative to 256x384: blur is measured in pixels of that.
        rng: source of all randomness.
    """
    photo = change_light(photo, 0.3 if rng.random() < 0.8 else 0.55, rng=rng)
    if rng.random() < 0.3:
        photo = saturate(photo, rng.uniform(0, 1.5) if rng.random() < 0.8 else 0.0)
    if rng.random() < 0.15:
        hsv = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + rng.integers(-12, 13)) % 180
        photo = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8, copy=False)
    if rng.random() < 0.15:
        photo = darken_corners(photo, rng.uniform(0.1, 0.7), rng=rng)
    photo = _change_sharpness(photo, scale, rng)
    if rng.random() < 0.25:
        noise = rng.standard_normal(photo.shape, np.float32) * np.float32(rng.uniform(1, 14))
        photo = np.clip(photo + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        photo = compress(photo, int(rng.integers(20, 85)))
    return photo


def saturate(photo: Photo, factor: float) -> Photo:
    """Multiply the distance of all values from grey: 0 makes the photo grey, 1 leaves it."""
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.clip(grey + (photo.astype(np.float32) - grey) * factor, 0, 255).astype(np.uint8)


def darken_corners(photo: Photo, depth: float, *, rng: np.random.Generator) -> Photo:
    """Darken towards the edge: by ``depth`` at the corners, around a centre that is a little off.

    Args:
        photo: uint8 (height, width, 3), RGB.
        depth: the fraction of brightness that the corners lose, 0 to 1.
        rng: draws the centre: normal, with a deviation of a tenth of the photo's sides.

    Returns:
        As the photo.
    """
    height, width = photo.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falloff = 1 - depth * ((x - rng.normal(0, 0.2)) ** 2 + (y - rng.normal(0, 0.2)) ** 2) / 2
    darkened: Photo = (photo * falloff[..., None]).clip(0, 255).astype(np.uint8)
    return darkened


def compress(photo: Photo, quality: int) -> Photo:
    """What a JPEG file of this quality, 1 to 100, keeps of a photo."""
    # OpenCV takes and gives BGR: red keeps less of its detail than blue does if they are taken for each other.
    content = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1], np.uint8)


def _change_sharpness(photo: Photo, scale: float, rng: np.random.Generator) -> Photo:
    """Blurred, enlarged from fewer pixels, or sharpened; mostly as it is."""
    height, width = photo.shape[:2]
    kind = rng.random()
    if kind < 0.15:
        return cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.3, 1.3) * scale).astype(np.uint8, copy=False)
    if kind < 0.27:
        factor = rng.uniform(0.35, 0.8) / max(1.0, 0.7 * scale)
        small = cv2.resize(
            photo, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA
        )
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    if kind < 0.33:
        smooth = cv2.GaussianBlur(photo, (0, 0), scale).astype(np.float32)
        sharper: Photo = np.clip(photo * np.float32(2) - smooth, 0, 255).astype(np.uint8)
        return sharper
    return photo
