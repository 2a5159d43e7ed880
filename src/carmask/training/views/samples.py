"""What the view network is trained on: cars turned, coloured, cut and damaged at random; and pictures of no car."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.geometry import Box, box_of, resize
from carmask.prediction.view import GREY, INPUT, MARGIN, TILT_UNIT, VIEWS, blend, mirrored_view

#: Longer side of a crop in pixels, and how much of the car's longer side is around the car in it.
CROP_SIDE, CROP_MARGIN = 208, 0.18
#: Share of samples that show one car, several, a part of one, and no car.
_KINDS = {"car": 0.80, "several": 0.07, "detail": 0.08, "nothing": 0.05}
#: Of a car of which less than this is seen, only a part is shown.
_PART = 0.42


class CarCrop(NamedTuple):
    """A car and a little around it.

    Attributes:
        rgba: uint8 (height, width, 4): RGB, and the mask from 0 to 255.
        view: 1 to 16.
        exact: of a turntable; else labelled by eye, and the camera may have been tilted.
    """

    rgba: NDArray[np.uint8]
    view: int
    exact: bool


class Sample(NamedTuple):
    """A picture with what the network should say of it.

    Attributes:
        pixels: uint8 (``*INPUT``, 3), RGB.
        views: float32 (16), probabilities; all 0 where none is known.
        others: float32 (3): whole car, several cars, tilt in ``TILT_UNIT``.
        tilt_known: whether the tilt counts.
    """

    pixels: Photo
    views: NDArray[np.float32]
    others: NDArray[np.float32]
    tilt_known: bool


def crop_car(photo: Photo, mask: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Cut a car out of its photo, with its mask.

    Args:
        photo: uint8 (height, width, 3).
        mask: uint8 (height, width), 0 to 255.

    Returns:
        uint8 (height, width, 4) of at most ``CROP_SIDE`` pixels; None if there is no car.
    """
    box = box_of(mask > 127)
    if box is None or (box.bottom - box.top) * (box.right - box.left) < 60:
        return None
    around = int(CROP_MARGIN * max(box.bottom - box.top, box.right - box.left))
    rgba = np.dstack([photo, mask])
    rgba = cv2.copyMakeBorder(
        rgba, around, around, around, around, cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY, 0)
    ).astype(np.uint8)
    rows = slice(int(box.top), int(box.bottom) + 2 * around)
    crop = np.ascontiguousarray(rgba[rows, int(box.left) : int(box.right) + 2 * around])
    scale = CROP_SIDE / max(crop.shape[:2])
    return resize(crop, (max(1, round(crop.shape[0] * scale)), max(1, round(crop.shape[1] * scale))))


