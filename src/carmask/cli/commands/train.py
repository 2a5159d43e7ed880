"""``carmask train``."""

from __future__ import annotations

import os
import textwrap
from importlib.resources import files
from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import need
from carmask.cli.options import layout_option, mask_threshold_option, out_option, progress_option
from carmask.cli.progress import log_lines, progress_bar, shows_bar
from carmask.cli.types import EXTRA_FOLDER, PATH, NumberRange, WholeRange

_INPUT = "Data and initial weights"
_WHERE = "Where and how long"


def _shipped() -> str:
    """The names of the recipes, without what reads them: help is to be there at once."""
    recipes = Path(str(files("carmask") / "training" / "recipes"))
    names = ", ".join(sorted(path.stem for path in recipes.glob("*.toml")))
    lines = textwrap.wrap(names, 72, break_on_hyphens=False)  # a name is to be copied whole
    return "\n  ".join(["\b\nShipped recipes:", *lines])


@click.command(
    "train",
    cls=Command,
    epilog=_shipped(),
    examples=(
        "carmask train default --data carvana/ --out runs/default",
        "carmask train unet-320 --data carvana/ --out runs/unet --set loss=bce+dice --minutes 10",
        "carmask train default-wide --init default --data carvana/ --extra-data street/=0.15 --out runs/wide",
        "carmask train default-wide --data more/ --validation-cars default --extra-data wild/=0.2:0.2 --out runs/more",
    ),
)
@click.argument("recipe", metavar="RECIPE", help="The name of a shipped recipe, such as default, or a TOML file.")
@option(
    "--data",
    type=PATH,
    required=True,
    metavar="DIR",
    section=_INPUT,
    help="train/ and train_masks/ (or train_masks.csv), or a data set in any format of 'carmask convert'.",
)
@out_option("DIR", "Folder of the run: settings, log, weights.")
@layout_option
@mask_threshold_option
@option(
    "--set",
    "change",
    arguments=["changes"],
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the recipe, such as learning_rate=5e-4, augment.flip=0 or stages.0.epochs=5; repeatable.",
)
@option(
    "--extra-data",
    renamed=["--also"],
    type=EXTRA_FOLDER,
    multiple=True,
    metavar="DIR=SHARE",
    section=_INPUT,
    help="Take this share of the photos from another data set, or a folder of data sets; repeatable. "
    "DIR=SHARE:0.2 holds out a fifth of its cars, DIR=SHARE:ranges a contiguous range of names.",
)
@option(
    "--hold-out",
    type=NumberRange(0, 1, max_open=True),
    default=0.5,
    show_default=True,
    metavar="FRACTION",
    section=_INPUT,
    help="The part of the cars of extra data that is validated on, not trained on.",
)
@option(
    "--validation-cars",
    metavar="FILE|NAME",
    section=_INPUT,
    help="Validate on the cars of this list, one a line, or on those that this model was validated on. Without it: "
    "those of the model given by --init, else the recipe's choice.",
)
@option(
    "--backgrounds",
    type=PATH,
    metavar="DIR",
    section=_INPUT,
    help="Pictures without cars, sub-folders included, for recipes that replace backgrounds.",
)
@option(
    "--init",
    arguments=["initial_weights"],
    type=PATH,
    metavar="FILE|NAME",
    section=_INPUT,
    help="Initial weights: a model, or weights.safetensors of a run.",
)
@option(
    "--encoder-weights",
    type=PATH,
    metavar="FILE",
    section=_INPUT,
    help="ImageNet weights of the encoder as safetensors, so that none are downloaded.",
)
@option(
    "--localisation",
    type=PATH,
    metavar="FILE|NAME",
    section=_INPUT,
    help="Model file of the localisation stage, for recipes whose network is guided by one.",
)
@option(
    "--base",
    type=PATH,
    metavar="FILE|NAME",
    section=_INPUT,
    help="Model whose contours are refined, for recipes of a refinement stage; one that it has is left out.",
)
@option(
    "--cache",
    type=PATH,
    metavar="DIR",
    section=_INPUT,
    help="Folder of the decoded photos.  [default: 'cache' beside the run]",
)
@option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    section=_WHERE,
    help="Where the training runs.",
)
@option(
    "--devices",
    type=WholeRange(min=1),
    default=1,
    show_default=True,
    metavar="COUNT",
    section=_WHERE,
    help="Devices on each machine.",
)
@option(
    "--nodes",
    type=WholeRange(min=1),
    default=1,
    show_default=True,
    metavar="COUNT",
    section=_WHERE,
    help="Machines.",
)
@option(
    "--strategy",
    default="auto",
    show_default=True,
    metavar="NAME",
    section=_WHERE,
    help="How several devices share the work, as Lightning names it.",
)
@option(
    "--minutes",
    type=NumberRange(min=0),
    metavar="MINUTES",
    section=_WHERE,
    help="Stop after this time. The result is the best epoch so far with early stopping, else the last one.",
)
@option(
    "--processor-minutes",
    type=NumberRange(min=0),
    metavar="MINUTES",
    section=_WHERE,
    help="The same in processor time, which other programs on the machine do not use up.",
)
@progress_option
def train(
    recipe: str,
    data: Path,
    out: Path,
    layout: str | None,
    mask_threshold: int | None,
    change: tuple[str, ...],
    extra_data: tuple[tuple[Path, float, float | None, bool], ...],
    hold_out: float,
    validation_cars: str | None,
    backgrounds: Path | None,
    init: Path | None,
    encoder_weights: Path | None,
    localisation: Path | None,
    base: Path | None,
    cache: Path | None,
    device: str,
    devices: int,
    nodes: int,
    strategy: str,
    minutes: float | None,
    processor_minutes: float | None,
) -> None:
    """Train a network by a recipe.

    Writes to the run's folder: settings, versions, the list of the data, train.log, history.csv, curves.png,
    TensorBoard's log, checkpoints, the weights of the best and the last epochs, and at the end the resulting weights
    and a sheet of validation photos. 'carmask export' makes a model file of it, before the end too.

    --progress lines prints a line for each epoch, and one a minute within long epochs. They are in train.log, too.

    After an interruption the same command continues from the last checkpoint.
    """
    from carmask.data.layouts import find_layout

    find_layout(data, layout)  # before anything that takes seconds
    need("torch", "train")
    from carmask.training.extra_data import ExtraFolder, Sources
    from carmask.training.machines import Machines
    from carmask.training.recipe import load_recipe
    from carmask.training.run_folder import read_run_info
    from carmask.training.split import read_validation_cars
    from carmask.training.train import train as run

    settings = load_recipe(recipe, list(change))
    extra = tuple(
        ExtraFolder(folder, share, hold_out if own is None else own, ranges)
        for folder, share, own, ranges in extra_data
    )
    kept = () if validation_cars is None else read_validation_cars(validation_cars)
    with log_lines("carmask.training"), progress_bar("decoding photos", "photos") as step:
        weights = run(
            settings,
            data,
            out,
            sources=Sources(
                extra, backgrounds, init, encoder_weights, kept, layout, mask_threshold, localisation, base
            ),
            cache=cache,
            machines=Machines(device, devices, nodes, strategy, minutes, processor_minutes),
            report=lambda _, done, total: step(done, total),
            bar=shows_bar(),
        )
    # Lightning runs this command once for each further device.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        score = f" --data {data}" if read_run_info(out).validation_cars else ""
        print(f"trained: {weights}; make a model of it with: carmask export {out}{score} --out model.onnx")
