"""``carmask drift``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import DAY, PATH, NumberRange, WholeRange
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.drift.run import DriftReport

#: The exit status where something has moved.
MOVED = 3
#: Options that are for comparing alone, by the names of their parameters.
_COMPARING = {"against": "--against", "level": "--level", "count": "--photos", "to": "--out"}
#: Lines of what has moved.
_LINES = 10


@click.command(
    "drift",
    cls=Command,
    examples=(
        "carmask drift out/",
        "carmask drift march/ --save ours.json",
        "carmask drift april/ --against ours.json",
        "carmask drift out/ --since 2026-11-23 --against earlier",
    ),
)
@click.argument("outs", nargs=-1, required=True, type=PATH, metavar="OUT...", help="Output folders of 'carmask cut'.")
@option(
    "--against",
    metavar="REFERENCE",
    help="What to compare with: a file that --save wrote, an output folder of earlier photos, or 'earlier', photos of "
    "the same folders cut before --since.  [default: the photos that the model was calibrated on]",
)
@option(
    "--since",
    type=DAY,
    metavar="DAY",
    help="Compare only photos cut on this day (UTC) or later, such as 2026-11-23.",
)
@option(
    "--level",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    metavar="PROBABILITY",
    help="Probability of a false alarm, all tests together.",
)
@option(
    "--photos",
    "count",
    arguments=["count"],
    type=WholeRange(min=0),
    default=30,
    show_default=True,
    metavar="COUNT",
    help="Choose so many photos to correct.",
)
@option("--out", "-o", "to", type=PATH, metavar="DIR", help="Folder for the page and tables.  [default: the first OUT]")
@option(
    "--save", type=PATH, metavar="FILE", help="Keep these photos as a reference for later ones, and compare nothing."
)
@option("--about", metavar="TEXT", help="With --save: what the photos are.  [default: the names of the folders]")
@progress_option
def drift(
    outs: tuple[Path, ...],
    against: str | None,
    since: datetime | None,
    level: float,
    count: int,
    to: Path | None,
    save: Path | None,
    about: str | None,
) -> None:
    """Find out whether photos differ from earlier ones.

    Compares light, colours, size and view of the cars, confidence features, and the rates of failure, review and
    correction with a reference, and prints what has moved. 'carmask cut' has measured all of it: this reads no photo
    but those that it shows.

    Writes DIR/drift.html, DIR/drift.csv, and DIR/drift-photos.csv: the photos most worth correcting, uncertain ones
    unlike those corrected before. With --save it writes FILE alone: distributions and rates, nothing of one photo.

    The exit status is 3 if something has moved, 0 if nothing has.
    """
    from carmask.drift.run import compare_runs, save_reference
    from carmask.pages.drift import write_drift

    if save is not None and (given := [flag for name, flag in _COMPARING.items() if _is_given(name)]):
        raise UsageError(
            f"keeps photos as a reference and compares nothing; leave {' and '.join(given)} out", argument="save"
        )
    if about and save is None:
        raise UsageError("says what the photos are that --save keeps; give --save, too", argument="about")
    day = None if since is None else since.date()
    if save is not None:
        kept = save_reference(outs, save, since=day, about=about or "")
        print(f"{counted(kept.photos, 'photo')} of {counted(kept.vehicles, 'car')} kept as a reference in {save}")
        return
    found = compare_runs(outs, against=against, since=day, level=level, count=count)
    with progress_bar("drawing", "photos") as step:
        page = write_drift(to or outs[0], found, progress=step)
    _say(found, page)
    if found.drift.moved:
        raise click.exceptions.Exit(MOVED)


def _is_given(name: str) -> bool:
    """Whether a parameter was given on the command line, rather than left at its default."""
    return click.get_current_context().get_parameter_source(name) == ParameterSource.COMMANDLINE


def _say(found: DriftReport, page: Path) -> None:
    drift, moved = found.drift, found.drift.moved
    period, reference = drift.period, drift.reference
    if found.left_out:
        complain(found.left_out)
    compared = f"{counted(period.photos, 'photo')} of {counted(period.vehicles, 'car')}"
    print(f"{compared}, against {reference.photos} of {reference.about}")
    print(f"{len(moved)} of {len(drift.changes)} measures and rates have moved")
    for one in moved[:_LINES]:
        was = f"{one.before:.3g} before, {one.now:.3g} now"
        print(f"  {one.title}: {was}; distance {one.distance:.2f}, p {one.adjusted:.1g}")
    if len(moved) > _LINES:
        print(f"  and {len(moved) - _LINES} more")
    print(f"page in {page}, {counted(len(found.choices), 'photo')} to correct in {page.parent / 'drift-photos.csv'}")
