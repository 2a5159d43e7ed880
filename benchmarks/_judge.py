"""Score a run's weights by its source's measure, at the size trained at, and at the photos' native size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from carmask import geometry
from carmask.data.layouts import read_data
from carmask.data.table import Example, of_cars
from carmask.evaluation.overlap import overlap
from carmask.memory import keep_memory
from carmask.networks import build
from carmask.networks.network import car_logits
from carmask.training.dataset.cache import PhotoCache
from carmask.training.epochs import read_weights
from carmask.training.losses import compute_loss, find_loss
from carmask.training.machines import choose_precision
from carmask.training.predictor import Normalised
from carmask.training.recipe import Recipe
from carmask.training.run_folder import read_run_info

#: Photos that are predicted together, where the recipe does not show cars whole.
BATCH = 16


def validation_photos(run: Path, data: Path) -> list[Example]:
    """All photos of a run's validation cars, by car and view."""
    examples, _ = read_data(data)
    return sorted(of_cars(examples, read_run_info(run).validation_cars), key=lambda one: (one.car, one.view))


def load(recipe: Recipe, weights: Path) -> Normalised:
    """The network with these weights, in evaluation mode; freed memory is kept, as training does."""
    keep_memory()
    model = Normalised(build(recipe.network))
    model.load_state_dict(read_weights(weights))
    return model.eval().to(memory_format=torch.channels_last)


def predict(
    model: Normalised, recipe: Recipe, cache: PhotoCache, device: str = "cpu", *, alone: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """The head's scores of all photos of a cache, and their masks: batches, float32 and uint8, on the device.

    Computed in the precision that a training would have here, as validation after each epoch is.
    """
    size, model = recipe.stages[-1].size, model.to(device)
    together = 1 if alone else recipe.views if recipe.views > 1 else BATCH
    mixed = choose_precision(recipe.precision, device) == "bf16-mixed"
    for start in range(0, len(cache), together):
        pairs = [cache.read(index, size) for index in range(start, min(start + together, len(cache)))]
        pixels, masks = (torch.from_numpy(np.stack(one)).to(device) for one in zip(*pairs, strict=True))
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=mixed):
            yield model(pixels), masks


def judge(
    model: Normalised,
    recipe: Recipe,
    cache: PhotoCache,
    examples: Sequence[Example] = (),
    device: str = "cpu",
    *,
    alone: bool = False,
) -> dict[str, dict[str, float]]:
    """Score a network on photos.

    Args:
        model: the network.
        recipe: it was trained by.
        cache: the photos at the size trained at.
        examples: the same photos, to be scored at native size too; empty for none.
        device: to predict on.
        alone: show a network of whole cars each photo by itself, as a model file does.

    Returns:
        ``small``: loss, pixel accuracy and mean Dice at the size trained at, as the sources report them, on masks of 0
        and 1. ``native``: mean, 5th percentile and lowest Dice against the true masks as they are, of probabilities
        enlarged softly and cut at one half.
    """
    loss, car = find_loss(recipe.loss), model.network.car_channels
    sums, native = np.zeros(3), []
    for scores, masks in predict(model, recipe, cache, device, alone=alone):
        logits, truth = car_logits(scores, car)[:, 0], masks >= 128
        predicted = logits >= 0
        both, total = (predicted & truth).sum((1, 2)), predicted.sum((1, 2)) + truth.sum((1, 2))
        dice = torch.where(total > 0, 2.0 * both / total.clamp(min=1), 1.0).mean()
        value = compute_loss(loss, scores, truth.to(torch.uint8) * 255, car, labels=False)
        accuracy = (predicted == truth).float().mean()
        sums += len(masks) * np.array([float(value), float(accuracy), float(dice)])
        for one in logits.sigmoid().cpu().numpy() if examples else ():
            mask = examples[len(native)].read_mask()
            native.append(overlap(geometry.resize(one, mask.shape) >= 0.5, mask).dice)
    found = {"small": dict(zip(("loss", "accuracy", "dice"), (sums / len(cache)).tolist(), strict=True))}
    if native:
        lowest = {"fifth": float(np.percentile(native, 5)), "lowest": min(native)}
        found["native"] = {"dice": float(np.mean(native)), **lowest}
    return found
