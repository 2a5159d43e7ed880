"""``carmask submit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.batches import following
from carmask.cli.command import Command
from carmask.cli.messages import counted
from carmask.cli.options import (
    address_option,
    batch_progress_option,
    device_option,
    engine_option,
    model_option,
    out_option,
    restart_option,
    sample_option,
    timeout_option,
)
from carmask.cli.types import LOCATION

if TYPE_CHECKING:
    from carmask.batch.engines.start import EngineName
    from carmask.model.runtime import Device


@click.command(
    "submit",
    cls=Command,
    examples=(
        "carmask submit test/ --out submission.csv",
        "carmask submit test/ --sample sample_submission.csv --out submission.csv",
    ),
)
@click.argument("photos", type=LOCATION, metavar="PHOTOS", help="A folder of photos.")
@out_option("FILE", "The CSV to write.")
@model_option
@sample_option
@device_option
@restart_option
@timeout_option
@batch_progress_option
@engine_option
@address_option
def submit(
    photos: str,
    out: Path,
    model: str,
    sample: Path | None,
    device: Device,
    restart: bool,
    timeout: float,
    progress: str,
    engine: EngineName,
    address: str | None,
) -> None:
    """Predict all photos of a folder and write a submission.

    Writes FILE, a CSV with the columns img and rle_mask in the format of the Carvana challenge. With --sample it has
    the rows of the sample in the sample's order; without, all photos sorted by name.

    FILE is complete or absent. After an interruption the same command continues from FILE.partial.
    """
    from carmask.submission.submit import submit_folder

    with following("predicting", progress) as follow:
        count = submit_folder(
            photos,
            out,
            model=model,
            sample=sample,
            device=device,
            engine=engine,
            address=address,
            timeout=timeout,
            restart=restart,
            progress=follow,
        )
    if progress != "json":
        print(f"{counted(count, 'row')} in {out}")
