"""``carmask render``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import SIZE

if TYPE_CHECKING:
    from carmask.geometry import Size


@click.command(
    "render",
    cls=Command,
    examples=(
        "carmask render --cars 4 --out rendered/ --size 960x640",
        "carmask render --cars 14 --out hard/ --hard white,antenna --parts",
        "carmask render --cars 100 --views 4 --out many/ --size 480x320",
    ),
)
@option("--cars", type=int, required=True, metavar="COUNT", help="Number of cars.")
@out_option("DIR", "Folder of the data set.")
@option("--size", type=SIZE, default="1918x1280", show_default=True, metavar="WIDTHxHEIGHT", help="Size of the photos.")
@option(
    "--views",
    type=int,
    default=16,
    show_default=True,
    metavar="COUNT",
    help="Photos of each car, evenly spaced around it: 1, 2, 4, 8 or 16.",
)
@option(
    "--hard",
    default="",
    metavar="CASE,...",
    help="Hard cases that the cars take in turn: white, black, mirror, antenna, rack, glass-roof, clear-glass.",
)
@option("--parts", is_flag=True, help="Also label the car parts: parts/*.png and parts.json.")
@option("--seed", type=int, default=0, show_default=True, metavar="NUMBER", help="The same seed gives the same cars.")
@progress_option
def render(cars: int, out: Path, size: Size, views: int, hard: str, parts: bool, seed: int) -> None:
    """Render a data set of cars with exact masks.

    Builds random cars, renders them on a turntable in a studio, and writes photos and masks in the layout of the
    Carvana challenge: train/, train_masks/, train_masks.csv and metadata.csv. It needs the [studio] extra.

    After an interruption the same command continues.
    """
    from carmask.studio.renderer import choose_variant
    from carmask.studio.renderset import Request, render_set

    cases = tuple(name.strip() for name in hard.split(",") if name.strip())
    request = Request(cars, size=size, seed=seed, hard=cases, parts=parts, views=views)
    request.check()
    if choose_variant() == "scalar_rgb":
        complain("no LLVM that works here, so rendering takes four times as long; Debian: apt install libllvm19")
    with progress_bar("rendering", "photos") as step:
        sessions = render_set(request, out, progress=step)
    print(
        f"{counted(len(sessions), 'car')}, {counted(views * len(sessions), 'photo')} in {out}; "
        f"to score a model: carmask evaluate default {out}"
    )
