"""Weights after single epochs: which of them a run keeps, which epoch is the best, and reading them back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from carmask.errors import WeightsError
from carmask.failures import first_line
from carmask.images import make_folder, write_atomically
from carmask.training.history import Row, read_history
from carmask.training.recipe import EarlyStoppingSettings, Recipe
from carmask.training.run_folder import EPOCHS_FOLDER, RECIPE_FILE, WEIGHTS_FILE, epoch_file
from carmask.words import by_number, counted


def keep_epoch(run: Path, epoch: int, model: nn.Module, rows: Sequence[Row], recipe: Recipe) -> None:
    """Write the weights after an epoch; of those before, keep the best epoch's and ``recipe.keep_epochs`` last ones.

    Args:
        run: the folder.
        epoch: counted from 0.
        model: what is exported.
        rows: what all epochs measured, this one included.
        recipe: says how many are kept, and what the best one is.

    Raises:
        OutputError: if they cannot be written.
    """
    make_folder(run / EPOCHS_FOLDER)
    save_weights(epoch_file(run, epoch), model)
    kept = set(range(epoch - recipe.keep_epochs + 1, epoch + 1)) | {best_epoch(rows, recipe.early_stopping)}
    for number in kept_epochs(run):
        if number not in kept:
            epoch_file(run, number).unlink(missing_ok=True)


def kept_epochs(run: Path) -> list[int]:
    """The epochs, counted from 0, whose weights a run has."""
    return sorted(int(file.stem) - 1 for file in (run / EPOCHS_FOLDER).glob("*.safetensors") if file.stem.isdecimal())


def best_epoch(rows: Sequence[Row], stop: EarlyStoppingSettings | None) -> int:
    """The epoch of the highest score, or of what early stopping monitors; the first of several; without any, the last.

    Args:
        rows: what the epochs measured; not empty.
        stop: the recipe's rule, or None.
    """
    name, sign = ("score", 1.0) if stop is None else (stop.monitor, -1.0 if stop.monitor == "loss" else 1.0)
    scored = [row for row in rows if f"validation/{name}" in row]
    best = max(scored, key=lambda row: sign * row[f"validation/{name}"], default=rows[-1])
    return int(best["epoch"])


def best_kept_epoch(run: Path, rows: Sequence[Row], stop: EarlyStoppingSettings | None) -> int:
    """``best_epoch`` among those whose weights a run keeps; an interruption can have cost the very best one.

    Raises:
        WeightsError: if it keeps none.
    """
    kept = kept_epochs(run)
    if not kept:
        raise WeightsError(f"{run}: no weights of single epochs in it")
    there = [row for row in rows if int(row["epoch"]) in kept]
    return best_epoch(there, stop) if there else kept[-1]


def has_stopped(rows: Sequence[Row], stop: EarlyStoppingSettings) -> bool:
    """Whether training ended early after these epochs, by the rule that Lightning's ``EarlyStopping`` follows."""
    sign = -1.0 if stop.monitor == "loss" else 1.0
    best, waited = -math.inf, 0
    for row in rows:
        value = sign * row[f"validation/{stop.monitor}"]
        if value - stop.min_delta > best:
            best, waited = value, 0
        else:
            waited += 1
    return waited >= stop.patience


def save_weights(file: Path, model: nn.Module) -> None:
    """Write weights as safetensors.

    Raises:
        OutputError: if they cannot be written.
    """
    from safetensors.torch import save

    write_atomically(file, save({name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}))


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read weights.

    Raises:
        WeightsError: if the file cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{file}: not a readable safetensors file ({first_line(error)})") from error


def find_weights(run: Path, epoch: str | int | None = None) -> Path:
    """The file of a run's weights.

    Args:
        run: the folder.
        epoch: ``best``, ``last``, or a number counted from 1; None for the result of a finished training.

    Returns:
        The file.

    Raises:
        WeightsError: if the training is not finished and no epoch is named, or the epoch's weights are not kept.
    """
    kept = kept_epochs(run)
    if epoch is None:
        if (run / WEIGHTS_FILE).is_file():
            return run / WEIGHTS_FILE
        if kept:
            done = len(read_history(run))
            raise WeightsError(
                f"{run}: not a finished training: {counted(done, 'epoch')} {by_number(done, 'is', 'are')} "
                "done; resume it, or name the epoch to take: best, last or a number"
            )
        raise WeightsError(f"{run}: not a finished training, and no epoch is done")
    if not kept:
        raise WeightsError(f"{run}: no weights of single epochs in it")
    if epoch in ("best", "last"):
        number = kept[-1] if epoch == "last" else best_kept_epoch(run, read_history(run), _stopping_of(run))
    else:
        try:
            number = int(epoch) - 1
        except ValueError as error:
            raise WeightsError(f"epoch {epoch!r}: write best, last or a number") from error
    if number not in kept:
        names = ", ".join(str(one + 1) for one in kept)
        raise WeightsError(f"{run}: the weights of epoch {number + 1} are not kept; there are those of: {names}")
    return epoch_file(run, number)


def _stopping_of(run: Path) -> EarlyStoppingSettings | None:
    try:
        return Recipe.model_validate_json((run / RECIPE_FILE).read_bytes()).early_stopping
    except (OSError, ValueError) as error:
        raise WeightsError(f"{run / RECIPE_FILE}: not settings of a run that this version reads") from error
