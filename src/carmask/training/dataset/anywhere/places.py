"""Backgrounds to put cars before: pieces of photos, printed pages, stages with a glossy floor, drawn scenes."""

from __future__ import annotations

import cv2
import numpy as np

from carmask.arrays import Photo
from carmask.geometry import Size

_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)
_LETTERS = "ABCDEFGHIKLMNOPRSTUVWXYZ0123456789abcdeghilmnoprstuvw. -"


def piece_of(picture: Photo, size: Size, *, scale: float, rng: np.random.Generator) -> Photo:
    """A random piece of a picture, a third to all of each side, now and then mirrored or out of focus.

    Args:
        picture: uint8 (any height, any width, 3), RGB.
        size: (height, width) wanted.
        scale: of the wanted size relative to 256x384, which blur is measured in.
        rng: source of all randomness.

    Returns:
        uint8 (``*size``, 3), RGB.
    """
    height, width = picture.shape[:2]
    aspect = size[1] / size[0] * np.exp(rng.normal(0, 0.12))
    share = rng.uniform(0.75, 1) if rng.random() < 0.5 else np.exp(rng.uniform(np.log(0.35), 0))
    tall = max(8, int(min(height, width / aspect) * share))
    wide = max(8, min(width, int(tall * aspect)))
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    piece = picture[top : top + tall, left : left + wide]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    by = cv2.INTER_AREA if tall > size[0] else cv2.INTER_LINEAR
    piece = cv2.resize(np.ascontiguousarray(piece), size[::-1], interpolation=by).astype(np.uint8, copy=False)
    if rng.random() < 0.25:
        piece = cv2.GaussianBlur(piece, (0, 0), rng.uniform(0.5, 3.5) * scale / 1.5).astype(np.uint8, copy=False)
    return piece


def draw_page(size: Size, *, rng: np.random.Generator) -> Photo:
    """A page of a catalogue or web site: plain, mostly white, with stripes and text: uint8 (``*size``, 3), RGB."""
    height, width = size
    page = np.empty((height, width, 3), np.uint8)
    page[:] = _colour(rng, 225, 255) if rng.random() < 0.75 else _colour(rng)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 7))):
            along, thick, colour = rng.random(), rng.uniform(0.01, 0.2), _colour(rng)
            if rng.random() < 0.5:
                page[int(along * height) : int((along + thick) * height)] = colour
            else:
                page[:, int(along * width) : int((along + thick) * width)] = colour
    if rng.random() < 0.5:
        write_text(page, int(rng.integers(1, 6)), rng=rng)
    return page


def draw_stage(size: Size, *, rng: np.random.Generator) -> Photo:
    """A wall and a floor, dark or light, with lamps and spots of light: uint8 (``*size``, 3), RGB."""
    height, width = size
    wall = np.array(_colour(rng, 0, 60) if rng.random() < 0.6 else _colour(rng, 120, 250), np.float32)
    stage = np.empty((height, width, 3), np.float32)
    horizon = int(rng.uniform(0.35, 0.75) * height)
    stage[:horizon], stage[horizon:] = wall, wall * rng.uniform(0.5, 1.8) + rng.uniform(-5, 40)
    if rng.random() < 0.6:
        stage = cv2.GaussianBlur(stage, (0, 0), rng.uniform(1, 25) * height / 256).astype(np.float32, copy=False)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(int(rng.integers(0, 4))):
        x, y, wide = rng.uniform(0, width), rng.uniform(-0.1, 1) * height, rng.uniform(0.1, 0.5) * width
        distance = (columns - x) ** 2 + ((rows - y) * rng.uniform(1, 3)) ** 2
        spot = np.exp(-distance / (2 * wide**2)) * rng.uniform(20, 170) / 255
        stage += spot[..., None] * np.array(_colour(rng, 180, 255), np.float32)
    for _ in range(int(rng.integers(0, 5))):
        x, y = rng.uniform(0, width), rng.uniform(0, 0.4) * height
        end = int(x + rng.normal(0, 0.3) * width), int(y + rng.normal(0, 0.08) * height)
        cv2.line(stage, (int(x), int(y)), end, (250, 250, 245), _thickness(height, 50, rng), cv2.LINE_AA)
    picture = stage.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        write_text(picture, int(rng.integers(1, 3)), rng=rng)
    return picture


def add_caption(photo: Photo, *, rng: np.random.Generator) -> Photo:
    """Put a bar and text over a photo, half transparent, as watermarks are: a new picture."""
    height = photo.shape[0]
    marked = photo.copy()
    if rng.random() < 0.5:
        top = int(rng.uniform(0.85, 1) * height) if rng.random() < 0.6 else 0
        marked[top : top + int(rng.uniform(0.03, 0.13) * height)] = _colour(rng)
    write_text(marked, int(rng.integers(1, 4)), rng=rng)
    share = rng.uniform(0.25, 1)
    return cv2.addWeighted(marked, share, photo, 1 - share, 0).astype(np.uint8, copy=False)


def write_text(picture: Photo, lines: int, *, rng: np.random.Generator) -> None:
    """Write random letters at random places of a picture; changes it in place."""
    height, width = picture.shape[:2]
    for _ in range(lines):
        letters = rng.integers(len(_LETTERS), size=int(rng.integers(3, 22)))
        place = int(rng.uniform(-0.1, 0.8) * width), int(rng.uniform(0.05, 1) * height)
        font, size = _FONTS[int(rng.integers(len(_FONTS)))], float(rng.uniform(0.2, 2.2) * height / 256)
        text = "".join(_LETTERS[index] for index in letters)
        cv2.putText(picture, text, place, font, size, _colour(rng), _thickness(height, 85, rng), cv2.LINE_AA)


def _colour(rng: np.random.Generator, least: float = 0, most: float = 255) -> tuple[float, float, float]:
    """A random colour, drawn towards its own grey."""
    colour = rng.uniform(least, most, 3)
    red, green, blue = colour.mean() + (colour - colour.mean()) * rng.uniform(0, 1)
    return float(red), float(green), float(blue)


def _thickness(height: int, part: int, rng: np.random.Generator) -> int:
    return int(rng.integers(1, max(2, height // part) + 1))
