"""Measure one photo and its mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from carmask.arrays import Mask, Photo
from carmask.data.table import car_and_view
from carmask.evaluation.contours import contour_length
from carmask.formats.rle import rle_encode
from carmask.geometry import Size
from carmask.images.colour import to_lab


@dataclass(frozen=True)
class Facts:
    """What was measured of one photo and its mask.

    Attributes:
        name: the photo's stem.
        car: the car it shows.
        view: 1 to 16, or 0 where the name does not say.
        photo: the photo's file.
        mask: the mask's file; None where the masks come from a CSV.
        rle: the mask's run-length text.
        size: (height, width) of both.
        area: fraction of the photo that is car.
        contour: pixels of the contour.
        car_brightness: mean luma (ITU-R BT.601) of the car, 0 to 255; NaN without a car.
        background_brightness: the same of all else.
        car_colour: mean red, green, blue of the car; NaN without a car.
        background_colour: the same of all else; NaN without background.
        difference: distance of the two mean colours in CIE L*a*b* (1976); NaN where one of them is missing.
        border: fraction of the picture's outermost pixels that are car.
    """

    name: str
    car: str
    view: int
    photo: Path
    mask: Path | None
    rle: str
    size: Size
    area: float
    contour: int
    car_brightness: float
    background_brightness: float
    car_colour: tuple[float, float, float]
    background_colour: tuple[float, float, float]
    difference: float
    border: float


def measure_photo(name: str, files: tuple[Path, Path | None], photo: Photo, mask: Mask, *, rle: str | None) -> Facts:
    """Measure a photo and its mask.

    Args:
        name: the photo's stem.
        files: the photo's and the mask's; the latter None where the masks come from a CSV.
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        rle: the mask's run-length text, if it is known.

    Returns:
        What was measured.
    """
    car, view = car_and_view(name)
    inside = mask.view(np.uint8)
    area = int(np.count_nonzero(mask))
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))
    sides = ((inside, area > 0), (inside ^ 1, area < mask.size))
    colours = [tuple(float(v) for v in cv2.mean(photo, at)[:3]) if some else (float("nan"),) * 3 for at, some in sides]
    brightness = [float(cv2.mean(grey, at)[0]) if some else float("nan") for at, some in sides]
    lab = to_lab(np.array(colours))
    border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return Facts(
        name=name,
        car=car,
        view=view,
        photo=files[0],
        mask=files[1],
        rle=rle if rle is not None else rle_encode(mask),
        size=(mask.shape[0], mask.shape[1]),
        area=area / mask.size,
        contour=contour_length(mask),
        car_brightness=brightness[0],
        background_brightness=brightness[1],
        car_colour=colours[0],  # type: ignore[arg-type]  # a tuple of three
        background_colour=colours[1],  # type: ignore[arg-type]
        difference=float(np.linalg.norm(lab[0] - lab[1])) if 0 < area < mask.size else float("nan"),
        border=float(border.mean()),
    )
