"""Commands that cut cars out: one photo, a folder, the challenge."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carmask.cli.common import (
    AddressOption,
    DeviceChoice,
    DeviceOption,
    EngineChoice,
    EngineOption,
    FitChoice,
    FormatChoice,
    ModelOption,
    PlaceChoice,
    ProgressChoice,
    ProgressOption,
    RestartOption,
    SampleOption,
    ShadowChoice,
    TimeoutOption,
    app,
    complain,
    need,
    parse_size,
    progress_bar,
)
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.batch.process import PhotoTask, Result
    from carmask.batch.run import Engine
    from carmask.prediction.confidence import Review


#: Heading of the help on how pictures look.
_SCENE = "Background, shadow, place"


@app.command()
def cut(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Photos, or folders of photos.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="Where the results go.")],
    mask: Annotated[bool, typer.Option("--mask", help="Write NAME_mask.png (0/255, one bit), no cut-out.")] = False,
    layers: Annotated[
        bool,
        typer.Option("--layers", help="Write NAME_mask, _alpha, _foreground and, with a shadow, _shadow.png too."),
    ] = False,
    parts: Annotated[
        bool,
        typer.Option("--parts", help="Write NAME_parts.png (a label each pixel) and NAME_overlay.png."),
    ] = False,
    picture: Annotated[
        FormatChoice,
        typer.Option("--format", help="Of cut-outs and pictures. webp: a quarter of the size, not lossless."),
    ] = FormatChoice.png,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="Of webp and jpg; 90 if nothing is said.", metavar="1-100")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="COLOUR|IMAGE|blur",
            help="Put the car in front of this: white, '#d0d4d8', white:#8a8f98 (a gradient), showroom.jpg, or blur: "
            "what the photo has, out of focus.",
            rich_help_panel=_SCENE,
        ),
    ] = None,
    fit: Annotated[
        FitChoice, typer.Option(help="How a background picture fills the frame.", rich_help_panel=_SCENE)
    ] = FitChoice.cover,
    shadow: Annotated[
        ShadowChoice,
        typer.Option(help="keep the photo's own (an even floor is needed), make one, or none.", rich_help_panel=_SCENE),
    ] = ShadowChoice.none,
    strength: Annotated[
        float, typer.Option("--shadow-strength", metavar="0-3", help="1 as it is.", rich_help_panel=_SCENE)
    ] = 1.0,
    glass: Annotated[
        float | None,
        typer.Option(
            metavar="0-1",
            help="How far windows let the background through; needs a model that labels windows.",
            rich_help_panel=_SCENE,
        ),
    ] = None,
    match: Annotated[
        float,
        typer.Option(metavar="0-1", help="How far the car takes on the background's light.", rich_help_panel=_SCENE),
    ] = 0.0,
    place: Annotated[
        PlaceChoice,
        typer.Option(
            help="Leave the car where the photo has it; put it in the centre; or do that to all views of a car, named "
            "CAR_01, CAR_02 …, at once: one scale, one horizon.",
            rich_help_panel=_SCENE,
        ),
    ] = PlaceChoice.photo,
    scale: Annotated[
        float,
        typer.Option(metavar="0-1", help="How much of the frame a placed car takes.", rich_help_panel=_SCENE),
    ] = 0.8,
    floor: Annotated[
        float | None,
        typer.Option(metavar="0-1", help="How far down a placed car's wheels stand.", rich_help_panel=_SCENE),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size of the pictures; else the photo's.", rich_help_panel=_SCENE)
    ] = None,
    crop: Annotated[
        float | None,
        typer.Option(metavar="MARGIN", help="Crop to the car; 0.05: with 5 % around it.", rich_help_panel=_SCENE),
    ] = None,
    model: ModelOption = "default",
    device: DeviceOption = DeviceChoice.cpu,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Search sub-folders too; keep them.")] = False,
    budget: Annotated[
        str | None,
        typer.Option("--review-budget", metavar="PERCENT", help="Mark this share, the least certain: 5%."),
    ] = None,
    below: Annotated[
        float | None,
        typer.Option("--review-below", min=0, max=1, help="Mark all of lower confidence; the model's own by default."),
    ] = None,
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
    confidence for each, how far its contour may be off, and a mark on those that a person should look at. A photo that
    cannot be read is reported; the others go on. If it was interrupted, the same command goes on where it was; photos
    that have changed since are done again.

    [dim]carmask cut photos/ --out out/[/dim]
    [dim]carmask cut photos/ --out out/ --mask --recursive[/dim]
    [dim]carmask cut photos/ --out out/ --review-budget 5%[/dim]
    [dim]carmask cut car.jpg --out out/ --background showroom.jpg --shadow keep --format jpg[/dim]
    [dim]carmask cut photos/ --out out/ --background white --place turntable --floor 0.85 --size 1600x1200[/dim]
    [dim]carmask cut photos/ --out out/ --parts --model parts.onnx[/dim]
    [dim]carmask cut s3://bucket/photos --out s3://bucket/cut --engine ray --address auto --state runs/monday[/dim]
    """
    from carmask.batch import run, series, storage
    from carmask.batch.process import PhotoTask
    from carmask.compositing.background import Background
    from carmask.compositing.placement import Placing
    from carmask.compositing.style import RenderStyle

    frame = None if size is None else parse_size(size)
    placing = Placing(place.value, scale, floor, frame, crop)
    look = RenderStyle(shadow.value, strength, glass, match, placing)
    behind = None if background is None else Background.parse(background, fit.value)
    wanted = run.OutputSpec(
        mask=mask,
        background=behind,
        format=picture.value,
        parts=parts,
        quality=quality,
        layers=layers,
        look=look,
    )
    wanted.check()
    places, target = [storage.location(path) for path in paths], storage.location(out)
    if engine is EngineChoice.local:
        storage.local_only([*places, target])
    folder = storage.need_state(target, state)
    jobs = run.plan(places, target, wanted, recursive=recursive)
    if place is PlaceChoice.turntable:
        jobs = series.with_series(jobs)
    task = PhotoTask(model, wanted, device.value, storage=storage.Stores())
    review = _review(model, budget, below)
    worker = _start_engine(task, timeout, engine, address)
    with worker, run.opened(folder, jobs, task, restart=restart) as manifest:
        try:
            failed = _follow(run.cut(jobs, manifest, worker), len(jobs), "cutting", progress)
        finally:
            worker.close()  # nothing is written any more when the folder is tidied
            report = run.write_report(folder, jobs, manifest, review=review)
            doubtful = len(run.to_review(jobs, manifest, review))
    if progress is not ProgressChoice.json:
        print(f"{len(jobs) - failed} of {len(jobs)} photos done; results in {out}, table in {report}")
        print(f"{doubtful} to look at: those with review=yes in the table")
    if failed:
        raise typer.Exit(1)


