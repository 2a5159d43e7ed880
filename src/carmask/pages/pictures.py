"""Pictures that compare masks: the difference of prediction and truth, and the part of a photo where it matters."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.compositing.background import compose
from carmask.evaluation.error_attribution import Attribution
from carmask.geometry import Size, resize

#: Extra pixels and missed pixels, in the colours of the pages.
EXTRA = (232, 62, 38)
MISSED = (42, 110, 235)
#: Outlines of truth and prediction.
TRUE_LINE = (30, 220, 110)
PREDICTED_LINE = (255, 64, 160)
#: (height, width) of a part shown at native size.
WINDOW: Size = (440, 660)


def difference(photo: Photo, prediction: Mask, truth: Mask, *, strength: float = 0.62) -> Photo:
    """Show where a mask is wrong: the photo in pale grey, extra pixels red, missed ones blue.

    Args:
        photo: uint8 (height, width, 3), RGB.
        prediction: bool (height, width).
        truth: bool (height, width).
        strength: of the colours, 0 to 1; what lies below them shines through.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.float32) * 0.62 + 72
    # The car stays brighter than what is around it.
    grey = np.where(truth, np.minimum(grey * 1.12, 255), grey)
    shown = np.repeat(grey[..., None], 3, axis=2)
    for where, colour in ((prediction & ~truth, EXTRA), (truth & ~prediction, MISSED)):
        shown[where] = (1 - strength) * shown[where] + strength * np.array(colour, np.float32)
    return shown.astype(np.uint8)


def outlined(photo: Photo, mask: Mask, colour: tuple[int, int, int] = PREDICTED_LINE, *, width: int = 1) -> Photo:
    """A copy of a photo with a mask's contour drawn along its inside.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        colour: red, green, blue.
        width: of the line, in pixels.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    drawn = photo.copy()
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=width)
    drawn[mask & (inner == 0)] = colour
    return drawn


def outlines(photo: Photo, prediction: Mask, truth: Mask, *, width: int = 2) -> Photo:
    """Draw the contours of truth (green) and prediction (pink) on a photo.

    Args:
        photo: uint8 (height, width, 3), RGB; it stays as it is.
        prediction: bool (height, width).
        truth: the same.
        width: of the lines, in pixels.
    """
    return outlined(outlined(photo, truth, TRUE_LINE, width=width), prediction, PREDICTED_LINE, width=width)


def overlay(photo: Photo, mask: Mask) -> Photo:
    """The car in its own colours, all else pale."""
    pale = (photo.astype(np.float32) * 0.3 + 150).astype(np.uint8)
    return outlined(compose(photo, mask, pale), mask, PREDICTED_LINE, width=2)


def as_picture(mask: Mask) -> Photo:
    """A mask in white on black: uint8 (height, width, 3)."""
    return np.repeat((mask.astype(np.uint8) * 255)[..., None], 3, axis=2)


def smaller(picture: Photo, width: int) -> Photo:
    """Make a picture smaller, to a width; one that is not wider stays as it is."""
    height, now = picture.shape[:2]
    return picture if now <= width else resize(picture, (max(1, round(height * width / now)), width))


def window(attribution: Attribution, prediction: Mask, truth: Mask) -> tuple[slice, slice]:
    """Choose the part of a photo to show at native size.

    Args:
        attribution: of the wrong pixels; the part shows the largest cluster of its first tag.
        prediction: bool (height, width).
        truth: bool (height, width).

    Returns:
        Rows and columns. Without clusters it is where most pixels are wrong.
    """
    named = [cluster for cluster in attribution.clusters if attribution.tags and attribution.tags[0] in cluster.tags]
    centre = named[0].centre if named else densest((prediction ^ truth).astype(np.float32))
    return around(centre, (truth.shape[0], truth.shape[1]))


def densest(weight: NDArray[np.float32]) -> tuple[float, float]:
    """Row and column around which a part of ``WINDOW``'s size holds most of a weight, float32 (height, width)."""
    dense = cv2.boxFilter(weight, -1, WINDOW[::-1], normalize=False, borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(dense.argmax()), dense.shape)
    return float(row), float(column)


def around(centre: tuple[float, float], size: Size) -> tuple[slice, slice]:
    """Rows and columns of ``WINDOW``'s size around a centre, moved to lie in a picture, or all of a smaller one."""
    parts = []
    for middle, length, whole in zip(centre, WINDOW, size, strict=True):
        start = int(np.clip(round(middle - length / 2), 0, max(whole - length, 0)))
        parts.append(slice(start, min(start + length, whole)))
    return parts[0], parts[1]
