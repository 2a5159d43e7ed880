"""Plates drawn in the manners of many countries, to be put on cars that the plate network learns from."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from carmask.arrays import Photo

#: Height of a drawn plate in pixels.
_HIGH = 72
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)
_WHITE, _BLACK, _BLUE = (240, 240, 238), (18, 18, 22), (20, 60, 170)


class _Manner(NamedTuple):
    """How plates of a kind look: width for one of height, grounds and inks (RGB), lines of text, and what else."""

    aspect: float
    grounds: tuple[tuple[int, int, int], ...]
    inks: tuple[tuple[int, int, int], ...] = (_BLACK,)
    lines: int = 1
    band: bool = False
    stripes: tuple[int, int, int] | None = None


_MANNERS = (
    _Manner(4.7, (_WHITE, (235, 190, 40)), band=True),
    _Manner(4.7, (_WHITE,), stripes=(190, 40, 50)),
    _Manner(4.6, (_BLACK, (30, 60, 140)), (_WHITE, (200, 200, 205))),
    _Manner(1.7, (_WHITE, (235, 190, 40)), lines=2, band=True),
    _Manner(2.0, (_WHITE, (225, 232, 240), (240, 225, 190), (120, 160, 205)), ((20, 40, 110), _BLACK, (130, 30, 40))),
    _Manner(2.0, ((20, 40, 90), (25, 80, 60), (240, 200, 60), _BLACK), (_WHITE, (240, 200, 60), _BLACK)),
    _Manner(2.2, (_WHITE,), (_BLACK, (20, 70, 40)), lines=2),
    _Manner(2.2, ((170, 25, 30), (150, 40, 45)), (_BLACK, (230, 220, 215)), lines=2),
)


def draw_plate(random: np.random.Generator) -> Photo:
    """Draw a plate.

    Args:
        random: decides on everything.

    Returns:
        uint8 (72, width, 3), RGB; some are blank, blurred or pixelated, as plates of published photos are.
    """
    manner = _MANNERS[random.integers(len(_MANNERS))]
    width = round(_HIGH * manner.aspect * random.uniform(0.92, 1.1))
    ground = np.array(manner.grounds[random.integers(len(manner.grounds))], np.float32)
    ink = manner.inks[random.integers(len(manner.inks))]
    plate = np.empty((_HIGH, width, 3), np.uint8)
    plate[:] = np.clip(ground + random.normal(0, 8, 3), 0, 255)
    left = 0
    if manner.band and random.random() < 0.75:
        left = round(0.11 * width if manner.lines == 1 else 0.12 * width)
        plate[:, :left] = _BLUE
    if manner.stripes is not None:
        plate[: _HIGH // 14] = plate[-_HIGH // 14 :] = manner.stripes
    if random.random() > 0.15:
        _write(plate, left, manner.lines, ink, random)
    if random.random() < 0.4:
        edge = (0, 0, 0) if random.random() < 0.5 else tuple(int(v) for v in random.integers(100, 255, 3))
        cv2.rectangle(plate, (0, 0), (width - 1, _HIGH - 1), edge, int(random.integers(2, 6)))
    return _published(plate, random)


def _write(plate: Photo, left: int, lines: int, ink: tuple[int, int, int], random: np.random.Generator) -> None:
    height, width = plate.shape[:2]
    font = _FONTS[random.integers(len(_FONTS))]
    named = lines == 1 and width < 3 * height  # with a state's name over the number
    if lines == 2:
        places = [(0.08, 0.425, (2, 6)), (0.56, 0.357, (2, 6))]
    else:
        places = [(0.3, 0.4464, (5, 9)) if named else (0.14, 0.5184, (5, 9))]
    for top, high, count in places:
        text = _text(int(random.integers(*count)), random)
        (wide, natural), _ = cv2.getTextSize(text, font, 1.0, 2)
        scale = min(high * height / natural, 0.9 * (width - left) / wide)
        thick = max(1, round(scale * random.uniform(2.0, 4.5)))
        at = round(left + (width - left - wide * scale) / 2), round(top * height + natural * scale)
        cv2.putText(plate, text, at, font, scale, ink, thick, cv2.LINE_AA)
    if named:
        said = _text(int(random.integers(5, 10)), random)
        (wide, _), _ = cv2.getTextSize(said, font, 0.45, 1)
        cv2.putText(plate, said, ((width - wide) // 2, 14), font, 0.45, ink, 1, cv2.LINE_AA)


def _text(count: int, random: np.random.Generator) -> str:
    signs = _LETTERS + "0123456789" * 2
    text = "".join(signs[random.integers(len(signs))] for _ in range(count))
    middle = int(random.integers(1, max(2, count - 1)))
    return text[:middle] + "- "[random.integers(2)] + text[middle:] if random.random() < 0.6 else text


def _published(plate: Photo, random: np.random.Generator) -> Photo:
    """As it is, or made illegible."""
    chance = random.random()
    if chance < 0.12:
        return cv2.GaussianBlur(plate, (0, 0), random.uniform(6, 14)).astype(np.uint8)
    if chance < 0.18:
        blocks = (int(random.integers(3, 8)), int(random.integers(1, 4)))
        small = cv2.resize(plate, blocks, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, plate.shape[1::-1], interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    return plate
