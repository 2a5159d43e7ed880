"""The photos of one epoch, as tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from carmask.data.augment import AugmentSettings, augment
from carmask.training.dataset.mixture import Mixture
from carmask.training.dataset.scenes import change_scene, look_at_car, zoom_in
from carmask.training.recipe import StageSettings


class EpochPhotos(Dataset[tuple[Tensor, Tensor]]):
    """Augmented photos and soft masks of one epoch; what the i-th one is follows from seed, epoch and i alone."""

    def __init__(
        self,
        photos: Mixture,
        order: NDArray[np.int64],
        stage: StageSettings,
        settings: AugmentSettings,
        *,
        seed: tuple[int, ...],
        swap: NDArray[np.uint8] | None = None,
    ) -> None:
        """Make the epoch.

        Args:
            photos: decoded photos.
            order: which of them, in this order.
            stage: the size to train at, and what part of the photo is shown.
            settings: what is changed at random.
            seed: numbers that the random changes follow from.
            swap: what labels become in a mirror, where the masks hold labels; see ``augment``.
        """
        self._photos, self._order, self._stage, self._settings, self._seed = photos, order, stage, settings, seed
        self._swap = swap

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One example: uint8 (height, width, 3) RGB; uint8 (height, width), 255 times the part of car, or labels."""
        number = int(self._order[index])
        photo, mask = self._photos.read(number, self._stage.size)
        rng = np.random.default_rng((*self._seed, index))
        settings = self._settings
        if settings.changes_scenes:
            paste = self._photos.is_main(number)
            photo, mask = change_scene(photo, mask, settings, rng=rng, mixture=self._photos, paste=paste)
            if _cut_off(mask):
                # Moved, it would go on as stripes that the mask calls background.
                settings = settings.model_copy(update={"shift": 0.0, "scale": 0.0, "rotate": 0.0})
        photo, mask = augment(photo, mask, settings, rng=rng, swap=self._swap)
        if self._stage.window is not None:
            look = look_at_car if self._stage.locate is None else zoom_in
            photo, mask = look(photo, mask, self._stage.window, rng=rng)
        return torch.from_numpy(photo), torch.from_numpy(mask)


def _cut_off(mask: NDArray[np.uint8]) -> bool:
    """Whether the car reaches the frame."""
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
