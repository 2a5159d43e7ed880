"""Photos made worse by known amounts, for ``benchmarks/intake.py``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Scene(NamedTuple):
    """A photo, and the car in it as the model found it.

    Attributes:
        pixels: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        other: another photo and its mask, for a second car.
        random: decides what is left open.
    """

    pixels: Pixels
    mask: NDArray[np.bool_]
    other: tuple[Pixels, NDArray[np.bool_]]
    random: np.random.Generator

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of the car."""
        left, top, width, height = cv2.boundingRect(self.mask.view(np.uint8))
        return top, left, top + height, left + width

    @property
    def length(self) -> int:
        """The car's longer side."""
        top, left, bottom, right = self.box
        return max(bottom - top, right - left)


def soft(thousandths: float) -> Callable[[Scene], Pixels]:
    """Out of focus: a Gaussian of this standard deviation, in thousandths of the car's length."""
    return lambda scene: cv2.GaussianBlur(scene.pixels, (0, 0), scene.length * thousandths / 1000)


def moved(thousandths: float) -> Callable[[Scene], Pixels]:
    """Moved sideways while it was taken, by so many thousandths of the car's length."""

    def make(scene: Scene) -> Pixels:
        length = max(2, round(scene.length * thousandths / 1000))
        return cv2.blur(scene.pixels, (length, 1))

    return make


def stops(value: float) -> Callable[[Scene], Pixels]:
    """Exposed by so many stops more, values of sRGB taken as a power of 2.2."""
    table = np.clip(255 * ((np.arange(256) / 255) ** 2.2 * 2**value) ** (1 / 2.2), 0, 255).round().astype(np.uint8)
    return lambda scene: cv2.LUT(scene.pixels, table)


def glare(share: float) -> Callable[[Scene], Pixels]:
    """A reflection of the sun: a white spot of this share of the car, with a halo."""

    def make(scene: Scene) -> Pixels:
        core = math.sqrt(share * np.count_nonzero(scene.mask) / math.pi)
        inner = cv2.erode(scene.mask.astype(np.uint8), np.ones((int(2 * core) + 1,) * 2, np.uint8))
        rows, columns = np.nonzero(inner if inner.any() else scene.mask)
        at = scene.random.integers(len(rows))
        down, across = np.ogrid[: scene.mask.shape[0], : scene.mask.shape[1]]
        distance = np.hypot(down - rows[at], across - columns[at]) / core
        light = 255 * np.exp(-0.5 * np.maximum(0, distance - 1) ** 2 / 0.6**2)
        return np.maximum(scene.pixels, np.clip(scene.pixels + light[..., None], 0, 255)).astype(np.uint8)

    return make


def tilted(degrees: float) -> Callable[[Scene], Pixels]:
    """Turned to either side."""

    def make(scene: Scene) -> Pixels:
        top, left, bottom, right = scene.box
        angle = degrees if scene.random.random() < 0.5 else -degrees
        matrix = cv2.getRotationMatrix2D(((left + right) / 2, (top + bottom) / 2), angle, 0.85)
        size = scene.pixels.shape[1], scene.pixels.shape[0]
        return cv2.warpAffine(scene.pixels, matrix, size, borderMode=cv2.BORDER_REFLECT_101).astype(np.uint8)

    return make


def cut(share: float) -> Callable[[Scene], Pixels]:
    """The photo ends within the car: on the left or right this share of its width is missing."""

    def make(scene: Scene) -> Pixels:
        _, left, _, right = scene.box
        missing = max(1, round((right - left) * share))
        pixels = (
            scene.pixels[:, left + missing :] if scene.random.random() < 0.5 else scene.pixels[:, : right - missing]
        )
        return np.ascontiguousarray(pixels)

    return make


def shrunk(length: int) -> Callable[[Scene], Pixels]:
    """A photo in which the car is so many pixels long."""

    def make(scene: Scene) -> Pixels:
        scale = min(1.0, length / scene.length)
        return cv2.resize(scene.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)

    return make


