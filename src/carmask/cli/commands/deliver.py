"""``carmask deliver``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.types import PATH
from carmask.words import by_number


@click.command(
    "deliver",
    cls=Command,
    examples=(
        "carmask deliver out/ --to spin/",
        "carmask deliver out/ --to upload/ --name '{vehicle}-{number:02}'",
    ),
)
@click.argument("out", type=PATH, metavar="OUT", help="An output folder of 'carmask cut' or 'carmask watch'.")
@option("--to", type=PATH, required=True, metavar="DIR", help="Folder for the copies: new, empty, or delivered before.")
@option(
    "--name",
    default="{vehicle}_{view:02}",
    show_default=True,
    metavar="PATTERN",
    help="Pattern of the names, of {vehicle}, {view}, {number} and {name}.",
)
def deliver(out: Path, to: Path, name: str) -> None:
    """Copy pictures under names by vehicle and view.

    Writes a copy of each picture of a run whose photos are grouped by vehicle, and DIR/delivery.csv with a row for
    each: vehicle, number, view, file, photo. The view is the one that was found in the photo, 1 to 16 around the car;
    numbers follow the views. A photo without a view keeps its name there. A second picture of the same name gets -2;
    names that differ in case alone count as the same. Photos in which no car was found, those that were rejected in
    'carmask review', and those that 'cut --others skip' passed over, are left out. Those that 'cut --others keep'
    kept as they are go along. Files of an earlier delivery to DIR are replaced. If a picture is missing in OUT the
    others are copied, and the exit status is 1.
    """
    from carmask.batch.deliver import deliver as run
    from carmask.batch.names import REPORT

    made = run(out, to, name)
    print(f"{counted(made.files, 'picture')} of {counted(made.vehicles, 'vehicle')} in {to}, table in {made.table}")
    if made.left_out:
        print(f"{made.left_out} left out: no vehicle is known")
    if made.rejected:
        print(f"{made.rejected} left out: rejected in the review")
    if made.empty:
        print(f"{made.empty} left out: no car was found")
    for one, other in made.alike:
        print(f"the vehicles {one} and {other} differ in upper and lower case alone; if they are one, give it one name")
    if made.kept:
        show = by_number(made.kept, "shows", "show")
        print(f"{made.kept} of them {show} no whole car: the photos as they are")
    if made.doubtful:
        are = by_number(made.doubtful, "is", "are")
        print(f"{made.doubtful} of them {are} doubtful, and nobody has looked: carmask review {out}")
    if made.again:
        print(f"{made.again} of them should be taken again: those with take_again=yes in {out / REPORT}")
    if made.copies:
        copies = by_number(made.copies, "is a copy of another", "are copies of others")
        print(f"{made.copies} of them {copies}: see checks in {out / REPORT}")
    if made.failed:
        print(f"{counted(made.failed, 'photo')} failed and left out: those with status=failed in {out / REPORT}")
    for failure in made.failures:
        complain(failure.reason)
    if made.failures:
        missing = counted(len(made.failures), "picture")
        complain(f"{missing} left out, as said above: run the same 'carmask cut' again, it makes what is missing")
        raise click.exceptions.Exit(1)
