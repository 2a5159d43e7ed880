"""The shadow on the floor, as a black layer: kept from the photo, or made for a car that has none.

A shadow is a factor on the floor's light. Kept, it is the photo's floor divided by the floor as it would be without the
car, which is guessed from the floor around: a smooth surface through what lies in no shadow. Made, it is the dark under
the car and a soft rim of it, from the mask's lower edge alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.compositing.contact import contact_line, lower_contour
from carmask.compositing.light import GAMMA, LINEAR
from carmask.geometry import Box

#: ``reflect`` is the shadow of ``make`` with the car's reflection in a glossy floor.
Shadow = Literal["none", "keep", "make", "reflect"]
#: Where the light of a made shadow comes from: the shadow lies on the other side.
Light = Literal["above", "left", "right"]
_Floats = NDArray[np.float32]


class Sides(NamedTuple):
    """Sides of a photo, each true or false."""

    top: bool
    bottom: bool
    left: bool
    right: bool


#: Longer side, in pixels, at which shadows are worked out: they are soft.
_SIDE = 480
#: How far from the car a shadow is kept, and where the floor counts as free of it, in parts of the car's width.
_REACH, _FREE = 0.14, 0.10
#: Over what length a kept shadow ends at the photo's edge, in parts of the car's width.
_END = 0.06
#: Departure of the free floor from a smooth surface, in logarithms of light, beyond which there is no even floor.
UNEVEN = 0.22
#: A floor this much darker than free floor is in no light at all: nothing of it is noise.
_DARKEST = 0.04


def kept(photo: Photo, mask: Mask) -> NDArray[np.uint8] | None:
    """The shadow in a photo of a car on an even floor, as in a studio.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).

    Returns:
        uint8 (height, width), opacity of black over the floor, in display values; None if there is no even floor to
        tell it from, or no car.
    """
    small = _small(photo, mask)
    if small is None:
        return None
    light, car, size = small
    floor, distance, wide = _floor(car)
    near = floor & (distance > _FREE * wide) & (distance < 3 * _FREE * wide)
    if np.count_nonzero(near) < 100:
        return None
    surface, spread = _smooth(np.log(light), near)
    if spread > UNEVEN:
        return None
    ratio = np.clip(light / np.exp(surface), _DARKEST, 1)
    # Joints, marks and the turntable's rim are dark too, but narrow: a shadow is not, but right at the wheels.
    width = 2 * round(0.012 * wide) + 1
    broad = cv2.morphologyEx(ratio, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    broad = cv2.GaussianBlur(broad, (0, 0), max(0.5, 0.008 * wide))
    at_wheels = np.clip(1 - distance / (0.02 * wide), 0, 1)
    ratio = at_wheels * ratio + (1 - at_wheels) * broad
    # A little darker than the surface is a floor that is not quite smooth.
    ratio = np.minimum(1, ratio * 1.04)
    # It ends softly: towards the wall, and where the car is far.
    fade = np.clip(1.5 - distance / (_REACH * wide), 0, 1) * _downwards(car)
    opacity = (1 - ratio ** (1 / GAMMA)) * fade
    return _large(_beneath(opacity.astype(np.float32), car), size)


def made(mask: Mask, light: Light = "above") -> NDArray[np.uint8] | None:
    """A shadow for a car that stands on an even floor in soft light.

    Args:
        mask: bool (height, width).
        light: where the light comes from; from a side the soft part lies 7 % of the car's width to the other.

    Returns:
        uint8 (height, width), opacity of black over the floor, in display values; None if there is no car.
    """
    small = _small(None, mask)
    if small is None:
        return None
    _, car, size = small
    columns, bottom = lower_contour(car)
    wide = float(columns[-1] - columns[0] + 1)
    ground, below = contact_line(columns, bottom, wide)
    rows = np.arange(car.shape[0])[:, None]
    # What lies between the car and the line on which its wheels stand gets little light.
    under = np.zeros(car.shape, np.float32)
    under[:, columns] = ((rows >= bottom - 1) & (rows <= ground + 0.003 * wide)) * below
    pool = np.zeros(car.shape, np.float32)
    pool[:, columns] = ((rows >= ground - 0.05 * wide) & (rows <= ground + 0.01 * wide)) * below
    if light != "above":
        aside = round((0.07 if light == "left" else -0.07) * wide)
        beside = np.zeros_like(pool)
        if aside > 0:
            beside[:, aside:] = pool[:, :-aside]
        elif aside < 0:
            beside[:, :aside] = pool[:, -aside:]
        pool = np.maximum(beside, np.float32(0.6) * pool)
    core = cv2.GaussianBlur(under, (0, 0), max(0.5, 0.005 * wide))
    soft = cv2.GaussianBlur(pool, (0, 0), sigmaX=max(0.5, 0.03 * wide), sigmaY=max(0.5, 0.014 * wide))
    opacity = 1 - (1 - 0.7 * core) * (1 - 0.6 * soft)
    return _large(opacity.astype(np.float32), size)


def faded(shadow: NDArray[np.uint8], car: Box | None, sides: Sides) -> NDArray[np.uint8]:
    """A kept shadow that ends softly at the photo's edges, for a picture that goes on beyond them.

    Args:
        shadow: uint8 (height, width), opacity of black.
        car: what the mask covers; None for no car, and nothing is changed.
        sides: beyond which of them the picture goes on.

    Returns:
        uint8 (height, width).
    """
    if car is None:
        return shadow
    length = max(1.0, _END * (car.right - car.left))
    down = _ramp(shadow.shape[0], length, sides.top, sides.bottom)
    across = _ramp(shadow.shape[1], length, sides.left, sides.right)
    result: NDArray[np.uint8] = np.rint(shadow * down[:, None] * across).astype(np.uint8)
    return result


def _ramp(size: int, length: float, first: bool, last: bool) -> _Floats:
    """1 at each of some places, falling to 0 at the first or the last."""
    places = np.arange(size, dtype=np.float32) / np.float32(length)
    whole = np.ones(size, np.float32)
    return np.minimum(whole, np.minimum(places if first else whole, places[::-1] if last else whole))


def _small(photo: Photo | None, mask: Mask) -> tuple[_Floats, Mask, tuple[int, int]] | None:
    """The floor's light without the car's, and the mask, both small; the size to come back to."""
    height, width = mask.shape
    factor = max(1, round(max(height, width) / _SIDE))
    size = (max(1, width // factor), max(1, height // factor))
    share = cv2.resize(mask.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    car = share > 127
    if np.count_nonzero(car) < 50 or np.count_nonzero(car.any(axis=0)) < 8:
        return None
    if photo is None:
        return np.zeros((1, 1), np.float32), car, (height, width)
    around = LINEAR[cv2.resize(photo, size, interpolation=cv2.INTER_AREA)].mean(axis=2)
    # Pixels at the contour hold some of the car: the floor next to them stands for theirs.
    free = cv2.erode((share == 0).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    weight = cv2.blur(free, (5, 5))
    filled = cv2.blur(around * free, (5, 5)) / np.maximum(weight, 1e-6)
    light = np.where(free > 0, around, np.where(weight > 0.01, filled, around))
    return np.maximum(light, 1e-4).astype(np.float32), car, (height, width)


def _floor(car: Mask) -> tuple[Mask, _Floats, float]:
    """Where the floor is seen, the distance from the car, and the car's width."""
    _, top, width, height = cv2.boundingRect(car.view(np.uint8))
    rows = np.arange(car.shape[0])[:, None]
    distance = cv2.distanceTransform(1 - car.view(np.uint8), cv2.DIST_L2, 5).astype(np.float32, copy=False)
    return (~car) & (rows > top + 0.72 * height), distance, float(width)


