"""The Lightning trainer of a run, and the end of it: which weights are the result."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from carmask.images import write_atomically
from carmask.training.budget import ProcessorBudget
from carmask.training.checkpoint import WholeCheckpointIO
from carmask.training.epochs import best_kept_epoch, has_stopped, read_weights, save_weights
from carmask.training.history import read_history
from carmask.training.machines import Machines, Precision
from carmask.training.module import Training
from carmask.training.progress_log import ProgressLog
from carmask.training.recipe import Recipe
from carmask.training.run_folder import LAST_FILE, WEIGHTS_FILE, epoch_file
from carmask.training.signals import EndingSignals


def fit(
    module: Training, out: Path, machines: Machines, *, precision: Precision, progress: ProgressLog, bar: bool
) -> bool:
    """Train until the recipe's end, and write the resulting weights into the module and the run's folder.

    Args:
        module: the training; its initial weights are loaded.
        out: the folder of the run. A checkpoint in it is resumed.
        machines: what to train on.
        precision: from ``choose_precision``.
        progress: writes the log's lines.
        bar: show Lightning's progress bar.

    Returns:
        Whether this process, of several, is the one that writes the results.

    Raises:
        KeyboardInterrupt: after SIGINT; what finished epochs have written is as it was.
        Terminated: the same after SIGTERM.
    """
    recipe, last = module.recipe, out / LAST_FILE
    stop = recipe.early_stopping
    writes = True
    # Lightning would train one epoch more before it stops again.
    if stop is None or not last.exists() or not has_stopped(read_history(out), stop):
        signals = EndingSignals()
        trainer = _trainer(recipe, out, machines, precision, [progress, signals], bar=bar)
        try:
            with signals.handled():
                trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)
        except SystemExit as ended:
            # Lightning makes an exit with status 1 of Ctrl-C.
            if isinstance(ended.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from ended
            raise
        writes = trainer.is_global_zero
    if not writes:
        return False
    if stop is None:
        save_weights(out / WEIGHTS_FILE, module.best_model())
        return True
    best = epoch_file(out, best_kept_epoch(out, read_history(out), stop))
    module.best_model().load_state_dict(read_weights(best))
    write_atomically(out / WEIGHTS_FILE, best.read_bytes())
    return True


def _trainer(
    recipe: Recipe, out: Path, machines: Machines, precision: Precision, more: Sequence[Callback], *, bar: bool
) -> lightning.Trainer:
    callbacks: list[Callback] = [
        ModelCheckpoint(out, filename="last", enable_version_counter=False, save_on_train_epoch_end=True, save_top_k=1),
        *more,
    ]
    if (stop := recipe.early_stopping) is not None:
        monitor, mode = f"validation/{stop.monitor}", "min" if stop.monitor == "loss" else "max"
        callbacks.append(
            EarlyStopping(
                monitor, stop.min_delta, stop.patience, mode=mode, check_on_train_epoch_end=True, verbose=False
            )
        )
    if machines.processor_minutes is not None:
        callbacks.append(ProcessorBudget(60 * machines.processor_minutes))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        max_time=None if machines.minutes is None else timedelta(minutes=machines.minutes),
        accelerator="gpu" if machines.device == "cuda" else machines.device,
        devices=machines.devices,
        num_nodes=machines.nodes,
        strategy=machines.strategy,
        precision=precision,
        reload_dataloaders_every_n_epochs=1,
        logger=TensorBoardLogger(str(out), name="", version="log"),
        plugins=[WholeCheckpointIO()],
        callbacks=callbacks,
        enable_model_summary=False,
        enable_progress_bar=bar,
        log_every_n_steps=10,
    )
