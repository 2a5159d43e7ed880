"""``carmask convert``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import out_option, progress_option
from carmask.cli.progress import Step, progress_bar
from carmask.cli.types import PATH, SIZE

if TYPE_CHECKING:
    from carmask.formats.convert import Conversion
    from carmask.formats.photos import PhotoMode
    from carmask.geometry import Size

#: As ``carmask.formats.table.FORMATS`` has them, which takes longer to import than help should; a test compares.
WRITABLE = (
    *("carvana", "coco", "cvat", "datumaro", "fiftyone", "folders", "huggingface", "index-png", "label-studio"),
    *("labelme", "voc", "yolo"),
)
READABLE = tuple(sorted(("arrays", "cut", *WRITABLE)))

#: Headings of the help.
_SOURCE, _TOOL = "What SOURCE does not say", "For annotation tools"


@click.command(
    "convert",
    cls=Command,
    examples=(
        "carmask convert carvana/ --to coco --out carvana-coco/",
        "carmask convert cut/ --to label-studio --out doubtful/ --review-only",
        "carmask convert export.json --to folders --out corrected/ --photos photos/",
        "carmask convert submission.csv --to cvat --out cvat/ --photos test/",
    ),
)
@click.argument(
    "source",
    type=PATH,
    metavar="SOURCE",
    help="A data set, an export of an annotation tool (.json, .xml, .zip or a folder), the output folder of 'carmask "
    "cut', a folder of masks, or a CSV of run lengths.",
)
@option("--to", type=click.Choice(WRITABLE), required=True, metavar="FORMAT", help="The format to write.")
@out_option("DIR", "A new folder.")
@option(
    "--photo-files",
    type=click.Choice(["copy", "link", "none"]),
    default="copy",
    show_default=True,
    help="copy: photos are copied to DIR. link: as hard links. none: masks only.",
)
@option("--no-check", is_flag=True, help="Do not read the result back; roundtrip.csv is not written.")
@option(
    "--from",
    "form",
    type=click.Choice(READABLE),
    metavar="FORMAT",
    section=_SOURCE,
    help="Its format: one of those, arrays or cut. Found out by default.",
)
@option(
    "--photos", type=PATH, metavar="DIR", section=_SOURCE, help="A folder with the photos. Searched with sub-folders."
)
@option("--size", type=SIZE, metavar="WxH", section=_SOURCE, help="Size of all pictures, for a CSV without photos.")
@option(
    "--label",
    default="car",
    show_default=True,
    metavar="NAME",
    section=_SOURCE,
    help="What masks without a label show.",
)
@option("--review-only", is_flag=True, section=_SOURCE, help="Of the output of 'cut': photos with review=yes only.")
@option(
    "--model",
    metavar="NAME",
    section=_TOOL,
    help="Name of the model that made the masks. Label Studio and FiftyOne show them as predictions then.",
)
@option(
    "--tag",
    type=click.Choice(["brush", "bitmask"]),
    default="brush",
    show_default=True,
    section=_TOOL,
    help="Label Studio's tag: BrushLabels, or BitmaskLabels (since version 1.20).",
)
@option(
    "--address",
    default="/data/local-files/?d=",
    show_default=True,
    metavar="URL",
    section=_TOOL,
    help="What stands before a photo's path in DIR in Label Studio's tasks.",
)
@progress_option
def convert(
    source: Path,
    to: str,
    out: Path,
    *,
    photo_files: PhotoMode,
    no_check: bool,
    form: str | None,
    photos: Path | None,
    size: Size | None,
    label: str,
    review_only: bool,
    model: str | None,
    tag: Literal["brush", "bitmask"],
    address: str,
) -> None:
    """Convert masks to and from annotation tools.

    Reads any of the formats, writes DIR in another, and reads it back. Writes DIR/roundtrip.csv: for each picture how
    many pixels changed, its components and holes before and after, and whether EXIF turns the photo. Formats are coco,
    cvat, datumaro, fiftyone, huggingface, label-studio, labelme, voc and yolo (which loses pixels), and carvana
    (train/, train_masks.csv), index-png (images/, labels/, classes.txt) and folders (images/, masks/). A picture that
    cannot be read is reported, and the others are done.
    """
    from carmask.batch.corrected_masks import corrected_masks
    from carmask.batch.output_names import output_names, recorded_photos
    from carmask.formats.convert import convert as run
    from carmask.formats.reading import ReadOptions
    from carmask.formats.table import FORMATS, read_annotations
    from carmask.formats.writing import WriteOptions

    records = recorded_photos(source)
    outputs, corrected = output_names(records), corrected_masks(source, records)
    options = ReadOptions(photos, size, label=label, doubtful=review_only, outputs=outputs, corrected=corrected)
    annotations = read_annotations(source, options, form)
    if review_only and not annotations.doubtful:
        raise click.UsageError("--review-only is for the output folder of 'carmask cut'")
    wanted = WriteOptions(model or "", tag, address)
    with ExitStack() as bars:
        steps: dict[str, Step] = {}

        def step(what: str, number: int, total: int) -> None:
            if what not in steps:
                bars.close()
                steps[what] = bars.enter_context(progress_bar(what, "pictures"))
            steps[what](number, total)

        check = not no_check
        done = run(annotations, out, to, options=wanted, photos=photo_files, check=check, progress=step)
    _show(done, out)
    if done.faults or (done.changed and FORMATS[to].exact):
        raise click.exceptions.Exit(1)


def _show(done: Conversion, out: Path) -> None:
    for fault in done.faults:
        complain(fault)
    for note in done.notes:
        print(note)
    labels = "1 label" if len(done.names) == 1 else f"{len(done.names)} labels"
    print(f"{counted(done.pictures, 'picture')} with {labels} in {out}")
    if done.report is None:
        return
    pixels = sum(row.pixels for row in done.rows)
    told = "no pixel changed" if not done.changed else f"{done.changed} of {pixels} pixels changed"
    other = sum(row.before != row.after for row in done.rows)
    parts = "" if not other else f", components or holes in {counted(other, 'picture')}"
    print(f"read back: {told}{parts}; {done.report}")
