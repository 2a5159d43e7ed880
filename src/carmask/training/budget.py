"""A limit on what a training may use."""

from __future__ import annotations

import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback


class ProcessorBudget(Callback):
    """Ends a training after so much processor time, whatever else the machine is doing meanwhile.

    Counted is the time of this process on all its cores: steps, not validation between epochs, and not the loader's
    processes. It is the fair limit for comparing networks on a machine that is shared. A resumed run goes on counting.
    """

    def __init__(self, seconds: float) -> None:
        """Set the limit, in seconds."""
        self.seconds = seconds
        self.used = 0.0
        self._mark = self._begun = 0.0
        self._spent = self._waited = 0.0  # by this process: processor time, and time on the clock meanwhile

    def time_left(self) -> float | None:
        """Seconds on the clock until the limit, at the pace so far, without validation; None before the first step."""
        if self._spent <= 0:
            return None
        return max(0.0, self.seconds - self.used) * self._waited / self._spent

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start counting."""
        self._mark, self._begun = time.process_time(), time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Count the step; stop when the time is used up."""
        now, clock = time.process_time(), time.monotonic()
        self.used, self._spent = self.used + now - self._mark, self._spent + now - self._mark
        self._waited += clock - self._begun
        self._mark, self._begun = now, clock
        if self.used >= self.seconds:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"used": self.used}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Take the count up again."""
        self.used = state_dict["used"]
