"""The command line: the only module that prints or exits. Each command calls a function below and shows its result."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carmask import __version__
from carmask.errors import CarmaskError, OutputError, UsageError

if TYPE_CHECKING:
    from carmask.arrays import Size
    from carmask.data.table import Example
    from carmask.evaluation.evaluate import Score
    from carmask.inference.batch import Engine
    from carmask.inference.model import ModelInfo
    from carmask.inference.photo import PhotoTask, Result

# Everything else is imported inside the commands: `--help` and `--version` answer at once.

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Take the car out of a photo: mask, transparent cut-out, or the car in front of another background.",
    epilog="Begin with:  carmask cut PHOTOS --out DIR",
)
rle_app = typer.Typer(no_args_is_help=True, help="Run-length encoding as the Carvana challenge writes it.")
app.add_typer(rle_app, name="rle")


class DeviceChoice(StrEnum):
    """Where the network runs."""

    cpu = "cpu"
    cuda = "cuda"
    tensorrt = "tensorrt"


class FormatChoice(StrEnum):
    """File format of cut-outs and pictures."""

    png = "png"
    webp = "webp"


class ProgressChoice(StrEnum):
    """How a batch shows how far it is."""

    bar = "bar"
    json = "json"
    quiet = "quiet"


class EngineChoice(StrEnum):
    """What runs a batch."""

    local = "local"
    ray = "ray"


class TrainDeviceChoice(StrEnum):
    """Where training runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


ModelOption = Annotated[str, typer.Option(help="A model file, or the name of a shipped model.", metavar="FILE|NAME")]
DeviceOption = Annotated[
    DeviceChoice, typer.Option(help="cuda and tensorrt need the \\[cuda] extra and an NVIDIA GPU.")
]
RestartOption = Annotated[bool, typer.Option("--restart", help="Do everything again, also what is done.")]
TimeoutOption = Annotated[float, typer.Option(min=1.0, metavar="SECONDS", help="Give a photo up after this long.")]
ProgressOption = Annotated[
    ProgressChoice, typer.Option(help="bar, on terminals only; json: a line for each photo, for logs; or quiet.")
]
EngineOption = Annotated[EngineChoice, typer.Option(help="ray runs on a cluster; it needs the \\[cluster] extra.")]
AddressOption = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="The cluster; without, one is started on this machine.")
]
SampleOption = Annotated[
    Path | None, typer.Option(help="sample_submission.csv: the image names and their order.", metavar="FILE")
]


@app.callback(invoke_without_command=True)
def _common(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"carmask {__version__}")
        raise typer.Exit


