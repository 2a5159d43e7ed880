"""Score a network in training on validation photos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from carmask import geometry
from carmask.data.parts import PartsExample
from carmask.data.table import Example
from carmask.evaluation.metrics import Confusion, confusion
from carmask.evaluation.part_scores import added
from carmask.evaluation.scoring import evaluate, summarise
from carmask.prediction.parts import most_probable
from carmask.training.dataset.cache import PhotoCache
from carmask.training.losses import LabelLoss, Loss, compute_loss
from carmask.training.predictor import TorchNetwork


def validate(
    network: TorchNetwork, examples: Sequence[Example], cache: PhotoCache | None, loss: Loss | LabelLoss
) -> dict[str, float]:
    """Score as ``carmask evaluate`` does, and compute the loss on the way.

    Args:
        network: in training.
        examples: photos with true masks.
        cache: the same examples at the network's input size; None leaves loss and F1 out.
        loss: the recipe's.

    Returns:
        ``dice``: mean over images at native size; ``accuracy``: fraction of right pixels at native size, of car against
        background; ``loss`` at the network's size; for parts ``f1``, the mean over the parts at native size, as
        ``carmask.evaluation.part_scores`` has it.
    """
    losses: list[float] = []
    names = network.info.classes
    confusions: list[Confusion] = []

    # ``evaluate`` reports each photo right after its prediction, whose scores the network still holds.
    def note(done: int, _: int) -> None:
        if cache is None:
            return
        masks = torch.from_numpy(cache.read(done - 1, network.info.size)[1])[None].to(network.scores.device)
        car_channels = network.model.network.car_channels
        losses.append(float(compute_loss(loss, network.scores, masks, car_channels, labels=cache.labels)))
        example = examples[done - 1]
        if network.info.parts and isinstance(example, PartsExample):
            truth = example.read_labels()
            shape = (truth.shape[0], truth.shape[1])
            place = network.info.place(shape)
            shares = [geometry.without_bars(one, place) for one in network.scores[0].softmax(0).cpu().numpy()]
            confusions.append(confusion(most_probable(np.stack(shares), shape), truth, len(names) + 1))

    scores = evaluate(network, examples, progress=note)
    # Wrong pixels are those in one mask and not in the other: (true + predicted) (1 - Dice).
    right = [1.0 - (score.true_area + score.predicted_area) * (1.0 - score.dice) for score in scores]
    measured = {"dice": summarise(scores).mean, "accuracy": sum(right) / len(right)}
    if losses:
        measured["loss"] = sum(losses) / len(losses)
    if confusions:
        measured["f1"] = added(confusions).mean("f1", background=False)
    return measured
