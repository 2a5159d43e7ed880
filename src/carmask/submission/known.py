"""Masks that a submission is compared with: true ones, or those that a model predicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from carmask.data.mask_source import Runs
from carmask.formats.rle import mask_to_runs
from carmask.geometry import Size
from carmask.images import read_photo
from carmask.model.network import Network
from carmask.prediction.predict import predict


class KnownMasks(Protocol):
    """True masks of some images, or what comes near them."""

    @property
    def names(self) -> list[str]:
        """Stems of the photos."""

    def runs(self, name: str) -> tuple[Runs, Size]:
        """The runs of a photo's mask, and the frame they are in."""


class PredictedMasks:
    """The masks that a model predicts, in place of the truth: exact enough to find the convention of a file."""

    def __init__(self, network: Network, photos: Mapping[str, Path]) -> None:
        """Prepare; photos are only read when they are asked for.

        Args:
            network: a loaded model.
            photos: by stem.
        """
        self._network, self._photos = network, photos
        self._predicted: dict[str, tuple[Runs, Size]] = {}

    @property
    def names(self) -> list[str]:
        """Stems of the photos."""
        return list(self._photos)

    def runs(self, name: str) -> tuple[Runs, Size]:
        """The runs of the mask that the model predicts, and the photo's size.

        Raises:
            PhotoError: if the photo cannot be read.
        """
        if name not in self._predicted:
            mask = predict(self._network, read_photo(self._photos[name])).mask
            self._predicted[name] = mask_to_runs(mask), (mask.shape[0], mask.shape[1])
        return self._predicted[name]
