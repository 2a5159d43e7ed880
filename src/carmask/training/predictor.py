"""A network with its normalisation, and the same seen as a model file is seen."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carmask.arrays import Photo, Probability
from carmask.images.normalisation import MEANS_AND_STDS, Normalisation
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.networks.network import SegmentationNetwork, car_logits


class Normalised(nn.Module):
    """A network with its normalisation: from a photo's bytes to scores."""

    mean: Tensor
    std: Tensor
    network: SegmentationNetwork

    def __init__(self, network: SegmentationNetwork, normalisation: Normalisation = "imagenet") -> None:
        """Take a network.

        Args:
            network: takes normalised RGB.
            normalisation: of photos; weights that are loaded later bring their own.
        """
        super().__init__()
        self.network = network
        mean, std = (torch.tensor(row).view(3, 1, 1) * 255.0 for row in MEANS_AND_STDS[normalisation])
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @property
    def normalisation(self) -> Normalisation:
        """Which one it has: that of its weights, once these are loaded."""
        return "imagenet" if bool(self.mean.any()) else "unit"

    def forward(self, pixels: Tensor, guide: Tensor | None = None) -> Tensor:
        """Predict.

        Args:
            pixels: uint8 (batch, height, width, 3), RGB.
            guide: float32 (batch, height, width) in [0, 1], for networks that are guided: a coarser probability of car.

        Returns:
            The head's float32 (batch, channels, height, width).
        """
        # A permuted NHWC tensor is in channels_last memory format, which convolutions on a CPU are fastest in.
        images = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        scores: Tensor = self.network(images) if guide is None else self.network(images, 2.0 * guide[:, None] - 1.0)
        return scores.float()

    def car(self, pixels: Tensor, guide: Tensor | None = None) -> Tensor:
        """The probability of car: uint8 (batch, height, width, 3) RGB to float32 (batch, height, width)."""
        return car_logits(self(pixels, guide), self.network.car_channels)[:, 0].sigmoid()

    def classes(self, pixels: Tensor) -> Tensor:
        """The probabilities of all channels: uint8 (batch, height, width, 3) to float32 (batch, channels, h, w)."""
        scores: Tensor = self(pixels)
        return scores.softmax(1)


class TorchNetwork:
    """A network in training, seen as ``prediction`` sees a model file.

    Attributes:
        info: the model's description.
    """

    def __init__(
        self,
        model: Normalised,
        info: ModelInfo,
        *,
        locating: Network | None = None,
        mixed: bool = False,
    ) -> None:
        """Take a network.

        Args:
            model: the network.
            info: its description.
            locating: the localisation network, of models with one of their own.
            mixed: compute in 16 bits where that is safe, as it was trained.
        """
        self.model, self.info, self.locating, self._mixed = model, info, locating, mixed

    def scores(self, pixels: Photo, guide: Probability | None = None) -> Tensor:
        """Run the network: uint8 (height, width, 3) RGB to the head's float32 (1, channels, height, width)."""
        training = self.model.training
        self.model.eval()
        device = self.model.mean.device
        try:
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self._mixed):
                given = (torch.from_numpy(np.array(one))[None].to(device) for one in (pixels, guide) if one is not None)
                scores: Tensor = self.model(*given)
        finally:
            self.model.train(training)
        return scores

    def probability(self, scores: Tensor) -> Probability:
        """The probability of car that scores mean: float32 (height, width) in [0, 1]."""
        found: Probability = car_logits(scores, self.model.network.car_channels)[0, 0].sigmoid().cpu().numpy()
        return found

    def run(self, pixels: Photo, guide: Probability | None = None, /) -> Probability:
        """Predict: uint8 (height, width, 3) RGB to float32 (height, width) in [0, 1]."""
        return self.probability(self.scores(pixels, guide))

    def locate(self, pixels: Photo, /) -> Probability:
        """Find the car in a whole photo: uint8 (``*info.localisation_size``, 3) RGB to float32 in [0, 1]."""
        assert self.locating is not None
        return self.locating.run(pixels)

    def specialise(self, pixels: Photo, /) -> Probability:
        """Predict a photo of the specialist's studio: uint8 (``*info.size``, 3) RGB to float32 in [0, 1]."""
        assert self.locating is not None
        return self.locating.specialise(pixels)

    def refine(self, pixels: Photo, coarse: Probability, /) -> Probability:
        """Move the contour: uint8 (``*info.refinement.size``, 3) RGB and float32 of this size to float32 in [0, 1]."""
        raise NotImplementedError(f"{self.info.name}: has no refinement stage")

    def run_parts(self, pixels: Photo) -> NDArray[np.float32]:
        """Predict the parts: float32 (1 + parts, ``*info.size``); see ``carmask.model.network.Network``."""
        shares: NDArray[np.float32] = self.scores(pixels)[0].softmax(0).cpu().numpy()
        return shares


class RefiningNetwork(TorchNetwork):
    """A refinement network in training: the other stages are those of a model file."""

    def __init__(self, model: Normalised, info: ModelInfo, base: Network, *, mixed: bool = False) -> None:
        """Take a network.

        Args:
            model: the refinement network.
            info: the description of both together.
            base: the model whose contours it refines.
            mixed: compute in 16 bits where that is safe, as it was trained.
        """
        super().__init__(model, info, mixed=mixed)
        self._base = base

    def run(self, pixels: Photo, guide: Probability | None = None, /) -> Probability:
        """The base's segmentation stage."""
        return self._base.run(pixels) if guide is None else self._base.run(pixels, guide)

    def locate(self, pixels: Photo, /) -> Probability:
        """The base's localisation stage."""
        return self._base.locate(pixels)

    def specialise(self, pixels: Photo, /) -> Probability:
        """The base's specialist."""
        return self._base.specialise(pixels)

    def refine(self, pixels: Photo, coarse: Probability, /) -> Probability:
        """Move the contour: uint8 (``*info.refinement.size``, 3) RGB and float32 of this size to float32 in [0, 1]."""
        return self.probability(self.scores(pixels, coarse))
