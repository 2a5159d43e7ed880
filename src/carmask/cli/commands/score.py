"""``carmask score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import counted
from carmask.cli.options import mask_threshold_option
from carmask.cli.types import PATH, SIZE, WholeRange

if TYPE_CHECKING:
    from carmask.geometry import Size


@click.command(
    "score",
    cls=Command,
    examples=(
        "carmask score submission.csv --truth train_masks.csv",
        "carmask score submission.csv --truth train_masks/ --worst 10",
    ),
)
@click.argument("file", type=PATH, metavar="SUBMISSION", help="The CSV to score.")
@option(
    "--truth",
    type=PATH,
    required=True,
    metavar="DIR|CSV",
    help="A folder of true masks, train_masks.csv, or any format of 'carmask convert'.",
)
@option(
    "--worst",
    type=WholeRange(min=0),
    default=0,
    show_default=True,
    metavar="COUNT",
    help="Also list this many of the images of lowest Dice.",
)
@option(
    "--size", type=SIZE, default="1918x1280", show_default=True, metavar="WIDTHxHEIGHT", help="Frame of a truth CSV."
)
@mask_threshold_option
def score(file: Path, truth: Path, worst: int, size: Size, mask_threshold: int | None) -> None:
    """Score a submission as the challenge does.

    Prints the mean Dice coefficient over all images with a true mask.
    """
    from carmask.data.mask_source import Truth
    from carmask.submission.score import score_submission

    scores = score_submission(file, Truth(truth, mask_threshold, frame=size))
    for one in sorted(scores, key=lambda one: one.dice)[:worst]:
        print(f"{one.image}  {one.dice:.6f}")
    print(f"mean Dice {sum(one.dice for one in scores) / len(scores):.9f} over {counted(len(scores), 'image')}")
