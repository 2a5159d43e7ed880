"""Drawn scenes as the networks of both stages are shown them, as tensors."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from carmask import geometry
from carmask.arrays import Photo, Probability
from carmask.data.warp import SoftMask
from carmask.geometry import Box, Crop, Size, box_of
from carmask.model.network import Network
from carmask.prediction.crops import crop_around, crop_mask, crop_photo
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.stages import guide_of
from carmask.training.dataset.anywhere.generator import SceneGenerator

#: How much more or less than the car the crop shows on each side, in fractions of its height or width: mostly about as
#: prediction does, else anything.
USUAL, ANY = (-0.01, 0.16), (0.0, 0.9)
USUALLY = 0.78


class ScenePhotos(Dataset[tuple[Tensor, ...]]):
    """The scenes of one epoch; what the i-th one is follows from the seed and i alone.

    Whole scenes, letterboxed, for a localisation network. For a segmentation network, what the car fills of each scene,
    and the localisation network's map of that, spoilt at random: on photos that it was trained on it is better than on
    others, and must not be relied on.
    """

    def __init__(
        self,
        generator: SceneGenerator,
        size: Size,
        length: int,
        *,
        seed: tuple[int, ...],
        locating: Network | None = None,
        crops: bool = False,
    ) -> None:
        """Make the epoch.

        Args:
            generator: draws the scenes.
            size: (height, width) of what is shown.
            length: how many scenes.
            seed: numbers that the scenes follow from.
            locating: a model file's localisation network, for networks that are guided.
            crops: show what the car fills, not the whole scene.
        """
        self._generator, self._size, self._length, self._seed = generator, size, length, seed
        self._locating, self._crops = locating, crops or locating is not None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """One example.

        Returns:
            uint8 (height, width, 3) RGB; uint8 (height, width), 255 times the fraction of car; and, for networks that
            are guided, float32 (height, width) in [0, 1].
        """
        if index >= self._length:
            raise IndexError(index)
        rng = np.random.default_rng((*self._seed, index))
        photo, mask = self._generator.draw(rng)
        if not self._crops:
            return tuple(map(torch.from_numpy, letterbox_both(photo, mask, self._size)))
        size = (mask.shape[0], mask.shape[1])
        crop = crop_around(_box(mask, rng).grown(*_around(rng)), size, self._size)
        shown = crop_photo(photo, crop), crop_mask(mask, crop)
        if self._locating is None:
            return tuple(map(torch.from_numpy, shown))
        place = geometry.fit_letterbox(size, self._locating.info.size)
        found = self._locating.run(geometry.letterbox(geometry.subsample(photo, place.inner), place))
        first = ProbabilityMap(geometry.without_bars(spoil(found, rng=rng), place), Crop.whole(size))
        return tuple(map(torch.from_numpy, (*shown, guide_of(first, crop))))


def letterbox_both(photo: Photo, mask: SoftMask, size: Size) -> tuple[Photo, SoftMask]:
    """A photo in a network's input beside bars, as prediction places it, and its mask.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 0 to 255.
        size: (height, width) of the input.

    Returns:
        uint8 (``*size``, 3) and uint8 (``*size``); bars are no car.
    """
    place = geometry.fit_letterbox((mask.shape[0], mask.shape[1]), size)
    framed = np.zeros(size, np.uint8)
    rows, columns = slice(place.top, place.top + place.inner[0]), slice(place.left, place.left + place.inner[1])
    framed[rows, columns] = geometry.resize(mask, place.inner)
    return geometry.letterbox(photo, place), framed


def spoil(probability: Probability, *, rng: np.random.Generator) -> Probability:
    """Make a localisation map worse at random: less certain, with smooth noise on its logits; half of them a little.

    Args:
        probability: float32 (height, width) in [0, 1].
        rng: source of all randomness.

    Returns:
        float32 of the same shape in [0, 1].
    """
    certain = np.clip(probability, 3.4e-4, 1 - 3.4e-4)
    logits = np.log(certain / (1 - certain)) * rng.uniform(0.6, 1.2)
    kind = rng.random()
    strength = 0.0 if kind < 0.5 else rng.uniform(0, 2.2) if kind < 0.85 else rng.uniform(0, 5)
    height, width = probability.shape
    for pixels in (16, 32, 64):
        coarse = rng.standard_normal((max(2, height // pixels), max(2, width // pixels)), np.float32)
        logits += strength * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    spoilt: NDArray[np.float32] = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return spoilt


def _box(mask: SoftMask, rng: np.random.Generator) -> Box:
    """Where the car is, in fractions of the scene; anywhere where there is none."""
    box = box_of(mask >= 128)
    if box is not None:
        return box.scaled(1 / mask.shape[0], 1 / mask.shape[1])
    (top, bottom), (left, right) = np.sort(rng.random((2, 2)), 1)
    return Box(float(top), float(left), float(bottom), float(right))


def _around(rng: np.random.Generator) -> tuple[float, float, float, float]:
    above, left, below, right = rng.uniform(*(USUAL if rng.random() < USUALLY else ANY), 4)
    return float(above), float(left), float(below), float(right)
