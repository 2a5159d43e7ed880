"""The source's two networks for car parts and ours on the same photos with the same budget: one table, part by part.

    python benchmarks/parts.py --run --data DIR [--minutes 25] [--jobs 2] [--out runs/parts] [--only NAME ...]
                               [--mobilenet-weights FILE] [--resnet-weights FILE]

DIR is a data set of parts (the DSMLR Car Parts, say). Each training is a shipped recipe, changed so that all have
256x256 pixels, a constant learning rate and the same split (seed 0, one photo in ten, near-duplicates on one side),
trained by ``carmask train`` with one thread for so many minutes of processor time, validation not counted; the weights
with the best F1 on the validation photos are kept. Each is exported and evaluated by ``carmask evaluate --val`` at
native size. ``--jobs`` of them run side by side, one core each.

Finished trainings are kept in --out and skipped when the command is given again; an interrupted one goes on. Without
--run it prints the table of what is finished, and the list of what is not.

Encoders start from random weights unless a file is named; the table says so.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

from _trainings import add_options, carmask, found, keep, perform_all, say_missing, train_and_export
from carmask.networks import find_network
from carmask.networks.summary import count
from carmask.training.history import read_history


@dataclass(frozen=True)
class Training:
    """A recipe with changes.

    Attributes:
        name: of the table's column.
        recipe: a shipped one.
        epoch: photos in an epoch, so that there are several in the budget.
        weights: which file its encoder starts from; empty for random weights.
        changes: settings.
    """

    name: str
    recipe: str
    epoch: int
    weights: str = ""
    changes: tuple[str, ...] = ()


#: Batches of the U-Net are small: it has to learn from few photos in so little time, and has no BatchNorm to feed.
TRAININGS = (
    Training("unet", "parts-unet", 60, changes=("stages=[{height=256,width=256,batch=2,epochs=9999}]",)),
    Training("deeplabv3plus-resnet50", "parts-deeplabv3plus", 120, "resnet"),
    Training("mobilenetv2-unet", "parts-mobilenetv2", 360, "mobilenet"),
    Training("mobilenetv2-unet, random encoder", "parts-mobilenetv2", 360),
)
COMMON = (
    "validation=0.1",
    "seed=0",
    "check_photos=40",
    "schedule=constant",
    # A fraction of all epochs that the recipe names, of which the budget allows few.
    "warmup=0",
    "early_stopping.monitor=f1",
    "early_stopping.patience=100000",
)
STAGE = "stages=[{height=256,width=256,batch=8,epochs=9999}]"


def settings(training: Training, weights: dict[str, Path | None]) -> tuple[list[str], list[str]]:
    """The ``--set`` and further arguments of ``carmask train``."""
    changes = [*COMMON, STAGE, f"epoch_photos={training.epoch}", *training.changes]
    file = weights.get(training.weights)
    if file is None:
        return [*changes, "encoder.weights=none"], []
    return [*changes, "encoder.weights=imagenet"], ["--encoder-weights", str(file)]


def run(training: Training, data: Path, out: Path, minutes: float, weights: dict[str, Path | None]) -> None:
    """Train, export, evaluate, and write ``result.json``."""
    changes, extra = settings(training, weights)
    folder, model = train_and_export(training, training.recipe, data, out, minutes, changes, extra)
    carmask("evaluate", str(model), str(data), "--val", "--out", str(folder / "scores"))
    with (folder / "scores" / "parts.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    there = [row for row in rows if int(row["true"]) + int(row["predicted"]) and row["name"] != "background"]
    history = read_history(folder)
    result = {
        "f1": {row["name"]: float(row["f1"]) for row in rows},
        "macro": {key: sum(float(row[key]) for row in there) / len(there) for key in ("f1", "iou")},
        "epochs": len(history),
        "photos": len(history) * training.epoch,
        "minutes": minutes,
        "encoder": "ImageNet" if extra else "random",
        "set": changes,
    }
    keep(folder, result)


def table(out: Path) -> None:
    """Print what is finished as Markdown, and what is not."""
    results = [(one, result) for one in TRAININGS if (result := found(out, one))]
    if results:
        print("| | " + " | ".join(one.name for one, _ in results) + " |")
        print("|---|" + "---:|" * len(results))
        names = {one.name: one.name.partition(",")[0] for one, _ in results}
        parts = [name for name in results[0][1]["f1"] if name != "background"]
        trained = [f"{count(find_network(names[one.name]).build(len(parts))).trainable:,}" for one, _ in results]
        for title, cells in (
            ("trainable parameters", trained),
            ("encoder starts from", [result["encoder"] for _, result in results]),
            ("minutes of processor time", [f"{result['minutes']:g}" for _, result in results]),
            ("photos seen, at most", [str(result["photos"]) for _, result in results]),
            ("**mean F1 over the parts**", [f"**{result['macro']['f1']:.4f}**" for _, result in results]),
            ("mean IoU over the parts", [f"{result['macro']['iou']:.4f}" for _, result in results]),
        ):
            print(f"| {title} | {' | '.join(cells)} |")
        for name in (*parts, "background"):
            cells = [f"{result['f1'][name]:.4f}" for _, result in results]
            print(f"| F1 {name} | {' | '.join(cells)} |")
    say_missing(out, TRAININGS)


def main() -> None:
    """Run what is asked for, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ("mobilenet", "resnet")
    add_options(parser, data="../shared/carparts", out="runs/parts", minutes=25.0, weights=kinds)
    arguments = parser.parse_args()
    weights = {kind: getattr(arguments, f"{kind}_weights") for kind in kinds}
    if arguments.run:
        perform_all(
            TRAININGS,
            lambda one: run(one, arguments.data, arguments.out, arguments.minutes, weights),
            out=arguments.out,
            only=arguments.only,
            jobs=arguments.jobs,
        )
    table(arguments.out)


if __name__ == "__main__":
    main()
