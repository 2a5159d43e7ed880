"""Lines that say how far a training is: one for every epoch, and one a minute within long epochs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, Timer

from carmask.logs import duration
from carmask.training.budget import ProcessorBudget
from carmask.training.history import Row
from carmask.training.pace import Pace
from carmask.training.recipe import Recipe

#: Where all lines go; whoever wants to show them adds a handler.
LOGGER = logging.getLogger("carmask.training")
#: Seconds between lines within an epoch.
EVERY = 60.0


class ProgressLog(Callback):
    """Writes lines to ``LOGGER``: step, losses, scores of every data set, speed, time left.

    The module calls ``epoch_done`` itself, because Lightning calls callbacks before the module has validated.
    """

    def __init__(self, *, every: float = EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        """Set it up.

        Args:
            every: seconds between lines within an epoch.
            clock: what time is read from, in seconds.
        """
        self._every, self._clock = every, clock
        self._pace: Pace | None = None
        self._recipe: Recipe | None = None
        self._limit: Timer | None = None
        self._budget: ProcessorBudget | None = None
        self._begun = self._last_line = self._trained = 0.0
        self._done = 0  # steps of this epoch
        self._best: float | None = None
        self._world, self._writes = 1, True

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Take what the lines need of the training."""
        self._recipe, self._world, self._writes = pl_module.recipe, trainer.world_size, trainer.is_global_zero
        self._pace = Pace(pl_module.recipe)
        callbacks = trainer.callbacks  # type: ignore[attr-defined]  # its connector sets them
        self._limit = next((one for one in callbacks if isinstance(one, Timer)), None)
        self._budget = next((one for one in callbacks if isinstance(one, ProcessorBudget)), None)
        self._best = max(
            (row["validation/score"] for row in pl_module.history if "validation/score" in row), default=None
        )

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start the epoch's clock."""
        self._begun = self._last_line = self._clock()
        self._done = 0

    def on_train_batch_end(self, trainer: lightning.Trainer, _: Any, outputs: Any, __: Any, index: int) -> None:
        """Write a line if the last one is long ago."""
        now, self._done = self._clock(), index + 1
        if now - self._last_line < self._every or not self._writes:
            return
        assert self._recipe is not None
        assert self._pace is not None
        self._last_line = now
        epoch, recipe = trainer.current_epoch, self._recipe
        done = (index + 1) * recipe.stage(epoch).batch * self._world
        pace = self._pace.with_epoch(epoch, done, now - self._begun)
        loss = f"loss {float(outputs['loss']):.4f}, " if isinstance(outputs, dict) and "loss" in outputs else ""
        LOGGER.info(
            "epoch %d/%d, step %d/%d: %s%.1f photos/s, %s left",
            epoch + 1,
            recipe.epochs,
            index + 1,
            self._steps(epoch),
            loss,
            done / max(now - self._begun, 1e-6),
            self._left(pace, epoch, done),
        )

    def on_train_epoch_end(self, *_: Any) -> None:
        """Stop the epoch's clock: validation comes next."""
        self._trained = self._clock()

    def epoch_done(self, row: Row) -> None:
        """Write an epoch's line.

        Args:
            row: what it measured.
        """
        assert self._recipe is not None
        assert self._pace is not None
        epoch, recipe, seconds = int(row["epoch"]), self._recipe, self._trained - self._begun
        photos = self._done * recipe.stage(epoch).batch * self._world
        self._pace = self._pace.with_epoch(epoch, photos, seconds, checks=self._clock() - self._trained)
        parts = [", ".join(f"{name} {row[f'train/{name}']:.4f}" for name in ("loss",) if f"train/{name}" in row)]
        parts.append(describe_scores(row))
        score = row.get("validation/score")
        if score is not None and (self._best is None or score > self._best):
            self._best = score
            parts[-1] += " (best)"
        parts.append(f"learning rate {row['learning_rate']:.1e}")
        parts.append(f"{photos / max(seconds, 1e-6):.1f} photos/s")
        whole = self._done >= self._steps(epoch)
        parts.append(f"{self._left(self._pace, epoch + 1, 0)} left" if whole else "ended within this epoch")
        step = sum(self._steps(number) for number in range(epoch)) + self._done
        total = sum(self._steps(number) for number in range(recipe.epochs))
        text = "; ".join(part for part in parts if part)
        LOGGER.info("epoch %d/%d, step %d/%d: %s", epoch + 1, recipe.epochs, step, total, text)

    def _left(self, pace: Pace, epoch: int, done: int) -> str:
        """The time that is left, of the training or of a limit that ends it before."""
        left = pace.left(epoch, done)
        limits = [
            None if self._limit is None else self._limit.time_remaining(),
            None if self._budget is None else self._budget.time_left(),
        ]
        return duration(left if left is None else min([left, *(max(0.0, one) for one in limits if one is not None)]))

    def _steps(self, epoch: int) -> int:
        assert self._recipe is not None
        return self._recipe.epoch_photos // self._recipe.stage(epoch).batch // self._world


def describe_scores(row: Row) -> str:
    """The validation figures of an epoch: ``validation loss 0.0312, Dice 0.9871, street 0.9412, score 0.9853``."""
    texts = []
    for key, value in row.items():
        name = key.removeprefix("validation/")
        title = {"loss": "validation loss", "dice": "Dice", "f1": "F1", "score": "score"}.get(name)
        if name.startswith("dice "):
            title = name.removeprefix("dice ")
        if name == key or title is None:
            continue  # the history has the rest
        texts.append(f"{title} {value:.4f}")
    return ", ".join(texts)
