"""``carmask explore``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.options import out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH


@click.command(
    "explore",
    cls=Command,
    examples=(
        "carmask explore carvana/ --out explored/",
        "carmask explore carvana/ --out explored/ --table explored/photos.csv",
    ),
)
@click.argument("data", type=PATH, metavar="DATA", help="A folder with train/ and train_masks/ (or train_masks.csv).")
@out_option("DIR", "Folder for explore.html.")
@option("--table", type=PATH, metavar="FILE", help="Also write a row for each photo, as .csv or .parquet.")
@option(
    "--sheets",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    metavar="COUNT",
    help="Show the 16 views of this many cars.",
)
@progress_option
def explore(data: Path, out: Path, table: Path | None, sheets: int) -> None:
    """Describe a data set, and what is wrong with it, on one page.

    Writes DIR/explore.html: sizes, areas and places of the cars, colours, photos that are there twice, masks that are
    missing, empty or do not fit their photo. The page needs no network.
    """
    from carmask.pages import survey as exploration
    from carmask.pages.html import write_page
    from carmask.survey import photo_table
    from carmask.survey.survey import survey

    if table is not None:
        photo_table.check_table(table)
    with progress_bar("looking", "photos") as step:
        found = survey(data, sheets=sheets, progress=step)
    page = write_page(out / exploration.PAGE, exploration.explore_page(found, data.name))
    for kind, count in exploration.count_problems(found):
        print(f"{kind}: {count}")
    if table is not None:
        print(f"{photo_table.write_table(table, found)} rows in {table}")
    print(f"{len(found.facts)} of {found.photos} photos of {len(found.cars)} cars; page in {page}")