def resized(width: int) -> Callable[[Scene], Pixels]:
    """The photo, so many pixels wide."""

    def make(scene: Scene) -> Pixels:
        scale = width / scene.pixels.shape[1]
        return cv2.resize(scene.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)

    return make


def with_another(scene: Scene) -> Pixels:
    """Another car beside the car, behind it by up to a third of its length and 0.7 to 1 times as large."""
    pixels, mask = scene.other
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    scale = scene.random.uniform(0.7, 1.0) * scene.length / max(width, height)
    piece = cv2.resize(pixels[top : top + height, left : left + width], None, fx=scale, fy=scale)
    shown = cv2.resize(mask[top : top + height, left : left + width].astype(np.uint8), piece.shape[1::-1]) > 0
    _, box_left, box_bottom, box_right = scene.box
    behind = int(scene.random.uniform(0, 0.33) * min(piece.shape[1], box_right - box_left))
    on_the_left = scene.random.random() < 0.5
    column = box_left - piece.shape[1] + behind if on_the_left else box_right - behind
    row = max(0, min(box_bottom - piece.shape[0] - int(0.05 * piece.shape[0]), scene.pixels.shape[0] - piece.shape[0]))
    # The studio's photos have no room beside the car: the wall is made wider.
    room = max(0, -column), max(0, column + piece.shape[1] - scene.pixels.shape[1])
    wide = cv2.copyMakeBorder(scene.pixels, 0, 0, *room, cv2.BORDER_REPLICATE)
    car = cv2.copyMakeBorder(scene.mask.astype(np.uint8), 0, 0, *room, cv2.BORDER_CONSTANT, value=0) > 0
    column += room[0]
    rows = min(piece.shape[0], wide.shape[0] - row)
    place = np.s_[row : row + rows, column : column + piece.shape[1]]
    free = shown[:rows] & ~car[place]
    wide[place][free] = piece[:rows][free]
    return wide.astype(np.uint8)


def detail(share: float) -> Callable[[Scene], Pixels]:
    """A part of the car that fills the photo: of this share of its length."""

    def make(scene: Scene) -> Pixels:
        top, left, bottom, right = scene.box
        side = int(scene.length * share)
        height = min(side * 2 // 3, bottom - top)
        for _ in range(20):
            row = top + scene.random.integers(max(1, bottom - top - height))
            column = left + scene.random.integers(max(1, right - left - side))
            if scene.mask[row : row + height, column : column + side].mean() > 0.6:
                break
        return np.ascontiguousarray(scene.pixels[row : row + height, column : column + side])

    return make


def stored_again(quality: int, width: int) -> Callable[[Scene], Pixels]:
    """The same photo, smaller, as a JPEG of this quality."""

    def make(scene: Scene) -> Pixels:
        small = resized(width)(scene)
        _, content = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.ascontiguousarray(cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1])

    return make


#: What is done to a photo, in words, the check that must find it, and the function.
WORSE: dict[str, tuple[str, str, Callable[[Scene], Pixels]]] = {
    "another car beside": ("two_cars", "0.7 to 1 times as large, up to a third of it hidden", with_another),
    "cut": ("cut_off", "5 % of its width missing", cut(0.05)),
    "small": ("too_small", "300 pixels long", shrunk(300)),
    "photo of 700 pixels": ("wrong_size", "700 pixels wide", resized(700)),
    "out of focus": ("blurred", "Gaussian of 0.4 % of the car's length", soft(4)),
    "moved": ("blurred", "3 % of the car's length", moved(30)),
    "dark": ("too_dark", "2 stops less", stops(-2)),
    "overexposed": ("blown_out", "2 stops more", stops(2)),
    "sun": ("glare", "a white spot of 4 % of the car", glare(0.04)),
    "tilted": ("tilted", "8 degrees", tilted(8)),
    "a part of the car": ("no_whole_car", "30 % of its length", detail(0.3)),
    "stored again": ("duplicate", "half the width, JPEG of quality 60", stored_again(60, 959)),
}
