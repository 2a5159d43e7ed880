"""One training, as Lightning runs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from carmask.arrays import Photo, Probability
from carmask.data.table import Example
from carmask.evaluation.evaluate import evaluate, summarise
from carmask.inference.model import ModelInfo
from carmask.networks import build
from carmask.training.cache import PhotoCache
from carmask.training.losses import find_loss
from carmask.training.photos import EpochPhotos, epoch_order
from carmask.training.recipe import Recipe

#: ImageNet's mean and standard deviation of RGB values in [0, 1], in torchvision's figures.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalised(nn.Module):
    """A network with its normalisation: from a photo's bytes to logits."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1) * 255.0)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1) * 255.0)

    def forward(self, pixels: Tensor) -> Tensor:
        """Predict logits: uint8 (batch, height, width, 3) RGB to float32 (batch, 1, height, width)."""
        # A permuted NHWC tensor is in channels_last memory format, which convolutions on a CPU are fastest in.
        images = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        logits: Tensor = self.network(images)
        return logits.float()


class Training(lightning.LightningModule):
    """Trains the recipe's network and keeps a moving average of its weights, which is validated and exported."""

    def __init__(self, recipe: Recipe, cache: PhotoCache, checks: Sequence[Example], info: ModelInfo) -> None:
        """Set the training up.

        Args:
            recipe: its settings.
            cache: training photos.
            checks: validation examples to score after every epoch.
            info: description of the model being trained.
        """
        super().__init__()
        self.recipe, self._cache, self._checks, self._info = recipe, cache, checks, info
        self.model = Normalised(build(recipe.network)).to(memory_format=torch.channels_last)
        follow = get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(self.model, multi_avg_fn=follow, use_buffers=True)
        self._loss = find_loss(recipe.loss)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """The photos of the current epoch."""
        recipe, epoch = self.recipe, self.current_epoch
        stage = recipe.stage(epoch)
        order = epoch_order(len(self._cache), epoch, recipe.epoch_photos, seed=recipe.seed)
        size = (stage.height, stage.width)
        photos = EpochPhotos(self._cache, order, size, recipe.augment, seed=(recipe.seed, epoch))
        return DataLoader(photos, batch_size=stage.batch, drop_last=True, num_workers=1, prefetch_factor=4)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Loss of a batch."""
        pixels, masks = batch
        targets = masks[:, None].float() / 255.0
        logits = self.model(pixels)
        # Averages over half a million pixels need more than bf16's eight bits.
        with torch.autocast(logits.device.type, enabled=False):
            loss = self._loss(logits, targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(pixels))
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        if self.recipe.average:
            self.average.update_parameters(self.model)

    def on_train_epoch_end(self) -> None:
        """Score the averaged weights as ``carmask evaluate`` would."""
        scores = evaluate(TorchNetwork(self.best_model(), self._info), self._checks) if self._checks else []
        if scores:
            self.log("validation/dice", summarise(scores).mean, prog_bar=True)
        self.log("learning_rate", self.lr_schedulers().get_last_lr()[0])  # type: ignore[union-attr]

    def configure_optimizers(self) -> Any:
        """AdamW; the rate rises, then falls along a cosine to nearly zero."""
        recipe = self.recipe
        encoder = {id(p) for name, p in self.model.named_parameters() if name.startswith("network.encoder.")}
        groups = [
            {"params": [p for p in self.model.parameters() if id(p) not in encoder], "lr": recipe.learning_rate},
            {
                "params": [p for p in self.model.parameters() if id(p) in encoder],
                "lr": recipe.learning_rate * recipe.encoder_rate,
            },
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, recipe))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def best_model(self) -> Normalised:
        """The network that is validated and exported: the moving average if the recipe has one."""
        module = self.average.module if self.recipe.average else self.model
        assert isinstance(module, Normalised)
        return module


class TorchNetwork:
    """A network in training, seen as ``inference`` sees a model file."""

    def __init__(self, model: Normalised, info: ModelInfo) -> None:
        self._model, self.info = model, info

    def run(self, pixels: Photo) -> Probability:
        """Predict: uint8 (``*info.size``, 3) RGB to float32 (``*info.size``) in [0, 1]."""
        training = self._model.training
        self._model.eval()
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(pixels))[None].to(self._model.mean.device)
            probability: Probability = self._model(batch)[0, 0].sigmoid().cpu().numpy()
        self._model.train(training)
        return probability


def rate_factor(step: int, recipe: Recipe) -> float:
    """The learning rate at a step, as a fraction of the recipe's: linear warm-up, then a cosine from 1 to 0.01."""
    warm = recipe.warmup * recipe.steps
    if step < warm:
        return (step + 1) / (warm + 1)
    done = min(1.0, (step - warm) / max(1.0, recipe.steps - warm))
    return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2
