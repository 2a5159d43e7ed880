"""``carmask parts check``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, Entry, LazyGroup
from carmask.cli.messages import complain, counted
from carmask.cli.options import progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH


@click.group(
    "parts",
    cls=LazyGroup,
    entries=(Entry("Commands", "check", "Read all labels of a data set and count the parts.", "parts:check"),),
    no_args_is_help=True,
)
def parts() -> None:
    """Check data sets of car parts."""


@click.command("check", cls=Command, examples=("carmask parts check carparts/",))
@click.argument("data", type=PATH, metavar="DATA", help="A data set of car parts.")
@progress_option
def check(data: Path) -> None:
    """Read all labels of a data set and count the parts.

    Prints for each part the number of photos that show it and its share of the pixels, and the pairs of photos that
    are nearly the same. A photo that cannot be read is reported, the others are counted, and the exit status is 1.
    """
    from carmask.survey.parts import survey_parts

    with progress_bar("reading", "photos") as step:
        found = survey_parts(data, progress=step)
    width = max(len(one.name) for one in found.counts)
    print(f"{'part':{width}}  photos  % of pixels")
    for one in found.counts:
        print(f"{one.name:{width}}  {one.photos:6}  {100 * one.share:11.3f}")
    for first, second, alike in found.alike:
        print(f"the same photo, nearly: {first} {second} ({alike:.4f})")
    for failure in found.failures:
        complain(failure.reason)
    print(f"{data}: {counted(found.photos, 'photo')} with {len(found.counts) - 1} parts")
    if found.failures:
        raise click.exceptions.Exit(1)
