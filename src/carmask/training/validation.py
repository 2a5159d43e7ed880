"""Score a network in training on validation photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from carmask import geometry
from carmask.arrays import Mask, Photo, Probability
from carmask.data.annotated import PartsExample
from carmask.data.augment import binarise
from carmask.data.table import Example
from carmask.data.warp import SoftMask
from carmask.evaluation.confusion import Confusion, confusion
from carmask.evaluation.metrics import METRICS, MaskPair, measure
from carmask.evaluation.part_scores import added
from carmask.evaluation.scoring import open_pair
from carmask.model.info import ModelInfo
from carmask.prediction.parts import most_probable
from carmask.prediction.predict import predict_reduced
from carmask.prediction.stages import network_input
from carmask.prefetch import prefetch
from carmask.training.dataset.cache import PhotoCache
from carmask.training.losses import LabelLoss, Loss, compute_loss
from carmask.training.predictor import TorchNetwork


@dataclass(frozen=True)
class Checks:
    """The photos that are scored after every epoch.

    Attributes:
        sets: by data set; the main one's name is "".
        weights: of each data set in the score that chooses the best epoch.
        cache: the main set's photos at the network's input size; None leaves its loss and F1 out.
        binary: masks are cut at one half before the loss, as ``augment.binary`` does in training.
        border: extra weight of the contour in the loss's BCE, as in training.
    """

    sets: Mapping[str, Sequence[Example]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    cache: PhotoCache | None = None
    binary: bool = False
    border: float = 0.0


class _Measured(NamedTuple):
    """What one photo gave; ``loss`` and ``confusion`` are None where they were not measured."""

    metrics: dict[str, float]
    loss: float | None
    confusion: Confusion | None


class _Given:
    """A network whose prediction is known already, so that the scores behind it are computed once."""

    def __init__(self, info: ModelInfo, probability: Probability) -> None:
        self.info, self._probability = info, probability

    def run(self, pixels: Photo, guide: Probability | None = None, /) -> Probability:  # noqa: ARG002  # it is of these
        return self._probability

    def locate(self, pixels: Photo, /) -> Probability:
        raise NotImplementedError

    def specialise(self, pixels: Photo, /) -> Probability:
        raise NotImplementedError

    def refine(self, pixels: Photo, coarse: Probability, /) -> Probability:
        raise NotImplementedError

    def run_parts(self, pixels: Photo) -> Probability:
        raise NotImplementedError


def validate_all(network: TorchNetwork, checks: Checks, loss: Loss | LabelLoss) -> dict[str, float]:
    """Score every data set.

    Args:
        network: in training.
        checks: what to score.
        loss: the recipe's.

    Returns:
        What ``validate`` finds of the main set; ``dice NAME`` of each extra set; and ``score``, by ``score_of``. Empty
        if there is nothing to score.
    """
    found = {
        name: validate(
            network, examples, None if name else checks.cache, loss, binary=checks.binary, border=checks.border
        )
        for name, examples in checks.sets.items()
    }
    if not found:
        return {}
    row = dict(found.get("", {})) | {f"dice {name}": one["dice"] for name, one in found.items() if name}
    return row | {"score": score_of(found, checks.weights)}


def validate(
    network: TorchNetwork,
    examples: Sequence[Example],
    cache: PhotoCache | None,
    loss: Loss | LabelLoss,
    *,
    binary: bool = False,
    border: float = 0.0,
) -> dict[str, float]:
    """Score as ``carmask evaluate`` does, and compute the loss on the same scores, as training does.

    Args:
        network: in training.
        examples: photos with true masks.
        cache: the same examples at the network's input size; None leaves loss and F1 out.
        loss: the recipe's.
        binary: the loss is on masks that are cut at one half, see ``Checks``.
        border: extra weight of the contour in the loss's BCE.

    Returns:
        The mean over the photos of each of ``carmask.evaluation.metrics.METRICS``, of car against background at native
        size; ``loss`` at the network's size; for parts ``f1``, the mean over the parts at native size, as
        ``carmask.evaluation.part_scores`` has it, and ``accuracy`` is the fraction of all pixels with the right label.

    Raises:
        PhotoError: if a photo or mask cannot be read.
        DataError: if a mask has another size than its photo.
    """
    measured = []
    for index, (example, loading) in enumerate(
        zip(examples, prefetch(partial(open_pair, network), examples), strict=True)
    ):
        photo, truth = loading.result()
        if cache is None:
            measured.append(_measure(predict_reduced(network, photo).mask, truth))
            continue
        # One forward pass gives both the prediction and the loss.
        scores = network.scores(network_input(network, photo))
        found = predict_reduced(_Given(network.info, network.probability(scores)), photo).mask
        mask = cache.read(index, network.info.size)[1]
        mask = binarise(mask) if binary and not cache.labels else mask
        value = _loss(network, scores, mask, loss, labels=cache.labels, border=border)
        parts = _confusion(network.info, scores, example) if isinstance(example, PartsExample) else None
        measured.append(_measure(found, truth)._replace(loss=value, confusion=parts))
    mean = {name: _mean([one.metrics[name] for one in measured]) for name in METRICS}
    losses = [one.loss for one in measured if one.loss is not None]
    confusions = [one.confusion for one in measured if one.confusion is not None]
    if losses:
        mean["loss"] = _mean(losses)
    if confusions:
        together = added(confusions)
        mean |= {"f1": together.mean("f1", background=False), "accuracy": together.accuracy}
    return mean


def score_of(measured: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]) -> float:
    """The score that chooses the best epoch: the mean of the data sets' F1 (of parts) or Dice, weighted.

    Args:
        measured: what ``validate`` found, by data set.
        weights: of each data set, not all 0; they need not add up to 1.

    Returns:
        ``sum(weight * value) / sum(weight)``, in [0, 1].
    """
    total = sum(weights[name] for name in measured)
    return sum(weights[name] * one.get("f1", one["dice"]) for name, one in measured.items()) / total


def _measure(mask: Mask, truth: Mask) -> _Measured:
    return _Measured(measure(MaskPair(mask, truth)), None, None)


def _loss(
    network: TorchNetwork, scores: Tensor, mask: SoftMask, loss: Loss | LabelLoss, *, labels: bool, border: float
) -> float:
    masks, car = torch.from_numpy(mask)[None].to(scores.device), network.model.network.car_channels
    return float(compute_loss(loss, scores, masks, car, labels=labels, border=border))


def _confusion(info: ModelInfo, scores: Tensor, example: PartsExample) -> Confusion | None:
    if not info.parts:
        return None
    truth = example.read_labels()
    shape = (truth.shape[0], truth.shape[1])
    place = info.place(shape)
    shares = [geometry.without_bars(one, place) for one in scores[0].softmax(0).cpu().numpy()]
    return confusion(most_probable(np.stack(shares), shape), truth, len(info.classes) + 1)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
