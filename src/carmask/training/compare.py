"""Trainings side by side: a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from carmask.errors import WeightsError
from carmask.images import make_folder
from carmask.model.info import ModelInfo
from carmask.networks import build
from carmask.networks.summary import count
from carmask.training.history import draw_curves, read_history
from carmask.training.recipe import Recipe
from carmask.training.run_folder import INFO_FILE, RECIPE_FILE

PICTURE_FILE = "compare.png"


@dataclass(frozen=True)
class Compared:
    """One run's line of the table; of the figures, those of its best epoch by validation Dice, of parts by F1.

    ``dice``, ``accuracy``, ``loss`` and ``f1`` are on the run's validation photos; None where nothing was measured.
    """

    run: str
    network: str
    size: str
    loss_name: str
    parameters: int
    trainable: int
    epochs: int
    best_epoch: int
    dice: float | None
    accuracy: float | None
    loss: float | None
    f1: float | None
    validation_cars: tuple[str, ...]


def compare(runs: Sequence[Path], out: Path | None = None) -> list[Compared]:
    """Compare runs, finished or not.

    Args:
        runs: folders that ``train`` wrote.
        out: folder for the picture of all curves; None for none.

    Returns:
        A line for each run, the best Dice first; of parts F1 in place of Dice.

    Raises:
        WeightsError: if a folder holds no run, or one without a finished epoch.
        OutputError: if the picture cannot be written.
    """
    lines, histories = [], {}
    names = _names(runs)
    for run, name in zip(runs, names, strict=True):
        rows = read_history(run)
        if not rows:
            raise WeightsError(f"{run}: no epoch is finished yet")
        try:
            recipe = Recipe.model_validate_json((run / RECIPE_FILE).read_bytes())
            info = ModelInfo.model_validate_json((run / INFO_FILE).read_bytes())
        except (OSError, ValidationError) as error:
            raise WeightsError(f"{run}: not a run of 'carmask train'") from error
        lines.append(_line(name, recipe, info, rows))
        histories[name] = rows
    if out is not None:
        make_folder(out)
        draw_curves(out / PICTURE_FILE, histories)
    return sorted(lines, key=_figure, reverse=True)


def _figure(line: Compared) -> float:
    found = line.dice if line.f1 is None else line.f1
    return -1.0 if found is None else found


def _line(name: str, recipe: Recipe, info: ModelInfo, rows: list[dict[str, float]]) -> Compared:
    best = max(rows, key=lambda row: row.get("validation/f1", row.get("validation/dice", -1.0)))
    with torch.device("meta"):  # shapes only
        network = build(recipe.network, len(info.classes))
    if recipe.encoder.frozen:
        network.freeze_encoder()
    if recipe.encoder.frozen_part:
        network.freeze_lowest(recipe.encoder.frozen_part)
    counts = count(network)
    height, width = info.size if info.refinement is None else info.refinement.size
    return Compared(
        run=name,
        network=recipe.network,
        size=f"{width}x{height}",
        loss_name=recipe.loss,
        parameters=counts.total,
        trainable=counts.trainable,
        epochs=len(rows),
        best_epoch=int(best["epoch"]) + 1,
        dice=best.get("validation/dice"),
        accuracy=best.get("validation/accuracy"),
        loss=best.get("validation/loss"),
        f1=best.get("validation/f1"),
        validation_cars=info.validation_cars,
    )


def _names(runs: Sequence[Path]) -> list[str]:
    """The folders' own names if they differ, else their whole paths."""
    short = [run.resolve().name for run in runs]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]
