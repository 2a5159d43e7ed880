"""Backgrounds that no photo was taken of: colour fields, textures, rooms, clutter, pieces of other photos.

They need not look real; they must not look alike. A network that has seen cars in front of anything learns what a car
is, not what its studio is: domain randomisation (Tobin et al. 2017, https://arxiv.org/abs/1703.06907). About 5 ms of
processor time each at 512x768.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.geometry import Size


def draw_backdrop(size: Size, *, rng: np.random.Generator, pieces: Photo | None = None) -> Photo:
    """Draw one.

    Args:
        size: (height, width).
        rng: source of all randomness.
        pieces: uint8 (any height, any width, 3), RGB: a photo that pieces may be cut from; None for none.

    Returns:
        uint8 (``*size``, 3), RGB.
    """
    kinds: list[Callable[[Size, np.random.Generator], Photo]] = [_field, _texture, _room, _clutter, _room, _clutter]
    kind = int(rng.integers(len(kinds) + (2 if pieces is not None else 0)))
    picture = kinds[kind](size, rng) if kind < len(kinds) else _shuffled(size, rng, pieces)
    if rng.random() < 0.5:
        picture = add_grain(picture, rng.uniform(2, 14), rng=rng)
    return picture


def add_grain(picture: Photo, strength: float, *, rng: np.random.Generator) -> Photo:
    """Add noise.

    Args:
        picture: uint8 (height, width, 3), RGB.
        strength: standard deviation, in values.
        rng: source of all randomness.

    Returns:
        A new picture of the same shape.
    """
    height, width = picture.shape[:2]
    tile = _grain()
    down, right = rng.integers(0, 256, 2)
    # One tile of noise, put at random: drawing it anew for each picture would cost more than all else.
    noise = np.tile(np.roll(tile, (down, right), (0, 1)), (-(-height // 256), -(-width // 256)))[:height, :width]
    scaled = (noise * np.float32(strength)).astype(np.int16)
    return cv2.add(picture, cv2.merge([scaled] * 3), dtype=cv2.CV_8U).astype(np.uint8, copy=False)


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)


def _colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """Walls, floors and skies are mostly near grey: a random colour, drawn towards its own mean."""
    colour = rng.uniform(0, 255, 3)
    drawn: NDArray[np.float32] = (colour.mean() + (colour - colour.mean()) * rng.uniform(0, 1) ** 1.5).astype(
        np.float32
    )
    return drawn


def _field(size: Size, rng: np.random.Generator) -> Photo:
    """Smooth colours: a gradient, or what stands far out of focus."""
    rows, columns = (int(n) for n in rng.integers(2, 8, 2))
    base = _colour(rng)
    spread = rng.uniform(5, 90)
    grid = np.stack([base + rng.uniform(-spread, spread, 3) for _ in range(rows * columns)])
    small = grid.reshape(rows, columns, 3).clip(0, 255).astype(np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def _texture(size: Size, rng: np.random.Generator) -> Photo:
    """Noise of several scales between two colours: asphalt, plaster, foliage, gravel."""
    height, width = size
    total = np.zeros(size, np.float32)
    weight = 1.0
    fall = rng.uniform(0.5, 1.1)
    first = int(rng.integers(2, 7))
    stretch = rng.uniform(0.4, 2.5)
    for octave in range(first, first + 4):
        rows = min(height, max(2, int(2**octave * stretch)))
        columns = min(width, 2 * 2**octave)
        noise = rng.random((rows, columns), np.float32) - np.float32(0.5)
        total += weight * cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
        weight *= fall
    total *= 2.2 / max(1e-6, float(np.abs(total[::7, ::7]).max()) * 2)
    levels = (total * 127 + 127.5).clip(0, 255).astype(np.uint8)
    one, other = _colour(rng), _colour(rng)
    if rng.random() < 0.6:
        other = (one + rng.uniform(-50, 50)).clip(0, 255)
    ramp = np.linspace(one, other, 256).clip(0, 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([levels] * 3), ramp[:, None]).astype(np.uint8, copy=False)


def _surface(size: Size, rng: np.random.Generator) -> Photo:
    """A wall or a floor: texture or plain, with bricks, tiles, stripes or marks on it."""
    picture = np.ascontiguousarray((_texture if rng.random() < 0.6 else _field)(size, rng))
    height, width = size
    kind = rng.random()
    colour = tuple(float(value) for value in _colour(rng))
    if kind < 0.35:
        step_down, step_right = rng.integers(8, 90, 2)
        for row in range(int(rng.integers(step_down)), height, int(step_down)):
            cv2.line(picture, (0, row), (width, row), colour, int(rng.integers(1, 3)))
        if rng.random() < 0.7:
            for column in range(int(rng.integers(step_right)), width, int(step_right)):
                cv2.line(picture, (column, 0), (column, height), colour, int(rng.integers(1, 3)))
    elif kind < 0.6:
        for _ in range(int(rng.integers(1, 9))):
            left, top = int(rng.integers(width)), int(rng.integers(height))
            right, bottom = (
                left + int(rng.integers(10, max(11, width // 3))),
                top + int(rng.integers(10, height // 2 + 11)),
            )
            cv2.rectangle(picture, (left, top), (right, bottom), tuple(map(float, _colour(rng))), -1, cv2.LINE_AA)
            cv2.rectangle(picture, (left, top), (right, bottom), colour, int(rng.integers(1, 5)), cv2.LINE_AA)
    return picture


def _room(size: Size, rng: np.random.Generator) -> Photo:
    """A wall above a floor, its edge more or less level; sometimes a corner, a skirting, a sky."""
    height, width = size
    picture, floor = _surface(size, rng), _surface(size, rng)
    horizon = height * rng.uniform(0.3, 0.8)
    tilt = rng.uniform(-0.08, 0.08) * width
    line = np.array([[0, horizon - tilt], [width * rng.uniform(0.2, 0.8), horizon], [width, horizon + tilt]])
    if rng.random() < 0.3:
        line[1, 1] -= rng.uniform(-0.1, 0.25) * height
    below = np.zeros(size, np.uint8)
    cv2.fillPoly(below, [np.vstack([line, [[width, height], [0, height]]]).round().astype(np.int32)], 255)
    cv2.copyTo(floor, below, picture)
    if rng.random() < 0.5:
        colour = tuple(float(value) for value in _colour(rng))
        cv2.polylines(picture, [line.round().astype(np.int32)], False, colour, int(rng.integers(1, 14)), cv2.LINE_AA)
    return _soften(picture, rng)


def _clutter(size: Size, rng: np.random.Generator) -> Photo:
    """Shapes of all sizes over each other: what stands around in streets and yards."""
    height, width = size
    picture = _surface(size, rng)
    for _ in range(int(rng.integers(10, 70))):
        colour = tuple(float(value) for value in _colour(rng))
        x, y = int(rng.integers(width)), int(rng.integers(height))
        w, h = (int(value) for value in np.exp(rng.uniform(np.log(6), np.log(width / 2), 2)))
        kind = rng.random()
        if kind < 0.35:
            cv2.rectangle(picture, (x - w // 2, y - h // 2), (x + w // 2, y + h // 2), colour, -1)
        elif kind < 0.6:
            cv2.ellipse(picture, (x, y), (w // 2, h // 2), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind < 0.85:
            points = (rng.uniform(-0.5, 0.5, (int(rng.integers(3, 8)), 2)) * (w, h) + (x, y)).astype(np.int32)
            cv2.fillPoly(picture, [points], colour, cv2.LINE_AA)
        else:
            end = (x + int(rng.integers(-w, w + 1)), y + int(rng.integers(-h, h + 1)))
            cv2.line(picture, (x, y), end, colour, int(rng.integers(1, 12)), cv2.LINE_AA)
    if rng.random() < 0.4:
        floor = _surface(size, rng)
        horizon = int(height * rng.uniform(0.4, 0.85))
        picture[horizon:] = floor[horizon:]
    return _soften(picture, rng)


def _shuffled(size: Size, rng: np.random.Generator, photo: Photo | None) -> Photo:
    """Pieces of a photo at random places and sizes, smoothed so far that no car is left in them."""
    assert photo is not None
    height, width = size
    picture, least = _field(size, rng), min(photo.shape[:2])
    for _ in range(int(rng.integers(3, 14))):
        h, w = int(rng.integers(height // 8, height)), int(rng.integers(width // 8, width))
        side = int(rng.integers(least // 12, least // 4))
        top, left = int(rng.integers(photo.shape[0] - side)), int(rng.integers(photo.shape[1] - side))
        piece = cv2.blur(photo[top : top + side, left : left + side], (15, 15))
        piece = cv2.resize(piece, (w, h), interpolation=cv2.INTER_LINEAR)
        y, x = int(rng.integers(-h // 2, height)), int(rng.integers(-w // 2, width))
        inside = piece[max(0, -y) : height - y, max(0, -x) : width - x]
        picture[max(0, y) : max(0, y) + inside.shape[0], max(0, x) : max(0, x) + inside.shape[1]] = inside
    return _soften(picture, rng)


def _soften(picture: Photo, rng: np.random.Generator) -> Photo:
    """What is behind the car is often out of focus."""
    if rng.random() < 0.6:
        # Three passes of a box are close to a Gaussian and cost the same for every width.
        side = 2 * int(np.exp(rng.uniform(0, np.log(9)))) + 1
        for _ in range(2):
            picture = cv2.blur(picture, (side, side)).astype(np.uint8, copy=False)
    return picture
