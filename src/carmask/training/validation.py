"""Score a network in training on validation photos."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from carmask.data.table import Example
from carmask.evaluation.evaluate import evaluate, summarise
from carmask.training.cache import PhotoCache
from carmask.training.losses import Loss, compute_loss
from carmask.training.predictor import TorchNetwork


def validate(
    network: TorchNetwork, examples: Sequence[Example], cache: PhotoCache | None, loss: Loss
) -> dict[str, float]:
    """Score as ``carmask evaluate`` does, and compute the loss on the way.

    Args:
        network: in training.
        examples: photos with true masks.
        cache: the same examples at the network's input size; None leaves loss and F1 out.
        loss: the recipe's.

    Returns:
        ``dice``: mean over images at native size; ``accuracy``: fraction of right pixels at native size, of car against
        background; ``loss`` at the network's size; for parts ``f1``, the mean over classes, background included, at the
        network's size.
    """
    losses: list[float] = []
    classes = network.model.network.channels
    confusion = torch.zeros(classes, classes, dtype=torch.int64)

    # ``evaluate`` reports each photo right after its prediction, whose scores the network still holds.
    def note(done: int, _: int) -> None:
        if cache is None:
            return
        masks = torch.from_numpy(cache.read(done - 1, network.info.size)[1])[None].to(network.scores.device)
        car_channels = network.model.network.car_channels
        losses.append(float(compute_loss(loss, network.scores, masks, car_channels, labels=cache.labels)))
        if cache.labels:
            pairs = masks[0].long().cpu() * classes + network.scores[0].argmax(0).cpu()
            confusion.add_(torch.bincount(pairs.flatten(), minlength=classes**2).view(classes, classes))

    scores = evaluate(network, examples, progress=note)
    # Wrong pixels are those in one mask and not in the other: (true + predicted) (1 - Dice).
    right = [1.0 - (score.true_area + score.predicted_area) * (1.0 - score.dice) for score in scores]
    measured = {"dice": summarise(scores).mean, "accuracy": sum(right) / len(right)}
    if losses:
        measured["loss"] = sum(losses) / len(losses)
    if cache is not None and cache.labels:
        measured["f1"] = macro_f1(confusion)
    return measured


def macro_f1(confusion: torch.Tensor) -> float:
    """Mean F1 over classes that occur in truth or prediction.

    Args:
        confusion: int64 (classes, classes): pixels by true class (row) and predicted class (column).

    Returns:
        0 to 1; 1 if there are no pixels.
    """
    total = (confusion.sum(0) + confusion.sum(1)).double()
    f1 = 2.0 * confusion.diagonal().double()[total > 0] / total[total > 0]
    return float(f1.mean()) if len(f1) else 1.0
