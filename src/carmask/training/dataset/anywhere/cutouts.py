"""Cars cut out of photos, and how they are put into others: placed, lit, with shadow and reflection."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from carmask.arrays import Photo
from carmask.data.warp import SoftMask
from carmask.geometry import Size, box_of
from carmask.training.dataset.composite import blend, cast_shadow, clean_contour

#: Pixels that are kept around a car.
_MARGIN = 6


class CutOut(NamedTuple):
    """A car by itself.

    Attributes:
        photo: uint8 (height, width, 3), RGB; the car's colours go on a few pixels beyond it.
        mask: uint8 (height, width), 255 times the fraction that is car.
        widen: how much wider it is to be shown than it is.
    """

    photo: Photo
    mask: SoftMask
    widen: float = 1.0

    @property
    def shape(self) -> float:
        """Height over width, as it is to be shown."""
        return float(self.mask.shape[0] / self.mask.shape[1] / self.widen)


def cut_car_out(photo: Photo, mask: SoftMask, *, widen: float = 1.0, shrink: bool = False) -> CutOut | None:
    """Cut the car out of a photo.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 times the fraction that is car.
        widen: how much wider it is to be shown.
        shrink: take a pixel off the contour, for masks that are not exact.

    Returns:
        The car; None if there is none or the frame cuts it off.
    """
    edges = (mask[:2], mask[-2:], mask[:, :2], mask[:, -2:])
    box = box_of(mask >= 128)
    if box is None or any(edge.max() >= 128 for edge in edges):
        return None
    top, left = max(0, int(box.top) - _MARGIN), max(0, int(box.left) - _MARGIN)
    where = slice(top, int(box.bottom) + _MARGIN), slice(left, int(box.right) + _MARGIN)
    photo, mask = np.ascontiguousarray(photo[where]), np.ascontiguousarray(mask[where])
    if shrink:
        mask = cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)
    return CutOut(clean_contour(photo, mask), mask, widen)


def place(
    car: CutOut, size: Size, *, width: float, middle: float, bottom: float, rng: np.random.Generator
) -> tuple[Photo, SoftMask]:
    """Bring a car to its place in a scene, upright to two degrees, now and then mirrored.

    Args:
        car: the car.
        size: (height, width) of the scene.
        width: of the car, in pixels of the scene.
        middle: its middle, from the left.
        bottom: the line it stands on, from the top.
        rng: source of all randomness.

    Returns:
        uint8 (``*size``, 3) with the car's colours, and uint8 ``size``, 255 times the fraction that is car.
    """
    photo, mask = car.photo, car.mask
    across = width / mask.shape[1]
    down = across / car.widen
    halves = 1
    while min(across, down) * halves < 0.55:
        halves *= 2
    if halves > 1:
        # Linear interpolation looks at four pixels: average before.
        small = max(1, mask.shape[1] // halves), max(1, mask.shape[0] // halves)
        across, down = across * mask.shape[1] / small[0], down * mask.shape[0] / small[1]
        photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        mask = cv2.resize(mask, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    angle, mirror = np.radians(rng.normal(0, 2)), -1 if rng.random() < 0.5 else 1
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine * across * mirror, -sine * down], [sine * across * mirror, cosine * down]])
    foot = np.array([mask.shape[1] / 2 - 0.5, mask.shape[0] - 0.5])
    matrix = np.c_[turn, np.array([middle - 0.5, bottom - 0.5]) - turn @ foot]
    frame = size[::-1]
    moved = cv2.warpAffine(photo, matrix, frame, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, matrix, frame, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return moved.astype(np.uint8, copy=False), alpha.astype(np.uint8, copy=False)


def put_into(
    scene: Photo, car: Photo, alpha: SoftMask, *, shadow: bool, reflection: bool, rng: np.random.Generator
) -> Photo:
    """Put a placed car into a scene.

    Args:
        scene: uint8 (height, width, 3), RGB; it stays as it is.
        car: of the same size, the car where it is placed.
        alpha: uint8 (height, width), the car's opacity.
        shadow: cast a shadow, if the picture is not tiny.
        reflection: mirror the car in the floor.
        rng: draws shadow and reflection.

    Returns:
        A new picture, as the scene.
    """
    if shadow and min(alpha.shape) >= 32:
        scene = cast_shadow(scene, alpha, rng=rng)
    if reflection:
        scene = _reflect(scene, car, alpha, rng)
    return blend(car, scene, alpha)


def _reflect(scene: Photo, car: Photo, alpha: SoftMask, rng: np.random.Generator) -> Photo:
    """The car mirrored at the line it stands on, blurred, fading downwards: a glossy floor."""
    box = box_of(alpha >= 128)
    if box is None:
        return scene
    height, width = alpha.shape
    tall = box.bottom - box.top
    line = box.bottom - rng.uniform(0, 0.04) * tall
    matrix = np.array([[1, 0, 0], [0, -rng.uniform(0.7, 1), 0]], np.float64)
    matrix[1, 2] = line * (1 - matrix[1, 1])
    mirrored = cv2.warpAffine(car, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    there = cv2.warpAffine(alpha, matrix, (width, height))
    blur = rng.uniform(0.3, 4) * height / 256
    smooth = cv2.GaussianBlur(mirrored, (0, 0), blur).astype(np.uint8, copy=False)
    fade = np.clip(1 - (np.arange(height) - line) / (rng.uniform(0.25, 1.2) * tall), 0, 1) * rng.uniform(0.15, 0.75)
    soft = cv2.GaussianBlur(there, (0, 0), blur).astype(np.float32) * fade[:, None]
    return blend(smooth, scene, soft.clip(0, 255).astype(np.uint8))
