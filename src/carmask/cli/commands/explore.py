"""``carmask explore``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import layout_option, mask_threshold_option, out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH, WholeRange


@click.command(
    "explore",
    cls=Command,
    examples=(
        "carmask explore carvana/ --out explored/",
        "carmask explore carvana/ --out explored/ --table explored/photos.csv",
    ),
)
@click.argument("data", type=PATH, metavar="DATA", help="A folder of photos with masks; see --layout.")
@out_option("DIR", "Folder for explore.html.")
@option("--table", type=PATH, metavar="FILE", help="Also write a row for each photo, as .csv or .parquet.")
@option(
    "--sheets",
    type=WholeRange(min=0),
    default=40,
    show_default=True,
    metavar="COUNT",
    help="Show the 16 views of this many cars.",
)
@layout_option
@mask_threshold_option
@progress_option
def explore(
    data: Path, out: Path, table: Path | None, sheets: int, layout: str | None, mask_threshold: int | None
) -> None:
    """Describe a data set, and what is wrong with it, on one page.

    Writes DIR/explore.html: sizes, areas and places of the cars, colours, photos that are there twice, masks that are
    missing, empty, full, perhaps inverted, or do not fit their photo. The page needs no network.

    Prints how many problems there are of each kind, and remarks: what is noted, and not wrong. A photo that cannot be
    read is reported, the others are measured, and the exit status is 1.
    """
    from carmask.images import check_writable
    from carmask.pages import survey as exploration
    from carmask.pages.html import write_page
    from carmask.survey import photo_table
    from carmask.survey.problems import REMARKS, count_problems
    from carmask.survey.survey import survey

    check_writable(out / exploration.PAGE)
    if table is not None:
        photo_table.check_table(table)
        check_writable(table)
    with progress_bar("measuring", "photos") as step:
        found = survey(data, sheets=sheets, layout=layout, mask_threshold=mask_threshold, progress=step)
    page = write_page(out / exploration.PAGE, exploration.explore_page(found, data.resolve().name))
    for failure in found.failures:
        complain(failure.reason)
    for kind, count in count_problems(found.problems):
        first = next(problem for problem in found.problems if problem.kind == kind)
        what = "remark" if kind in REMARKS else "problem"
        print(f"{counted(count, what)} of kind {kind}; the first is {first.where}: {first.what}")
    if table is not None:
        print(f"{counted(photo_table.write_table(table, found), 'row')} in {table}")
    print(
        f"{len(found.facts)} of {counted(found.photos, 'photo')} of {counted(len(found.cars), 'car')}; page in {page}"
    )
    if found.failures:
        raise click.exceptions.Exit(1)
