"""``carmask rle encode`` and ``carmask rle decode``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, Entry, LazyGroup, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import mask_threshold_option, out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH, SIZE
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.geometry import Size


@click.group(
    "rle",
    cls=LazyGroup,
    entries=(
        Entry("Commands", "encode", "Write masks as a CSV of run lengths.", "rle:encode"),
        Entry("Commands", "decode", "Write the masks of a CSV as PNG files.", "rle:decode"),
    ),
    no_args_is_help=True,
)
def rle() -> None:
    """Convert masks to run lengths and back.

    The CSV has the columns img and rle_mask, as the Carvana challenge defines them: pairs of start and length, pixels
    numbered from 1, row by row.
    """


@click.command(
    "encode",
    cls=Command,
    examples=("carmask rle encode train_masks/ --out train_masks.csv", "carmask rle encode car_01_mask.png"),
)
@click.argument("masks", type=PATH, nargs=-1, required=True, metavar="MASK...", help="Mask files, or folders of them.")
@out_option("FILE", "Write here, not to standard output.", required=False)
@option(
    "--suffix",
    default=".jpg",
    show_default=True,
    metavar="SUFFIX",
    help="Ending of the image names in the CSV. '_mask' is taken off the names of the masks.",
)
@mask_threshold_option
@progress_option
def encode(masks: tuple[Path, ...], out: Path | None, suffix: str, mask_threshold: int | None) -> None:
    """Write masks as a CSV of run lengths.

    Prints the CSV, or writes it to the file that --out names.
    """
    from carmask.formats.listing import list_masks
    from carmask.formats.rle import rle_encode
    from carmask.formats.rle_csv import format_rows, write_rle_csv
    from carmask.images import read_mask

    if suffix.isalnum():
        raise UsageError(f"{suffix}: image names would end in NAME{suffix}; write .{suffix}", argument="suffix")
    files = list_masks(masks)
    with progress_bar("encoding", "masks") as step:

        def rows() -> Iterator[tuple[str, str]]:
            for done, (name, file) in enumerate(files.items(), 1):
                yield name + suffix, rle_encode(read_mask(file, mask_threshold))
                step(done, len(files))

        if out is None:
            sys.stdout.writelines(format_rows(rows()))
        else:
            written = write_rle_csv(out, rows())
    if out is not None:
        print(f"{counted(written, 'row')} in {out}")


@click.command("decode", cls=Command, examples=("carmask rle decode train_masks.csv --size 1918x1280 --out masks/",))
@click.argument("file", type=PATH, metavar="CSV", help="A CSV with the columns img and rle_mask.")
@option(
    "--size", type=SIZE, required=True, metavar="WIDTHxHEIGHT", help="Size of the frame in which the masks are written."
)
@out_option("DIR", "Folder for NAME_mask.png.")
@progress_option
def decode(file: Path, size: Size, out: Path) -> None:
    """Write the masks of a CSV as PNG files.

    Writes a PNG with one bit a pixel for each row. A row that cannot be decoded is reported, and the others are done.
    So is a file that may have been cut off: the mask of its last row may lack its last runs. So are masks whose runs
    show rows of another width than that of --size, as where height and width are exchanged.
    """
    from carmask.submission.decode import decode_to_files

    failures: list[str] = []
    with progress_bar("decoding", "masks") as step:
        written = decode_to_files(file, size, out, on_failure=failures.append, on_doubt=complain, progress=step)
    for failure in failures:
        complain(failure)
    print(f"{counted(written, 'mask')} in {out}")
    if failures:
        raise click.exceptions.Exit(1)
