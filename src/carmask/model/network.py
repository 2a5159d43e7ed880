"""What predicts: the protocol that every runtime, and a network in training, fulfils.

A model file's graph takes uint8 (1, height, width, 3) RGB and returns float32 (1, height, width) probabilities. The
graph of a model that tells parts apart returns float32 (1, 1 + parts, height, width): background first, adding up to 1.
Normalisation is inside the graph. A file with a localisation network of its own holds a second graph, disjoint from the
first one: ``whole``, uint8 (1, height, width, 3), to ``located``, float32 (1, height, width); and its main graph takes
``guide`` beside ``photo``, float32 (1, height, width): what the localisation network gives for the same pixels. A file
with a refinement network holds one more: ``detail``, uint8 (1, height, width, 3), and ``coarse``, float32 (1, height,
width), to ``refined``, float32 (1, height, width). A file with a specialist holds ``familiar``, uint8 (1, height,
width, 3), to ``specialised``, float32 (1, height, width).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo, Probability
from carmask.model.info import ModelInfo

#: Names of the graphs' inputs and outputs.
PHOTO, GUIDE, PROBABILITY = "photo", "guide", "probability"
WHOLE, LOCATED = "whole", "located"
DETAIL, COARSE, REFINED = "detail", "coarse", "refined"
FAMILIAR, SPECIALISED = "familiar", "specialised"
#: What a guide holds where nothing is known.
UNKNOWN = 0.5

#: The stages of prediction that a file may hold a graph for.
Stage = Literal["segmentation", "localisation", "specialist", "refinement"]


class Graph(NamedTuple):
    """The names of one of a file's graphs.

    Attributes:
        photo: its input of pixels.
        guide: its input of probabilities, if it has one.
        output: its output.
    """

    photo: str
    guide: str
    output: str


#: By stage. The localisation network and the specialist take no probabilities.
GRAPHS: dict[Stage, Graph] = {
    "segmentation": Graph(PHOTO, GUIDE, PROBABILITY),
    "localisation": Graph(WHOLE, "", LOCATED),
    "specialist": Graph(FAMILIAR, "", SPECIALISED),
    "refinement": Graph(DETAIL, COARSE, REFINED),
}

#: What the names of a further stage's network begin with in the joined file.
PREFIXES: dict[Stage, str] = {
    "localisation": "localisation.",
    "specialist": "specialist.",
    "refinement": "refinement.",
}

#: Where a network runs.
Device = Literal["cpu", "cuda", "tensorrt"]


class Network(Protocol):
    """Anything that predicts: a model file in a runtime, or a network in training."""

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""

    def run(self, pixels: Photo, guide: Probability | None = None, /) -> Probability:
        """Predict. May be called by several threads at the same time.

        Args:
            pixels: uint8 (``*info.size``, 3), RGB; or of size ``info.localisation_size`` where no other network
                localises.
            guide: float32 (``*info.size``) in [0, 1], for models whose ``info.guided`` is true: the probability that
                the localisation network gives; ``UNKNOWN`` everywhere if None.

        Returns:
            float32, of the same height and width, in [0, 1]: the probability of car, of any part.
        """

    def locate(self, pixels: Photo, /) -> Probability:
        """Find the car in a whole photo; only models with a localisation network of its own can.

        Args:
            pixels: uint8 (``*info.localisation_size``, 3), RGB.

        Returns:
            float32 (``*info.localisation_size``) in [0, 1]: the probability of car.
        """

    def specialise(self, pixels: Photo, /) -> Probability:
        """Predict as ``run`` does, for a photo of the studio that the model has a specialist for.

        Args:
            pixels: uint8 (``*info.size``, 3), RGB.

        Returns:
            float32 (``*info.size``) in [0, 1]: the probability of car.
        """

    def refine(self, pixels: Photo, coarse: Probability, /) -> Probability:
        """Move the contour to where the photo has it; only models with a refinement network can.

        Args:
            pixels: uint8 (``*info.refinement.size``, 3), RGB.
            coarse: float32 (``*info.refinement.size``) in [0, 1]: the probability that the other stages give.

        Returns:
            float32 (``*info.refinement.size``) in [0, 1]: the probability of car.
        """

    def run_parts(self, pixels: Photo) -> NDArray[np.float32]:
        """Predict the parts; only models whose ``info.parts`` is true can.

        Args:
            pixels: as ``run``.

        Returns:
            float32 (1 + parts, ``*info.size``) in [0, 1], background first; they add up to 1 for each pixel.
        """


class Redescribed:
    """A network under another description: what its stages do, but for the networks themselves, is decided by that."""

    def __init__(self, network: Network, info: ModelInfo) -> None:
        """Take a network.

        Args:
            network: a loaded model.
            info: the description that is to be followed.
        """
        self.info, self.run, self.run_parts = info, network.run, network.run_parts
        self.locate, self.specialise, self.refine = network.locate, network.specialise, network.refine


def without_specialist(network: Network) -> Network:
    """A network whose segmentation stage segments all photos, also those of the studio that it has a specialist for."""
    if network.info.specialist is None:
        return network
    return Redescribed(network, network.info.model_copy(update={"specialist": None}))


def car_of_parts(classes: NDArray[np.float32]) -> Probability:
    """The probability of car, any part of it.

    Args:
        classes: float32 (classes, height, width) in [0, 1]; background is the first.

    Returns:
        float32 (height, width) in [0, 1].
    """
    return np.asarray(np.clip(1 - classes[0], 0, 1), np.float32)