class SampleMaker:
    """Makes samples, the same ones for the same seed."""

    def __init__(self, studio: list[CarCrop], wild: list[CarCrop], pictures: list[Photo], *, seed: int) -> None:
        """Keep what samples are made of.

        Args:
            studio: cars on the turntable.
            wild: cars in other places; may be empty.
            pictures: uint8 (height, width, 3), without cars.
            seed: of all that is random.
        """
        self._studio, self._wild, self._pictures = studio, wild, pictures
        self._random = np.random.default_rng(seed)

    def make(self, wild_share: float) -> Sample:
        """Make a sample.

        Args:
            wild_share: of the cars, 0 to 1.
        """
        while True:
            kind = self._random.choice(list(_KINDS), p=list(_KINDS.values()))
            made = getattr(self, f"_{kind}")(wild_share)
            if made is not None:
                return made  # type: ignore[no-any-return]

    def _pick(self, wild_share: float) -> CarCrop:
        """A car, as it is or mirrored."""
        wild = bool(self._wild) and self._random.random() < wild_share
        cars = self._wild if wild else self._studio
        car = cars[self._random.integers(len(cars))]
        if self._random.random() < 0.5:
            return CarCrop(np.ascontiguousarray(car.rgba[:, ::-1]), mirrored_view(car.view), car.exact)
        return car

    def _car(self, wild_share: float) -> Sample | None:
        car = self._pick(wild_share)
        rgba, random = car.rgba, self._random
        if random.random() < 0.12:  # cut by the photo's edge
            height, width = rgba.shape[:2]
            part, side = random.uniform(0.05, 0.3), random.integers(4)
            down, across = int(height * part), int(width * part)
            sides = (np.s_[down:], np.s_[: height - down], np.s_[:, across:], np.s_[:, : width - across])
            rgba = np.ascontiguousarray(rgba[sides[side]])
        tilt = float(random.uniform(-14, 14)) if random.random() < 0.5 else float(random.normal(0, 2))
        # Neighbours of the view are right, too; more so where a person has said what it is.
        beside = 0.08 if car.exact else 0.24
        views = np.zeros(VIEWS, np.float32)
        for step, share in ((0, 1 - 2 * beside), (1, beside), (-1, beside)):
            views[(car.view - 1 + step) % VIEWS] = share
        return self._finish(turned(rgba, tilt, random), views, (1.0, 0.0), tilt, known=car.exact)

    def _several(self, _: float) -> Sample | None:
        """Two cars, one beside and partly behind the other."""
        random = self._random
        first, second = self._pick(0).rgba, self._pick(0).rgba
        scale = random.uniform(0.55, 1.0) * first.shape[1] / second.shape[1]
        second = cv2.resize(second, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
        height, width = first.shape[:2]
        scene = np.full((int(1.6 * height), 3 * width, 4), GREY, np.uint8)
        scene[..., 3] = 0
        top = int(0.3 * height)
        scene[top : top + height, width : 2 * width] = first
        aside = int(width * random.uniform(0.35, 0.9)) * random.choice((-1, 1))
        left = max(0, width + (width - second.shape[1]) // 2 + aside)
        row = max(0, top + int(height * random.uniform(-0.2, 0.05)) + (height - second.shape[0]) // 2)
        place = scene[row : row + second.shape[0], left : left + second.shape[1]]
        second = second[: place.shape[0], : place.shape[1]]
        shown = second[..., 3:] > 127
        if random.random() < 0.7:
            shown = shown & (place[..., 3:] <= 127)
        place[:] = np.where(shown, second, place)
        views, tilt = np.zeros(VIEWS, np.float32), float(random.normal(0, 3))
        return self._finish(turned(scene, tilt, random), views, (1.0, 1.0), tilt, known=False)

    def _detail(self, _: float) -> Sample | None:
        """A part of a car that fills the photo."""
        random = self._random
        rgba = self._pick(0).rgba
        height, width = rgba.shape[:2]
        part = random.uniform(0.18, 0.5)
        down, across = min(int(height * part * random.uniform(0.9, 1.6)), height - 1), int(width * part)
        for _ in range(6):
            row, column = random.integers(height - down), random.integers(width - across)
            crop = np.ascontiguousarray(rgba[row : row + down, column : column + across])
            if (crop[..., 3] > 127).mean() > 0.35:
                break
        seen = int(np.count_nonzero(crop[..., 3] > 127)) / max(1, int(np.count_nonzero(rgba[..., 3] > 127)))
        if random.random() < 0.3:
            crop[..., 3] = 255
        views, tilt = np.zeros(VIEWS, np.float32), float(random.normal(0, 3))
        whole = 0.0 if seen < _PART else 0.5
        return self._finish(turned(crop, tilt, random), views, (whole, 0.0), tilt, known=False)

    def _nothing(self, _: float) -> Sample | None:
        """Something else, cut out by mistake."""
        random = self._random
        picture = self._pictures[random.integers(len(self._pictures))]
        mask = np.zeros(picture.shape[:2], np.uint8)
        height, width = picture.shape[:2]
        for _ in range(random.integers(1, 5)):
            middle = int(random.uniform(0.3, 0.7) * width), int(random.uniform(0.3, 0.7) * height)
            radii = int(width * random.uniform(0.05, 0.4)), int(height * random.uniform(0.05, 0.4))
            cv2.ellipse(mask, middle, radii, random.uniform(0, 180), 0, 360, 255, -1)
        return self._finish(np.dstack([picture, mask]), np.zeros(VIEWS, np.float32), (0.0, 0.0), 0.0, known=False)

    def _finish(
        self,
        rgba: NDArray[np.uint8],
        views: NDArray[np.float32],
        kinds: tuple[float, float],
        tilt: float,
        *,
        known: bool,
    ) -> Sample | None:
        """Damage the mask, lose resolution, squeeze, bring into the network's input, and colour."""
        random = self._random
        rgba = damaged(rgba, random)
        if random.random() < 0.5:
            scale = random.uniform(0.25, 1.0)
            rgba = cv2.resize(rgba, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
        squeeze = 1.0 if random.random() < 0.4 else math.exp(random.normal(0, 0.13))
        fitted = fit(rgba, random.uniform(0, 0.08), squeeze)
        if fitted is None:
            return None
        tilt = math.degrees(math.atan(math.tan(math.radians(tilt)) / squeeze))
        pixels = coloured(fitted[..., :3], random)
        made = blend(pixels, fitted[..., 3].astype(np.float32) / np.float32(255))
        return Sample(made, views, np.array([*kinds, tilt / TILT_UNIT], np.float32), known)


def fit(rgba: NDArray[np.uint8], margin: float = MARGIN, squeeze: float = 1.0) -> NDArray[np.uint8] | None:
    """Bring a car into the network's input as ``view_input`` does; None if there is nothing of it.

    Args:
        rgba: uint8 (height, width, 4).
        margin: around the car's box.
        squeeze: factor on the width.
    """
    box = box_of(rgba[..., 3] > 127)
    if box is None or min(box.bottom - box.top, box.right - box.left) < 4:
        return None
    box = box.grown(margin, margin, margin, margin)
    scale = min(INPUT[0] / (box.bottom - box.top), INPUT[1] / ((box.right - box.left) * squeeze))
    matrix = _matrix(box, scale * squeeze, scale)
    return cv2.warpAffine(
        rgba,
        matrix,
        INPUT[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(GREY, GREY, GREY, 0),
    ).astype(np.uint8, copy=False)


def _matrix(box: Box, across: float, down: float) -> NDArray[np.float64]:
    column, row = (box.left + box.right - 1) / 2, (box.top + box.bottom - 1) / 2
    return np.array(
        [[across, 0, INPUT[1] / 2 - across * column - 0.5], [0, down, INPUT[0] / 2 - down * row - 0.5]], np.float64
    )


def turned(rgba: NDArray[np.uint8], tilt: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Turn a car, with a little shear and perspective.

    Args:
        rgba: uint8 (height, width, 4): the car and its mask.
        tilt: degrees, clockwise.
        random: draws shear and perspective.

    Returns:
        uint8 (side, side, 4): the side is the diagonal of what was given.
    """
    height, width = rgba.shape[:2]
    angle, shear = math.radians(tilt), float(random.normal(0, 0.03))
    turn = np.array(
        [[math.cos(angle), -math.sin(angle) + shear, 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]], np.float64
    )
    perspective = np.eye(3)
    perspective[2, :2] = random.normal(0, 0.06, 2) / np.array([width, height])
    side = int(math.hypot(height, width))
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]], np.float64)
    back = np.array([[1, 0, side / 2], [0, 1, side / 2], [0, 0, 1]], np.float64)
    return cv2.warpPerspective(
        rgba,
        back @ perspective @ turn @ to_middle,
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(GREY, GREY, GREY, 0),
    ).astype(np.uint8, copy=False)


def damaged(rgba: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A mask as a network may get it wrong: too wide, too narrow, with a piece too much or too little.

    Args:
        rgba: uint8 (height, width, 4): the car and its mask.
        random: draws what is wrong.

    Returns:
        The same with another mask.
    """
    mask = rgba[..., 3].copy()
    if random.random() < 0.25:
        change = cv2.dilate if random.random() < 0.6 else cv2.erode
        mask = change(mask, np.ones((random.integers(2, 6),) * 2, np.uint8)).astype(np.uint8)
    rows, columns = np.nonzero(mask > 127)
    if random.random() < 0.15 and len(rows):
        at, (height, width) = random.integers(len(rows)), mask.shape
        radii = int(width * random.uniform(0.03, 0.12)), int(height * random.uniform(0.03, 0.15))
        value = 0 if random.random() < 0.6 else 255
        cv2.ellipse(mask, (int(columns[at]), int(rows[at])), radii, random.uniform(0, 180), 0, 360, value, -1)
    return np.dstack([rgba[..., :3], mask])


def coloured(pixels: Photo, random: np.random.Generator) -> Photo:
    """Another exposure, contrast, colour and noise."""
    light = pixels.astype(np.float32) / 255
    if random.random() < 0.8:
        light = light ** math.exp(random.normal(0, 0.35)) * math.exp(random.normal(0, 0.2))
    if random.random() < 0.6:
        grey = light @ np.array([0.299, 0.587, 0.114], np.float32)
        light = grey[..., None] + (light - grey[..., None]) * random.uniform(-0.3, 1.4)
    if random.random() < 0.3:
        light = light[..., random.permutation(3)]
    if random.random() < 0.5:
        light = light * (1 + random.normal(0, 0.08, 3))
    light = light * 255
    if random.random() < 0.3:
        light = light + random.normal(0, random.uniform(2, 12), light.shape)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)
