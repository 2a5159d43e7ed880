"""``carmask augment``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.options import mask_threshold_option, out_option
from carmask.cli.types import PATH, WholeRange
from carmask.errors import DataError, UsageError


@click.command("augment", cls=Command, examples=("carmask augment car_01.jpg car_01_mask.gif --out sheet.png",))
@click.argument("photo", type=PATH, metavar="PHOTO", help="A photo.")
@click.argument("mask", type=PATH, metavar="MASK", help="Its mask.")
@out_option("FILE", "The PNG to write.")
@option(
    "--seed",
    type=WholeRange(min=0),
    default=0,
    show_default=True,
    metavar="NUMBER",
    help="Seed of the random combinations.",
)
@mask_threshold_option
def augment(photo: Path, mask: Path, out: Path, seed: int, mask_threshold: int | None) -> None:
    """Show what augmentation does to a photo and its mask.

    Writes a PNG sheet with every change of geometry, colours and sharpness that training can make to them, and the
    photo in 2, 4, 8 and 16 colours. Other backgrounds and crops are not shown.
    """
    from carmask.data.sheet import augmentation_sheet
    from carmask.images import read_mask, read_photo, write_picture

    if out.suffix.lower() != ".png":
        raise UsageError(f"{out}: the sheet is a PNG; give it a name that ends in .png", argument="out")
    if out.resolve() in {photo.resolve(), mask.resolve()}:
        raise UsageError(f"{out}: this picture would be overwritten; name another file", argument="out")
    try:
        sheet = augmentation_sheet(read_photo(photo), read_mask(mask, mask_threshold), seed=seed)
    except DataError as error:  # it knows no files
        raise DataError(f"{mask}: {error}") from error
    write_picture(out, sheet)
    print(f"sheet in {out}")
