"""Train the view network's head, on features of the frozen encoder that are computed once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carmask.prediction.view import INPUT, VIEWS
from carmask.training.small_networks import Fitting, compile_encoder, fit_head
from carmask.training.views.network import ViewEncoder, ViewHead
from carmask.training.views.samples import Sample, SampleMaker

#: Weights of the losses of whole or several cars, and of the tilt, beside that of the view.
_KIND_LOSS, _TILT_LOSS = 0.5, 1.0


class Settings(NamedTuple):
    """How the network is trained.

    Attributes:
        samples: made before, all different.
        wild_share: of the cars among them.
        epochs: over all of them.
        batch: samples for each step.
        learning_rate: the highest; it rises for a tenth of the steps and then falls along a cosine.
        weight_decay: of AdamW.
        seed: of all that is random.
    """

    samples: int = 24_000
    wild_share: float = 0.3
    epochs: int = 12
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 1


class _Features(NamedTuple):
    features: NDArray[np.float16]
    views: NDArray[np.float32]
    others: NDArray[np.float32]
    tilt_known: NDArray[np.float32]


def train_head(
    encoder: ViewEncoder,
    maker: SampleMaker,
    settings: Settings,
    *,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> ViewHead:
    """Train.

    Args:
        encoder: with its weights; it stays as it is.
        maker: makes the samples.
        settings: how.
        report: called with what is being done, how much of it is, and of how much.

    Returns:
        The head, ready to predict.
    """
    torch.manual_seed(settings.seed)
    data = _compute(encoder, maker, settings, report)
    head = ViewHead()
    how = {name: value for name, value in settings._asdict().items() if name != "wild_share"}
    fit_head(head, lambda chosen: _loss(head, data, chosen), Fitting(**how), report=report)
    return head


def _compute(
    encoder: ViewEncoder, maker: SampleMaker, settings: Settings, report: Callable[[str, int, int], None]
) -> _Features:
    """Make all samples, and compute the encoder's features of them."""
    made: list[Sample] = []
    features: list[NDArray[np.float16]] = []
    request = compile_encoder(encoder, INPUT)
    for done in range(settings.samples):
        one = maker.make(settings.wild_share)
        request.infer({0: one.pixels[None]})
        features.append(request.get_output_tensor().data.astype(np.float16))
        made.append(one._replace(pixels=_NO_PIXELS))
        if not done % settings.batch:
            report("samples", done + 1, settings.samples)
    return _Features(
        np.concatenate(features),
        np.stack([one.views for one in made]),
        np.stack([one.others for one in made]),
        np.array([one.tilt_known for one in made], np.float32),
    )


_NO_PIXELS = np.zeros((0, 0, 3), np.uint8)


def _loss(head: ViewHead, data: _Features, chosen: NDArray[np.int64]) -> Tensor:
    scores = head(torch.from_numpy(data.features[chosen].astype(np.float32)))
    views, others, known = (torch.from_numpy(one[chosen]) for one in (data.views, data.others, data.tilt_known))
    labelled = views.sum(dim=1)
    of_view = -(views * nn.functional.log_softmax(scores[:, :VIEWS], dim=1)).sum() / labelled.sum().clamp(min=1)
    kinds = nn.functional.binary_cross_entropy_with_logits(scores[:, VIEWS : VIEWS + 2], others[:, :2])
    tilt = nn.functional.smooth_l1_loss(scores[:, VIEWS + 2], others[:, 2], reduction="none", beta=0.2)
    of_tilt = (tilt * known).sum() / known.sum().clamp(min=1)
    return of_view + _KIND_LOSS * kinds + _TILT_LOSS * of_tilt


def describe(settings: Settings, cars: int, wild: int) -> str:
    """Settings and data as the file's description has them: JSON."""
    return json.dumps({**settings._asdict(), "studio_photos": cars, "wild_photos": wild})
