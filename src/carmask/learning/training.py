"""The trainings of a learning run: what needs torch."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from carmask.data.table import Example
from carmask.images import write_atomically
from carmask.learning.apart import Request, train_apart
from carmask.learning.diagnose import StageLosses, measure_losses
from carmask.learning.gather import join_sets
from carmask.learning.settings import Limits, learning_recipe, localisation_recipe
from carmask.learning.weights import extract_localisation
from carmask.model.info import ModelInfo
from carmask.model.runtime import load_model
from carmask.training.epochs import read_weights
from carmask.training.export import export
from carmask.training.extra_data import Sources
from carmask.training.machines import Machines
from carmask.training.recipe import Recipe
from carmask.training.run_folder import WEIGHTS_FILE

LOGGER = logging.getLogger("carmask.learning")
LOSSES_FILE = "losses.json"

Report = Callable[[str, int, int], None]


class Photos(NamedTuple):
    """What is trained on.

    Attributes:
        corrected: photos with corrected masks.
        rehearsed: photos of what the model knew.
        times: how often each corrected one is taken for each rehearsed one.
    """

    corrected: Sequence[Example]
    rehearsed: Sequence[Example]
    times: int

    @property
    def in_a_pass(self) -> int:
        """Photos of a pass."""
        return self.times * len(self.corrected) + len(self.rehearsed)


class Trained(NamedTuple):
    """The new weights.

    Attributes:
        file: a model file of all stages.
        localisation: whether the localisation network was trained, too.
        losses: of the stages before, for models with a localisation network; else None.
    """

    file: Path
    localisation: bool
    losses: StageLosses | None


def train_stages(
    info: ModelInfo, model: Path, work: Path, photos: Photos, limits: Limits, *, report: Report, bar: bool = False
) -> Trained:
    """Train the stages of a model from its own weights, or go on with that.

    How much of the time a localisation network has follows from what it loses on the corrected photos to train on. The
    segmentation stage is trained after it, guided by the new one.

    Args:
        info: of the model.
        model: its file.
        work: folder of the run.
        photos: to train on.
        limits: how long.
        report: called with what is being done, the number done and the number of all.
        bar: show Lightning's progress bar.

    Returns:
        The new weights.

    Raises:
        CarmaskError: whatever ``train`` and ``export`` refuse.
    """
    if not (work / "mixture.done").exists():
        join_sets(work / "mixture", [("c", photos.corrected, photos.times), ("r", photos.rehearsed, 1)])
        write_atomically(work / "mixture.done", b"")
    part, losses, stage = 0.0, None, None
    if info.localisation is not None:
        losses = _losses(model, work / LOSSES_FILE, photos.corrected, report)
        part = losses.training
        LOGGER.info("%s: localisation has %.0f %% of the training", losses, 100 * part)
        stage = work / "localisation.onnx"
        if not stage.exists():
            extract_localisation(model, info, stage)
    if stage is not None and part:
        new = work / "localisation-trained.onnx"
        recipe = localisation_recipe(info, photos.in_a_pass, passes=limits.passes, rate=limits.rate)
        sources = Sources(initial_weights=stage)
        fine_tune(recipe, work, "localisation-run", sources, _machines(limits, part), new, report=report, bar=bar)
        stage = new
    recipe = learning_recipe(info, photos.in_a_pass, passes=limits.passes, rate=limits.rate, scale=limits.scale)
    sources = Sources(initial_weights=model, localisation=stage)
    new = work / "trained.onnx"
    fine_tune(recipe, work, "run", sources, _machines(limits, 1 - part), new, report=report, bar=bar)
    return Trained(new, part > 0, losses)


def _losses(model: Path, file: Path, corrected: Sequence[Example], report: Report) -> StageLosses:
    """Measured once: a run that goes on must go on with the same settings."""
    if not file.exists():
        found = measure_losses(
            load_model(model), corrected, progress=lambda done, total: report("measuring the stages", done, total)
        )
        write_atomically(file, json.dumps(found._asdict()).encode())
    return StageLosses(**json.loads(file.read_text(encoding="utf-8")))


def _machines(limits: Limits, part: float) -> Machines:
    """What to train on for a part of the time."""
    whole = Machines("cpu", minutes=limits.minutes, processor_minutes=limits.processor_minutes)
    return replace(
        whole,
        minutes=None if whole.minutes is None else part * whole.minutes,
        processor_minutes=None if whole.processor_minutes is None else part * whole.processor_minutes,
    )


def fine_tune(
    recipe: Recipe,
    work: Path,
    name: str,
    sources: Sources,
    machines: Machines,
    out: Path,
    *,
    report: Report,
    bar: bool,
) -> None:
    """Train a stage on the mixture of a learning run, or go on with that, and write it as a model file.

    Args:
        recipe: the settings.
        work: folder of the run.
        name: of the training's folder in it.
        sources: initial weights, and what guides the stage.
        machines: what to train on.
        out: the model file to write.
        report: called with what is being done, the number done and the number of all.
        bar: show Lightning's progress bar.

    Raises:
        CarmaskError: whatever ``train`` and ``export`` refuse.
    """
    if out.exists():
        return
    run = work / name
    if not (run / WEIGHTS_FILE).exists():
        train_apart(Request(recipe, work / "mixture", run, sources, work / "cache", machines, bar), report)
    if not all(bool(value.isfinite().all()) for value in read_weights(run / WEIGHTS_FILE).values()):
        assert sources.initial_weights is not None
        LOGGER.warning("%s: the training diverged; the old weights are kept, and a lower rate=… helps", out.name)
        write_atomically(out, sources.initial_weights.read_bytes())
        return
    # Each candidate is scored as the file that would be shipped: what rounding costs it is in its figures.
    made = export(run, out, strict=False)
    LOGGER.info("trained: %s; its file differs by %.4f on noise", out.name, made.difference)
