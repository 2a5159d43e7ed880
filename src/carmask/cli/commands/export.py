"""``carmask export``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import need
from carmask.cli.options import layout_option, mask_threshold_option, out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH


@click.command(
    "export",
    cls=Command,
    examples=(
        "carmask export runs/default --data carvana/ --out model.onnx",
        "carmask export runs/default --epoch best --out model.onnx",
    ),
)
@click.argument("run", type=PATH, metavar="RUN", help="The folder that 'carmask train' wrote.")
@out_option("FILE", "The model file to write.")
@option(
    "--epoch",
    metavar="best|last|N",
    help="Take the weights after this epoch, of a training that is finished or not. Without it: the result of a "
    "finished one.",
)
@option("--data", type=PATH, metavar="DIR", help="Score the model on the validation cars of this data set.")
@layout_option
@mask_threshold_option
@option("--name", metavar="NAME", help="Name of the model.  [default: the recipe's]")
@option("--version", default="1", show_default=True, metavar="VERSION", help="Version of the model.")
@option("--licence", metavar="TEXT", help="Licence of the model.")
@progress_option
def export(
    run: Path,
    out: Path,
    epoch: str | None,
    data: Path | None,
    layout: str | None,
    mask_threshold: int | None,
    name: str | None,
    version: str,
    licence: str | None,
) -> None:
    """Make a model file of a training.

    Writes FILE, an ONNX model that states its own name, version, classes, input size, validation cars and, with --data,
    its score. Checks that it predicts what the trained network predicts.
    """
    need("torch", "train")
    from carmask.training.export import export as write

    given = {"name": name, "version": version, "licence": licence}
    with progress_bar("scoring", "photos") as step:
        changes = {key: value for key, value in given.items() if value is not None}
        made = write(
            run,
            out,
            epoch=epoch,
            changes=changes,
            data=data,
            layout=layout,
            mask_threshold=mask_threshold,
            progress=step,
        )
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB; differs from the trained network by {made.difference:.5f} (mean)")
    if made.info.score is not None:
        print(f"{made.info.measure} {made.info.score:.6f} on its {len(made.info.validation_cars)} validation cars")
