"""Random changes of a photo and its mask, the same for both, while training.

All work on numpy arrays at the network's input size, with a generator that the caller seeds.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, field_validator

from carmask.arrays import Photo
from carmask.data import warp
from carmask.data.quantize import quantize
from carmask.data.warp import SoftMask
from carmask.validation import Settings

#: Ranges of the five-operation set: degrees, least zoom, fraction of each side.
FIVE_ROTATE, FIVE_ZOOM, FIVE_SHEAR, FIVE_SHIFT = 20.0, 0.8, 20.0, 0.2


class AugmentSettings(Settings):
    """What is done at random to each photo; all off by default."""

    model_config = ConfigDict(allow_inf_nan=False)

    flip: float = Field(0.0, ge=0, le=1, description="probability of mirroring left and right")
    flip_up_down: float = Field(0.0, ge=0, le=1, description="probability of turning it upside down")
    five: float = Field(0.0, ge=0, le=1, description="probability of each of flip, rotate, zoom, shear and shift")
    shift: float = Field(0.0, ge=0, le=0.5, description="shift by up to this fraction of each side")
    scale: float = Field(0.0, ge=0, lt=1, description="enlarge or shrink by a factor in [1 - scale, 1 + scale]")
    rotate: float = Field(0.0, ge=0, le=180, description="rotate by up to this many degrees")
    stretch: float = Field(0.0, ge=0, lt=1, description="widen and flatten by a factor in [1 - x, 1 + x]")
    brightness: float = Field(0.0, ge=0, le=1, description="multiply values by a factor in [1 - x, 1 + x]")
    contrast: float = Field(0.0, ge=0, le=1, description="stretch around the mean by a factor in [1 - x, 1 + x]")
    hue: float = Field(0.0, ge=0, le=180, description="turn the hue by up to this many degrees")
    grey: float = Field(0.0, ge=0, le=1, description="probability of making the car alone grey")
    blur: float = Field(0.0, ge=0, le=1, description="probability of blurring by up to 1.5 pixels")
    noise: float = Field(0.0, ge=0, le=128, description="add noise with up to this standard deviation")
    background: float = Field(0.0, ge=0, le=1, description="probability of putting the car before another background")
    negative: float = Field(0.0, ge=0, le=1, description="probability of a background without any car, empty mask")
    crop: float = Field(0.0, ge=0, le=1, description="probability of showing a random part, half to all of each side")
    colours: int = Field(0, ge=0, le=256, description="reduce to 2 to 256 colours by k-means; 0 leaves them")
    binary: bool = Field(False, description="cut the mask at one half, after all else: no soft contour")

    @field_validator("colours")
    @classmethod
    def _has_two_colours(cls, colours: int) -> int:
        if colours == 1:
            raise ValueError("choose 2 to 256 colours, or 0 for all")
        return colours

    @property
    def mirrors(self) -> bool:
        """Whether left and right may change places."""
        return bool(self.flip or self.flip_up_down or self.five)

    @property
    def changes_scenes(self) -> bool:
        """Whether it changes what is in a photo (``training.dataset.scenes`` does), not only how it looks."""
        return bool(self.background or self.negative or self.crop)


def augment(
    photo: Photo,
    mask: SoftMask,
    settings: AugmentSettings,
    *,
    rng: np.random.Generator,
    swap: NDArray[np.uint8] | None = None,
) -> tuple[Photo, SoftMask]:
    """Apply the settings once, at random; all but those that change what is in the photo.

    Args:
        photo: uint8 (height, width, 3), RGB, 0 to 255.
        mask: uint8 (height, width), 0 to 255.
        settings: which changes, how strong.
        rng: source of all randomness: the same state gives the same result.
        swap: the mask holds labels, 0 for background, not fractions; this is uint8 (256,), what each of them becomes in
            a mirror (``carmask.formats.classes.mirrored``).

    Returns:
        New contiguous arrays of the same shapes, moved together; colours change in the photo alone.
    """
    labels = swap is not None
    # What is off draws no random number: switching one change on leaves the others of a seed as they were.
    if rng.random() < settings.flip:
        photo, mask = photo[:, ::-1], _mirror(mask[:, ::-1], swap)
    if settings.flip_up_down and rng.random() < settings.flip_up_down:
        photo, mask = photo[::-1], _mirror(mask[::-1], swap)
    if settings.five:
        photo, mask = _five(photo, mask, settings.five, rng, swap=swap)
    if settings.shift or settings.scale or settings.rotate or settings.stretch:
        photo, mask = _move(photo, mask, settings, rng, labels=labels)
    if rng.random() < settings.grey:
        photo = grey_car(photo, (mask > 0).astype(np.uint8) * np.uint8(255) if labels else mask)
    if settings.brightness or settings.contrast:
        photo = _relight(photo, settings, rng)
    if settings.hue:
        photo = turn_hue(photo, rng.uniform(-settings.hue, settings.hue))
    if settings.blur and rng.random() < settings.blur:
        photo = blur(photo, rng.uniform(0.3, 1.5))
    if settings.noise:
        photo = add_noise(photo, rng.uniform(0, settings.noise), rng=rng)
    if settings.colours:
        photo = quantize(np.ascontiguousarray(photo), settings.colours, rng=rng)
    if settings.binary and not labels:
        mask = binarise(mask)
    return np.ascontiguousarray(photo), np.ascontiguousarray(mask)


def binarise(mask: SoftMask) -> SoftMask:
    """Cut a soft mask at one half: uint8 (height, width) with 0 and 255 only."""
    return (mask >= 128).astype(np.uint8) * np.uint8(255)


def affine(
    photo: Photo,
    mask: SoftMask,
    *,
    shift: tuple[float, float],
    scale: float,
    degrees: float,
    stretch: float = 1.0,
    labels: bool = False,
) -> tuple[Photo, SoftMask]:
    """Shift, scale, rotate and stretch about the centre, with one bilinear resampling.

    What comes in at the border is the photo's own edge, repeated, and background in the mask: the studio goes on, the
    car does not.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width).
        shift: (down, right) as fractions of height and width.
        scale: factor above 0; more than 1 enlarges.
        degrees: counter-clockwise.
        stretch: factor above 0 for the width, after all else; the height is divided by it.
        labels: the mask holds labels, between which nothing can be interpolated: take the nearest.

    Returns:
        Arrays of the same shapes.
    """
    height, width = mask.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    if stretch != 1.0:
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        factors = np.array([stretch, 1 / stretch])
        matrix = factors[:, None] * matrix
        matrix[:, 2] += middle * (1 - factors)
    matrix[:, 2] += (shift[1] * width, shift[0] * height)
    moved = cv2.warpAffine(photo, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    by = cv2.INTER_NEAREST if labels else cv2.INTER_LINEAR
    moved_mask = cv2.warpAffine(mask, matrix, (width, height), flags=by, borderMode=cv2.BORDER_CONSTANT)
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


def relight(photo: Photo, gain: float, stretch: float) -> Photo:
    """Multiply all values by ``gain``, then their distance from the mean by ``stretch``.

    Args:
        photo: uint8 (height, width, 3), RGB.
        gain: 1 leaves the brightness as it is.
        stretch: 1 leaves the contrast as it is.

    Returns:
        A new photo of the same shape.
    """
    values = np.arange(256, dtype=np.float64) * gain
    centre = float(photo.mean()) * gain
    table = np.clip((values - centre) * stretch + centre, 0, 255).round().astype(np.uint8)
    return cv2.LUT(photo, table).astype(np.uint8, copy=False)


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


def blur(photo: Photo, sigma: float) -> Photo:
    """Blur with a Gaussian of so many pixels: uint8 (height, width, 3), RGB, as the photo."""
    return cv2.GaussianBlur(photo, (0, 0), sigma).astype(np.uint8, copy=False)


def add_noise(photo: Photo, deviation: float, *, rng: np.random.Generator) -> Photo:
    """Add normal noise, each value its own: uint8 (height, width, 3), RGB, as the photo."""
    noise = rng.standard_normal(photo.shape, np.float32) * np.float32(deviation)
    return np.clip(photo + noise, 0, 255).round().astype(np.uint8)


def _mirror(mask: SoftMask, swap: NDArray[np.uint8] | None) -> SoftMask:
    """What a mirrored mask holds: labels of the left become those of the right."""
    return mask if swap is None else swap[mask]


def _five(
    photo: Photo, mask: SoftMask, probability: float, rng: np.random.Generator, *, swap: NDArray[np.uint8] | None
) -> tuple[Photo, SoftMask]:
    """Flip, rotate, zoom, shear and shift, each with the same probability, in one resampling.

    Jois & Aygar 2017: rotate and shear by up to 20 degrees, zoom to 0.8-1 of each side, shift by up to 0.2 of it.
    """
    flip, rotate, zoom, shear, shift = rng.random(5) < probability
    matrix = np.eye(3)
    if flip:
        photo, mask = photo[:, ::-1], _mirror(mask[:, ::-1], swap)
    if rotate:
        matrix = matrix @ warp.rotation(rng.uniform(-FIVE_ROTATE, FIVE_ROTATE))
    if zoom:
        matrix = matrix @ warp.zoom(*rng.uniform(FIVE_ZOOM, 1, 2))
    if shear:
        # The source draws a direction as well; the range is the same on both sides of zero.
        matrix = matrix @ warp.shear(rng.uniform(-FIVE_SHEAR, FIVE_SHEAR))
    if shift:
        matrix = matrix @ warp.shift(*rng.uniform(-FIVE_SHIFT, FIVE_SHIFT, 2), size=(mask.shape[0], mask.shape[1]))
    if not (rotate or zoom or shear or shift):
        return photo, mask
    return warp.warp(np.ascontiguousarray(photo), np.ascontiguousarray(mask), matrix, labels=swap is not None)


def _move(
    photo: Photo, mask: SoftMask, settings: AugmentSettings, rng: np.random.Generator, *, labels: bool
) -> tuple[Photo, SoftMask]:
    down, right = rng.uniform(-settings.shift, settings.shift, 2)
    scale = rng.uniform(1 - settings.scale, 1 + settings.scale)
    degrees = rng.uniform(-settings.rotate, settings.rotate)
    stretch = 1 + rng.uniform(-settings.stretch, settings.stretch) if settings.stretch else 1.0
    photo, mask = np.ascontiguousarray(photo), np.ascontiguousarray(mask)
    return affine(photo, mask, shift=(down, right), scale=scale, degrees=degrees, stretch=stretch, labels=labels)


def _relight(photo: Photo, settings: AugmentSettings, rng: np.random.Generator) -> Photo:
    gain = rng.uniform(1 - settings.brightness, 1 + settings.brightness)
    return relight(photo, gain, rng.uniform(1 - settings.contrast, 1 + settings.contrast))
