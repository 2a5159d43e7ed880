"""``carmask evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain
from carmask.cli.options import device_option, layout_option, mask_threshold_option, out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.data.table import Example
    from carmask.evaluation.scoring import Score
    from carmask.model.info import ModelInfo
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
    help="MODEL is a model file, the name of a shipped model, or masks (a folder or a CSV). DATA is a folder with "
    "train/ and train_masks/ (or train_masks.csv), with images/ and masks/, in VOC's layout, or of car parts.",
)
@option("--cars", type=PATH, section=_CHOICE, metavar="FILE", help="Only these cars, a name on each line.")
@option("--val", is_flag=True, section=_CHOICE, help="Only the cars that the model names for validation.")
@out_option("DIR", "Folder for scores.csv and the page.", required=False)
@option(
    "--worst",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="COUNT",
    help="Show this many of the images of lowest Dice on the page, each with its probable cause of error.",
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

    Prints the Dice coefficient of the masks at the native size of the photos, as the Carvana challenge defines it.

    With --out it writes scores.csv, a row for each photo, and a page: where Dice is lost, by view and by car, and the
    worst images. A model of car parts, or a folder of labels, is scored part by part.
    """
    from carmask.data import table
    from carmask.data.dataset import read_data
    from carmask.data.layouts import find_layout
    from carmask.evaluation import scoring as evaluation
    from carmask.evaluation.part_scores import of_parts

    if len(what) not in {2, 3}:
        raise UsageError(f"evaluate takes one or two models and then the data; got {' '.join(what)}")
    if cars is not None and val:
        raise UsageError("--cars and --val exclude each other")
    models, data = list(what[:-1]), Path(what[-1])
    find_layout(data, layout)
    if of_parts(models, data):
        _evaluate_parts(models, data, cars, val=val, out=out, worst=worst, device=device)
        return
    predictors = [evaluation.open_predictor(model, device) for model in models]
    examples = read_data(data, layout=layout, mask_threshold=mask_threshold)[0]
    if cars is not None:
        examples = table.of_cars(examples, table.read_cars(cars))
    if val:
        known = {example.car for example in examples}
        chosen = next((found for one in predictors if one.info and (found := one.info.held_out(known))), ())
        if not chosen:
            raise UsageError(f"{what[0]}: names no validation cars of {data}; choose some with --cars FILE")
        examples = table.of_cars(examples, chosen)
    with progress_bar("scoring", "photos") as step:
        results = evaluation.examine(predictors, examples, progress=step)
    for name, result in zip(models, results, strict=True):
        _print_summary(name if len(models) > 1 else "", [one.score for one in result])
    for one in predictors:
        if one.info is not None:
            _warn_of_training_cars(examples, one.info)
    if out is not None:
        from carmask.pages.results import write_results
        from carmask.pages.scores import Subject

        file = data / "metadata.csv"
        subject = Subject(examples, table.read_metadata(file) if file.is_file() else {}, data.name)
        with progress_bar("looking at the worst", "photos") as step:
            page = write_results(out, [one.title for one in predictors], subject, results, worst=worst, progress=step)
        print(f"scores of each photo in {out}, page in {page}")


def _evaluate_parts(
    models: list[str],
    data: Path,
    cars: Path | None,
    *,
    val: bool,
    out: Path | None,
    worst: int,
    device: Device,
) -> None:
    """Score labels of parts; of two models one after the other, each with its own page."""
    from carmask.data import table
    from carmask.data.parts import read_parts
    from carmask.evaluation.part_scores import evaluate_parts, open_labels
    from carmask.pages.parts import write_parts_results

    everything, names = read_parts(data)
    sources = [open_labels(model, names, device) for model in models]
    examples: list[Example] = list(everything)
    if cars is not None:
        examples = table.of_cars(examples, table.read_cars(cars))
    if val:
        chosen = next((one.info.validation_cars for one in sources if one.info and one.info.validation_cars), ())
        if not chosen:
            raise UsageError(f"{models[0]}: names no validation cars; choose some with --cars FILE")
        examples = table.of_cars(examples, chosen)
    for letter, model, source in zip("AB", models, sources, strict=False):
        with progress_bar("scoring", "photos") as step:
            keep = worst if out is not None else 0
            result = evaluate_parts(source, examples, names, keep=keep, progress=step)
        print(f"{model}: {len(examples)} photos, pixels of all together, at native size")
        width = max(len(one.name) for one in result.parts(background=True))
        print(f"  {'part':{width}}      F1     IoU  precision  recall")
        for one in result.parts(background=True):
            print(f"  {one.name:{width}}  {one.f1:.4f}  {one.iou:.4f}     {one.precision:.4f}  {one.recall:.4f}")
        mean = [result.macro(score) for score in ("f1", "iou", "precision", "recall")]
        label = "mean of parts"
        print(f"  {label:{width}}  {mean[0]:.4f}  {mean[1]:.4f}     {mean[2]:.4f}  {mean[3]:.4f}")
        print(f"  {100 * result.confusion.accuracy:.2f} % of pixels right")
        if source.info is not None:
            _warn_of_training_cars(examples, source.info)
        if out is not None:
            folder = out if len(models) == 1 else out / letter
            with progress_bar("looking at the worst", "photos") as step:
                page = write_parts_results(folder, source.title, data.name, examples, result, progress=step)
            print(f"scores in {folder}, page in {page}")


def _print_summary(name: str, scores: list[Score]) -> None:
    from carmask.evaluation.scoring import summarise

    summary = summarise(scores)
    whose = f"{name}: " if name else ""
    print(f"{whose}{summary.images} photos of {summary.cars} cars, Dice at native size")
    print(f"  mean            {summary.mean:.6f}")
    print(f"  median          {summary.median:.6f}")
    print(f"  5th percentile  {summary.fifth_percentile:.6f}")
    print(f"  minimum         {summary.minimum:.6f}  ({min(scores, key=lambda score: score.dice).image})")


def _warn_of_training_cars(examples: list[Example], info: ModelInfo) -> None:
    seen = {example.car for example in examples} & info.seen()
    if seen:
        complain(
            f"{len(seen)} of these cars were used to train {info.name}: it scores better on them than on new ones; "
            "use --val or --cars"
        )
