"""The photos and maps that windows along contours are drawn from, and the windows of an epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from carmask.data.table import Example
from carmask.geometry import Size
from carmask.model.network import Network
from carmask.training.contour_settings import ContourSettings
from carmask.training.dataset.anywhere.store import PhotoStore
from carmask.training.dataset.contour.maps import CoarseMaps
from carmask.training.dataset.contour.window import draw_window
from carmask.training.recipe import StageSettings

#: (height, width) that larger photos are made to fit into: a window shows them at most at this size.
LIMIT = (2048, 3072)


@dataclass(frozen=True)
class ContourPool:
    """What the training of a refinement stage draws from, in place of a ``Mixture``.

    Attributes:
        sets: photos, their maps, and the share of the windows that comes from them; the main data set first.
        settings: what is done to windows and maps.
    """

    sets: Sequence[tuple[PhotoStore, CoarseMaps, float]]
    settings: ContourSettings

    #: Masks hold no labels.
    labels = False

    def __len__(self) -> int:
        """Photos of the main data set."""
        return len(self.sets[0][0])

    def epoch(self, stage: StageSettings, length: int, *, seed: tuple[int, ...]) -> ContourWindows:
        """The windows of an epoch.

        Args:
            stage: its window is what the network is shown.
            length: how many.
            seed: numbers that the windows follow from.
        """
        return ContourWindows(self, stage.shown, length, seed=seed)


class ContourWindows(Dataset[tuple[Tensor, ...]]):
    """The windows of one epoch; what the i-th one is follows from the seed and i alone."""

    def __init__(self, pool: ContourPool, size: Size, length: int, *, seed: tuple[int, ...]) -> None:
        self._pool, self._size, self._length, self._seed = pool, size, length, seed
        self._shares = [share for _, _, share in pool.sets]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """One window.

        Returns:
            uint8 (height, width, 3) RGB; uint8 (height, width), 255 times the fraction of car; float32 (height, width)
            in [0, 1], the model's map.
        """
        if index >= self._length:
            raise IndexError(index)
        rng = np.random.default_rng((*self._seed, index))
        number = int(rng.choice(len(self._shares), p=self._shares))
        store, maps, _ = self._pool.sets[number]
        which = int(rng.integers(len(store)))
        photo, mask = store.read(which)
        window = draw_window(
            photo,
            mask,
            maps.read(which),
            self._size,
            self._pool.settings,
            main=number == 0,
            squeezed=store.name in self._pool.settings.squeezed,
            rng=rng,
        )
        return tuple(torch.from_numpy(np.ascontiguousarray(one)) for one in window)


def build_contour_pool(
    main: Sequence[Example],
    extra: Sequence[tuple[str, Sequence[Example], float]],
    settings: ContourSettings,
    base: Network,
    file: Path,
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ContourPool:
    """Decode all photos, and predict them with the model that is refined.

    Args:
        main: photos of the main data set.
        extra: extra data sets: name, photos, share.
        settings: what is done to windows and maps.
        base: the model that is refined.
        file: its file, whose content its maps are kept by.
        folder: where decoded photos and maps are kept.
        progress: called with the number done and of all, for each set.

    Returns:
        The pool.

    Raises:
        DataError: if a mask has another size than its photo.
        PhotoError: if a photo or mask cannot be read.
        OutputError: if the folder cannot be written.
    """
    key = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    shares = [1 - sum(share for _, _, share in extra), *(share for _, _, share in extra)]
    named = [("main", main), *((name, examples) for name, examples, _ in extra)]
    sets = []
    for (name, examples), share in zip(named, shares, strict=True):
        store = PhotoStore(name, examples, LIMIT, folder)
        store.fill(progress)
        maps = CoarseMaps(store, base, key, folder)
        maps.fill(progress)
        sets.append((store, maps, share))
    return ContourPool(sets, settings)
