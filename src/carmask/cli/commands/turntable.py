"""``carmask turntable``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH, NumberRange, WholeRange


@click.command(
    "turntable",
    cls=Command,
    examples=(
        "carmask cut photos/ --out cut/ --background white --shadow keep --place turntable",
        "carmask turntable cut/ --out spin/",
    ),
)
@click.argument("folder", type=PATH, metavar="DIR", help="Pictures of the views, named CAR_01, CAR_02, ...")
@out_option("DIR", "Folder for CAR.webp and CAR.html.")
@option(
    "--width",
    type=WholeRange(64, 4096),
    default=960,
    show_default=True,
    metavar="PIXELS",
    help="Width of the pictures.",
)
@option(
    "--seconds",
    type=NumberRange(0.5, 60),
    default=4.0,
    show_default=True,
    metavar="SECONDS",
    help="Time of one turn of the animation.",
)
@option(
    "--quality",
    type=WholeRange(1, 100),
    default=80,
    show_default=True,
    metavar="1-100",
    help="Quality of the pictures.",
)
@progress_option
def turntable(folder: Path, out: Path, width: int, seconds: float, quality: int) -> None:
    """Turn the views of a car into an animation and a page.

    Writes CAR.webp, an animation, and CAR.html, a page on which the mouse or a finger turns the car. The page is one
    file and needs no other.

    DIR holds what 'carmask cut' made of the views, or the photos themselves. A view that cannot be read is reported and
    left out, the others are used, and the exit status is 1.
    """
    from carmask.compositing.turntable import make_turntables

    alone: list[Path] = []
    with progress_bar("turntables", "cars") as step:
        made, failures = make_turntables(
            folder, out, width=width, seconds=seconds, quality=quality, alone=alone, progress=step
        )
    for one in made:
        print(f"{one.car}: {one.views} views; {one.page}, {one.film}")
    if alone:
        complain(f"{counted(len(alone), 'car')} with a single view left out; the first is {alone[0]}")
    for failure in failures:
        complain(failure.reason)
    if failures:
        raise click.exceptions.Exit(1)
