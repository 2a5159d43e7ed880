"""``carmask turntable``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.options import out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH, NumberRange


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
    type=click.IntRange(64, 4096),
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
    type=click.IntRange(1, 100),
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

    DIR holds what 'carmask cut' made of the views, or the photos themselves.
    """
    from carmask.compositing import turntable as turning

    cars = turning.find_views(folder)
    with progress_bar("turntables", "cars") as step:
        for done, (car, files) in enumerate(cars.items(), 1):
            views = turning.read_views(files, width)
            page, film = turning.write_turntable(out, car, views, seconds=seconds, quality=quality)
            print(f"{car}: {len(views)} views; {page}, {film}")
            step(done, len(cars))
