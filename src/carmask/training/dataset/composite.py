"""The true car in front of another background, its shadow on the floor: training data for places nobody photographed.

Cut and paste (Dwibedi et al. 2017, https://arxiv.org/abs/1708.01642): what it costs is that a network could learn the
seam, so the contour's colours are made free of the old background first.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.data.backdrop import add_grain
from carmask.data.warp import SoftMask
from carmask.geometry import PADDING, resize

#: Size of a car relative to the photo it comes from, smallest and largest.
SCALES = (0.35, 1.7)
#: The part of a car's box that stays in the frame at least, across and down.
LEAST_SHOWN = 0.45
#: Pixels that a contour's colours are replaced over, at a width of 768.
_SEAM = 7


def clean_contour(photo: Photo, mask: SoftMask) -> Photo:
    """Replace the colours at the car's contour, and beyond it, by those of the car next to them.

    Pixels at the contour hold some of the background's light, the soft mask says how much only roughly. So the colours
    of pixels that are car for certain are averaged over their neighbourhood and put in place of all others near them.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 times the fraction that is car.

    Returns:
        uint8 of the photo's shape: the car's colours, a few pixels wider than the car; the old photo elsewhere.
    """
    certain = cv2.erode((mask >= 250).astype(np.uint8), np.ones((3, 3), np.uint8))
    side = _SEAM
    # Sums, not means: a box of 7x7 bytes fits into 16 bits. Both are exact.
    colours = cv2.boxFilter(photo * certain[..., None], cv2.CV_16U, (side, side), normalize=False)
    counts = cv2.boxFilter(certain, cv2.CV_16U, (side, side), normalize=False)
    seam = (counts > 0) & (certain == 0)
    cleaned = photo.copy()
    cleaned[seam] = colours[seam] // counts[seam][:, None]
    return cleaned


def remove_car(photo: Photo, mask: SoftMask, *, rng: np.random.Generator) -> Photo:
    """Fill the car with what is around it: the same place without a car, more or less.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 for car.
        rng: of the grain that the filling gets.

    Returns:
        A new photo of the same shape.
    """
    height, width = mask.shape
    away = cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0
    # The filling is smooth: half the size does.
    half = (width // 2, height // 2)
    known = cv2.resize(away.astype(np.float32), half, interpolation=cv2.INTER_AREA)
    level = cv2.resize(photo * away.astype(np.uint8)[..., None], half, interpolation=cv2.INTER_AREA).astype(np.float32)
    # From small to large: each level fills what the one before could not reach.
    pyramid = [(level, known)]
    while pyramid[-1][1].min() < 0.05 and max(pyramid[-1][1].shape) > 1:
        last, weights = pyramid[-1]
        half = (max(1, weights.shape[1] // 2), max(1, weights.shape[0] // 2))
        pyramid.append(
            (
                cv2.resize(last, half, interpolation=cv2.INTER_AREA),
                cv2.resize(weights, half, interpolation=cv2.INTER_AREA),
            )
        )
    colours, weights = pyramid.pop()
    filled = colours / np.maximum(weights, 1e-3)[..., None]
    for colours, weights in reversed(pyramid):
        above = cv2.resize(filled, weights.shape[::-1], interpolation=cv2.INTER_LINEAR)
        part = np.minimum(1.0, weights * 4)[..., None]
        filled = part * colours / np.maximum(weights, 1e-3)[..., None] + (1 - part) * above
    fill = cv2.resize(filled.clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    fill = add_grain(fill.astype(np.uint8, copy=False), 4.0, rng=rng)
    cv2.copyTo(photo, away.astype(np.uint8), fill)
    return fill


def composite(photo: Photo, mask: SoftMask, background: Photo, *, rng: np.random.Generator) -> tuple[Photo, SoftMask]:
    """Put a car before a background, at a random place, size and light, with a shadow.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 times the fraction that is car.
        background: uint8 of the photo's shape.
        rng: source of all randomness.

    Returns:
        Photo and mask of the same shapes.
    """
    car = clean_contour(photo, mask)
    car, alpha = _place(car, mask, rng)
    car = _light(car, rng, strength=0.25)
    behind = _light(background, rng, strength=0.35)
    if rng.random() < 0.8:
        behind = cast_shadow(behind, alpha, rng=rng)
    joined = blend(car, behind, alpha)
    if rng.random() < 0.25:
        joined = cv2.GaussianBlur(joined, (0, 0), rng.uniform(0.4, 1.0)).astype(np.uint8, copy=False)
    if rng.random() < 0.3:
        joined = add_grain(joined, rng.uniform(1, 7), rng=rng)
    if rng.random() < 0.2:
        joined, alpha = _pad(joined, alpha, rng)
    return joined, alpha


def blend(car: Photo, behind: Photo, alpha: SoftMask) -> Photo:
    """``car`` where ``alpha`` is 255, ``behind`` where it is 0, in proportion between: all uint8, of one size."""
    weight = alpha.astype(np.float32) * np.float32(1 / 255)
    return cv2.blendLinear(car, behind, weight, np.float32(1) - weight).astype(np.uint8, copy=False)


def _place(car: Photo, mask: SoftMask, rng: np.random.Generator) -> tuple[Photo, SoftMask]:
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return car, mask
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    # Mostly near the photo's own size, which studios choose; now and then anything.
    scale = rng.uniform(0.75, 1.2) if rng.random() < 0.5 else np.exp(rng.uniform(*np.log(SCALES)))
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    half_w, half_h = scale * (right - left) / 2, scale * (bottom - top) / 2
    if rng.random() < 0.2:
        # Cut off by the frame: at least this much of it stays inside.
        shown = LEAST_SHOWN
        x = rng.uniform(half_w * (2 * shown - 1), width - half_w * (2 * shown - 1))
        y = rng.uniform(half_h * (2 * shown - 1), height - half_h * (2 * shown - 1))
    else:
        x = rng.uniform(*sorted((half_w, width - half_w)))
        y = rng.uniform(*sorted((half_h, height - half_h)))
    shrink = 1.0
    if scale < 0.6:
        # Linear interpolation looks at four pixels: halve by averaging before.
        size = (height // 2, width // 2)
        car, mask, shrink = resize(car, size), resize(mask, size), 0.5
    angle = np.radians(rng.normal(0, 2.5))
    c, s = scale / shrink * np.cos(angle), scale / shrink * np.sin(angle)
    # Pixel centres lie at halves: the photo's point (u, v) is pixel (u - 0.5, v - 0.5).
    u, v = middle_x * shrink - 0.5, middle_y * shrink - 0.5
    matrix = np.array([[c, -s, x - 0.5 - c * u + s * v], [s, c, y - 0.5 - s * u - c * v]])
    moved = cv2.warpAffine(car, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return moved.astype(np.uint8, copy=False), alpha.astype(np.uint8, copy=False)


def _light(photo: Photo, rng: np.random.Generator, *, strength: float) -> Photo:
    """Another exposure, contrast, gamma and white balance, in one table for each channel."""
    values = np.linspace(0, 1, 256)
    curve = values ** np.exp(rng.normal(0, strength)) * rng.uniform(1 - strength, 1 + strength)
    curve = (curve - 0.5) * rng.uniform(1 - strength, 1 + strength / 2) + 0.5
    table = curve[:, None] * (1 + rng.normal(0, 0.3 * strength, 3))
    table = (table * 255).clip(0, 255).astype(np.uint8)
    return cv2.LUT(photo, table[:, None]).astype(np.uint8, copy=False)


def cast_shadow(behind: Photo, alpha: SoftMask, *, rng: np.random.Generator) -> Photo:
    """Darken the floor: the car's own shape, flattened towards the line it stands on and smoothed.

    Args:
        behind: uint8 (height, width, 3), RGB, 32 pixels high and wide at least.
        alpha: uint8 (height, width), 255 times the fraction that is car.
        rng: source of all randomness.

    Returns:
        A new picture of the same shape.
    """
    height, width = alpha.shape
    small = cv2.resize(alpha, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    rows = np.flatnonzero(small.max(1) > 127)
    if not len(rows):
        return behind
    ground = rows[-1] - rng.uniform(0, 0.12) * len(rows)
    flat, lean = rng.uniform(0.08, 0.45) * rng.choice((1, 1, -1)), rng.uniform(-0.5, 0.5)
    matrix = np.array([[1, lean, -lean * ground], [0, flat, ground * (1 - flat)]])
    shadow = cv2.warpAffine(small, matrix, (width // 4, height // 4), flags=cv2.INTER_LINEAR)
    shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(0.8, 9))
    if rng.random() < 0.5:
        # The narrow dark line right under it.
        contact = cv2.warpAffine(small, np.array([[1, 0, 0], [0, 0.06, rows[-1] * 0.94]]), (width // 4, height // 4))
        shadow = cv2.max(shadow, cv2.GaussianBlur(contact, (0, 0), rng.uniform(0.5, 2)))
    dark = 255 - (shadow.astype(np.float32) * rng.uniform(0.2, 0.85)).astype(np.uint8)
    wide = cv2.resize(dark, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(behind, cv2.merge([wide] * 3), scale=1 / 255).astype(np.uint8, copy=False)


def _pad(photo: Photo, mask: SoftMask, rng: np.random.Generator) -> tuple[Photo, SoftMask]:
    """Bars at two sides, as ``geometry.letterbox`` makes them for photos of another shape."""
    height, width = mask.shape
    across = rng.random() < 0.6
    length: int = width if across else height
    bar = int(length * rng.uniform(0.02, 0.2))
    photo, mask = photo.copy(), mask.copy()
    for part in (slice(0, bar), slice(length - bar, length)):
        where: tuple[slice, slice] = (slice(None), part) if across else (part, slice(None))
        photo[where] = PADDING
        mask[where] = 0
    return photo, mask


def crop(photo: Photo, mask: SoftMask, *, rng: np.random.Generator) -> tuple[Photo, SoftMask]:
    """Show a random part, half to all of each side, enlarged to the whole: a close-up, or a car cut off.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width).
        rng: source of all randomness.

    Returns:
        Arrays of the same shapes.
    """
    height, width = mask.shape
    part = rng.uniform(0.5, 1)
    h, w = round(height * part), round(width * part)
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    cut = slice(top, top + h), slice(left, left + w)
    return resize(np.ascontiguousarray(photo[cut]), (height, width)), resize(
        np.ascontiguousarray(mask[cut]), (height, width)
    )


def no_car(mask: SoftMask) -> NDArray[np.uint8]:
    """An empty mask of the same shape."""
    return np.zeros_like(mask)
