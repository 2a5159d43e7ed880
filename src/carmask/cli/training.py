"""Commands that train networks and make data for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from carmask.cli.common import TrainDeviceChoice, app, complain, need, parse_size, progress_bar
from carmask.errors import UsageError


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe ('default') or a TOML file.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="A folder with train/ and train_masks/ (or .csv).")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The run: settings, log, weights.")],
    encoder_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="safetensors with ImageNet weights, in place of a download.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option(metavar="FILE|NAME", help="Begin with this model, or a run's weights.safetensors.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR=SHARE", help="Take this share of the photos from another data set; repeatable."),
    ] = None,
    backgrounds: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures without cars, for recipes that change backgrounds.")
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
    [dim]carmask train default-wide --init default.onnx --data carvana/ --also street/=0.15 --out runs/wide[/dim]
    """
    need("torch", "train")
    from carmask.training.extra_data import Sources
    from carmask.training.recipe import load_recipe
    from carmask.training.train import Machines
    from carmask.training.train import train as run

    settings = load_recipe(recipe, change or [])
    with progress_bar("decoding photos", "photos") as step:
        weights = run(
            settings,
            data,
            out,
            sources=Sources(_parse_shares(also or []), backgrounds, init, encoder_weights),
            cache=cache,
            machines=Machines(device.value, devices, nodes, strategy, minutes, processor_minutes),
            report=lambda _, done, total: step(done, total),
        )
    # Lightning runs this command once for each further device.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"trained: {weights}; make a model of it with: carmask export {out} --data {data} --out model.onnx")


def _parse_shares(texts: list[str]) -> tuple[tuple[Path, float], ...]:
    found = []
    for text in texts:
        folder, _, share = text.rpartition("=")
        try:
            found.append((Path(folder), float(share)))
        except ValueError as error:
            raise UsageError(f"--also {text}: write DIR=SHARE, such as street/=0.1") from error
    return tuple(found)


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
    need("torch", "train")
    from carmask.training.export import export as write

    given = {"name": name, "version": version, "licence": licence}
    with progress_bar("scoring", "photos") as step:
        made = write(run, out, changes={k: v for k, v in given.items() if v is not None}, data=data, progress=step)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB; differs from the trained network by {made.difference:.5f} (mean)")
    if made.info.score is not None:
        print(f"{made.info.measure} {made.info.score:.6f} on its {len(made.info.validation_cars)} validation cars")


