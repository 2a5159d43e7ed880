"""Drawn cars for the tests of this package: masks with the parts that the metrics and tags are about."""

from __future__ import annotations

import cv2
import numpy as np

#: (height, width) of the drawings: small enough to be quick, large enough for rows to be found.
SIZE = (320, 480)


def car_mask(shift: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A car from the side: body, cabin, two wheels."""
    drawn = np.zeros(size, np.uint8)
    body = np.array(
        [[90, 190], [120, 150], [180, 140], [220, 95], [320, 95], [360, 145], [410, 160], [415, 225], [90, 225]]
    )
    cv2.fillPoly(drawn, [body + np.array([shift, 0])], 1)
    for x in (150, 350):
        cv2.circle(drawn, (x + shift, 225), 30, 1, -1)
    return drawn > 0


def car_photo(mask: np.ndarray, car: tuple[int, int, int] = (150, 30, 40)) -> np.ndarray:
    """A photo of it: wall, floor, paint, dark tyres."""
    photo = np.full((*mask.shape, 3), 225, np.uint8)
    photo[mask.shape[0] // 2 :] = 170
    photo[mask] = car
    return photo
