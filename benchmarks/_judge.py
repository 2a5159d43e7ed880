"""Score a run's weights by its source's measure, at the size trained at, and at the photos' native size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from carmask import geometry
from carmask.data.dataset import read_data
from carmask.data.table import Example, of_cars
from carmask.evaluation.overlap import overlap
from carmask.networks import build
from carmask.networks.network import car_logits
from carmask.training.dataset.cache import PhotoCache, build_cache
from carmask.training.epochs import read_weights
from carmask.training.losses import compute_loss, find_loss
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
    """The network with these weights, in evaluation mode."""
    model = Normalised(build(recipe.network))
    model.load_state_dict(read_weights(weights))
    return model.eval().to(memory_format=torch.channels_last)


def predict(
    model: Normalised, recipe: Recipe, cache: PhotoCache, device: str = "cpu"
) -> Iterator[tuple[Tensor, Tensor]]:
    """The head's scores of all photos of a cache, and their masks: batches, float32 and uint8, on the device."""
    size, model = recipe.stages[-1].size, model.to(device)
    together = recipe.views if recipe.views > 1 else BATCH
    for start in range(0, len(cache), together):
        pairs = [cache.read(index, size) for index in range(start, min(start + together, len(cache)))]
        pixels, masks = (torch.from_numpy(np.stack(one)).to(device) for one in zip(*pairs, strict=True))
        with torch.inference_mode():
            yield model(pixels), masks


def at_training_size(model: Normalised, recipe: Recipe, cache: PhotoCache, device: str = "cpu") -> dict[str, float]:
    """Loss, pixel accuracy and mean Dice at the size trained at: what the sources report."""
    loss, car = find_loss(recipe.loss), model.network.car_channels
    sums = np.zeros(3)
    for scores, masks in predict(model, recipe, cache, device):
        predicted, truth = car_logits(scores, car)[:, 0] >= 0, masks >= 128
        both, total = (predicted & truth).sum((1, 2)), predicted.sum((1, 2)) + truth.sum((1, 2))
        dice = torch.where(total > 0, 2.0 * both / total.clamp(min=1), 1.0).mean()
        # Masks of 0 and 1, as the sources have them.
        value = compute_loss(loss, scores, truth.to(torch.uint8) * 255, car, labels=False)
        accuracy = (predicted == truth).float().mean()
        sums += len(masks) * np.array([float(value), float(accuracy), float(dice)])
    return dict(zip(("loss", "accuracy", "dice"), (sums / len(cache)).tolist(), strict=True))


def at_native_size(
    model: Normalised, recipe: Recipe, cache: PhotoCache, examples: Sequence[Example], device: str = "cpu"
) -> dict[str, float]:
    """Mean and lowest Dice against the true masks as they are: probabilities enlarged softly, then cut at one half."""
    found, car = [], model.network.car_channels
    for scores, _ in predict(model, recipe, cache, device):
        for one in car_logits(scores, car)[:, 0].sigmoid().cpu().numpy():
            truth = examples[len(found)].read_mask()
            found.append(overlap(geometry.resize(one, truth.shape) >= 0.5, truth).dice)
    return {"dice": float(np.mean(found)), "fifth": float(np.percentile(found, 5)), "lowest": min(found)}


def judge(run: Path, recipe: Recipe, weights: Path, data: Path, cache: Path, device: str = "cpu") -> dict[str, dict]:
    """Both, of these weights, on all photos of the run's validation cars."""
    examples = validation_photos(run, data)
    photos = build_cache(examples, recipe.stages[-1].size, cache)
    model = load(recipe, weights)
    return {
        "best": at_training_size(model, recipe, photos, device),
        "native": at_native_size(model, recipe, photos, examples, device),
    }
