"""The fine-tuning of a learning run: what needs torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from carmask.training.export import export
from carmask.training.extra_data import Sources
from carmask.training.machines import Machines
from carmask.training.recipe import Recipe
from carmask.training.train import train


def fine_tune(
    recipe: Recipe,
    work: Path,
    model: Path,
    localisation: Path | None,
    out: Path,
    machines: Machines,
    *,
    report: Callable[[str, int, int], None],
    bar: bool = False,
) -> None:
    """Train from a model's weights on the mixture of a learning run, or go on with that, and write a model file.

    Args:
        recipe: from ``learning_recipe``.
        work: folder of the run; its ``mixture`` is trained on, its ``run`` is the training's.
        model: whose weights to begin with.
        localisation: the localisation stage's model file, for networks that are guided by it.
        out: the model file to write.
        machines: what to train on.
        report: called with what is being done, the number done and the number of all.
        bar: show Lightning's progress bar.

    Raises:
        CarmaskError: whatever ``train`` and ``export`` refuse.
    """
    run = work / "run"
    if not (run / "weights.safetensors").exists():
        sources = Sources(initial_weights=model, localisation=localisation)
        train(
            recipe,
            work / "mixture",
            run,
            sources=sources,
            cache=work / "cache",
            machines=machines,
            report=report,
            bar=bar,
        )
    export(run, out)
