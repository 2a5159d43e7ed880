"""``carmask compare``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command
from carmask.cli.messages import complain, need
from carmask.cli.options import out_option
from carmask.cli.types import PATH


@click.command(
    "compare", cls=Command, examples=("carmask compare runs/unet-320 runs/unet-320-augmented --out compared/",)
)
@click.argument(
    "runs", type=PATH, nargs=-1, required=True, metavar="RUN...", help="Folders that 'carmask train' wrote."
)
@out_option("DIR", "Write compare.png here.", required=False)
def compare(runs: tuple[Path, ...], out: Path | None) -> None:
    """Compare trainings: a table and their curves.

    Prints a line for each run at its best epoch, by Dice or, of car parts, F1: network, input size, loss, parameters,
    Dice, accuracy, F1.
    """
    need("torch", "train")
    from carmask.training.compare import PICTURE_FILE
    from carmask.training.compare import compare as run

    lines = run(list(runs), out)
    print(
        f"{'run':28} {'network':28} {'input':>9} {'loss':18} {'parameters':>11} {'trainable':>11} {'epoch':>7} "
        f"{'Dice':>8} {'accuracy':>8} {'loss':>8} {'F1':>6}"
    )
    for one in lines:
        figures = [
            "-".rjust(width) if value is None else f"{value:{width}.{digits}f}"
            for value, width, digits in ((one.dice, 8, 6), (one.accuracy, 8, 6), (one.loss, 8, 5), (one.f1, 6, 4))
        ]
        print(
            f"{one.run:28} {one.network:28} {one.size:>9} {one.loss_name:18} {one.parameters:11,} {one.trainable:11,} "
            f"{f'{one.best_epoch}/{one.epochs}':>7} {' '.join(figures)}"
        )
    if len({one.validation_cars for one in lines}) > 1:
        complain("these runs were validated on different cars: their figures cannot be compared")
    if out is not None:
        print(f"curves in {out / PICTURE_FILE}")
