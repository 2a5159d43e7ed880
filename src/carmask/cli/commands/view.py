"""``carmask view``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import layout_option, mask_threshold_option, out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH, WholeRange


@click.command(
    "view",
    cls=Command,
    examples=(
        "carmask view test/ --prediction submission.csv --out sheets/",
        "carmask view carvana/ --truth carvana/train_masks --prediction masks/ --out sheets/",
    ),
)
@click.argument("photos", type=PATH, metavar="PHOTOS", help="A folder of photos, or a data set.")
@out_option("DIR", "Folder for sheet-001.png, sheet-002.png, ...")
@option("--truth", type=PATH, metavar="DIR|CSV", help="True masks.")
@option("--prediction", type=PATH, metavar="DIR|CSV", help="Predicted masks.")
@option("--name", "names", multiple=True, metavar="NAME", help="Only this photo; repeatable.")
@option("--rows", type=WholeRange(1, 50), default=8, show_default=True, metavar="COUNT", help="Photos on a sheet.")
@layout_option
@mask_threshold_option
@progress_option
def view(
    photos: Path,
    out: Path,
    truth: Path | None,
    prediction: Path | None,
    names: tuple[str, ...],
    rows: int,
    layout: str | None,
    mask_threshold: int | None,
) -> None:
    """Put photos and their masks side by side on sheets.

    Writes PNG sheets with a row for each photo: the photo, the true mask, the predicted mask, and an overlay that
    shows where the two differ. Without --truth and --prediction it shows the masks of the data set itself.

    Photos without a mask are left out. Further sheets of an earlier call are removed from DIR.

    A photo that cannot be drawn is reported, the others are drawn, and the exit status is 1.
    """
    from carmask.pages.sheets import view_sheets

    with progress_bar("drawing", "photos") as step:
        done = view_sheets(
            photos,
            out,
            truth=truth,
            prediction=prediction,
            layout=layout,
            mask_threshold=mask_threshold,
            rows=rows,
            names=names,
            progress=step,
        )
    for failure in done.failures:
        complain(failure.reason)
    if done.without_mask:
        complain(f"{counted(done.without_mask, 'photo')} without a mask left out")
    print(f"{counted(len(done.files), 'sheet')} in {out}")
    if done.failures:
        raise click.exceptions.Exit(1)
