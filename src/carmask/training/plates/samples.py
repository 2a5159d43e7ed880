"""What the plate network is trained on: cars whose plates are drawn anew, taken away or left, turned and damaged."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.prediction.plates import CORNER_UNIT, INPUT, MARGIN, STRIDE, Corners
from carmask.training.plates.data import PlateCrop
from carmask.training.plates.draw import draw_plate

#: Shares of the plates that are left, drawn anew and taken away.
_LEFT, _DRAWN = 0.35, 0.53
#: Share of samples of cars without a plate, and of those with other things that look like one.
_WITHOUT, _STICKERS = 0.2, 0.35
#: Width for a height of one that labelled plates have by and large.
_ASPECT = 2.0
_UNIT = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


class PlateSample(NamedTuple):
    """A picture with what the network should say of it.

    Attributes:
        pixels: uint8 (``*INPUT``, 3), RGB.
        share: float32 (height / 4, width / 4), how much of each cell is plate.
        corners: float32 (4, 2) in pixels of the input; zeros without a plate.
    """

    pixels: Photo
    share: NDArray[np.float32]
    corners: Corners


class PlateSampleMaker:
    """Makes samples, the same ones for the same seed."""

    def __init__(self, crops: list[PlateCrop], *, seed: int) -> None:
        """Keep the cars.

        Args:
            crops: of ``read_crops``; those of a folder count as much as those of another one, by its square root.
            seed: of all that is random.
        """
        self._random = np.random.default_rng(seed)
        self._plates = _Group([one for one in crops if one.corners is not None])
        self._others = _Group([one for one in crops if one.corners is None])

    def make(self) -> PlateSample:
        """One more."""
        random = self._random
        without = self._others.crops and (not self._plates.crops or random.random() < _WITHOUT)
        crop = (self._others if without else self._plates).draw(random)
        pixels, corners = crop.pixels.copy(), crop.corners
        if random.random() < _STICKERS:
            _put_stickers(pixels, crop, random)
        if corners is not None:
            chance = random.random()
            if chance > _LEFT:
                pixels = _without(pixels, corners, random)
                corners = _draw(pixels, corners, random) if chance < _LEFT + _DRAWN else None
        pixels, corners = _seen(pixels, corners, crop.box, random)
        return PlateSample(_damaged(pixels, random), *targets(corners))


class _Group:
    def __init__(self, crops: list[PlateCrop]) -> None:
        self.crops = crops
        folders = [one.photo.rpartition("/")[0] for one in crops]
        weight = np.array([1 / math.sqrt(folders.count(one)) for one in folders])
        self._until = np.cumsum(weight / max(weight.sum(), 1e-9))

    def draw(self, random: np.random.Generator) -> PlateCrop:
        """One of them."""
        place = int(np.searchsorted(self._until, random.random()))
        return self.crops[min(place, len(self.crops) - 1)]


def targets(corners: Corners | None) -> tuple[NDArray[np.float32], Corners]:
    """What the network should say of a plate.

    Args:
        corners: float32 (4, 2) in pixels of the input; None without a plate.

    Returns:
        How much of each cell is plate, and the corners.
    """
    cells = INPUT[0] // STRIDE, INPUT[1] // STRIDE
    if corners is None:
        return np.zeros(cells, np.float32), np.zeros((4, 2), np.float32)
    drawn = np.zeros(INPUT, np.float32)
    cv2.fillConvexPoly(drawn, np.rint(16 * (corners - 0.5)).astype(np.int32), 1.0, lineType=cv2.LINE_8, shift=4)
    share = cv2.resize(drawn, cells[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    return share, corners.astype(np.float32)


def offsets() -> NDArray[np.float32]:
    """The centres of the cells: float32 (2, height / 4, width / 4), x and y in pixels of the input."""
    rows, columns = np.mgrid[: INPUT[0] // STRIDE, : INPUT[1] // STRIDE]
    return (STRIDE * (np.stack([columns, rows]) + 0.5)).astype(np.float32)


def in_units(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels of the input in the unit of the network's corners: float32, of the same shape."""
    return (pixels / CORNER_UNIT).astype(np.float32)