def _downwards(car: Mask) -> _Floats:
    """0 above the car's lower third, 1 below it: what is dark further up is no shadow on the floor."""
    _, top, _, height = cv2.boundingRect(car.view(np.uint8))
    rows = (np.arange(car.shape[0], dtype=np.float32)[:, None] - top) / height
    return np.clip((rows - 0.6) / 0.2, 0, 1)


def _smooth(values: _Floats, near: Mask) -> tuple[_Floats, float]:
    """A quadratic surface through values at some places, led by the brightest; how far the others lie below."""
    height, width = values.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = 2 * x / width - 1, 2 * y / height - 1
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)
    samples, wanted = terms[near].astype(np.float64), values[near].astype(np.float64)
    weight = np.ones(len(wanted))
    for _ in range(8):
        system = samples.T * weight
        found = np.linalg.solve(
            system @ samples + 1e-3 * len(wanted) * np.diag([0, 0.01, 0.01, 0.1, 0.1, 0.1]), system @ wanted
        )
        rest = wanted - samples @ found
        # What lies below may be in shadow and counts little.
        scale = np.median(np.abs(rest)) + 1e-3
        weight = np.where(rest > 0, 1.0, 1 / (1 + (rest / (1.5 * scale)) ** 2))
    spread = float(np.median(np.abs(rest)))
    return (terms @ found).astype(np.float32), spread


def _beneath(opacity: _Floats, car: Mask) -> _Floats:
    """Carry a shadow on under the car's edge: the contour's soft pixels stand on it too."""
    free = (~car).astype(np.float32)
    weight = cv2.blur(free, (7, 7))
    under = cv2.blur(opacity * free, (7, 7)) / np.maximum(weight, 1e-6)
    return np.where(car, np.where(weight > 0.02, under, 0), opacity).astype(np.float32)


def _large(opacity: _Floats, size: tuple[int, int]) -> NDArray[np.uint8]:
    small = (np.clip(opacity, 0, 1) * 255 + 0.5).astype(np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
