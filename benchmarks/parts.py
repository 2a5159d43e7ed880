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
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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


def carmask(*arguments: str) -> None:
    """Run a command of the product on one core; raise its message if it fails."""
    one_core = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "carmask.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | one_core,
    )
    if done.returncode:
        raise RuntimeError(f"carmask {' '.join(arguments)}\n{done.stderr[-2000:]}")


def run(training: Training, data: Path, out: Path, minutes: float, weights: dict[str, Path | None]) -> None:
    """Train, export, evaluate, and write ``result.json``."""
    folder = out / slug(training)
    changes, extra = settings(training, weights)
    sets = [argument for change in changes for argument in ("--set", change)]
    train = ["train", training.recipe, "--data", str(data), "--out", str(folder), "--cache", str(out / "cache")]
    carmask(*train, "--processor-minutes", str(minutes), "--device", "cpu", *sets, *extra)
    carmask("export", str(folder), "--out", str(folder / "model.onnx"))
    carmask("evaluate", str(folder / "model.onnx"), str(data), "--val", "--out", str(folder / "scores"))
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
    (folder / "result.json").write_text(json.dumps(result, indent=1))


def slug(training: Training) -> str:
    """A folder's name."""
    return "".join(c if c.isalnum() or c in "-+" else "-" for c in training.name.lower())


def table(out: Path) -> None:
    """Print what is finished as Markdown, and what is not."""
    done = [(one, out / slug(one) / "result.json") for one in TRAININGS]
    found = [(one, json.loads(file.read_text())) for one, file in done if file.exists()]
    if found:
        print("| | " + " | ".join(one.name for one, _ in found) + " |")
        print("|---|" + "---:|" * len(found))
        names = {one.name: one.name.partition(",")[0] for one, _ in found}
        parts = [name for name in found[0][1]["f1"] if name != "background"]
        trained = [f"{count(find_network(names[one.name]).build(len(parts))).trainable:,}" for one, _ in found]
        for title, cells in (
            ("trainable parameters", trained),
            ("encoder starts from", [result["encoder"] for _, result in found]),
            ("minutes of processor time", [f"{result['minutes']:g}" for _, result in found]),
            ("photos seen, at most", [str(result["photos"]) for _, result in found]),
            ("**mean F1 over the parts**", [f"**{result['macro']['f1']:.4f}**" for _, result in found]),
            ("mean IoU over the parts", [f"{result['macro']['iou']:.4f}" for _, result in found]),
        ):
            print(f"| {title} | {' | '.join(cells)} |")
        for name in (*parts, "background"):
            cells = [f"{result['f1'][name]:.4f}" for _, result in found]
            print(f"| F1 {name} | {' | '.join(cells)} |")
    missing = [one.name for one, file in done if not file.exists()]
    if missing:
        print(f"\nnot measured yet ({len(missing)}): {'; '.join(missing)}")


def main() -> None:
    """Run what is asked for, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("../shared/carparts"))
    parser.add_argument("--out", type=Path, default=Path("runs/parts"))
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--mobilenet-weights", type=Path)
    parser.add_argument("--resnet-weights", type=Path)
    arguments = parser.parse_args()
    weights = {kind: getattr(arguments, f"{kind}_weights") for kind in ("mobilenet", "resnet")}
    if arguments.run:
        open_ = [
            one
            for one in TRAININGS
            if (not arguments.only or one.name in arguments.only)
            and not (arguments.out / slug(one) / "result.json").exists()
        ]

        def perform(training: Training) -> None:
            started = time.monotonic()
            try:
                run(training, arguments.data, arguments.out, arguments.minutes, weights)
            except RuntimeError as error:
                print(f"{training.name}: {error}", file=sys.stderr, flush=True)
            else:
                print(f"{training.name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(perform, open_))
    table(arguments.out)


if __name__ == "__main__":
    main()
