"""``carmask evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import device_option, layout_option, mask_threshold_option, out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH, WholeRange
from carmask.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carmask.failures import Failure
    from carmask.model.runtime import Device

_CHOICE = "Which photos"


@click.command(
    "evaluate",
    cls=Command,
    examples=(
        "carmask evaluate default carvana/ --val --out scores/",
        "carmask evaluate default other.onnx carvana/ --val --out compared/",
        "carmask evaluate masks/ carvana/ --cars cars.txt",
        "carmask evaluate parts.onnx carparts/ --val --out scores/",
    ),
)
@click.argument(
    "what",
    nargs=-1,
    required=True,
    metavar="MODEL [MODEL] DATA",
    help="MODEL is a model file, a name of 'carmask models list', or masks (a folder, a CSV, or a file of an "
    "annotation tool). DATA is a folder with train/ and train_masks/ (or train_masks.csv), or a data set in any format "
    "of 'carmask convert'.",
)
@option("--cars", type=PATH, section=_CHOICE, metavar="FILE", help="Only these cars, a name on each line.")
@option(
    "--val",
    arguments=["validation"],
    is_flag=True,
    section=_CHOICE,
    help="Only the cars that the model names for validation.",
)
@out_option("DIR", "Folder for scores.csv and the page.", required=False)
@option(
    "--worst",
    type=WholeRange(min=0),
    default=20,
    show_default=True,
    metavar="COUNT",
    help="Show this many of the photos of lowest Dice on the page, each with the causes of its errors.",
)
@layout_option
@mask_threshold_option
@device_option
@progress_option
def evaluate(
    what: tuple[str, ...],
    cars: Path | None,
    val: bool,
    out: Path | None,
    worst: int,
    layout: str | None,
    mask_threshold: int | None,
    device: Device,
) -> None:
    """Score a model, or compare two, on photos with true masks.

    Prints the metrics of the masks at the native size of the photos; Dice is that of the Carvana challenge.

    With --out it writes scores.csv, a row for each photo, and a page: the metrics, where the errors are, scores by view
    and by car, and the worst photos. A model of car parts, or a folder of labels, is scored part by part.

    Data that 'carmask render --parts' wrote is scored by part if all models are of its parts; --layout carvana scores
    the whole cars, --layout coco the parts.

    --mask-threshold is for true masks and for masks that are scored. It is refused where parts are scored.

    A photo that cannot be scored, such as one without a mask, is reported, the others are scored, and the exit status
    is 1.
    """
    from carmask.data.layouts import find_layout
    from carmask.evaluation.predictors import predicts_parts
    from carmask.evaluation.run import evaluate_masks
    from carmask.evaluation.summary import summarise, summary_lines
    from carmask.images import check_writable

    if len(what) not in {2, 3}:
        raise UsageError(f"evaluate takes one or two models and then the data; got {' '.join(what)}")
    if cars is not None and val:
        raise UsageError("--cars and --val exclude each other")
    models, data = list(what[:-1]), Path(what[-1])
    find_layout(data, layout)
    if out is not None:
        check_writable(out / "scores.csv")
    if predicts_parts(models, data, layout):
        if mask_threshold is not None:
            raise UsageError("--mask-threshold is for masks of whole cars; labels of parts are taken as they are")
        _evaluate_parts(models, data, cars, val=val, out=out, worst=worst, device=device, layout=layout)
        return
    with progress_bar("scoring", "photos") as step:
        done = evaluate_masks(
            models,
            data,
            cars=cars,
            validation=val,
            device=device,
            layout=layout,
            mask_threshold=mask_threshold,
            progress=step,
        )
    for name, result in zip(models, done.found.results, strict=True):
        summary = summarise([one.score for one in result])
        whose = f"{name}: " if len(models) > 1 else ""
        print(f"{whose}{counted(summary.images, 'photo')} of {counted(summary.cars, 'car')}, at native size")
        for line in summary_lines(summary):
            print(f"  {line}")
    if out is not None:
        from carmask.pages.results import write_results
        from carmask.pages.subject import Subject

        subject = Subject(done.found.examples, done.metadata, data.resolve().name, done.found.failures)
        with progress_bar("drawing the worst", "photos") as step:
            page = write_results(out, done.titles, subject, done.found.results, worst=worst, progress=step)
        print(f"scores of each photo in {out}, page in {page}")
    _report(done.found.failures, done.warnings)


def _evaluate_parts(
    models: list[str],
    data: Path,
    cars: Path | None,
    *,
    val: bool,
    out: Path | None,
    worst: int,
    device: Device,
    layout: str | None,
) -> None:
    """Score labels of parts; of two models one after the other, each with its own page."""
    from carmask.evaluation.run import evaluate_labels
    from carmask.pages.parts import write_parts_results

    failures: list[Failure] = []
    warnings: list[str] = []
    for letter, model in zip("AB", models, strict=False):
        with progress_bar("scoring", "photos") as step:
            keep = worst if out is not None else 0
            done = evaluate_labels(
                model,
                data,
                cars=cars,
                validation=val,
                compared=models,
                keep=keep,
                device=device,
                layout=layout,
                progress=step,
            )
        result = done.result
        failures += [failure for failure in result.failures if failure not in failures]
        warnings += done.warnings
        print(f"{model}: {counted(len(result.photos), 'photo')}, pixels of all together, at native size")
        width = max(len(one.name) for one in result.parts(background=True))
        print(f"  {'part':{width}}      F1     IoU  precision  recall")
        for one in result.parts(background=True):
            print(f"  {one.name:{width}}  {one.f1:.4f}  {one.iou:.4f}     {one.precision:.4f}  {one.recall:.4f}")
        mean = [result.macro(score) for score in ("f1", "iou", "precision", "recall")]
        label = "mean of parts"
        print(f"  {label:{width}}  {mean[0]:.4f}  {mean[1]:.4f}     {mean[2]:.4f}  {mean[3]:.4f}")
        print(f"  pixel accuracy {result.confusion.accuracy:.4f}")
        if out is not None:
            folder = out if len(models) == 1 else out / letter
            with progress_bar("drawing the worst", "photos") as step:
                page = write_parts_results(folder, done.title, data.resolve().name, result, progress=step)
            print(f"scores in {folder}, page in {page}")
    _report(failures, warnings)


def _report(failures: Sequence[Failure], warnings: Sequence[str]) -> None:
    """Print what is doubtful and what failed; the exit status is 1 if a photo failed."""
    for line in (*warnings, *(failure.reason for failure in failures)):
        complain(line)
    if failures:
        complain(f"not scored, and in no figure: {counted(len(failures), 'photo')}")
        raise click.exceptions.Exit(1)
