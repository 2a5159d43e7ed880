"""Limits on a training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from carmask.training import budget


def test_training_ends_when_its_processor_time_is_used_up_and_validation_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([10.0, 14.0, 17.0, 100.0, 105.0, 200.0, 201.0])
    monkeypatch.setattr(budget.time, "process_time", lambda: next(clock))
    trainer: Any = SimpleNamespace(should_stop=False)
    limit = budget.ProcessorBudget(12.5)

    limit.on_train_epoch_start(trainer)  # 10
    limit.on_train_batch_end(trainer)  # 14
    limit.on_train_batch_end(trainer)  # 17; what follows up to 100 is validation
    limit.on_train_epoch_start(trainer)
    limit.on_train_batch_end(trainer)  # 105
    assert limit.used == 12.0
    assert not trainer.should_stop

    resumed = budget.ProcessorBudget(12.5)
    resumed.load_state_dict(limit.state_dict())
    resumed.on_train_epoch_start(trainer)  # 200
    resumed.on_train_batch_end(trainer)  # 201
    assert resumed.used == 13.0
    assert trainer.should_stop
