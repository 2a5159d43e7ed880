"""``carmask build``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import need
from carmask.cli.options import RUN, out_option, progress_option
from carmask.cli.progress import log_lines, progress_bar, shows_bar
from carmask.cli.types import PATH
from carmask.errors import UsageError


@click.command(
    "build",
    cls=Command,
    examples=(
        "carmask build tiny --input data=rendered/ --out tiny/",
        "carmask build default-4 --input data=carvana/ --input street=street/ --out build/ --list",
    ),
)
@click.argument("pipeline", metavar="PIPELINE", help="The name of a shipped pipeline, such as tiny, or a TOML file.")
@out_option("DIR", "Folder of the build: models, trainings, log, state.")
@option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=PATH",
    help="A file or folder that the pipeline needs; repeatable. The pipeline's file says which there are.",
)
@option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the recipes of all trainings, for a trial; repeatable.",
)
@option("--list", "listed", is_flag=True, help="List the steps and what would be done; do nothing.")
@option(
    "--cache",
    type=PATH,
    metavar="DIR",
    section=RUN,
    help="Folder of the decoded photos.  [default: 'cache' in the folder of the build]",
)
@option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    section=RUN,
    help="Where the trainings run.",
)
@progress_option
def build(
    pipeline: str,
    out: Path,
    inputs: tuple[str, ...],
    changes: tuple[str, ...],
    listed: bool,
    cache: Path | None,
    device: str,
) -> None:
    """Make a model by a pipeline of steps.

    Steps are trainings, exports, averages of weights, specialists put beside a model, ranges for 8 bits and
    calibrations. Writes a file or a folder for each step, state.json and build.log. After an interruption the same
    command goes on where it was. A finished step is done again only if something that it needs has changed: its
    settings, its recipe, the content of an input, the output of an earlier step.
    """
    need("torch", "train")
    from carmask.release.build import build as run
    from carmask.release.build import list_tasks
    from carmask.release.pipeline import load_pipeline
    from carmask.training.machines import Machines

    loaded, given = load_pipeline(pipeline), _parse_inputs(inputs)
    if listed:
        tasks = list_tasks(loaded, out, given, changes=changes)
        width = max(len(task.step.id) for task in tasks)
        for task in tasks:
            needs = ", ".join(task.step.references().values())
            print(f"{task.step.id:{width}} {task.step.kind:10} {task.reason or 'done':40} {needs}")
        return
    with log_lines("carmask"), progress_bar("building", "photos") as step:
        results = run(
            loaded,
            out,
            given,
            changes=changes,
            machines=Machines(device),
            cache=cache,
            report=lambda _, done, total: step(done, total),
            bar=shows_bar(),
        )
    print(f"built: {results[-1]}")


def _parse_inputs(texts: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--input {text}: write NAME=PATH, such as data=carvana/")
        if name in found:
            raise UsageError(f"--input {name}: given twice")
        found[name] = Path(path)
    return found
