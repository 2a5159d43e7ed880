"""The command line: the only module that prints or exits. Each command calls a function below and shows its result."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
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
    from carmask.inference.model import ModelInfo

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


class TrainDeviceChoice(StrEnum):
    """Where training runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


ModelOption = Annotated[str, typer.Option(help="A model file, or the name of a shipped model.", metavar="FILE|NAME")]
DeviceOption = Annotated[DeviceChoice, typer.Option(help="cuda needs the [cuda] extra and an NVIDIA GPU.")]
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
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Photos, or folders of photos.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the results go.")],
    mask: Annotated[bool, typer.Option("--mask", help="Write NAME_mask.png (0/255, one bit), no cut-out.")] = False,
    background: Annotated[
        str | None,
        typer.Option(metavar="COLOUR|IMAGE", help="Put the car in front of this: white, '#d0d4d8', showroom.jpg."),
    ] = None,
    model: ModelOption = "default",
    device: DeviceOption = DeviceChoice.cpu,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search sub-folders too; keep them.")] = False,
) -> None:
    """Cut cars out of photos.

    Writes DIR/NAME.png for each photo, the car on transparency at the photo's own size, and DIR/report.csv with a
    confidence for each: look at the lowest ones first. A photo that cannot be read is reported; the others go on.

    [dim]carmask cut photos/ --out out/[/dim]
    [dim]carmask cut photos/ --out out/ --mask --recursive[/dim]
    [dim]carmask cut car.jpg --out out/ --background showroom.jpg[/dim]
    """
    from carmask.compositing.background import Background
    from carmask.inference import batch
    from carmask.inference.model import load_model

    wanted = batch.Wanted(mask=mask, background=None if background is None else Background.parse(background))
    jobs = batch.plan(paths, out, wanted, recursive=recursive)
    network = load_model(model, device=device.value)
    batch.prepare_output(out)
    results: list[batch.Result] = []
    try:
        with _progress("cutting", "photos") as step:
            for result in batch.cut(jobs, network, wanted):
                results.append(result)
                step(len(results), len(jobs))
    finally:
        report = batch.write_report(out, results)
    failed = [result for result in results if result.status == "failed"]
    for result in failed:
        _complain(result.reason)
    print(f"{len(results) - len(failed)} of {len(jobs)} photos done; results in {out}, table in {report}")
    if failed:
        raise typer.Exit(1)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or the name of a shipped model.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A folder with train/ and train_masks/ (or .csv).")],
    cars: Annotated[Path | None, typer.Option(metavar="FILE", help="Only these cars, one name a line.")] = None,
    val: Annotated[bool, typer.Option("--val", help="Only the cars that the model names for validation.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write scores.csv here.")] = None,
    device: DeviceOption = DeviceChoice.cpu,
) -> None:
    """Score a model: Dice of each image at its native size, as the Carvana challenge does.

    [dim]carmask evaluate default carvana/ --val --out scores/[/dim]
    """
    from carmask.data import table
    from carmask.evaluation import evaluate as evaluation
    from carmask.inference.model import load_model

    if cars is not None and val:
        raise UsageError("--cars and --val exclude each other")
    network = load_model(model, device=device.value)
    examples = table.read_examples(data)
    if cars is not None:
        examples = table.of_cars(examples, table.read_cars(cars))
    if val:
        examples = table.of_cars(examples, network.info.validation_cars)
        if not examples:
            raise UsageError(f"{model}: names no validation cars; choose some with --cars FILE")
    metadata = table.read_metadata(data / "metadata.csv") if (data / "metadata.csv").is_file() else {}
    with _progress("scoring", "photos") as step:
        scores = evaluation.evaluate(network, examples, progress=step)
    summary = evaluation.summarise(scores)
    print(f"{summary.images} photos of {summary.cars} cars, Dice at native size")
    print(f"  mean            {summary.mean:.6f}")
    print(f"  median          {summary.median:.6f}")
    print(f"  5th percentile  {summary.fifth_percentile:.6f}")
    print(f"  minimum         {summary.minimum:.6f}  ({min(scores, key=lambda score: score.dice).image})")
    _warn_of_training_cars(examples, network.info)
    if out is not None:
        print(f"scores of each photo in {evaluation.write_scores(out, scores, metadata)}")


@app.command()
def submit(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="A folder of photos.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The CSV to write.")],
    model: ModelOption = "default",
    sample: SampleOption = None,
    device: DeviceOption = DeviceChoice.cpu,
) -> None:
    """Write a submission for the Carvana challenge: img,rle_mask.

    With --sample the rows are those of the sample, in its order; without, all photos sorted by name. The file is
    complete or absent.

    [dim]carmask submit test/ --sample sample_submission.csv --out submission.csv[/dim]
    """
    from carmask.data.table import find_photos
    from carmask.evaluation import submission
    from carmask.inference.model import load_model

    found = find_photos(photos)
    names = submission.read_sample(sample) if sample is not None else [path.name for path in found.values()]
    wanted = list(submission.match_photos(names, found))
    network = load_model(model, device=device.value)
    with _progress("predicting", "photos") as step:
        rows = submission.predict_rows(network, wanted, on_failure=_complain, progress=step)
        count = submission.write_submission(out, rows)
    print(f"{count} rows in {out}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="The CSV to check.")],
    sample: Annotated[Path, typer.Option(metavar="FILE", help="sample_submission.csv: the names it must hold.")],
    truth: Annotated[
        Path | None, typer.Option(metavar="DIR|CSV", help="True masks of some images: finds shifts by a pixel as well.")
    ] = None,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Size of the photos.")] = "1918x1280",
) -> None:
    """Check a submission before the judge does, and say in words what is wrong with it.

    Finds missing, unknown and double names, malformed and overlapping runs, masks written in another frame than the
    photos' (224x224, 1912 or 1920 wide) or column by column and, with --truth, starts that are off by one.
    """
    from carmask.evaluation.diagnose import diagnose
    from carmask.evaluation.submission import Truth, read_sample

    known = None if truth is None else Truth(truth)
    with _progress("checking", "rows") as step:
        findings = diagnose(file, read_sample(sample), _parse_size(size), truth=known, progress=step)
    for finding in findings:
        print(f"{finding.severity}: {finding.kind}: {finding.message}")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
    shifts = "" if truth is not None else " (a shift by a pixel shows only with --truth)"
    print(f"{file}: good{shifts}")


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
) -> None:
    """Train a network. An interrupted run goes on where it was if the command is given again.

    [dim]carmask train default --data carvana/ --out runs/default[/dim]
    """
    _need("torch", "train")
    from carmask.training.recipe import load_recipe
    from carmask.training.train import train as run

    settings = load_recipe(recipe, change or [])
    with _progress("decoding photos", "photos") as step:
        weights = run(
            settings,
            data,
            out,
            encoder_weights=encoder_weights,
            cache=cache,
            device=device.value,
            report=lambda _, done, total: step(done, total),
        )
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


def _warn_of_training_cars(examples: list[Example], info: ModelInfo) -> None:
    seen = {example.car for example in examples} & set(info.training_cars)
    if seen:
        _complain(
            f"{len(seen)} of these cars were used to train {info.name}: it scores better on them than on new ones; "
            "use --val or --cars"
        )


@contextmanager
def _progress(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
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
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None, rate="")

        def step(done: int, total: int) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, completed=done, total=total, rate=f"{speed:.1f}" if speed else "")

        yield step


if __name__ == "__main__":
    main()