@app.command()
def cut(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Photos, or folders of photos.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="Where the results go.")],
    mask: Annotated[bool, typer.Option("--mask", help="Write NAME_mask.png (0/255, one bit), no cut-out.")] = False,
    background: Annotated[
        str | None,
        typer.Option(metavar="COLOUR|IMAGE", help="Put the car in front of this: white, '#d0d4d8', showroom.jpg."),
    ] = None,
    picture: Annotated[
        FormatChoice,
        typer.Option("--format", help="Of cut-outs and pictures. webp: a quarter of the size, not lossless."),
    ] = FormatChoice.png,
    model: ModelOption = "default",
    device: DeviceOption = DeviceChoice.cpu,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search sub-folders too; keep them.")] = False,
    restart: RestartOption = False,
    timeout: TimeoutOption = 120.0,
    progress: ProgressOption = ProgressChoice.bar,
    engine: EngineOption = EngineChoice.local,
    address: AddressOption = None,
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where manifest and report.csv go if --out is an object store.")
    ] = None,
) -> None:
    """Cut cars out of photos.

    Writes DIR/NAME.png for each photo, the car on transparency at the photo's own size, and DIR/report.csv with a
    confidence for each: look at the lowest ones first. A photo that cannot be read is reported; the others go on.
    If it was interrupted, the same command goes on where it was; photos that have changed since are done again.

    [dim]carmask cut photos/ --out out/[/dim]
    [dim]carmask cut photos/ --out out/ --mask --recursive[/dim]
    [dim]carmask cut car.jpg --out out/ --background showroom.jpg[/dim]
    [dim]carmask cut s3://bucket/photos --out s3://bucket/cut --engine ray --address auto --state runs/monday[/dim]
    """
    from carmask.compositing.background import Background
    from carmask.inference import batch, stores
    from carmask.inference.photo import PhotoTask

    behind = None if background is None else Background.parse(background)
    wanted = batch.Wanted(mask=mask, background=behind, format=picture.value)
    places, target = [stores.location(path) for path in paths], stores.location(out)
    if engine is EngineChoice.local:
        stores.local_only([*places, target])
    folder = stores.need_state(target, state)
    jobs = batch.plan(places, target, wanted, recursive=recursive)
    task = PhotoTask(model, wanted, device.value, storage=stores.Stores())
    worker = _start_engine(task, timeout, engine, address)
    with worker, batch.opened(folder, jobs, task, restart=restart) as manifest:
        try:
            failed = _follow(batch.cut(jobs, manifest, worker), len(jobs), "cutting", progress)
        finally:
            worker.close()  # nothing is written any more when the folder is tidied
            report = batch.write_report(folder, jobs, manifest)
    if progress is not ProgressChoice.json:
        print(f"{len(jobs) - failed} of {len(jobs)} photos done; results in {out}, table in {report}")
    if failed:
        raise typer.Exit(1)


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
    from carmask.evaluation import explore as exploration
    from carmask.evaluation import phototable
    from carmask.evaluation.report import write_page
    from carmask.evaluation.survey import survey

    if table is not None:
        phototable.check_table(table)
    with _progress("looking", "photos") as step:
        found = survey(data, sheets=sheets, progress=step)
    page = write_page(out / exploration.PAGE, exploration.explore_page(found, data.name))
    for kind, count in exploration.count_problems(found):
        print(f"{kind}: {count}")
    if table is not None:
        print(f"{phototable.write_table(table, found)} rows in {table}")
    print(f"{len(found.facts)} of {found.photos} photos of {len(found.cars)} cars; page in {page}")


