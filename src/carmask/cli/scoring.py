"""Commands that look at data, masks and scores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carmask.cli.common import (
    DeviceChoice,
    DeviceOption,
    ModelOption,
    SampleOption,
    app,
    complain,
    parse_size,
    progress_bar,
)
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.data.table import Example
    from carmask.evaluation.scoring import Score
    from carmask.model.info import ModelInfo

rle_app = typer.Typer(no_args_is_help=True, help="Run-length encoding as the Carvana challenge writes it.")
app.add_typer(rle_app, name="rle")


@app.command()
def explore(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A folder with train/ and train_masks/ (or .csv).")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write explore.html here.")],
    table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a row for each photo, as .csv or .parquet.")
    ] = None,
    sheets: Annotated[int, typer.Option(min=0, help="Show the 16 views of this many cars.")] = 40,
) -> None:
    """Look at a data set: cars, masks, colours, and anything that is wrong with it, in one page.

    [dim]carmask explore carvana/ --out explored/ --table explored/photos.csv[/dim]
    """
    from carmask.pages import survey as exploration
    from carmask.pages.html import write_page
    from carmask.survey import photo_table
    from carmask.survey.survey import survey

    if table is not None:
        photo_table.check_table(table)
    with progress_bar("looking", "photos") as step:
        found = survey(data, sheets=sheets, progress=step)
    page = write_page(out / exploration.PAGE, exploration.explore_page(found, data.name))
    for kind, count in exploration.count_problems(found):
        print(f"{kind}: {count}")
    if table is not None:
        print(f"{photo_table.write_table(table, found)} rows in {table}")
    print(f"{len(found.facts)} of {found.photos} photos of {len(found.cars)} cars; page in {page}")


@app.command()
def evaluate(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL [MODEL] DATA",
            help="A model file, the name of a shipped model, or masks (a folder, or a CSV); a second one to compare it "
            "with; and a folder with train/ and train_masks/ (or .csv), or of car parts.",
        ),
    ],
    cars: Annotated[Path | None, typer.Option(metavar="FILE", help="Only these cars, one name a line.")] = None,
    val: Annotated[bool, typer.Option("--val", help="Only the cars that the model names for validation.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write scores.csv and a page here.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Show and explain this many of the worst images.")] = 20,
    device: DeviceOption = DeviceChoice.cpu,
) -> None:
    """Score a model, or two side by side: each image at its native size, as the Carvana challenge does.

    With --out it writes a page: where Dice is lost, by view and car, and what went wrong in the worst images. A model
    of car parts, or a folder of labels, on data with parts is scored by part.

    [dim]carmask evaluate default carvana/ --val --out scores/[/dim]
    [dim]carmask evaluate default other.onnx carvana/ --val --out compared/[/dim]
    [dim]carmask evaluate parts.onnx carparts/ --val --out scores/[/dim]
    """
    from carmask.data import table
    from carmask.data.dataset import read_data
    from carmask.evaluation import scoring as evaluation
    from carmask.evaluation.part_scores import of_parts

    if len(what) not in {2, 3}:
        raise UsageError(f"evaluate takes one or two models and then the data; got {' '.join(what)}")
    if cars is not None and val:
        raise UsageError("--cars and --val exclude each other")
    models, data = what[:-1], Path(what[-1])
    if of_parts(models, data):
        _evaluate_parts(models, data, cars, val=val, out=out, worst=worst, device=device)
        return
    predictors = [evaluation.open_predictor(model, device.value) for model in models]
    examples = read_data(data)[0]
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


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="The CSV to check.")],
    sample: SampleOption = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="DIR|CSV", help="True masks of some images: finds out what else is wrong.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Photos, where no truth is known: a model looks at some of them.")
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the repaired submission here, if that is exact.")
    ] = None,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Size of the photos.")] = "1918x1280",
    model: ModelOption = "default",
) -> None:
    """Check a submission before the judge does, say in words what is wrong with it, and repair it.

    Finds missing, unknown and double names, malformed and overlapping runs, and masks written in another frame than the
    photos' (224x224, 1912 or 1920 wide) or column by column. With --truth or --photos it tries all known frames,
    offsets and orders, and says what the file would score if it were written right.

    [dim]carmask check submission.csv --sample sample_submission.csv --truth train_masks.csv --fix repaired.csv[/dim]
    """
    from carmask.data.mask_source import Truth
    from carmask.submission import diagnose as doctor
    from carmask.submission.submission import read_sample

    if truth is not None and photos is not None:
        raise UsageError("--truth and --photos exclude each other: the truth says more")
    frame, names = parse_size(size), read_sample(sample) if sample is not None else None
    known: doctor.KnownMasks | None = Truth(truth) if truth is not None else None
    if photos is not None:
        from carmask.data.table import find_photos
        from carmask.model.runtime import load_model

        known = doctor.SeenMasks(load_model(model), find_photos(photos))
    with progress_bar("checking", "rows") as step:
        findings = doctor.diagnose(file, names, frame, truth=known, progress=step)
    for finding in findings:
        print(f"{finding.severity}: {finding.kind}: {finding.message}")
    if fix is not None:
        from carmask.submission.repair import repair

        print(f"{repair(file, fix, names, frame, findings)} rows repaired in {fix}")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
    shifts = "" if truth is not None else " (a shift by a pixel shows only with --truth)"
    print(f"{file}: good{shifts}")


@app.command()
def view(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="A folder of photos, or a data set with train/.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write sheet-001.png … here.")],
    truth: Annotated[Path | None, typer.Option(metavar="DIR|CSV", help="True masks.")] = None,
    prediction: Annotated[Path | None, typer.Option(metavar="DIR|CSV", help="Predicted masks.")] = None,
    names: Annotated[list[str] | None, typer.Option("--name", help="Only this photo; repeatable.")] = None,
    rows: Annotated[int, typer.Option(min=1, max=50, help="Photos on a sheet.")] = 8,
) -> None:
    """Put photos and their masks side by side on sheets: photo, truth, prediction, overlay.

    [dim]carmask view test/ --prediction submission.csv --out sheets/[/dim]
    [dim]carmask view carvana/ --truth carvana/train_masks --prediction masks/ --out sheets/[/dim]
    """
    from carmask.pages.sheets import view_sheets

    with progress_bar("drawing", "photos") as step:
        files = view_sheets(
            photos, out, truth=truth, prediction=prediction, rows=rows, names=names or [], progress=step
        )
    print(f"{len(files)} sheets in {out}")


@app.command()
def score(
    file: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="The CSV to score.")],
    truth: Annotated[Path, typer.Option(metavar="DIR|CSV", help="A folder of true masks, or train_masks.csv.")],
    worst: Annotated[int, typer.Option(min=0, help="Also list this many of the worst images.")] = 0,
) -> None:
    """Score a submission as the judge does: mean Dice over the images of the truth."""
    from carmask.data.mask_source import Truth
    from carmask.submission.submission import score_submission

    scores = score_submission(file, Truth(truth))
    for one in sorted(scores, key=lambda one: one.dice)[:worst]:
        print(f"{one.image}  {one.dice:.6f}")
    print(f"mean Dice {sum(one.dice for one in scores) / len(scores):.9f} over {len(scores)} images")


@rle_app.command("encode")
def rle_encode(
    masks: Annotated[list[Path], typer.Argument(metavar="MASK...", help="Mask files, or folders of them.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write here, not to the screen.")
    ] = None,
    suffix: Annotated[str, typer.Option(help="Suffix of the image names; '_mask' is taken off the masks'.")] = ".jpg",
) -> None:
    """Print masks as CSV: img,rle_mask.

    [dim]carmask rle encode train_masks/ --out train_masks.csv[/dim]
    """
    from carmask.data.table import find_masks, photo_stem
    from carmask.images import read_mask
    from carmask.rle import rle_encode as encode
    from carmask.submission.submission import format_rows, write_submission

    files = [file for path in masks for file in (find_masks(path).values() if path.is_dir() else [path])]
    rows = ((photo_stem(file) + suffix, encode(read_mask(file))) for file in files)
    if out is None:
        sys.stdout.writelines(format_rows(rows))
    else:
        print(f"{write_submission(out, rows)} rows in {out}")


@rle_app.command("decode")
def rle_decode(
    file: Annotated[Path, typer.Argument(metavar="CSV", help="img,rle_mask.")],
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="The frame that the masks are written in.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where NAME_mask.png files go.")],
) -> None:
    """Write the masks of a CSV as one-bit PNG files.

    [dim]carmask rle decode train_masks.csv --size 1918x1280 --out masks/[/dim]
    """
    from carmask.submission.submission import decode_to_files

    frame = parse_size(size)
    failures: list[str] = []
    with progress_bar("decoding", "masks") as step:
        written = decode_to_files(file, frame, out, on_failure=failures.append, progress=step)
    for failure in failures:
        complain(failure)
    print(f"{written} masks in {out}")
    if failures:
        raise typer.Exit(1)


def _evaluate_parts(
    models: list[str],
    data: Path,
    cars: Path | None,
    *,
    val: bool,
    out: Path | None,
    worst: int,
    device: DeviceChoice,
) -> None:
    """Score labels of parts; of two models one after the other, each with its own page."""
    from carmask.data import table
    from carmask.data.parts import read_parts
    from carmask.evaluation.part_scores import evaluate_parts, open_labels
    from carmask.pages.parts import write_parts_results

    everything, names = read_parts(data)
    sources = [open_labels(model, names, device.value) for model in models]
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
