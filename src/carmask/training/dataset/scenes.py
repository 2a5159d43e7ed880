"""What training photos show, changed at random: another background, no car, a part only."""

from __future__ import annotations

import numpy as np

from carmask.arrays import Photo
from carmask.data.augment import AugmentSettings
from carmask.data.backdrop import draw_backdrop
from carmask.data.warp import SoftMask
from carmask.geometry import Box, Size, box_of
from carmask.prediction.crops import crop_around, crop_mask, crop_photo
from carmask.training.dataset.composite import composite, crop, remove_car
from carmask.training.dataset.mixture import Mixture

#: How often a background comes from the given pictures, and from scenes of extra data with their car taken out,
#: where there are such; else it is drawn.
FROM_PICTURES, FROM_SCENES = 0.5, 0.3
#: How much more or less than the car is shown when it is zoomed to: up to this fraction of its height or width, on each
#: side. It covers what prediction shows, and by what its localisation stage is mistaken.
MOST_AROUND, LEAST_AROUND = 0.16, -0.01


def change_scene(
    photo: Photo,
    mask: SoftMask,
    settings: AugmentSettings,
    *,
    rng: np.random.Generator,
    mixture: Mixture,
    paste: bool,
) -> tuple[Photo, SoftMask]:
    """Apply those settings once, at random, that change what is in the photo.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 times the fraction that is car.
        settings: ``background``, ``negative`` and ``crop`` are looked at.
        rng: source of all randomness.
        mixture: where backgrounds come from.
        paste: the car may be put before another background; else only cropped.

    Returns:
        Photo and mask of the same shapes.
    """
    size = (mask.shape[0], mask.shape[1])
    if paste and settings.negative and rng.random() < settings.negative:
        # The same studio without its car is the hardest of them.
        empty = remove_car(photo, mask, rng=rng) if rng.random() < 0.4 else find_background(size, mixture, rng=rng)
        photo, mask = empty, np.zeros_like(mask)
    elif paste and settings.background and rng.random() < settings.background:
        photo, mask = composite(photo, mask, find_background(size, mixture, rng=rng), rng=rng)
    if settings.crop and rng.random() < settings.crop:
        photo, mask = crop(photo, mask, rng=rng)
    return photo, mask


def find_background(size: Size, mixture: Mixture, *, rng: np.random.Generator) -> Photo:
    """Find or draw a background: uint8 (``*size``, 3), RGB."""
    background = None
    if mixture.pictures is not None and rng.random() < FROM_PICTURES:
        background = mixture.pictures.read(int(rng.integers(len(mixture.pictures))), size)[0]
    elif mixture.extra and rng.random() < FROM_SCENES:
        cache = mixture.extra[int(rng.integers(len(mixture.extra)))][0]
        photo, mask = cache.read(int(rng.integers(len(cache))), size)
        background = remove_car(photo, mask, rng=rng)
    if background is None:
        other, mask = mixture.main.read(int(rng.integers(len(mixture.main))), size)
        return draw_backdrop(size, rng=rng, pieces=other)
    if rng.random() < 0.5:
        background = np.ascontiguousarray(background[:, ::-1])
    if rng.random() < 0.5:
        background = crop(background, np.zeros(size, np.uint8), rng=rng)[0]
    return background


def look_at_car(photo: Photo, mask: SoftMask, window: Size, *, rng: np.random.Generator) -> tuple[Photo, SoftMask]:
    """Keep a window of a photo that holds the car, or as much of it as there is room for, at a random place.

    Half a studio's photo is wall and floor far from the car, which a network soon knows: what is left out costs steps.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width); 0 is not car.
        window: (height, width) of the part, at most the photo's.
        rng: source of all randomness.

    Returns:
        Contiguous arrays of ``window``'s size.
    """
    cut = []
    for axis, side in enumerate(window):
        length, there = mask.shape[axis], np.flatnonzero(mask.any(1 - axis))
        first, end = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, length)
        # To hold the car the window must not begin after it nor end before it; a larger car fills the window.
        low, high = sorted((first, end - side))
        begin = int(rng.integers(max(0, low), min(high, length - side) + 1))
        cut.append(slice(begin, begin + side))
    return np.ascontiguousarray(photo[cut[0], cut[1]]), np.ascontiguousarray(mask[cut[0], cut[1]])


def zoom_in(photo: Photo, mask: SoftMask, window: Size, *, rng: np.random.Generator) -> tuple[Photo, SoftMask]:
    """Show the part of a photo that the car fills, as prediction does after localisation (``prediction.crops``).

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 times the fraction that is car; without a car the part is a random one.
        window: (height, width) of the part.
        rng: source of all randomness: how much is shown on each side of the car.

    Returns:
        Arrays of ``window``'s size.
    """
    size = (photo.shape[0], photo.shape[1])
    box = box_of(mask >= 128)
    if box is None:
        (top, bottom), (left, right) = np.sort(rng.random((2, 2)), 1)
        box = Box(top, left, bottom, right)
    else:
        box = box.scaled(1 / size[0], 1 / size[1])
    around = crop_around(box.grown(*rng.uniform(LEAST_AROUND, MOST_AROUND, 4)), size, window)
    return crop_photo(photo, around), crop_mask(mask, around)