@app.command()
def evaluate(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL [MODEL] DATA",
            help="A model file, the name of a shipped model, or masks (a folder, or a CSV); a second one to compare it "
            "with; and a folder with train/ and train_masks/ (or .csv).",
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

    With --out it writes a page: where Dice is lost, by view and car, and what went wrong in the worst images.

    [dim]carmask evaluate default carvana/ --val --out scores/[/dim]
    [dim]carmask evaluate default other.onnx carvana/ --val --out compared/[/dim]
    """
    from carmask.data import table
    from carmask.data.dataset import read_data
    from carmask.evaluation import evaluate as evaluation

    if len(what) not in {2, 3}:
        raise UsageError(f"evaluate takes one or two models and then the data; got {' '.join(what)}")
    if cars is not None and val:
        raise UsageError("--cars and --val exclude each other")
    models, data = what[:-1], Path(what[-1])
    predictors = [evaluation.open_predictor(model, device.value) for model in models]
    examples = read_data(data)[0]
    if cars is not None:
        examples = table.of_cars(examples, table.read_cars(cars))
    if val:
        chosen = next((one.info.validation_cars for one in predictors if one.info and one.info.validation_cars), ())
        if not chosen:
            raise UsageError(f"{what[0]}: names no validation cars; choose some with --cars FILE")
        examples = table.of_cars(examples, chosen)
    with _progress("scoring", "photos") as step:
        results = evaluation.examine(predictors, examples, progress=step)
    for name, result in zip(models, results, strict=True):
        _print_summary(name if len(models) > 1 else "", [one.score for one in result])
    for one in predictors:
        if one.info is not None:
            _warn_of_training_cars(examples, one.info)
    if out is not None:
        from carmask.evaluation.results import write_results
        from carmask.evaluation.scorepage import Subject

        file = data / "metadata.csv"
        subject = Subject(examples, table.read_metadata(file) if file.is_file() else {}, data.name)
        with _progress("looking at the worst", "photos") as step:
            page = write_results(out, [one.title for one in predictors], subject, results, worst=worst, progress=step)
        print(f"scores of each photo in {out}, page in {page}")


@app.command()
def submit(
    photos: Annotated[str, typer.Argument(metavar="PHOTOS", help="A folder of photos.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The CSV to write.")],
    model: ModelOption = "default",
    sample: SampleOption = None,
    device: DeviceOption = DeviceChoice.cpu,
    restart: RestartOption = False,
    timeout: TimeoutOption = 120.0,
    progress: ProgressOption = ProgressChoice.bar,
    engine: EngineOption = EngineChoice.local,
    address: AddressOption = None,
) -> None:
    """Write a submission for the Carvana challenge: img,rle_mask.

    With --sample the rows are those of the sample, in its order; without, all photos sorted by name. The file is
    complete or absent. If it was interrupted, the same command goes on from FILE.partial.

    [dim]carmask submit test/ --sample sample_submission.csv --out submission.csv[/dim]
    """
    from carmask.data.table import find_photos
    from carmask.evaluation import submission
    from carmask.inference import stores
    from carmask.inference.photo import PhotoTask, Wanted

    folder = stores.location(photos)
    if engine is EngineChoice.local:
        stores.local_only([folder])
    found: Mapping[str, Path | str]
    found = find_photos(folder) if isinstance(folder, Path) else stores.Stores().by_stem(folder)
    names = submission.read_sample(sample) if sample is not None else [Path(photo).name for photo in found.values()]
    jobs = submission.jobs_for(submission.match_photos(names, found))
    task = PhotoTask(model, Wanted(runs=True), device.value, storage=stores.Stores())
    worker = _start_engine(task, timeout, engine, address)
    with worker, submission.unfinished(out, task, len(jobs), restart=restart) as manifest:

        def follow(results: Iterator[Result]) -> None:
            _follow(results, len(jobs), "predicting", progress)

        rows = submission.predict_rows(jobs, manifest, worker, follow=follow)
        count = submission.write_submission(out, rows)
    if progress is not ProgressChoice.json:
        print(f"{count} rows in {out}")


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
    from carmask.evaluation import diagnose as doctor
    from carmask.evaluation.submission import Truth, read_sample

    if truth is not None and photos is not None:
        raise UsageError("--truth and --photos exclude each other: the truth says more")
    frame, names = _parse_size(size), read_sample(sample) if sample is not None else None
    known: doctor.KnownMasks | None = Truth(truth) if truth is not None else None
    if photos is not None:
        from carmask.data.table import find_photos
        from carmask.inference.model import load_model

        known = doctor.SeenMasks(load_model(model), find_photos(photos))
    with _progress("checking", "rows") as step:
        findings = doctor.diagnose(file, names, frame, truth=known, progress=step)
    for finding in findings:
        print(f"{finding.severity}: {finding.kind}: {finding.message}")
    if fix is not None:
        from carmask.evaluation.repair import repair

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
    from carmask.evaluation.sheets import view_sheets

    with _progress("drawing", "photos") as step:
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
    from carmask.evaluation.submission import Truth, score_submission

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
    from carmask.data.table import find_masks
    from carmask.evaluation.submission import format_rows, write_submission
    from carmask.images import read_mask
    from carmask.rle import rle_encode as encode

    files = [file for path in masks for file in (find_masks(path).values() if path.is_dir() else [path])]
    rows = ((file.stem.removesuffix("_mask") + suffix, encode(read_mask(file))) for file in files)
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
    from carmask.evaluation.submission import decode_to_files

    frame = _parse_size(size)
    failures: list[str] = []
    with _progress("decoding", "masks") as step:
        written = decode_to_files(file, frame, out, on_failure=failures.append, progress=step)
    for failure in failures:
        _complain(failure)
    print(f"{written} masks in {out}")
    if failures:
        raise typer.Exit(1)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe ('default') or a TOML file.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="A folder with train/ and train_masks/ (or .csv).")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The run: settings, log, weights.")],
    encoder_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="safetensors with ImageNet weights, in place of a download.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe; repeatable.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Decoded photos; 'cache' beside the run by default.")
    ] = None,
    device: Annotated[TrainDeviceChoice, typer.Option(help="Where to train.")] = TrainDeviceChoice.auto,
    devices: Annotated[int, typer.Option(min=1, help="How many of them on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="How many machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="How they share the work, as Lightning names it.")] = "auto",
    minutes: Annotated[float | None, typer.Option(min=0, help="Stop after so long, and keep what was reached.")] = None,
    processor_minutes: Annotated[
        float | None, typer.Option(min=0, help="The same in processor time: fair where other work runs beside it.")
    ] = None,
) -> None:
    """Train a network. An interrupted run goes on where it was if the command is given again.

    The run's folder holds settings, versions, data list, history.csv, curves.png, TensorBoard's log, checkpoints,
    and at the end the weights and a sheet of validation photos.

    [dim]carmask train default --data carvana/ --out runs/default[/dim]
    [dim]carmask train unet-320 --data carvana/ --out runs/unet --set loss=bce+dice --minutes 10[/dim]
    """
    _need("torch", "train")
    from carmask.training.recipe import load_recipe
    from carmask.training.train import Machines
    from carmask.training.train import train as run

    settings = load_recipe(recipe, change or [])
    with _progress("decoding photos", "photos") as step:
        weights = run(
            settings,
            data,
            out,
            encoder_weights=encoder_weights,
            cache=cache,
            machines=Machines(device.value, devices, nodes, strategy, minutes, processor_minutes),
            report=lambda _, done, total: step(done, total),
        )
    # Lightning runs this command once for each further device.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"trained: {weights}; make a model of it with: carmask export {out} --data {data} --out model.onnx")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that 'carmask train' wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The model file to write.")],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Measure the score on its validation cars, to state in the file.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name; the recipe's by default.")] = None,
    version: Annotated[str, typer.Option(help="The model's version.")] = "1",
    licence: Annotated[str | None, typer.Option(help="Terms that come with the model.")] = None,
) -> None:
    """Make a model file of a finished training, and check that it predicts as the trained network does.

    [dim]carmask export runs/default --data carvana/ --out model.onnx[/dim]
    """
    _need("torch", "train")
    from carmask.training.export import export as write

    given = {"name": name, "version": version, "licence": licence}
    with _progress("scoring", "photos") as step:
        made = write(run, out, changes={k: v for k, v in given.items() if v is not None}, data=data, progress=step)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB; differs from the trained network by {made.difference:.5f} (mean)")
    if made.info.score is not None:
        print(f"mean Dice {made.info.score:.6f} on its {len(made.info.validation_cars)} validation cars")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that 'carmask train' wrote.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write compare.png here.")] = None,
) -> None:
    """Compare trainings: a line for each run at its best epoch, and a picture of all curves.

    [dim]carmask compare runs/unet-320 runs/unet-320-augmented --out compared/[/dim]
    """
    _need("torch", "train")
    from carmask.training.compare import PICTURE_FILE
    from carmask.training.compare import compare as run

    lines = run(runs, out)
    print(
        f"{'run':28} {'network':28} {'input':>9} {'loss':18} {'parameters':>11} {'trainable':>11} {'epoch':>7} "
        f"{'Dice':>8} {'accuracy':>8} {'loss':>8} {'F1':>6}"
    )
    for one in lines:
        figures = [
            "-".rjust(width) if value is None else f"{value:{width}.{digits}f}"
            for value, width, digits in ((one.dice, 8, 6), (one.accuracy, 8, 6), (one.loss, 8, 5), (one.f1, 6, 4))
        ]
        print(
            f"{one.run:28} {one.network:28} {one.size:>9} {one.loss_name:18} {one.parameters:11,} {one.trainable:11,} "
            f"{f'{one.best_epoch}/{one.epochs}':>7} {' '.join(figures)}"
        )
    if len({one.validation_cars for one in lines}) > 1:
        _complain("these runs were validated on different cars: their figures cannot be compared")
    if out is not None:
        print(f"curves in {out / PICTURE_FILE}")


@app.command()
def networks(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this one's layers.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WIDTHxHEIGHT", help="Input to show the layers at; its own by default.")
    ] = None,
    every_layer: Annotated[bool, typer.Option("--every-layer", help="Single layers, not stages.")] = False,
) -> None:
    """List the networks, or the layers of one: shapes and parameters, as the sources print them.

    Counts are Keras-style: parameters and BatchNorm's moving statistics. Trainable is as the source trains it.

    [dim]carmask networks mobilenetv2-pix2pix[/dim]
    [dim]carmask networks smp:unetplusplus:efficientnet-b0[/dim]
    """
    _need("torch", "train")
    from carmask.networks import summary

    if name is None:
        print(f"{'name':28} {'input':>9} {'total':>11} {'trainable':>11}  source")
        for one in summary.overview():
            print(
                f"{one.name:28} {f'{one.size[1]}x{one.size[0]}':>9} {one.counts.total:11,} {one.counts.trainable:11,}  "
                f"{one.source}"
            )
        print("smp:<architecture>:<encoder>  any network of segmentation_models_pytorch")
        return
    counts, rows = summary.describe(name, None if size is None else _parse_size(size), every_layer=every_layer)
    print(f"{'layer':36} {'type':20} {'input':>16} {'output':>16} {'parameters':>11} {'trainable':>11}")
    for row in rows:
        shapes = ["x".join(map(str, (*shape[1:], shape[0]))) for shape in (row.input, row.output)]
        print(
            f"{row.name:36} {row.kind:20} {shapes[0]:>16} {shapes[1]:>16} {row.counts.total:11,} "
            f"{row.counts.trainable:11,}"
        )
    print(f"total {counts.total:,}; trainable {counts.trainable:,}; not trainable {counts.frozen:,}")


@app.command()
def augment(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo.")],
    mask: Annotated[Path, typer.Argument(metavar="MASK", help="Its mask.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The PNG to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the random combinations.")] = 0,
) -> None:
    """Show every change that training can make to a photo and its mask, and 2, 4, 8, 16 colours, on one sheet.

    [dim]carmask augment car_01.jpg car_01_mask.gif --out sheet.png[/dim]
    """
    from carmask.data.sheet import augmentation_sheet
    from carmask.images import read_mask, read_photo, write_picture

    write_picture(out, augmentation_sheet(read_photo(photo), read_mask(mask), seed=seed))
    print(f"sheet in {out}")


@app.command()
def render(
    cars: Annotated[int, typer.Option(help="How many cars; 16 photos of each.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the data set goes.")],
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Size of the photos.")] = "1918x1280",
    seed: Annotated[int, typer.Option(help="The same seed gives the same cars.")] = 0,
    hard: Annotated[
        str,
        typer.Option(
            metavar="CASE,...",
            help="Hard cases that the cars take in turn: white, black, mirror, antenna, rack, glass-roof, clear-glass.",
        ),
    ] = "",
    parts: Annotated[bool, typer.Option("--parts", help="Also label the parts: parts/*.png and parts.json.")] = False,
) -> None:
    """Render cars on a turntable, with exact masks: a data set in the challenge's own form.

    Given again after an interruption, it goes on where it was.

    [dim]carmask render --cars 4 --out rendered/ --size 960x640[/dim]
    [dim]carmask render --cars 14 --out hard/ --hard white,antenna --parts[/dim]
    """
    from carmask.studio.renderset import Request, render_set

    cases = tuple(name.strip() for name in hard.split(",") if name.strip())
    request = Request(cars, size=_parse_size(size), seed=seed, hard=cases, parts=parts)
    with _progress("rendering", "photos") as step:
        sittings = render_set(request, out, progress=step)
    print(
        f"{len(sittings)} cars, {16 * len(sittings)} photos in {out}; to score a model: carmask evaluate default {out}"
    )


def main() -> None:
    """Run the command line; exit 0 if all is done, 1 if something failed, 2 if the request was wrong."""
    # Pillow warns of odd metadata in photos that it reads without fault; what it cannot read is an error anyway.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.exceptions.TyperException as error:
        # Without arguments Typer has printed the help, and the message is empty.
        if message := " ".join(error.format_message().split()):
            _complain(f"{message} (try: carmask --help)")
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted")
        code = 130
    except BrokenPipeError:
        # A reader that stopped early (`| head`): nothing to say, and nothing more to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except CarmaskError as error:
        _complain(str(error))
        code = 1 if isinstance(error, OutputError) else 2
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> None:
    """One line on standard error, whatever a file name holds."""
    line = " ".join(message.splitlines())
    print(f"carmask: {line}".encode(errors="backslashreplace").decode(), file=sys.stderr)


def _need(module: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise UsageError(f"this command needs more than the base install: pip install 'carmask[{extra}]'")


def _parse_size(text: str) -> Size:
    """Read WIDTHxHEIGHT, as people write it, into (height, width), as arrays have it."""
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit() and int(width) * int(height)):
        raise UsageError(f"{text!r} is not a size; write WIDTHxHEIGHT, such as 1918x1280")
    return int(height), int(width)


def _print_summary(name: str, scores: list[Score]) -> None:
    from carmask.evaluation.evaluate import summarise

    summary = summarise(scores)
    whose = f"{name}: " if name else ""
    print(f"{whose}{summary.images} photos of {summary.cars} cars, Dice at native size")
    print(f"  mean            {summary.mean:.6f}")
    print(f"  median          {summary.median:.6f}")
    print(f"  5th percentile  {summary.fifth_percentile:.6f}")
    print(f"  minimum         {summary.minimum:.6f}  ({min(scores, key=lambda score: score.dice).image})")


def _warn_of_training_cars(examples: list[Example], info: ModelInfo) -> None:
    seen = {example.car for example in examples} & set(info.training_cars)
    if seen:
        _complain(
            f"{len(seen)} of these cars were used to train {info.name}: it scores better on them than on new ones; "
            "use --val or --cars"
        )


def _start_engine(task: PhotoTask, timeout: float, engine: EngineChoice, address: str | None) -> Engine:
    """Load the network, here or on a cluster."""
    if engine is EngineChoice.ray:
        _need("ray", "cluster")
        from carmask.inference.cluster import RayEngine

        return RayEngine(task, address=address, patience=timeout)
    if address is not None:
        raise UsageError("--address is the cluster's: it needs --engine ray")
    from carmask.inference.batch import LocalEngine

    return LocalEngine(task, patience=timeout)


def _follow(results: Iterator[Result], total: int, what: str, mode: ProgressChoice) -> int:
    """Draw results, show how it goes, and at the end what failed; the number of failures."""
    failures: list[tuple[str, str]] = []
    started, done, kept = time.monotonic(), 0, 0
    try:
        with _progress(what, "photos", shown=mode is ProgressChoice.bar) as step:
            for done, result in enumerate(results, 1):
                kept += result.kept
                if result.status == "failed":
                    failures.append((result.photo, result.reason))
                if mode is ProgressChoice.json:
                    seconds = time.monotonic() - started
                    rate = (done - kept) / seconds if seconds > 0 else 0.0
                    _print_event(result, done, total, rate)
                step(done, total)
    finally:
        for _, reason in sorted(failures):
            _complain(reason)
    return len(failures)


def _print_event(result: Result, done: int, total: int, rate: float) -> None:
    """A line of JSON for a photo: for logs, and for programs that wait for results."""
    event = {
        "photo": result.photo,
        "status": result.status,
        "reason": result.reason,
        "confidence": result.confidence,
        "area": result.area,
        "seconds": round(result.seconds, 4),
        "kept": result.kept,
        "done": done,
        "total": total,
        "photos_per_second": round(rate, 2),
        "seconds_left": round((total - done) / rate) if rate else None,
    }
    print(json.dumps(event), flush=True)


@contextmanager
def _progress(what: str, unit: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left on standard error; nothing where that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{{task.fields[rate]}} {unit}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as progress:
        task = progress.add_task(what, total=None, rate="")

        def step(done: int, total: int) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, completed=done, total=total, rate=f"{speed:.1f}" if speed else "")

        yield step


if __name__ == "__main__":
    main()
