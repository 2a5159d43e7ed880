"""Losses on logits against soft targets."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from carmask.errors import UnknownNameError

Loss = Callable[[Tensor, Tensor], Tensor]


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy, mean over pixels.

    Args:
        logits: float32 (batch, 1, height, width).
        targets: float32 of the same shape in [0, 1]: the fraction of the pixel that is car.

    Returns:
        A scalar.
    """
    return binary_cross_entropy_with_logits(logits, targets)


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """1 - soft Dice of each image, mean over the batch (Milletari et al. 2016, https://arxiv.org/abs/1606.04797).

    One is added above and below, so that an empty image has a loss and a gradient.

    Args:
        logits: float32 (batch, 1, height, width).
        targets: float32 of the same shape in [0, 1].

    Returns:
        A scalar in [0, 1].
    """
    p = logits.sigmoid().flatten(1)
    t = targets.flatten(1)
    score = (2.0 * (p * t).sum(1) + 1.0) / (p.sum(1) + t.sum(1) + 1.0)
    return 1.0 - score.mean()


def bce_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """BCE + (1 - Dice); arguments and result as ``bce``."""
    return bce(logits, targets) + dice_loss(logits, targets)


LOSSES: dict[str, Loss] = {"bce": bce, "dice": dice_loss, "bce+dice": bce_dice}


def find_loss(name: str) -> Loss:
    """Look a loss up.

    Raises:
        UnknownNameError: if there is none of this name; the message lists those there are.
    """
    if name not in LOSSES:
        raise UnknownNameError(f"there is no loss {name!r}; choose one of: {', '.join(sorted(LOSSES))}")
    return LOSSES[name]