@app.command()
def blend(
    first: Annotated[str, typer.Argument(metavar="FIRST", help="A model file, or the name of a shipped model.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="A model of the same network, trained from it.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The model file to write.")],
    share: Annotated[float, typer.Option(help="Of the second, from 0 to 1.")] = 0.5,
    name: Annotated[str | None, typer.Option(help="The new model's name; the second's by default.")] = None,
) -> None:
    """Average the weights of two models, one trained from the other: most of what each does well.

    Score it with 'carmask evaluate', give it its confidence with 'carmask calibrate'.

    [dim]carmask blend default wide.onnx --share 0.5 --out blend.onnx[/dim]
    """
    need("torch", "train")
    from carmask.release.weight_averaging import average_weights as run

    info = run(first, second, out, share=share, name=name)
    print(f"{out}: {info.name}, {out.stat().st_size / 1e6:.1f} MB, {share:.0%} of {second}")


@app.command()
def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or the name of a shipped model.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Its validation cars are scored, others measured.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The model file to write.")],
    also: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Photos from elsewhere, with masks; repeatable.")
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Mean Dice that it may lose, chance aside.")] = 0.0002,
) -> None:
    """Let a model be computed in 8 bits where the processor can: two thirds of the time for nearly the same masks.

    Ranges of values are measured on photos that it was trained on; then it is scored in floats and in 8 bits on others.
    The weights stay as they are. Run 'carmask calibrate' afterwards.

    [dim]carmask quantize model.onnx carvana/ --also street/ --out default.onnx[/dim]
    """
    need("torch", "train")
    from carmask.release.int8_ranges import quantize as run

    with progress_bar("predicting", "photos") as step:
        made = run(model, data, out, extra=also or [], tolerance=tolerance, progress=step)
    print(f"{out}: {made.info.name}, {len(made.info.ranges)} convolutions in 8 bits")
    for name, (floats, eight, error) in made.costs.items():
        gain = f"{eight - floats:+.6f}, standard error {error:.6f}"
        print(f"  {name:16} mean Dice {floats:.6f} in floats, {eight:.6f} in 8 bits ({gain})")


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or the name of a shipped model.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Its validation cars are used, none it was trained on.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The model file to write.")],
    also: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Photos from elsewhere, with masks; repeatable.")
    ] = None,
    page: Annotated[Path | None, typer.Option(metavar="DIR", help="Write confidence.html here.")] = None,
    tune: Annotated[bool, typer.Option("--tune", help="Choose the threshold too.")] = False,
    flip: Annotated[
        bool, typer.Option("--flip", help="Let the model average with the photo's mirror image: better, half as fast.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="The model's name; as it is by default.")] = None,
    version: Annotated[str | None, typer.Option(help="The model's version; as it is by default.")] = None,
) -> None:
    """Teach a model what its doubts mean: fit confidence and expected error to photos it has not seen.

    Half of the cars decide, the other half tests what came out; hard scenes are made of the same photos.

    [dim]carmask calibrate model.onnx carvana/ --also street/ --out default.onnx --page calibration/[/dim]
    [dim]carmask calibrate model.onnx carvana/ --flip --tune --name best --out best.onnx[/dim]
    """
    need("torch", "train")
    from carmask.release.calibration import calibrate as run

    given: dict[str, object] = {"flip": flip or None, "name": name, "version": version}
    changes = {key: value for key, value in given.items() if value is not None}
    with progress_bar("predicting", "photos") as step:
        made = run(model, data, out, extra=also or [], changes=changes, tune=tune, progress=step)
    from carmask.evaluation.reliability import GOOD, POOR

    trust, calibration = made.trust, made.info.calibration
    assert calibration is not None
    print(f"{out}: {made.info.name}, threshold {made.info.threshold:g}, review below {calibration.review_below:g}")
    if made.gain is not None:
        print(f"the threshold brings {made.gain:+.6f} mean Dice on cars it was not chosen on")
    print(f"on {trust.photos} photos of cars it was not fitted to:")
    print(f"  {trust.captured:.0%} of the worst tenth by Dice are among the fifth of lowest confidence")
    print(f"  {trust.within_two:.0%} of contour errors are within a factor of two of the expected one")
    print(f"  {'scene':16} {'photos':>6} {'Dice':>7} {'confidence':>10} {'reviewed':>8} {'poor':>12} {'good':>12}")
    for kind, one in trust.kinds.items():
        poor, good = (
            f"{share:.0%} of {photos}" if photos else "-"
            for share, photos in ((one.poor_reviewed, one.poor), (one.good_reviewed, one.good))
        )
        print(
            f"  {kind:16} {one.photos:6} {one.dice:7.4f} {one.confidence:10.4f} {one.reviewed:8.0%} "
            f"{poor:>12} {good:>12}"
        )
    print(f"  poor, good: the share reviewed of photos with Dice below {POOR} and above {GOOD}")
    if page is not None:
        from carmask.pages.confidence import write_confidence

        print(f"pictures in {write_confidence(page, made.info.name, made.tested, made.cases)}")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that 'carmask train' wrote.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write compare.png here.")] = None,
) -> None:
    """Compare trainings: a line for each run at its best epoch, and a picture of all curves.

    [dim]carmask compare runs/unet-320 runs/unet-320-augmented --out compared/[/dim]
    """
    need("torch", "train")
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
        complain("these runs were validated on different cars: their figures cannot be compared")
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
    need("torch", "train")
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
    counts, rows = summary.describe(name, None if size is None else parse_size(size), every_layer=every_layer)
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
    cars: Annotated[int, typer.Option(help="How many cars.")],
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
    views: Annotated[int, typer.Option(help="Photos of each car, evenly spaced: 1, 2, 4, 8 or 16.")] = 16,
) -> None:
    """Render cars on a turntable, with exact masks: a data set in the challenge's own form.

    Given again after an interruption, it goes on where it was.

    [dim]carmask render --cars 4 --out rendered/ --size 960x640[/dim]
    [dim]carmask render --cars 14 --out hard/ --hard white,antenna --parts[/dim]
    [dim]carmask render --cars 100 --views 4 --out many/ --size 480x320[/dim]
    """
    from carmask.studio.renderer import choose_variant
    from carmask.studio.renderset import Request, render_set

    cases = tuple(name.strip() for name in hard.split(",") if name.strip())
    request = Request(cars, size=parse_size(size), seed=seed, hard=cases, parts=parts, views=views)
    request.check()
    if choose_variant() == "scalar_rgb":
        complain("no LLVM that works here, so rendering takes four times as long; Debian: apt install libllvm19")
    with progress_bar("rendering", "photos") as step:
        sittings = render_set(request, out, progress=step)
    print(
        f"{len(sittings)} cars, {views * len(sittings)} photos in {out}; "
        f"to score a model: carmask evaluate default {out}"
    )
