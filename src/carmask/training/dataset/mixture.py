"""Several data sets in one training, each with its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.data.warp import SoftMask
from carmask.geometry import Size
from carmask.training.dataset.cache import PhotoCache


class Mixture:
    """The photos that a training draws from, numbered through: those of the main set, then those of each extra one.

    Attributes:
        main: the set that the recipe is about.
        extra: extra sets, each with the share of an epoch's photos that comes from it.
        pictures: backgrounds to put cars in front of, or None.
        views: photos of the main set that stay together: one car's after the other's.
    """

    def __init__(
        self,
        main: PhotoCache,
        extra: Sequence[tuple[PhotoCache, float]] = (),
        *,
        pictures: PhotoCache | None = None,
        views: int = 1,
    ) -> None:
        """Join them; with ``views`` above 1 there are no extra sets."""
        self.main, self.extra, self.pictures, self.views = main, tuple(extra), pictures, views
        self._starts = np.cumsum([0, len(main), *(len(cache) for cache, _ in self.extra)])

    @property
    def labels(self) -> bool:
        """The masks hold labels; then there are no extra sets."""
        return self.main.labels

    def __len__(self) -> int:
        """Photos of the main set."""
        return len(self.main)

    def is_main(self, index: int) -> bool:
        """Whether a photo is of the main set."""
        return index < len(self.main)

    def read(self, index: int, size: Size) -> tuple[Photo, SoftMask]:
        """Read one example, as ``PhotoCache.read``."""
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        cache = self.main if number == 0 else self.extra[number - 1][0]
        return cache.read(index - int(self._starts[number]), size)

    def order(self, epoch: int, length: int, *, seed: int) -> NDArray[np.int64]:
        """Which photos an epoch sees, in order: of each set the epoch's part of an endless row of shuffles.

        Args:
            epoch: counted from 0.
            length: photos in an epoch.
            seed: of the shuffles.

        Returns:
            int64 (length,). Of no set a photo comes a third time before all have come twice.
        """
        if self.views > 1:
            cars = epoch_order(len(self.main) // self.views, epoch, length // self.views, seed=seed)
            return (cars[:, None] * self.views + np.arange(self.views)).reshape(-1)
        counts = [round(share * length) for _, share in self.extra]
        main = epoch_order(len(self.main), epoch, length - sum(counts), seed=seed)
        if not self.extra:
            return main
        parts = [
            start + epoch_order(len(cache), epoch, count, seed=seed)
            for (cache, _), count, start in zip(self.extra, counts, self._starts[1:], strict=False)
        ]
        return np.random.default_rng((seed, epoch)).permutation(np.concatenate([main, *parts]))


def epoch_order(photos: int, epoch: int, length: int, *, seed: int) -> NDArray[np.int64]:
    """Which photos of one set an epoch sees: its part of an endless row of shuffles of the whole set.

    Args:
        photos: size of the set.
        epoch: counted from 0.
        length: photos in an epoch.
        seed: of the shuffles.

    Returns:
        int64 (length,), each in [0, photos). No photo comes a third time before all have come twice.
    """
    if not length:
        return np.empty(0, np.int64)
    first, last = epoch * length, (epoch + 1) * length
    rounds = range(first // photos, (last - 1) // photos + 1)
    row = np.concatenate([np.random.default_rng((seed, number)).permutation(photos) for number in rounds])
    start = first - rounds[0] * photos
    return row[start : start + length]