def _put_stickers(pixels: Photo, crop: PlateCrop, random: np.random.Generator) -> None:
    """Bright and lettered rectangles where no plate is: on doors and windows, and beside the car."""
    height, width = pixels.shape[:2]
    taken = np.zeros((height, width), np.uint8)
    if crop.corners is not None:
        cv2.fillConvexPoly(taken, _grown(crop.corners, 1.8).astype(np.int32), 1)
    for _ in range(random.integers(1, 4)):
        wide = random.uniform(0.04, 0.2) * width
        high = wide * random.uniform(0.2, 1.0)
        # Higher than plates are, most of them.
        middle = (
            random.uniform(0.05, 0.95) * width,
            random.uniform(0.02, 0.55 if random.random() < 0.8 else 1.0) * height,
        )
        turn = random.normal(0, 0.25)
        place = (_UNIT - 0.5) * [wide, high] @ np.array(
            [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
        ) + middle
        spot = cv2.fillConvexPoly(np.zeros_like(taken), place.astype(np.int32), 1) > 0
        if taken[spot].any():
            continue
        if random.random() < 0.5:
            cv2.fillConvexPoly(pixels, place.astype(np.int32), random.integers(0, 255, 3).tolist(), cv2.LINE_AA)
            text = "".join(chr(random.integers(65, 91)) for _ in range(random.integers(2, 9)))
            at = (round(middle[0] - wide / 2), round(middle[1] + high / 4))
            ink = random.integers(0, 255, 3).tolist()
            cv2.putText(pixels, text, at, cv2.FONT_HERSHEY_DUPLEX, max(0.2, high / 40), ink, 1, cv2.LINE_AA)
        elif random.random() < 0.3:
            _lay(pixels, draw_plate(random), place.astype(np.float32), random.uniform(0.5, 1))
        else:
            cv2.fillConvexPoly(pixels, place.astype(np.int32), random.integers(120, 255, 3).tolist(), cv2.LINE_AA)


def _without(pixels: Photo, corners: Corners, random: np.random.Generator) -> Photo:
    """The photo with what is around the plate in its place."""
    place = cv2.fillConvexPoly(np.zeros(pixels.shape[:2], np.uint8), _grown(corners, 1.15).astype(np.int32), 1)
    left, top, wide, high = cv2.boundingRect(place)
    pad = 8
    rows = slice(max(0, top - pad), top + high + pad)
    columns = slice(max(0, left - pad), left + wide + pad)
    part, hole = np.ascontiguousarray(pixels[rows, columns]), np.ascontiguousarray(place[rows, columns])
    if random.random() < 0.1:  # as a recess or a holder: of one dark colour
        part[hole > 0] = np.clip(random.normal(40, 25, 3), 0, 255).astype(np.uint8)
    else:
        part = cv2.inpaint(part, hole, 3, cv2.INPAINT_TELEA).astype(np.uint8, copy=False)
    pixels[rows, columns] = part
    return pixels


def _draw(pixels: Photo, corners: Corners, random: np.random.Generator) -> Corners:
    """Put a drawn plate where one was, and say where it is."""
    plate = draw_plate(random)
    aspect = plate.shape[1] / plate.shape[0]
    wide = random.uniform(0.85, 1.15) * (random.uniform(1.05, 1.45) if aspect > 3 else 1.0)
    high = wide * _ASPECT / aspect
    at = (_UNIT - 0.5) * [wide, high] + 0.5 + random.normal(0, 0.04, 2)
    to_photo = cv2.getPerspectiveTransform(_UNIT, corners)
    place: Corners = cv2.perspectiveTransform(at[None].astype(np.float32), to_photo)[0].astype(np.float32)
    bright = float(np.percentile(pixels[::8, ::8].max(axis=2), 95)) / 255
    if random.random() < 0.35:
        holder = np.full((8, 8, 3), random.integers(5, 200), np.uint8)
        _lay(pixels, holder, _grown(place, random.uniform(1.05, 1.25)), 1)
    _lay(pixels, plate, place, max(0.2, bright) * random.uniform(0.45, 1.05))
    return place


def _lay(pixels: Photo, plate: Photo, place: Corners, light: float) -> None:
    """Lay a picture over a quadrilateral."""
    height, width = pixels.shape[:2]
    wide = max(float(np.linalg.norm(place[1] - place[0])), 4.0)
    high = max(float(np.linalg.norm(place[3] - place[0])), 3.0)
    # Twice as fine as it will be seen.
    size = (max(4, min(plate.shape[1], round(2 * wide))), max(4, min(plate.shape[0], round(2 * high))))
    small = cv2.resize(plate, size, interpolation=cv2.INTER_AREA)
    shade = np.clip(small.astype(np.float32) * light, 0, 255)
    matrix = cv2.getPerspectiveTransform(_UNIT * np.array(size, np.float32), place)
    left, top, across, down = cv2.boundingRect(place)
    left, top = max(0, left - 1), max(0, top - 1)
    right, bottom = min(width, left + across + 3), min(height, top + down + 3)
    if right <= left or bottom <= top:
        return
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64) @ matrix
    seen = (right - left, bottom - top)
    warped = cv2.warpPerspective(shade, shift, seen, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = np.zeros(seen[::-1], np.uint8)
    points = np.rint(16 * (place - [left, top])).astype(np.int32)
    cv2.fillConvexPoly(alpha, points, 255, cv2.LINE_AA, shift=4)
    share = (alpha.astype(np.float32) / 255)[..., None]
    part = pixels[top:bottom, left:right]
    part[:] = np.rint(part * (1 - share) + warped * share).astype(np.uint8)


def _grown(corners: Corners, by: float) -> Corners:
    middle = corners.mean(axis=0)
    grown: Corners = ((corners - middle) * by + middle).astype(np.float32)
    return grown


def _seen(
    pixels: Photo, corners: Corners | None, box: tuple[float, float, float, float], random: np.random.Generator
) -> tuple[Photo, Corners | None]:
    """The car's box, found a little wrong, turned, mirrored or not, at the size of the input."""
    height, width = pixels.shape[:2]
    across, down = box[2] - box[0], box[3] - box[1]
    wrong = random.normal(MARGIN, 0.025, 4)
    if random.random() < 0.12:  # a car that is cut, or found in part
        wrong[random.integers(4)] -= random.uniform(0.05, 0.3)
    left, top = max(0.0, box[0] - wrong[0] * across), max(0.0, box[1] - wrong[1] * down)
    right, bottom = min(float(width), box[2] + wrong[2] * across), min(float(height), box[3] + wrong[3] * down)
    square = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    turn = math.radians(random.normal(0, 2.5))
    middle = square.mean(axis=0)
    spin = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]], np.float32)
    square = ((square - middle) @ spin + middle + random.normal(0, 0.01, (4, 2)) * [across, down]).astype(np.float32)
    onto = _UNIT * np.array([INPUT[1], INPUT[0]], np.float32)
    mirrored = random.random() < 0.5
    if mirrored:
        onto[:, 0] = INPUT[1] - onto[:, 0]
    matrix = cv2.getPerspectiveTransform(square, onto)
    seen = cv2.warpPerspective(
        pixels, matrix, INPUT[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.uint8, copy=False)
    if corners is None:
        return seen, None
    moved = cv2.perspectiveTransform(corners[None].astype(np.float32), matrix)[0].astype(np.float32)
    if mirrored:
        moved = moved[[1, 0, 3, 2]]
    inside = (moved.mean(axis=0) > 0).all() and (moved.mean(axis=0) < [INPUT[1], INPUT[0]]).all()
    return seen, moved if inside else None


def _damaged(pixels: Photo, random: np.random.Generator) -> Photo:
    """Other light, colours, sharpness and noise."""
    steps = (np.arange(256)[:, None] / 255) ** random.uniform(0.65, 1.5)
    steps = steps * random.uniform(0.6, 1.25) * random.uniform(0.9, 1.1, 3)
    table = np.clip(np.rint(steps * 255), 0, 255).astype(np.uint8)[None]
    made: Photo = cv2.LUT(pixels, table).astype(np.uint8, copy=False)
    colourful = random.uniform(0.4, 1.4)
    grey = cv2.cvtColor(cv2.cvtColor(made, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    made = cv2.addWeighted(made, colourful, grey, 1 - colourful, 0).astype(np.uint8, copy=False)
    if random.random() < 0.35:
        made = cv2.GaussianBlur(made, (0, 0), random.uniform(0.4, 1.6)).astype(np.uint8, copy=False)
    if random.random() < 0.5:
        noise = random.standard_normal(made.shape, np.float32) * np.float32(random.uniform(1, 10))
        made = cv2.add(made, noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False)
    if random.random() < 0.3:
        quality = int(random.integers(30, 85))
        coded = cv2.imencode(".jpg", made, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None  # it was coded a moment ago
        made = decoded.astype(np.uint8, copy=False)
    return made
