"""``carmask submit``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.batches import following
from carmask.cli.command import Command
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
    from carmask.batch.job import Result
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
    from carmask.batch import storage
    from carmask.batch.engines.start import start_engine
    from carmask.batch.outputs import OutputSpec
    from carmask.batch.process import PhotoTask
    from carmask.data.table import find_photos
    from carmask.submission import write as submission
    from carmask.submission.table import read_sample

    folder = storage.location(photos)
    if engine == "local":
        storage.local_only([folder])
    found: Mapping[str, Path | str]
    found = find_photos(folder) if isinstance(folder, Path) else storage.Stores().by_stem(folder)
    names = read_sample(sample) if sample is not None else [Path(photo).name for photo in found.values()]
    jobs = submission.jobs_for(submission.match_photos(names, found))
    task = PhotoTask(model, OutputSpec(runs=True), device, storage=storage.Stores())
    worker = start_engine(task, engine, address=address, timeout=timeout)
    with worker, submission.unfinished(out, task, len(jobs), restart=restart) as manifest:

        def follow(results: Iterator[Result]) -> None:
            with following("predicting", progress) as step:
                for done, result in enumerate(results, 1):
                    step(result, done, len(jobs))

        rows = submission.predict_rows(jobs, manifest, worker, follow=follow)
        count = submission.write_submission(out, rows)
    if progress != "json":
        print(f"{count} rows in {out}")
