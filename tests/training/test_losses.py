"""Losses by hand and against independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from carmask.errors import UnknownNameError
from carmask.training.losses import (
    LABEL_LOSSES,
    LOSSES,
    LabelLoss,
    bce,
    bce_dice,
    bce_log_dice,
    border_bce,
    class_dice_loss,
    compute_loss,
    dice_loss,
    find_loss,
    median_frequency,
    sparse_categorical,
)


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(3, 1, 12, 10, generator=generator)
    return logits, torch.rand(3, 1, 12, 10, generator=generator)


def test_bce_by_its_formula(pair):
    logits, targets = pair
    p = logits.double().sigmoid()
    expected = -(targets * p.log() + (1 - targets) * (1 - p).log()).mean()
    assert bce(logits, targets).item() == pytest.approx(expected.item(), rel=1e-5)


def test_dice_agrees_with_segmentation_models_pytorch(pair):
    logits, targets = pair
    hard = (targets > 0.5).float()
    # Theirs takes Dice over the whole batch, ours of each image: one image at a time is the same. Theirs smooths the
    # numerator and denominator of half the fraction by the same number.
    theirs = smp.losses.DiceLoss("binary", smooth=0.5)
    expected = sum(theirs(logits[i : i + 1], hard[i : i + 1]).item() for i in range(3)) / 3
    assert dice_loss(logits, hard).item() == pytest.approx(expected, abs=1e-6)


def test_dice_by_hand():
    logits = torch.tensor([[[[100.0, 100.0], [-100.0, -100.0]]]])
    right, half = logits > 0, torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    assert dice_loss(logits, right.float()).item() == pytest.approx(0.0, abs=1e-6)
    assert dice_loss(logits, half).item() == pytest.approx(1 - 3 / 5)  # (2 * 1 + 1) / (2 + 2 + 1)
    assert dice_loss(-100 * torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item() == pytest.approx(0.0, abs=1e-6)


def test_combined_losses(pair):
    assert bce_dice(*pair).item() == pytest.approx(bce(*pair).item() + dice_loss(*pair).item(), rel=1e-6)
    one = (pair[0][:1], pair[1][:1])  # of one image, where the mean of logarithms is the logarithm
    expected = bce(*one).item() - math.log(1 - dice_loss(*one).item())
    assert bce_log_dice(*one).item() == pytest.approx(expected, rel=1e-5)


def test_sparse_categorical_by_its_formula():
    scores = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(60).view(2, 5, 6) % 4
    p = scores.double().softmax(1).gather(1, labels[:, None])
    assert sparse_categorical(scores, labels).item() == pytest.approx(-p.log().mean().item(), rel=1e-5)


def test_class_dice_agrees_with_segmentation_models_pytorch():
    generator = torch.Generator().manual_seed(2)
    scores = 2 * torch.randn(3, 5, 12, 10, generator=generator)
    labels = torch.randint(0, 4, (3, 12, 10), generator=generator)  # class 4 is nowhere, and does not count
    theirs = smp.losses.DiceLoss("multiclass", classes=[0, 1, 2, 3], smooth=0.5)  # as above
    assert class_dice_loss(scores, labels).item() == pytest.approx(theirs(scores, labels).item(), abs=1e-5)


def test_class_dice_by_hand():
    labels = torch.tensor([[[0, 0], [1, 1]]])
    right = 100.0 * torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2)
    assert class_dice_loss(right, labels).item() == pytest.approx(0.0, abs=1e-6)
    none = 100.0 * torch.nn.functional.one_hot(torch.full_like(labels, 2), 3).permute(0, 3, 1, 2)
    assert class_dice_loss(none, labels).item() == pytest.approx(1 - 1 / 3, abs=1e-6)  # (0 + 1) / (0 + 2 + 1) each


def test_the_label_loss_adds_and_weighs():
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(2, 3, 6, 6, generator=generator)
    labels = torch.randint(0, 3, (2, 6, 6), generator=generator)
    plain, dice = sparse_categorical(scores, labels), class_dice_loss(scores, labels)
    assert LabelLoss()(scores, labels).item() == plain.item()
    assert LabelLoss(dice=True)(scores, labels).item() == pytest.approx((plain + dice).item())
    p, weights = scores.softmax(1).gather(1, labels[:, None])[:, 0], torch.tensor([0.5, 2.0, 0.0])[labels]
    weighted = LabelLoss(weights=(0.5, 2.0, 0.0))(scores, labels).item()
    assert weighted == pytest.approx((-(weights * p.log()).sum() / weights.sum()).item(), rel=1e-5)


def test_median_frequency_by_hand():
    one, other = np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint8)
    one[0], other[:2, 0] = 1, 2  # 15 + 18 of 40 pixels, 5 of 20, 2 of 20
    assert median_frequency([one, other], 4) == pytest.approx((0.25 / (33 / 40), 1.0, 0.25 / 0.1, 0.0))


@pytest.mark.parametrize("name", [*LOSSES, *LABEL_LOSSES])
@pytest.mark.parametrize("labels", [False, True])
def test_every_loss_falls_when_followed(name, labels):
    loss = find_loss(name)
    channels, car = (4, (1, 2, 3)) if labels else (3, (1,))
    scores = torch.zeros(2, channels, 8, 8, requires_grad=True)
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[:, 2:6, 2:6] = 3 if labels else 255
    optimizer = torch.optim.Adam([scores], lr=0.5)
    values = []
    for _ in range(30):
        value = compute_loss(loss, scores, masks, car, labels=labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.3 * values[0]
    probability = scores.softmax(1)[:, list(car)].sum(1)
    assert (probability[:, 2:6, 2:6] > 0.7).all()
    assert (probability[:, 0] < 0.3).all()


def test_binary_masks_and_soft_ones():
    scores = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    masks = torch.tensor([[[0, 51, 128, 255]] * 4], dtype=torch.uint8)
    expected = bce(scores, masks[:, None].float() / 255)
    assert torch.equal(compute_loss(find_loss("bce"), scores, masks, (0,), labels=False), expected)


def test_unknown_losses_list_the_choices():
    with pytest.raises(UnknownNameError, match=r"bce, bce\+dice, bce-log-dice, dice, sparse-categorical"):
        find_loss("focal")


def test_the_contour_weighs_more():
    """Against weights written out: within three pixels of the contour 1 + border, and a mean of 1."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 20, 30, generator=generator)
    targets = torch.zeros(2, 1, 20, 30)
    targets[:, :, 6:20, 10:22] = 1.0
    near = torch.zeros(20, 30)
    for row in range(20):
        for column in range(30):
            part = targets[0, 0, max(0, row - 3) : row + 4, max(0, column - 3) : column + 4]
            near[row, column] = float(part.min() < 0.5 <= part.max())
    weights = 1 + 2.0 * near
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    assert border_bce(logits, targets, 2.0) == pytest.approx(
        float((each * weights).sum() / (2 * weights.sum())), rel=1e-5
    )
    assert border_bce(logits, targets, 0.0) == pytest.approx(float(bce(logits, targets)), rel=1e-6)
    masks = (255 * targets[:, 0]).to(torch.uint8)
    found = compute_loss(find_loss("bce+dice"), logits, masks, (0,), labels=False, border=2.0)
    assert found == pytest.approx(float(border_bce(logits, targets, 2.0) + dice_loss(logits, targets)), rel=1e-5)
