"""Which stage loses what: predictions with the true localisation, beside those with the model's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask import geometry
from carmask.arrays import Photo, Probability
from carmask.data.table import Example, sample
from carmask.evaluation.overlap import dice
from carmask.evaluation.scoring import open_pair
from carmask.model.info import ModelInfo
from carmask.model.network import Network, without_specialist
from carmask.prediction.predict import finish_prediction
from carmask.prediction.stages import predict_map
from carmask.words import counted

#: Photos that are looked at, at most.
PHOTOS = 32
#: The least part of the training that a stage which loses anything has, and the loss that is not worth any.
LEAST_PART, NOTHING = 0.25, 0.1


class StageLosses(NamedTuple):
    """Mean 1 - Dice of a model with a localisation network.

    Attributes:
        own: as it is.
        located: if localisation gave the true masks.
        photos: how many were looked at.
    """

    own: float
    located: float
    photos: int

    @property
    def localisation(self) -> float:
        """The part of the loss that is localisation's, 0 to 1."""
        return min(1.0, max(0.0, (self.own - self.located) / self.own)) if self.own > 0 else 0.0

    @property
    def training(self) -> float:
        """The part of the training that localisation is to have: as much as it loses, or nothing if that is little."""
        if self.localisation < NOTHING:
            return 0.0
        return min(1 - LEAST_PART, max(LEAST_PART, self.localisation))

    def __str__(self) -> str:
        return (
            f"1 - Dice {self.own:.4f} on {counted(self.photos, 'corrected photo')} to train on, "
            f"{self.located:.4f} if localisation gave the true masks"
        )


def measure_losses(
    network: Network, examples: Sequence[Example], *, progress: Callable[[int, int], None] | None = None
) -> StageLosses:
    """Predict photos with a model's localisation and with the true one, without its specialist, which learns nothing.

    Args:
        network: of a model with a localisation network of its own.
        examples: photos with their true masks; some of them if they are many.
        progress: called with the number done and of all.

    Returns:
        The losses.

    Raises:
        PhotoError: if a photo or mask cannot be read.
        DataError: if a mask has another size than its photo.
    """
    network, chosen = without_specialist(network), sample(examples, PHOTOS)
    losses = []
    for done, one in enumerate(chosen, 1):
        photo, truth = open_pair(network, one)
        found = [
            finish_prediction(predict_map(each, photo), network.info).mask
            for each in (network, _TrulyLocated(network, truth))
        ]
        losses.append([1 - dice(mask, truth) for mask in found])
        if progress is not None:
            progress(done, len(chosen))
    own, located = np.mean(losses, 0)
    return StageLosses(float(own), float(located), len(chosen))


class _TrulyLocated:
    """A network whose localisation finds the true mask."""

    def __init__(self, network: Network, mask: NDArray[np.bool_]) -> None:
        self._network = network
        self._mask = mask

    @property
    def info(self) -> ModelInfo:
        return self._network.info

    def run(self, pixels: Photo, guide: Probability | None = None, /) -> Probability:
        return self._network.run(pixels, guide)

    def locate(self, pixels: Photo, /) -> Probability:
        size = pixels.shape[0], pixels.shape[1]
        place = geometry.fit_letterbox((self._mask.shape[0], self._mask.shape[1]), size)
        located = np.zeros(size, np.float32)
        rows, columns = slice(place.top, place.top + place.inner[0]), slice(place.left, place.left + place.inner[1])
        located[rows, columns] = geometry.resize(self._mask.astype(np.uint8) * np.uint8(255), place.inner) / np.float32(
            255
        )
        return located

    def specialise(self, pixels: Photo, /) -> Probability:
        return self._network.specialise(pixels)

    def refine(self, pixels: Photo, coarse: Probability, /) -> Probability:
        return self._network.refine(pixels, coarse)

    def run_parts(self, pixels: Photo) -> NDArray[np.float32]:
        return self._network.run_parts(pixels)
