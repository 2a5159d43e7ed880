"""Losses on logits against soft targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from carmask.errors import UnknownNameError
from carmask.networks.network import car_logits

Loss = Callable[[Tensor, Tensor], Tensor]

#: Pixels on both sides of the contour that count as near it, at the size trained at.
BORDER = 3


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
    return 1.0 - _soft_dice(logits, targets).mean()


def bce_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """BCE + (1 - Dice); arguments and result as ``bce``."""
    return bce(logits, targets) + dice_loss(logits, targets)


def bce_log_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """BCE - log Dice, mean over the batch; arguments as ``bce``."""
    return bce(logits, targets) - _soft_dice(logits, targets).log().mean()


def sparse_categorical(scores: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of class scores against labels, mean over pixels.

    Args:
        scores: float32 (batch, classes, height, width); softmax over the classes gives probabilities.
        labels: int64 (batch, height, width) in [0, classes).
        weights: float32 (classes,), of each class's pixels in the mean; None for equal ones.

    Returns:
        A scalar.
    """
    return cross_entropy(scores, labels, weights)


def class_dice_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """1 - soft Dice of each class over the batch, mean over the classes that the batch's labels hold.

    Of the whole batch, not of each image: most parts are in few of the images, and small in those.

    Args:
        scores: float32 (batch, classes, height, width).
        labels: int64 (batch, height, width) in [0, classes).

    Returns:
        A scalar in [0, 1].
    """
    p = scores.softmax(1)
    both = p.new_zeros(p.shape[1]).index_add(0, labels.flatten(), p.gather(1, labels[:, None]).flatten())
    true = labels.flatten().bincount(minlength=p.shape[1]).to(p.dtype)
    dice = (2.0 * both + 1.0) / (p.sum((0, 2, 3)) + true + 1.0)
    return 1.0 - dice[true > 0].mean()


@dataclass(frozen=True)
class LabelLoss:
    """A loss on class scores and labels; the others are on the logit of car and the fraction of car.

    Attributes:
        dice: add ``class_dice_loss`` to the cross-entropy.
        weights: of the classes in the cross-entropy, background first; empty for equal ones.
    """

    dice: bool = False
    weights: tuple[float, ...] = ()

    def __call__(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Arguments and result as ``sparse_categorical``."""
        weights = torch.tensor(self.weights, device=scores.device) if self.weights else None
        loss = sparse_categorical(scores, labels, weights)
        return loss + class_dice_loss(scores, labels) if self.dice else loss


def median_frequency(masks: Iterable[NDArray[np.uint8]], classes: int) -> tuple[float, ...]:
    """Weights that let rare classes count as much as common ones.

    The median of all classes' frequencies divided by the class's own; its frequency is taken over the pictures that
    hold it (Eigen & Fergus 2015, https://arxiv.org/abs/1411.4734, section 6.3.2).

    Args:
        masks: uint8 (height, width) labels of each picture.
        classes: how many labels there are, background included.

    Returns:
        A weight for each label; 0 for one that no picture holds.
    """
    pixels, room = np.zeros(classes), np.zeros(classes)
    for mask in masks:
        counts = np.bincount(mask.ravel(), minlength=classes)
        pixels += counts
        room += np.where(counts > 0, mask.size, 0)
    frequency = np.divide(pixels, room, out=np.zeros(classes), where=room > 0)
    there = frequency > 0
    weights = np.divide(float(np.median(frequency[there])), frequency, out=np.zeros(classes), where=there)
    return tuple(weights.tolist())


LOSSES: dict[str, Loss] = {
    "bce": bce,
    "dice": dice_loss,
    "bce+dice": bce_dice,
    "bce-log-dice": bce_log_dice,
}
LABEL_LOSSES: dict[str, LabelLoss] = {
    "sparse-categorical": LabelLoss(),
    "sparse-categorical+dice": LabelLoss(dice=True),
}
#: Those with a BCE in them, that pixels at the contour can weigh more in.
WITH_BCE = frozenset({"bce", "bce+dice", "bce-log-dice"})


def find_loss(name: str) -> Loss | LabelLoss:
    """Look a loss up.

    Raises:
        UnknownNameError: if there is none of this name; the message lists those there are.
    """
    if name in LABEL_LOSSES:
        return LABEL_LOSSES[name]
    if name not in LOSSES:
        names = sorted([*LOSSES, *LABEL_LOSSES])
        raise UnknownNameError(f"there is no loss {name!r}; choose one of: {', '.join(names)}")
    return LOSSES[name]


def border_bce(logits: Tensor, targets: Tensor, border: float) -> Tensor:
    """Binary cross-entropy, mean over pixels, those within ``BORDER`` pixels of the contour weighing ``1 + border``.

    The weights are scaled to a mean of 1 in each batch. As the challenge's winners did (weights at the border of the
    mask), after Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597, section 3.

    Args:
        logits: float32 (batch, 1, height, width).
        targets: float32 of the same shape in [0, 1].
        border: 0 or more; 0 is ``bce``.

    Returns:
        A scalar.
    """
    return binary_cross_entropy_with_logits(logits, targets, weight=_border_weights(targets, border))


def _border_weights(targets: Tensor, border: float) -> Tensor:
    """Weights of pixels with a mean of 1: float32 of the targets' shape."""
    car = targets >= 0.5
    # A pixel is near the contour if its neighbourhood holds both.
    weights = 1.0 + border * (_spread(car) & _spread(~car)).float()
    return weights / weights.mean()


def _spread(there: Tensor) -> Tensor:
    """Dilate: bool of the same shape, true within a square of ``BORDER`` pixels to each side of a true one.

    A square is spread along rows, then along columns, by shifts: a tenth of the time of ``max_pool2d`` on a processor.
    """
    for axis in (-1, -2):
        wide = there.clone()
        for shift in range(1, min(BORDER + 1, there.shape[axis])):
            rest = there.shape[axis] - shift
            wide.narrow(axis, shift, rest).logical_or_(there.narrow(axis, 0, rest))
            wide.narrow(axis, 0, rest).logical_or_(there.narrow(axis, shift, rest))
        there = wide
    return there


def compute_loss(
    loss: Loss | LabelLoss,
    scores: Tensor,
    masks: Tensor,
    car_channels: tuple[int, ...],
    *,
    labels: bool,
    border: float = 0.0,
) -> Tensor:
    """Apply a loss to what a head gives.

    Args:
        loss: from ``find_loss``.
        scores: float32 (batch, channels, height, width).
        masks: uint8 (batch, height, width): 255 times the fraction of car, or labels.
        car_channels: the channels that are car.
        labels: what ``masks`` holds.
        border: extra weight of the contour in the loss's BCE, for losses that have one.

    Returns:
        A scalar.
    """
    if isinstance(loss, LabelLoss):
        return loss(scores, masks.long() if labels else (masks >= 128).long())
    targets = (masks > 0).float() if labels else masks.float() / 255.0
    logits, targets = car_logits(scores, car_channels), targets[:, None]
    value = loss(logits, targets)
    if not border:
        return value
    # What the weights change of the loss's BCE.
    return value + binary_cross_entropy_with_logits(logits, targets, weight=_border_weights(targets, border) - 1.0)


def _soft_dice(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid().flatten(1)
    t = targets.flatten(1)
    return (2.0 * (p * t).sum(1) + 1.0) / (p.sum(1) + t.sum(1) + 1.0)
