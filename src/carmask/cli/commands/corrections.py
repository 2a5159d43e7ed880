"""``carmask corrections``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, Entry, LazyGroup, option
from carmask.cli.messages import complain, counted
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH


@click.group(
    "corrections",
    cls=LazyGroup,
    entries=(
        Entry("Commands", "export", "Write photos and corrected masks in pairs, for training.", "corrections:export"),
    ),
    no_args_is_help=True,
)
def corrections() -> None:
    """Use the masks that were corrected by hand."""


@click.command("export", cls=Command, examples=("carmask corrections export out/ --to more-data/",))
@click.argument("out", type=PATH, metavar="OUT", help="An output folder of 'carmask cut' that was reviewed.")
@option("--to", type=PATH, required=True, metavar="DIR", help="Folder for train/ and train_masks/.")
def export(out: Path, to: Path) -> None:
    """Write photos and corrected masks in pairs, for training.

    Writes DIR/train/NAME.jpg, the photo's file as it is, and DIR/train_masks/NAME_mask.png, the mask at the photo's
    size. A photo that was replaced since it was corrected is left out, and reported; so is one whose name another
    photo in DIR has, or whose mask is there in another format.
    """
    from carmask.review.export import export_corrections

    with progress_bar("writing", "photos") as step:
        done, wrong = export_corrections(out, to, progress=step)
    for line in wrong:
        complain(line)
    print(f"{counted(done, 'photo')} with corrected masks in {to}")
    if wrong:
        raise click.exceptions.Exit(1)