@app.command()
def turntable(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Pictures of the views, named CAR_01, CAR_02 ….")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where CAR.webp and CAR.html go.")],
    width: Annotated[int, typer.Option(min=64, max=4096, help="Of the pictures, in pixels.")] = 960,
    seconds: Annotated[float, typer.Option(min=0.5, max=60, help="For one turn of the animation.")] = 4.0,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the pictures.", metavar="1-100")] = 80,
) -> None:
    """Show a car from all sides: an animated WebP, and a page that turns it under the mouse or a finger.

    DIR holds what `cut` has made of the views, or the photos themselves. The page is one file, and needs nothing else.

    [dim]carmask cut photos/ --out cut/ --background white --shadow keep --place turntable[/dim]
    [dim]carmask turntable cut/ --out spin/[/dim]
    """
    from carmask.compositing import turntable as turning

    for car, files in turning.find_views(folder).items():
        views = turning.read_views(files, width)
        page, film = turning.write_turntable(out, car, views, seconds=seconds, quality=quality)
        print(f"{car}: {len(views)} views; {page}, {film}")


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
    from carmask.batch import storage
    from carmask.batch.process import OutputSpec, PhotoTask
    from carmask.data.table import find_photos
    from carmask.submission import submission

    folder = storage.location(photos)
    if engine is EngineChoice.local:
        storage.local_only([folder])
    found: Mapping[str, Path | str]
    found = find_photos(folder) if isinstance(folder, Path) else storage.Stores().by_stem(folder)
    names = submission.read_sample(sample) if sample is not None else [Path(photo).name for photo in found.values()]
    jobs = submission.jobs_for(submission.match_photos(names, found))
    task = PhotoTask(model, OutputSpec(runs=True), device.value, storage=storage.Stores())
    worker = _start_engine(task, timeout, engine, address)
    with worker, submission.unfinished(out, task, len(jobs), restart=restart) as manifest:

        def follow(results: Iterator[Result]) -> None:
            _follow(results, len(jobs), "predicting", progress)

        rows = submission.predict_rows(jobs, manifest, worker, follow=follow)
        count = submission.write_submission(out, rows)
    if progress is not ProgressChoice.json:
        print(f"{count} rows in {out}")


def _review(model: str, budget: str | None, below: float | None) -> Review:
    from carmask.model.file import find_model, read_info
    from carmask.prediction.confidence import REVIEW_BELOW, Review

    if budget is not None and below is not None:
        raise UsageError("--review-budget and --review-below exclude each other")
    share = None
    if budget is not None:
        number, percent, rest = budget.strip().partition("%")
        try:
            share = float(number) / 100 if percent and not rest else float("nan")
        except ValueError:
            share = float("nan")
        if not 0 <= share <= 1:
            raise UsageError(f"--review-budget {budget}: write a share of the photos such as 5%")
    if below is None:
        calibration = read_info(find_model(model)).calibration
        below = REVIEW_BELOW if calibration is None else calibration.review_below
    return Review(below, share)


def _start_engine(task: PhotoTask, timeout: float, engine: EngineChoice, address: str | None) -> Engine:
    """Load the network, here or on a cluster."""
    if engine is EngineChoice.ray:
        need("ray", "cluster")
        from carmask.batch.engines.ray import RayEngine

        return RayEngine(task, address=address, patience=timeout)
    if address is not None:
        raise UsageError("--address is the cluster's: it needs --engine ray")
    from carmask.batch.run import LocalEngine

    return LocalEngine(task, patience=timeout)


def _follow(results: Iterator[Result], total: int, what: str, mode: ProgressChoice) -> int:
    """Draw results, show how it goes, and at the end what failed; the number of failures."""
    failures: list[tuple[str, str]] = []
    started, done, kept = time.monotonic(), 0, 0
    try:
        with progress_bar(what, "photos", shown=mode is ProgressChoice.bar) as step:
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
            complain(reason)
    return len(failures)


def _print_event(result: Result, done: int, total: int, rate: float) -> None:
    """A line of JSON for a photo: for logs, and for programs that wait for results."""
    event = {
        "photo": result.photo,
        "status": result.status,
        "reason": result.reason,
        "confidence": result.confidence,
        "area": result.area,
        "expected_error_px": result.error,
        "seconds": round(result.seconds, 4),
        "kept": result.kept,
        "done": done,
        "total": total,
        "photos_per_second": round(rate, 2),
        "seconds_left": round((total - done) / rate) if rate else None,
    }
    print(json.dumps(event), flush=True)
