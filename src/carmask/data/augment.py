"""Random changes of a photo and its mask, the same for both, while training.

All work on numpy arrays at the network's input size, with a generator that the caller seeds.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from carmask.arrays import Photo

#: uint8 (height, width): 255 times the fraction of the pixel that is car.
SoftMask = NDArray[np.uint8]


class AugmentSettings(BaseModel):
    """What is done at random to each photo; all off by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: float = Field(0.0, ge=0, le=1, description="probability of mirroring left and right")
    shift: float = Field(0.0, ge=0, le=0.5, description="shift by up to this fraction of each side")
    scale: float = Field(0.0, ge=0, lt=1, description="enlarge or shrink by a factor in [1 - scale, 1 + scale]")
    rotate: float = Field(0.0, ge=0, le=180, description="rotate by up to this many degrees")
    brightness: float = Field(0.0, ge=0, le=1, description="multiply values by a factor in [1 - x, 1 + x]")
    contrast: float = Field(0.0, ge=0, le=1, description="stretch around the mean by a factor in [1 - x, 1 + x]")
    hue: float = Field(0.0, ge=0, le=180, description="turn the hue by up to this many degrees")
    grey: float = Field(0.0, ge=0, le=1, description="probability of making the car alone grey")


def augment(
    photo: Photo, mask: SoftMask, settings: AugmentSettings, *, rng: np.random.Generator
) -> tuple[Photo, SoftMask]:
    """Apply the settings once, at random.

    Args:
        photo: uint8 (height, width, 3), RGB, 0 to 255.
        mask: uint8 (height, width), 0 to 255.
        settings: which changes, how strong.
        rng: source of all randomness: the same state gives the same result.

    Returns:
        New contiguous arrays of the same shapes, moved together; colours change in the photo alone.
    """
    if rng.random() < settings.flip:
        photo, mask = photo[:, ::-1], mask[:, ::-1]
    if settings.shift or settings.scale or settings.rotate:
        photo, mask = _move(photo, mask, settings, rng)
    if rng.random() < settings.grey:
        photo = grey_car(photo, mask)
    if settings.brightness or settings.contrast:
        photo = _relight(photo, settings, rng)
    if settings.hue:
        photo = turn_hue(photo, rng.uniform(-settings.hue, settings.hue))
    return np.ascontiguousarray(photo), np.ascontiguousarray(mask)


def affine(
    photo: Photo, mask: SoftMask, *, shift: tuple[float, float], scale: float, degrees: float
) -> tuple[Photo, SoftMask]:
    """Shift, scale and rotate about the centre, with one bilinear resampling.

    What comes in at the border is the photo's own edge, repeated, and background in the mask: the studio goes on, the
    car does not.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width).
        shift: (down, right) as fractions of height and width.
        scale: factor above 0; more than 1 enlarges.
        degrees: counter-clockwise.

    Returns:
        Arrays of the same shapes.
    """
    height, width = mask.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    matrix[:, 2] += (shift[1] * width, shift[0] * height)
    moved = cv2.warpAffine(photo, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved_mask = cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return moved.astype(np.uint8, copy=False), moved_mask.astype(np.uint8, copy=False)


def grey_car(photo: Photo, mask: SoftMask) -> Photo:
    """Make the car grey and leave the background in colour, blended at the contour.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 for car.

    Returns:
        A new photo of the same shape. From the winners of the challenge: many cars are white, grey or black.
    """
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB).astype(np.int16)
    weight = mask.astype(np.int16)[..., None]
    mixed = photo + ((grey - photo) * weight.astype(np.int32)) // 255
    return mixed.astype(np.uint8)


def turn_hue(photo: Photo, degrees: float) -> Photo:
    """Turn the hue of every pixel.

    Args:
        photo: uint8 (height, width, 3), RGB.
        degrees: of the colour circle.

    Returns:
        A new photo of the same shape.
    """
    hsv = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV)
    # OpenCV keeps the hue of uint8 pictures in half degrees, 0 to 179.
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + round(degrees / 2)) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8, copy=False)


def _move(photo: Photo, mask: SoftMask, settings: AugmentSettings, rng: np.random.Generator) -> tuple[Photo, SoftMask]:
    down, right = rng.uniform(-settings.shift, settings.shift, 2)
    scale = rng.uniform(1 - settings.scale, 1 + settings.scale)
    degrees = rng.uniform(-settings.rotate, settings.rotate)
    return affine(
        np.ascontiguousarray(photo), np.ascontiguousarray(mask), shift=(down, right), scale=scale, degrees=degrees
    )


def _relight(photo: Photo, settings: AugmentSettings, rng: np.random.Generator) -> Photo:
    gain = rng.uniform(1 - settings.brightness, 1 + settings.brightness)
    stretch = rng.uniform(1 - settings.contrast, 1 + settings.contrast)
    values = np.arange(256, dtype=np.float64) * gain
    centre = float(photo.mean()) * gain
    table = np.clip((values - centre) * stretch + centre, 0, 255).round().astype(np.uint8)
    return cv2.LUT(photo, table).astype(np.uint8, copy=False)
