"""``carmask blend``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import need
from carmask.cli.options import out_option
from carmask.cli.types import NumberRange


@click.command("blend", cls=Command, examples=("carmask blend studio.onnx wide.onnx --share 0.5 --out blend.onnx",))
@click.argument("first", metavar="FIRST", help="A model file, or a name of 'carmask models list'.")
@click.argument("second", metavar="SECOND", help="A model of the same network, fine-tuned from the first.")
@out_option("FILE", "The model file to write.")
@option(
    "--share",
    type=NumberRange(),
    default=0.5,
    show_default=True,
    metavar="0-1",
    help="Weight of the second in the average.",
)
@option("--name", metavar="NAME", help="Name of the new model.  [default: the second's]")
def blend(first: str, second: str, out: Path, share: float, name: str | None) -> None:
    """Average the weights of two models.

    One must be fine-tuned from the other. The average keeps most of what each does well. Score it with 'carmask
    evaluate', then fit its confidence with 'carmask calibrate'.
    """
    need("torch", "train")
    from carmask.release.weight_averaging import average_weights as run

    info = run(first, second, out, share=share, name=name)
    print(f"{out}: {info.name}, {out.stat().st_size / 1e6:.1f} MB, {share:.0%} of {second}")
