"""A photo with its mask seen otherwise: zoomed to the car or away from it, squeezed, turned, tilted, mirrored."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.data.warp import SoftMask
from carmask.geometry import Size, box_of


class _Window(NamedTuple):
    """A rectangle of the widened photo, which may reach beyond it."""

    top: float
    left: float
    height: float
    width: float


def canvas_size(aspect: float, limit: tuple[float, float]) -> Size:
    """(height, width) of the largest scene of this width over height that fits into the limit."""
    height = min(limit[0], limit[1] / aspect)
    return max(16, round(height)), max(16, round(height * aspect))


def random_aspect(rng: np.random.Generator) -> float:
    """Width over height of a photo as cameras, web sites and phones make them."""
    kind = rng.random()
    if kind < 0.45:
        return float(1.5 * np.exp(rng.normal(0, 0.05)))
    if kind < 0.75:
        return float(4 / 3 * np.exp(rng.normal(0, 0.05)))
    if kind < 0.9:
        return float(16 / 9 * np.exp(rng.normal(0, 0.06)))
    return float(np.exp(rng.uniform(np.log(0.65), np.log(2.3))))


def change_viewpoint(
    photo: Photo, mask: SoftMask, limit: tuple[float, float], *, widen: float, tilt: bool, rng: np.random.Generator
) -> tuple[Photo, SoftMask]:
    """Show a photo otherwise.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 times the fraction that is car.
        limit: (height, width) that the result fits into.
        widen: how much wider the photo is to be shown than it is.
        tilt: turn it and change the perspective, too.
        rng: source of all randomness.

    Returns:
        Arrays of the largest size of their shape that fits into the limit. What comes in at the border is the photo
        mirrored, and its mask.
    """
    window = _choose_window(mask, widen, tilt, rng)
    size = canvas_size(window.width / window.height, limit)
    scale = size[0] / window.height
    matrix = np.array([[scale * widen, 0, -window.left * scale], [0, scale, -window.top * scale], [0, 0, 1]])
    if rng.random() < 0.5:
        matrix = np.array([[-1.0, 0, size[1]], [0, 1, 0], [0, 0, 1]]) @ matrix
    if tilt:
        matrix = _tilt(size, rng) @ matrix
    return _resample(photo, mask, matrix, scale * max(widen, 1.0), size)


def _choose_window(mask: SoftMask, widen: float, tilt: bool, rng: np.random.Generator) -> _Window:
    tall, wide = mask.shape[0], mask.shape[1] * widen
    box = box_of(mask >= 128)
    if box is not None and rng.random() < 0.42:
        height, width = box.bottom - box.top, (box.right - box.left) * widen
        aspect = random_aspect(rng) if rng.random() < 0.6 else wide / tall
        # The car's size relative to the window; more than 1 cuts it off.
        part = rng.uniform(0.55, 1.0) if rng.random() < 0.75 else rng.uniform(1.0, 1.35)
        h = max(height / part, width / part / aspect)
        h, w = min(h, tall), min(h * aspect, wide)
        if w / h < 0.6:
            h = w / 0.6
        y = (box.top + box.bottom) / 2 + rng.normal(0, 0.18) * max(4.0, h - 0.7 * height)
        x = (box.left + box.right) / 2 * widen + rng.normal(0, 0.18) * max(4.0, w - 0.7 * width)
        return _Window(
            float(np.clip(y - h / 2, 0, max(0, tall - h))), float(np.clip(x - w / 2, 0, max(0, wide - w))), h, w
        )
    part = rng.uniform(0.85, 1.0) if tilt and rng.random() < 0.5 else 1.0
    window = _Window(rng.uniform(0, tall * (1 - part)), rng.uniform(0, wide * (1 - part)), tall * part, wide * part)
    if box is not None and rng.random() < 0.35:
        # Farther away: the surroundings mirrored, as long as no car comes into them.
        room = min(box.top, tall - box.bottom) / tall, min(box.left, mask.shape[1] - box.right) / mask.shape[1]
        free = min(*room, 0.45)
        if free > 0.04:
            more = rng.uniform(0, free)
            top, left = (-more + rng.uniform(-0.3, 0.3) * more for _ in range(2))
            window = _Window(top * tall, left * wide, tall * (1 + 2 * more), wide * (1 + 2 * more))
    return window


def _tilt(size: Size, rng: np.random.Generator) -> NDArray[np.float64]:
    """A turn of some degrees about the middle, enlarged so that little comes in, and now and then a perspective."""
    height, width = size
    angle = np.radians(rng.normal(0, 2.5))
    grow = 1 + 0.6 * abs(np.sin(angle))
    cosine, sine = grow * np.cos(angle), grow * np.sin(angle)
    x, y = width / 2, height / 2
    turn = np.array([[cosine, -sine, x - cosine * x + sine * y], [sine, cosine, y - sine * x - cosine * y], [0, 0, 1]])
    if rng.random() >= 0.35:
        return turn
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + (rng.uniform(-0.06, 0.06, (4, 2)) * [width, height]).astype(np.float32)
    perspective: NDArray[np.float64] = cv2.getPerspectiveTransform(corners, moved) @ turn
    return perspective


def _resample(
    photo: Photo, mask: SoftMask, matrix: NDArray[np.float64], scale: float, size: Size
) -> tuple[Photo, SoftMask]:
    """Warp both by a matrix of points, pixel centres at halves; averaged before where they become much smaller."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ matrix @ half
    if scale < 0.6:
        parts = 2 if scale > 0.3 else 4
        small = max(1, photo.shape[1] // parts), max(1, photo.shape[0] // parts)
        across, down = photo.shape[1] / small[0], photo.shape[0] / small[1]
        matrix = matrix @ np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5], [0, 0, 1]])
        photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        mask = cv2.resize(mask, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    moved, there = (
        cv2.warpPerspective(one, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        for one in (photo, mask)
    )
    return moved.astype(np.uint8, copy=False), there.astype(np.uint8, copy=False)
