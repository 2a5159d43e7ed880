"""Commands about data sets of car parts."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from carmask.cli.common import app, progress_bar

parts_app = typer.Typer(no_args_is_help=True, help="Data sets of car parts: COCO, index PNG, arrays.")
app.add_typer(parts_app, name="parts")


class FormChoice(StrEnum):
    """What a data set of parts is written as."""

    coco = "coco"
    png = "png"


@parts_app.command()
def convert(
    data: Annotated[
        Path,
        typer.Argument(metavar="IN", help="images/ with annotations.json, or with labels/ and classes.txt; or *.npy."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    to: Annotated[FormChoice, typer.Option("--to", help="COCO with run lengths, or index PNG with classes.txt.")],
) -> None:
    """Write a data set of car parts in another form; what 'carmask render --parts' wrote is read as well.

    Arrays are NAME.npy of (height, width, 4): RGB and the class's value, 0, 10 … 90 if no classes.txt lies beside them.

    [dim]carmask parts convert carparts/ carparts-png/ --to png[/dim]
    [dim]carmask parts convert arrays/ data/ --to coco[/dim]
    """
    from carmask.data.partsexport import convert as run

    with progress_bar("converting", "photos") as step:
        made = run(data, out, to.value, progress=step)
    print(f"{made.photos} photos with {len(made.names)} parts in {out}")


@parts_app.command()
def check(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A data set of parts.")],
) -> None:
    """Read every label of a data set, count the parts, and find photos that are there twice.

    [dim]carmask parts check carparts/[/dim]
    """
    import numpy as np

    from carmask.data.duplicates import near_duplicates
    from carmask.data.parts import read_parts
    from carmask.data.partsexport import read_checked

    examples, names = read_parts(data)
    photos, pixels, total = np.zeros(256, np.int64), np.zeros(256, np.int64), 0
    with progress_bar("reading", "photos") as step:
        for done, example in enumerate(examples, 1):
            counts = np.bincount(read_checked(example).ravel(), minlength=256)
            photos, pixels, total = photos + (counts > 0), pixels + counts, total + int(counts.sum())
            step(done, len(examples))
    width = max(len(name) for name in ("background", *names))
    print(f"{'part':{width}}  photos  % of pixels")
    for label, name in enumerate(("background", *names)):
        print(f"{name:{width}}  {photos[label]:6}  {100 * pixels[label] / total:11.3f}")
    for one, other, alike in near_duplicates([example.photo for example in examples]):
        print(f"the same photo, nearly: {examples[one].photo.name} {examples[other].photo.name} ({alike:.4f})")
    print(f"{data}: {len(examples)} photos with {len(names)} parts")
