"""One training, as Lightning runs it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from carmask.errors import RecipeError
from carmask.formats.classes import mirrored
from carmask.machine import available_cores
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.networks import build
from carmask.networks.network import car_logits
from carmask.training.dataset.anywhere.epoch import ScenePhotos
from carmask.training.dataset.anywhere.pool import ScenePool
from carmask.training.dataset.contour.pool import ContourPool, ContourWindows
from carmask.training.dataset.epoch import EpochPhotos
from carmask.training.dataset.mixture import Mixture
from carmask.training.epochs import keep_epoch
from carmask.training.history import CURVES_FILE, Row, draw_curves, write_history
from carmask.training.initialise import initialise
from carmask.training.losses import LabelLoss, compute_loss, find_loss, median_frequency
from carmask.training.predictor import Normalised, RefiningNetwork, TorchNetwork
from carmask.training.recipe import Recipe
from carmask.training.signals import end_quietly
from carmask.training.validation import Checks, validate_all

#: How the loader's processes are started, each epoch anew. In a process that was spawned itself, such as that in which
#: ``carmask learn`` trains, they would be spawned as well: each would import PyTorch and be sent the photos.
_START = "fork" if sys.platform == "linux" else None


class Training(lightning.LightningModule):
    """Trains the recipe's network; a moving average of its weights, if there is one, is validated and exported."""

    def __init__(
        self,
        recipe: Recipe,
        photos: Mixture | ScenePool | ContourPool,
        checks: Checks,
        info: ModelInfo,
        *,
        mixed: bool = False,
        locating: Network | None = None,
        base: Network | None = None,
        out: Path | None = None,
        epoch_done: Callable[[Row], None] | None = None,
    ) -> None:
        """Set the training up.

        Args:
            recipe: its settings.
            photos: training photos.
            checks: validation photos to score after every epoch.
            info: description of the model being trained.
            mixed: validate in 16 bits where that is safe, as it is trained.
            locating: the localisation network that the network is guided by, if it is.
            base: the model whose contours the network refines, if it does.
            out: the run's folder, which history and weights are written to after every epoch.
            epoch_done: called by the first process with what each finished epoch measured.
        """
        super().__init__()
        self.recipe = recipe if recipe.epoch_photos else recipe.model_copy(update={"epoch_photos": len(photos)})
        self._photos, self._checks, self._info, self._mixed = photos, checks, info, mixed
        self._out, self._epoch_done = out, epoch_done
        self._locating, self._base = locating, base
        network = build(recipe.network, len(info.classes))
        self.model = Normalised(network, recipe.normalisation).to(memory_format=torch.channels_last)
        initialise(self.model, recipe.initialisation)
        if recipe.encoder.frozen:
            self.model.network.freeze_encoder()
        if recipe.encoder.frozen_part:
            self.model.network.freeze_lowest(recipe.encoder.frozen_part)
        if recipe.freeze_norm:
            self.model.network.freeze_norm()
        #: The moving average of the weights, if the recipe has one: it doubles the memory that weights take.
        self.average: AveragedModel | None = None
        if recipe.average:
            follow = get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.model, multi_avg_fn=follow, use_buffers=True)
            # It follows and is not trained: with several devices nothing must wait for its gradients.
            self.average.requires_grad_(False)
        self._loss = find_loss(recipe.loss)
        if isinstance(self._loss, LabelLoss) and recipe.class_weights != "none" and isinstance(photos, Mixture):
            weights = median_frequency(photos.main.masks(), len(info.classes) + 1)
            self._loss = replace(self._loss, weights=weights)
        #: What labels become in a mirror; None where masks hold no labels.
        self._swap = None
        if photos.labels:
            self._swap = mirrored(info.classes) if recipe.augment.mirrors else np.arange(256, dtype=np.uint8)
        #: What each finished epoch measured.
        self.history: list[dict[str, float]] = []

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """The photos of the current epoch."""
        photos, stage = self._epoch(self.current_epoch), self.recipe.stage(self.current_epoch)
        # A share of the cores: loading costs less than a tenth of a step (benchmarks/loader.py).
        workers = max(1, min(8, available_cores() // 2))
        return DataLoader(
            photos,
            batch_size=stage.batch,
            drop_last=True,
            num_workers=workers,
            prefetch_factor=4,
            worker_init_fn=end_quietly,
            multiprocessing_context=_START,
        )

    def first_photos(self, count: int) -> Tensor:
        """The first photos of the first epoch: uint8 (at most ``count``, height, width, 3), RGB."""
        photos = self._epoch(0)
        return torch.stack([photos[index][0] for index in range(min(count, len(photos)))])

    def _epoch(self, epoch: int) -> EpochPhotos | ScenePhotos | ContourWindows:
        recipe, stage = self.recipe, self.recipe.stage(epoch)
        if isinstance(self._photos, ScenePool | ContourPool):
            return self._photos.epoch(stage, recipe.epoch_photos, seed=(recipe.seed, epoch))
        order = self._photos.order(epoch, recipe.epoch_photos, seed=recipe.seed)
        settings, seed = recipe.changes(epoch), (recipe.seed, epoch)
        return EpochPhotos(self._photos, order, stage, settings, seed=seed, swap=self._swap)

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        """Loss of a batch: photos and masks, and maps of the localisation stage for networks that are guided."""
        pixels, masks, *guide = batch
        scores = self.model(pixels, *guide)
        # Averages over half a million pixels need more than bf16's eight bits.
        with torch.autocast(scores.device.type, enabled=False):
            car, labels = self.model.network.car_channels, self._photos.labels
            loss = compute_loss(self._loss, scores, masks, car, labels=labels, border=self.recipe.border)
            with torch.no_grad():
                accuracy, dice = _agreement(scores, masks, car, labels=labels)
        for name, value in (("loss", loss), ("accuracy", accuracy), ("dice", dice)):
            self.log(
                f"train/{name}",
                value,
                on_step=False,
                on_epoch=True,
                prog_bar=name == "loss",
                batch_size=len(pixels),
                sync_dist=True,
            )
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        if self.average is not None:
            self.average.update_parameters(self.model)

    def on_train_epoch_end(self) -> None:
        """Score the weights as ``carmask evaluate`` would, and write the epoch down."""
        # First of all: this is where several processes join their figures. The first one's progress bar has done so
        # already, and would wait for ever for processes that wait for its validation.
        trained = {name: float(v) for name, v in self.trainer.callback_metrics.items() if name.startswith("train/")}
        self._check_weights()
        measured: dict[str, float] = {}
        if self.trainer.is_global_zero:
            measured = validate_all(self.as_network(), self._checks, self._loss)
        # One process scores; all must agree on when to stop.
        measured = self.trainer.strategy.broadcast(measured)
        for name, value in measured.items():
            self.log(f"validation/{name}", value, prog_bar=name == "score", rank_zero_only=False)
        rate = self.lr_schedulers().get_last_lr()[0]  # type: ignore[union-attr]
        self.log("learning_rate", rate)
        row: dict[str, float] = {"epoch": float(self.current_epoch), "learning_rate": float(rate), **trained}
        row |= {f"validation/{name}": value for name, value in measured.items()}
        self.history.append(row)
        if self._out is not None and self.trainer.is_global_zero:
            # Weights first: what the history names is there.
            keep_epoch(self._out, self.current_epoch, self.best_model(), self.history, self.recipe)
            write_history(self._out, self.history)
            draw_curves(self._out / CURVES_FILE, {self.recipe.name: self.history})
        if self._epoch_done is not None and self.trainer.is_global_zero:
            self._epoch_done(row)

    def _check_weights(self) -> None:
        """Refuse to keep weights that are no numbers: what is on disk is of the epoch before.

        Raises:
            RecipeError: the training has diverged.
        """
        state = self.model.state_dict().values()
        if all(bool(torch.isfinite(values).all()) for values in state if values.is_floating_point()):
            return
        raise RecipeError(
            f"the training diverged in epoch {self.current_epoch + 1}: weights are no numbers any more, and are not "
            f"kept; train with a learning_rate below {self.recipe.learning_rate:g}, in a new folder"
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the weights, so that a resumed run's curves go on."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history up again."""
        self.history = list(checkpoint.get("history", []))

    def configure_optimizers(self) -> Any:
        """Adam or AdamW on what is trainable; the rate follows the recipe's schedule."""
        recipe = self.recipe
        module = self.model.network.encoder_module()
        encoder = {id(p) for p in module.parameters()} if module is not None else set()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if id(p) not in encoder], "lr": recipe.learning_rate},
            {"params": [p for p in trained if id(p) in encoder], "lr": recipe.learning_rate * recipe.encoder_rate},
        ]
        groups = [group for group in groups if group["params"]]
        if recipe.optimizer == "adam":
            optimizer: torch.optim.Optimizer = torch.optim.Adam(groups)
        else:
            optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        # With several devices each step uses as many batches.
        together = self.trainer.world_size
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step * together, recipe))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def as_network(self) -> TorchNetwork:
        """The network that is validated, with the other stages of its model."""
        if self._base is not None:
            return RefiningNetwork(self.best_model(), self._info, self._base, mixed=self._mixed)
        return TorchNetwork(self.best_model(), self._info, locating=self._locating, mixed=self._mixed)

    def best_model(self) -> Normalised:
        """The network that is validated and exported: the moving average if the recipe has one."""
        module = self.model if self.average is None else self.average.module
        assert isinstance(module, Normalised)
        return module


def rate_factor(step: int, recipe: Recipe) -> float:
    """The learning rate at a step, as a fraction of the recipe's: linear warm-up, then its schedule.

    The cosine falls from 1 to 0.01.
    """
    warm = recipe.warmup * recipe.steps
    if step < warm:
        return (step + 1) / (warm + 1)
    if recipe.schedule == "constant":
        return 1.0
    done = min(1.0, (step - warm) / max(1.0, recipe.steps - warm))
    return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2


def _agreement(scores: Tensor, masks: Tensor, car_channels: tuple[int, ...], *, labels: bool) -> tuple[Tensor, Tensor]:
    """Pixel accuracy, and mean Dice of the car, at the size trained at."""
    predicted = car_logits(scores, car_channels)[:, 0] >= 0
    truth = masks > 0 if labels else masks >= 128
    both, total = (predicted & truth).sum((1, 2)), predicted.sum((1, 2)) + truth.sum((1, 2))
    dice = torch.where(total > 0, 2.0 * both / total.clamp(min=1), 1.0).mean()
    right = scores.argmax(1) == masks if labels else predicted == truth
    return right.float().mean(), dice
