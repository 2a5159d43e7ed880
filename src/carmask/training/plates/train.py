"""Train the plate network's head, on features of the frozen encoder that are computed once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carmask.prediction.plates import INPUT
from carmask.training.plates.network import PlateEncoder, PlateHead
from carmask.training.plates.samples import PlateSampleMaker, in_units, offsets
from carmask.training.small_networks import Fitting, compile_encoder, fit_head

#: Weights of the losses of overlap and of corners, beside that of each cell.
_OVERLAP_LOSS, _CORNER_LOSS = 0.5, 1.0
#: Cells of which at least so much is plate are trained on its corners.
_DECIDING = 0.5


class Settings(NamedTuple):
    """How the network is trained.

    Attributes:
        samples: made before, all different; each takes half a megabyte of memory.
        epochs: over all of them.
        batch: samples for each step.
        learning_rate: the highest; it rises for a tenth of the steps and then falls along a cosine.
        weight_decay: of AdamW.
        seed: of all that is random.
    """

    samples: int = 1_800
    epochs: int = 6
    batch: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    seed: int = 1


class _Features(NamedTuple):
    features: tuple[NDArray[np.float16], ...]
    shares: NDArray[np.float16]
    corners: NDArray[np.float32]


def train_head(
    encoder: PlateEncoder,
    maker: PlateSampleMaker,
    settings: Settings,
    *,
    report: Callable[[str, int, int], None] = lambda *_: None,
    keep: Callable[[PlateHead], None] = lambda _: None,
) -> PlateHead:
    """Train.

    Args:
        encoder: with its weights; it stays as it is.
        maker: makes the samples.
        settings: how.
        report: called with what is being done, how much of it is, and of how much.
        keep: called with the head after each epoch.

    Returns:
        The head, ready to predict.
    """
    torch.manual_seed(settings.seed)
    data = _compute(encoder, maker, settings, report)
    head = PlateHead()
    fit_head(
        head,
        lambda chosen: _loss(head, data, chosen),
        Fitting(**settings._asdict()),
        report=report,
        keep=lambda: keep(head),
    )
    return head


def _compute(
    encoder: PlateEncoder, maker: PlateSampleMaker, settings: Settings, report: Callable[[str, int, int], None]
) -> _Features:
    """Make all samples, and compute the encoder's features of them."""
    request = compile_encoder(encoder, INPUT)
    features: tuple[NDArray[np.float16], ...] = ()
    shares, corners = [], []
    for done in range(settings.samples):
        one = maker.make()
        request.infer({0: one.pixels[None]})
        output = [request.get_output_tensor(number).data[0] for number in range(3)]
        if not features:
            features = tuple(np.empty((settings.samples, *each.shape), np.float16) for each in output)
        for kept, each in zip(features, output, strict=True):
            kept[done] = each
        shares.append(one.share.astype(np.float16))
        corners.append(one.corners)
        report("samples", done + 1, settings.samples)
    return _Features(features, np.stack(shares), np.stack(corners))


def _loss(head: PlateHead, data: _Features, chosen: NDArray[np.int64]) -> Tensor:
    given = tuple(torch.from_numpy(one[chosen].astype(np.float32)) for one in data.features)
    # bfloat16 takes half the time where the processor has it. In channels-last order torch 2.14 computes NaN.
    with torch.autocast("cpu", torch.bfloat16):
        output = head((given[0], given[1], given[2]))
    output = output.float()
    share = torch.from_numpy(data.shares[chosen].astype(np.float32))
    cells = nn.functional.binary_cross_entropy_with_logits(output[:, 0], share, reduction="none")
    # Cells that are wrong with certainty count more: most cells are no plate, and easily right.
    score = output[:, 0].sigmoid()
    focus = (score.detach() - share).abs() + 0.02
    of_cells = 20 * (cells * focus).mean()
    both = (score * share).sum(dim=(1, 2))
    overlap = 1 - (2 * both + 1) / (score.sum(dim=(1, 2)) + share.sum(dim=(1, 2)) + 1)
    loss: Tensor = (
        of_cells + _OVERLAP_LOSS * overlap.mean() + _CORNER_LOSS * _corner_loss(output[:, 1:], share, chosen, data)
    )
    return loss


def _corner_loss(output: Tensor, share: Tensor, chosen: NDArray[np.int64], data: _Features) -> Tensor:
    """How far corners are from where they should be, as a part of the plate's height."""
    corners = data.corners[chosen]
    saying = (share >= _DECIDING).float()
    centres = offsets()
    wanted = in_units(corners[:, :, :, None, None] - centres[None, None])
    high = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1) + np.linalg.norm(corners[:, 2] - corners[:, 1], axis=1)
    unit = torch.from_numpy(in_units(np.maximum(high / 2, 4.0).astype(np.float32)))[:, None, None, None]
    error = (output - torch.from_numpy(wanted).flatten(1, 2)) / unit
    far = nn.functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.1).mean(dim=1)
    total = (far * saying).sum(dim=(1, 2)) / saying.sum(dim=(1, 2)).clamp(min=1)
    plates = (saying.sum(dim=(1, 2)) > 0).float().sum().clamp(min=1)
    return total.sum() / plates


def describe(settings: Settings, photos: dict[str, int]) -> str:
    """Settings and data as the file's description has them: JSON."""
    return json.dumps({**settings._asdict(), "photos": photos})
