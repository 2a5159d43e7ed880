"""``carmask quantize``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import need
from carmask.cli.options import out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH, NumberRange


@click.command(
    "quantize", cls=Command, examples=("carmask quantize model.onnx carvana/ --extra-data street/ --out default.onnx",)
)
@click.argument("model", metavar="MODEL", help="A model file, or a name of 'carmask models list'.")
@click.argument(
    "data", type=PATH, metavar="DATA", help="A data set. Its validation cars are scored, the others are measured."
)
@out_option("FILE", "The model file to write.")
@option(
    "--extra-data",
    renamed=["--also"],
    arguments=["extra"],
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="Another data set of photos with masks; repeatable.",
)
@option(
    "--tolerance",
    type=NumberRange(min=0),
    default=0.0002,
    show_default=True,
    metavar="DICE",
    help="Loss of mean Dice that is allowed beyond its standard error.",
)
@progress_option
def quantize(model: str, data: Path, out: Path, extra_data: tuple[Path, ...], tolerance: float) -> None:
    """Measure the ranges with which a model is computed in 8 bits.

    Measures the ranges of activations on photos that the model was trained on, and scores it in floating point and in 8
    bits on others. Writes FILE, the model with these ranges; its weights stay as they are. Where the processor computes
    in 8 bits, such a model takes about two thirds of the time. Run 'carmask calibrate' afterwards.
    """
    need("torch", "train")
    from carmask.release.int8_ranges import quantize as run

    with progress_bar("predicting", "photos") as step:
        made = run(model, data, out, extra=extra_data, tolerance=tolerance, progress=step)
    print(f"{out}: {made.info.name}, {len(made.info.ranges)} convolutions in 8 bits")
    for name, (floats, eight, error) in made.costs.items():
        gain = f"{eight - floats:+.6f}, standard error {error:.6f}"
        print(f"  {name:16} mean Dice {floats:.6f} in floats, {eight:.6f} in 8 bits ({gain})")
