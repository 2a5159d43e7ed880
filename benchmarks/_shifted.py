"""A shifted studio: the challenge's cars in another room, in another light, with exact masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from carmask.data.table import Example, read_examples
from carmask.images import read_photo
from carmask.training.dataset.composite import blend, clean_contour

#: Light of the room: factors of red, green and blue, and the exponent of the tone curve.
CAST, GAMMA = (1.06, 0.93, 0.74), 1.35
#: Grain, as a standard deviation of values of 0 to 255.
GRAIN = 5.0


def shift_photo(photo: np.ndarray, mask: np.ndarray, room: np.ndarray, *, seed: int) -> np.ndarray:
    """Put a studio's car into a room, with its shadow, and light both as the room is lit.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width): the car.
        room: uint8, RGB, any size: stretched to the photo's.
        seed: of the grain.

    Returns:
        uint8 of the photo's shape.
    """
    height, width = mask.shape
    behind = cv2.resize(room, (width, height), interpolation=cv2.INTER_CUBIC)
    behind = cv2.GaussianBlur(behind, (0, 0), 1.5)
    alpha = cv2.GaussianBlur(mask.astype(np.uint8) * np.uint8(255), (0, 0), 0.8)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    floor = np.zeros((height, width), np.float32)
    middle, low = (int(columns[0] + columns[-1]) // 2, int(rows[-1]))
    tall = max(8, int(0.09 * (rows[-1] - rows[0])))
    cv2.ellipse(floor, (middle, low - tall), (int(0.5 * (columns[-1] - columns[0])), 2 * tall), 0, 0, 360, 1.0, -1)
    shade = 1 - 0.6 * cv2.GaussianBlur(floor, (0, 0), 0.6 * tall)
    scene = (behind * shade[..., None]).astype(np.uint8)
    scene = blend(clean_contour(photo, alpha), scene, alpha)
    lit = 255 * (scene / 255.0) ** GAMMA * np.array(CAST)
    grain = np.random.default_rng(seed).normal(0, GRAIN, (height, width, 1))
    return np.clip(lit + grain, 0, 255).astype(np.uint8)


def write_shifted(examples: Sequence[Example], room: Path, folder: Path) -> list[Example]:
    """Write photos of a shifted studio as a data set; those that are there already are left. Returns the photos."""
    for inner in ("train", "train_masks"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    background = read_photo(room)
    for number, one in enumerate(examples):
        to = folder / "train" / f"{one.name}.jpg"
        if to.exists():
            continue
        mask = one.read_mask()
        Image.fromarray(mask).save(folder / "train_masks" / f"{one.name}_mask.png")
        Image.fromarray(shift_photo(read_photo(one.photo), mask, background, seed=number)).save(to, quality=92)
    return read_examples(folder)
