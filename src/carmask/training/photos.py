"""The photos of one epoch, as tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from carmask.arrays import Size
from carmask.data.augment import AugmentSettings, augment
from carmask.training.cache import PhotoCache


class EpochPhotos(Dataset[tuple[Tensor, Tensor]]):
    """Augmented photos and soft masks of one epoch; what the i-th one is follows from seed, epoch and i alone."""

    def __init__(
        self,
        cache: PhotoCache,
        order: NDArray[np.int64],
        size: Size,
        settings: AugmentSettings,
        *,
        seed: tuple[int, ...],
        swap: NDArray[np.uint8] | None = None,
    ) -> None:
        """Make the epoch.

        Args:
            cache: decoded photos.
            order: which of them, in this order.
            size: (height, width) to train at.
            settings: what is changed at random.
            seed: numbers that the random changes follow from.
            swap: what labels become in a mirror, where the masks hold labels; see ``augment``.
        """
        self._cache, self._order, self._size, self._settings, self._seed = cache, order, size, settings, seed
        self._swap = swap

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One example: uint8 (height, width, 3) RGB; uint8 (height, width), 255 times the part of car, or labels."""
        photo, mask = self._cache.read(int(self._order[index]), self._size)
        rng = np.random.default_rng((*self._seed, index))
        photo, mask = augment(photo, mask, self._settings, rng=rng, swap=self._swap)
        return torch.from_numpy(photo), torch.from_numpy(mask)


def epoch_order(photos: int, epoch: int, length: int, *, seed: int) -> NDArray[np.int64]:
    """Which photos an epoch sees: the epoch's part of an endless row of shuffles of the whole set.

    Args:
        photos: size of the set.
        epoch: counted from 0.
        length: photos in an epoch.
        seed: of the shuffles.

    Returns:
        int64 (length,), each in [0, photos). No photo comes a third time before all have come twice.
    """
    first, last = epoch * length, (epoch + 1) * length
    rounds = range(first // photos, (last - 1) // photos + 1)
    row = np.concatenate([np.random.default_rng((seed, number)).permutation(photos) for number in rounds])
    start = first - rounds[0] * photos
    return row[start : start + length]
