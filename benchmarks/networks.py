"""Every network of the sources on the same cars with the same budget, and the sources' questions answered: one table.

    python benchmarks/networks.py --run --data DIR [--minutes 10] [--jobs 2] [--out runs/networks] [--only NAME ...]
                                  [--mobilenet-weights FILE] [--vgg-weights FILE] [--resnet-weights FILE]

DIR is a data set in the challenge's form. Each experiment is a shipped recipe with a few settings changed, trained by
``carmask train`` with one thread for so many minutes of processor time, validation not counted, exported, and evaluated
by ``carmask evaluate --val`` at native size on two views (5, 13) of each validation car; the cars are the same
for all (seed 0, one car in five). Epochs are 256 photos, so that there are several in the budget; the best epoch's
weights are kept. ``--jobs`` experiments run side by side, one core each.

It takes hours (number of experiments / jobs x (minutes + about 3)). Finished experiments are kept in --out and skipped
when the command is given again. Without --run it prints the table of what is finished, and the list of what is not.

Networks with a VGG19 or ResNet50 encoder start from random weights unless a file is named; the table says so.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from _trainings import add_options, carmask, found, keep, perform_all, say_missing, train_and_export
from carmask.training.history import read_history


@dataclass(frozen=True)
class Experiment:
    """A recipe with changes; ``reported`` is what its source reports."""

    name: str
    recipe: str
    reported: str = ""
    changes: tuple[str, ...] = field(default=())


MATCHED = "mobilenetv2-pix2pix-matched"
#: Adam and augmentation as the recipes have them: only what is named differs.
GROUPS: dict[str, tuple[Experiment, ...]] = {
    "Every network": (
        Experiment("mobilenetv2-pix2pix", "mobilenetv2-pix2pix", "best of 20 epochs: the 9th"),
        Experiment(MATCHED, MATCHED, "pixel accuracy 0.9871 after one epoch"),
        Experiment("vgg19-pix2pix", "vgg19-pix2pix", "not trained"),
        Experiment("unet-small", "unet-small", "not trained"),
        Experiment("cnn-small", "cnn-small", "pixel accuracy 0.994, 15 epochs"),
        Experiment("mobilenetv2-160x240", "mobilenetv2-160x240", "pixel accuracy 0.994, 7 epochs"),
        Experiment("unet-320", "unet-320", "Dice 0.9769 at 320x320, 4.29 GPU hours"),
        Experiment(
            "unet-deep at 512x512",
            "unet-deep",
            "Dice 0.9956 at 1024x1024, about 13 epochs",
            ("stages=[{height=512,width=512,batch=2,epochs=99}]",),
        ),
        Experiment(
            "deeplabv3plus-resnet50",
            "unet-320",
            "on car parts only",
            (
                "network=deeplabv3plus-resnet50",
                "learning_rate=1e-3",
                "stages=[{height=320,width=320,batch=8,epochs=99}]",
            ),
        ),
        Experiment("mobilenetv2-unet", "default", "carmask's own", ("average=0", "schedule=constant")),
    ),
    "Loss": tuple(
        Experiment(f"{MATCHED}, {loss}", MATCHED, changes=(f"loss={loss}", "early_stopping.monitor=dice"))
        for loss in ("bce", "bce+dice", "dice")
    ),
    "Encoder": (
        Experiment("ImageNet, trained", MATCHED, changes=("encoder.frozen=false",)),
        Experiment("random, trained", MATCHED, changes=("encoder.frozen=false", "encoder.weights=none")),
    ),
    "Input size": tuple(
        Experiment(
            f"mobilenetv2-pix2pix at {width}x{height}",
            "mobilenetv2-pix2pix",
            changes=(f"stages=[{{height={height},width={width},batch=8,epochs=99}}]",),
        )
        for width, height in ((240, 160), (320, 320))
    ),
    f"Augmentation and 8 colours ({MATCHED}; the source's own pair: unet-320, above, and the last row)": (
        Experiment("nothing", MATCHED, changes=("augment.flip=0", "augment.flip_up_down=0")),
        Experiment(
            "the five operations", MATCHED, changes=("augment.flip=0", "augment.flip_up_down=0", "augment.five=0.1")
        ),
        Experiment("8 colours", MATCHED, changes=("augment.flip=0", "augment.flip_up_down=0", "augment.colours=8")),
        Experiment("unet-320-augmented", "unet-320-augmented", "Dice 0.9459 at 320x320, 4.87 GPU hours"),
    ),
}
EXPERIMENTS = tuple(one for group in GROUPS.values() for one in group)
#: Settings of every experiment: several epochs in the budget, none beyond it, the same cars and photos to watch.
COMMON = ("epoch_photos=256", "check_photos=20", "validation=0.2", "seed=0")
#: Views that are evaluated.
VIEWS = (5, 13)


def settings(experiment: Experiment, weights: dict[str, Path | None]) -> tuple[list[str], list[str]]:
    """The ``--set`` and further arguments of ``carmask train``."""
    from carmask.training.recipe import load_recipe

    changes = [*COMMON, *experiment.changes]
    recipe = load_recipe(experiment.recipe, changes)
    # Stopping is up to the clock; the best weights are returned to all the same.
    monitor = recipe.early_stopping.monitor if recipe.early_stopping else "dice"
    changes += [f"early_stopping.monitor={monitor}", "early_stopping.patience=1000"]
    if not any(change.startswith("stages=") for change in experiment.changes):
        (stage, *_) = recipe.stages
        changes.append(f"stages=[{{height={stage.height},width={stage.width},batch={stage.batch},epochs=99}}]")
    if recipe.encoder.weights == "none":
        return changes, []
    kind = next(kind for kind in ("mobilenet", "vgg", "resnet") if kind in recipe.network)
    file = weights[kind]
    if file is None:
        # A frozen random encoder would be no comparison.
        return [*changes, "encoder.weights=none", "encoder.frozen=false"], []
    return changes, ["--encoder-weights", str(file)]


def few_views(data: Path, out: Path) -> Path:
    """A data set of links to two views of each car, to evaluate on."""
    folder = out / "views"
    for part, pattern in (("train", "*_{:02}.*"), ("train_masks", "*_{:02}_mask.*")):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for view in VIEWS:
            for file in (data / part).glob(pattern.format(view)):
                link = folder / part / file.name
                if not link.is_symlink():
                    link.symlink_to(file.resolve())
    return folder


def run(experiment: Experiment, data: Path, out: Path, minutes: float, weights: dict[str, Path | None]) -> None:
    """Train, export, evaluate, and write ``result.json``."""
    changes, extra = settings(experiment, weights)
    folder, model = train_and_export(experiment, experiment.recipe, data, out, minutes, changes, extra)
    scores = ("--worst", "0", "--out", str(folder / "scores"))
    carmask("evaluate", str(model), str(out / "views"), "--val", *scores)
    with (folder / "scores" / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    dice = [float(row["dice"]) for row in rows]
    wrong = [(float(row["true_area"]) + float(row["predicted_area"])) * (1 - float(row["dice"])) for row in rows]
    result = {
        "dice": statistics.fmean(dice),
        "fifth": sorted(dice)[len(dice) // 20],
        "accuracy": 1 - statistics.fmean(wrong),
        "photos": len(dice),
        "epochs": len(read_history(folder)),
        "minutes": minutes,
        "set": changes,
        "random_encoder": "encoder.weights=none" in changes and "encoder.weights=none" not in experiment.changes,
    }
    keep(folder, result)


def table(out: Path) -> None:
    """Print what is finished as Markdown, and what is not."""
    for title, group in GROUPS.items():
        print(f"\n### {title}\n")
        print("| training | epochs of 256 photos | Dice | 5th percentile | pixel accuracy | its source reports |")
        print("|---|---:|---:|---:|---:|---|")
        for experiment in group:
            result = found(out, experiment)
            if result is None:
                continue
            note = " (random encoder)" if result["random_encoder"] else ""
            print(
                f"| {experiment.name}{note} | {result['epochs']} | {result['dice']:.4f} | {result['fifth']:.4f} | "
                f"{result['accuracy']:.4f} | {experiment.reported} |"
            )
    say_missing(out, EXPERIMENTS)


def main() -> None:
    """Run what is asked for, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ("mobilenet", "vgg", "resnet")
    add_options(parser, data="../shared/carvana", out="runs/networks", minutes=10.0, weights=kinds)
    arguments = parser.parse_args()
    weights = {kind: getattr(arguments, f"{kind}_weights") for kind in kinds}
    if arguments.run:
        few_views(arguments.data, arguments.out)
        perform_all(
            EXPERIMENTS,
            lambda one: run(one, arguments.data, arguments.out, arguments.minutes, weights),
            out=arguments.out,
            only=arguments.only,
            jobs=arguments.jobs,
        )
    table(arguments.out)


if __name__ == "__main__":
    main()
