"""``carmask check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import counted
from carmask.cli.options import mask_threshold_option, model_option, progress_option, sample_option
from carmask.cli.progress import progress_bar
from carmask.cli.translate import by_argument, translate
from carmask.cli.types import PATH, SIZE
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.geometry import Size

_TRUTH = "Photos or true masks to compare with"


@click.command(
    "check",
    cls=Command,
    examples=(
        "carmask check submission.csv --sample sample_submission.csv",
        "carmask check submission.csv --photos test/",
        "carmask check submission.csv --sample sample_submission.csv --truth train_masks.csv --fix repaired.csv",
    ),
)
@click.argument("file", type=PATH, metavar="SUBMISSION", help="The CSV to check.")
@sample_option
@option("--truth", type=PATH, section=_TRUTH, metavar="DIR|CSV", help="True masks of some of the images.")
@option(
    "--photos",
    type=PATH,
    section=_TRUTH,
    metavar="DIR",
    help="Photos, where no true masks are known. A model predicts the masks of some of them.",
)
@option("--fix", type=PATH, metavar="FILE", help="Write the repaired submission here, if the repair is exact.")
@option("--size", type=SIZE, default="1918x1280", show_default=True, metavar="WIDTHxHEIGHT", help="Size of the photos.")
@mask_threshold_option
@model_option
@progress_option
def check(
    file: Path,
    sample: Path | None,
    truth: Path | None,
    photos: Path | None,
    fix: Path | None,
    size: Size,
    mask_threshold: int | None,
    model: str,
) -> None:
    """Find out what is wrong with a submission, and repair it.

    Reports missing, unknown and repeated names, malformed and overlapping runs, what a spreadsheet has changed, and
    masks in another frame than the photos' (224x224, 1912 or 1920 pixels wide) or in column order. With --truth or
    --photos it tries the known frames, offsets and orders, and prints the score that the repaired submission would
    have. Compressed files (.csv.gz, .csv.zip) are read as they are.

    Prints one finding a line. The exit status is 1 if one of them is an error; a warning may be meant.
    """
    from carmask.data.mask_source import Truth
    from carmask.images import check_writable
    from carmask.submission.diagnose import diagnose
    from carmask.submission.known import KnownMasks, PredictedMasks
    from carmask.submission.table import read_sample

    if truth is not None and photos is not None:
        raise UsageError("--truth and --photos exclude each other: the truth says more")
    if fix is not None:
        check_writable(fix)
    names = None if sample is None else read_sample(sample)
    known: KnownMasks | None = Truth(truth, mask_threshold, frame=size) if truth is not None else None
    if photos is not None:
        from carmask.formats.listing import find_photos
        from carmask.model.runtime import load_model

        known = PredictedMasks(load_model(model), find_photos(photos))
    with progress_bar("checking", "rows") as step:
        findings = diagnose(file, names, size, truth=known, progress=step)
    params = by_argument(click.get_current_context().command)
    for finding in findings:
        print(f"{finding.severity}: {finding.kind}: {translate(finding.message, params)}")
    if fix is not None:
        from carmask.submission.repair import repair

        print(f"{counted(repair(file, fix, names, size, findings), 'row')} written to {fix}")
    if any(finding.severity == "error" for finding in findings):
        raise click.exceptions.Exit(1)
    shifts = "" if truth is not None else " (a shift by a pixel shows only with --truth)"
    # Warnings alone are left here: they may be meant, and are not called good.
    verdict = f"no errors, {counted(len(findings), 'warning')}" if findings else "good"
    print(f"{file}: {verdict}{shifts}")
