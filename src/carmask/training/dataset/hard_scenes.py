"""Scenes that a network for one whole car in a studio was not made for, from photos of such cars."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from carmask.arrays import Photo
from carmask.data.backdrop import draw_backdrop
from carmask.data.warp import SoftMask
from carmask.geometry import resize
from carmask.training.dataset.composite import blend, clean_contour, composite, remove_car

Scene = tuple[Photo, SoftMask]
#: Makes a scene of a photo with its mask, and of another one, where two cars are needed.
Maker = Callable[[Scene, Scene, np.random.Generator], Scene]


def no_car(one: Scene, _: Scene, rng: np.random.Generator) -> Scene:
    """The studio without its car."""
    return remove_car(*one, rng=rng), np.zeros_like(one[1])


def drawn_no_car(one: Scene, _: Scene, rng: np.random.Generator) -> Scene:
    """A drawn background."""
    size = (one[1].shape[0], one[1].shape[1])
    return draw_backdrop(size, rng=rng, pieces=one[0]), np.zeros_like(one[1])


def close_up(one: Scene, _: Scene, rng: np.random.Generator) -> Scene:
    """A part of the car that fills much of the frame."""
    mask = one[1]
    height, width = mask.shape
    part = rng.uniform(0.3, 0.6)
    h, w = int(height * part), int(width * part)
    rows, columns = np.nonzero(mask > 127)
    at = int(rng.integers(len(rows)))
    top = int(np.clip(rows[at] - h // 2, 0, height - h))
    left = int(np.clip(columns[at] - w // 2, 0, width - w))
    return _enlarged(one, top, left, (h, w))


def cut_off(one: Scene, _: Scene, rng: np.random.Generator) -> Scene:
    """The car reaches out of the frame on one side."""
    mask = one[1]
    height, width = mask.shape
    rows, columns = np.nonzero(mask > 127)
    cut = int(columns.min() + rng.uniform(0.15, 0.5) * (columns.max() - columns.min()))
    w = width - cut
    h = height * w // width
    top = int(np.clip((rows.min() + rows.max()) // 2 - h // 2, 0, height - h))
    photo, part = _enlarged(one, top, cut, (h, w))
    if rng.random() < 0.5:
        photo, part = np.ascontiguousarray(photo[:, ::-1]), np.ascontiguousarray(part[:, ::-1])
    return photo, part


def two_cars(one: Scene, other: Scene, rng: np.random.Generator) -> Scene:
    """Two cars side by side in the studio of the first."""
    photo, mask = remove_car(*one, rng=rng), np.zeros_like(one[1])
    height, width = mask.shape
    for number, (car, alpha) in enumerate((one, other)):
        scale = rng.uniform(0.45, 0.6)
        matrix = np.array([[scale, 0, (0.45 * number + 0.02) * width], [0, scale, rng.uniform(0.25, 0.4) * height]])
        moved = cv2.warpAffine(clean_contour(car, alpha), matrix, (width, height)).astype(np.uint8, copy=False)
        there = cv2.warpAffine(alpha, matrix, (width, height)).astype(np.uint8, copy=False)
        photo, mask = blend(moved, photo, there), np.maximum(mask, there)
    return photo, mask


def moved(one: Scene, _: Scene, rng: np.random.Generator) -> Scene:
    """The car before a drawn background: not strange, only elsewhere."""
    size = (one[1].shape[0], one[1].shape[1])
    return composite(*one, draw_backdrop(size, rng=rng, pieces=one[0]), rng=rng)


#: By the names that ``evaluation.calibration`` knows them by.
MAKERS: dict[str, Maker] = {
    "no car": no_car,
    "no car, drawn": drawn_no_car,
    "close-up": close_up,
    "cut off": cut_off,
    "two cars": two_cars,
    "moved": moved,
}


def _enlarged(scene: Scene, top: int, left: int, part: tuple[int, int]) -> Scene:
    size = (scene[1].shape[0], scene[1].shape[1])
    where = slice(top, top + part[0]), slice(left, left + part[1])
    return resize(np.ascontiguousarray(scene[0][where]), size), resize(np.ascontiguousarray(scene[1][where]), size)
