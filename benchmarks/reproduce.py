"""The sources' trainings by their own protocols: train, resume, score, and see how far each has got.

    python benchmarks/reproduce.py --list [--out DIR]
    python benchmarks/reproduce.py NAME... --data DIR [--out DIR] [--until EPOCHS] [--background] [--record]

Each NAME is a file of benchmarks/protocols: the recipe and its changes, what the source reports, and what is compared.
It is trained by 'carmask train' on a GPU if there is one, one after the other; the same command goes on with what was
interrupted, epoch by epoch, and trains nothing that is finished. --until stops when so many epochs are finished.
--background returns at once and leaves a log beside the runs.

After training, the weights are scored on all photos of the validation cars: loss, pixel accuracy and Dice at the size
trained at, as the sources report them, and Dice at native size. --record writes that, with the curves, to
benchmarks/results/sources; 'python benchmarks/report.py' makes docs/sources.md of it.

DIR is a data set in the challenge's form. With all 318 cars, 64 of them are validated on, as the source has it; else
the cars of the default model's card, if they are there, else a fifth. Parts are read from --parts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from _bench import DATA, machine
from _protocol import FIRST_FILE, SPENT_FILE, Protocol, State, names, read, recorded_state, state, weights
from carmask.errors import CarmaskError

#: The cars of the whole training set, and how many of them the sources validate on.
CARS, VALIDATED = 318, 64
RESULTS = Path(__file__).parent / "results" / "sources"


def train_command(protocol: Protocol, arguments: argparse.Namespace) -> list[str]:
    """``carmask train`` for a protocol."""
    data = arguments.parts if protocol.data == "parts" else arguments.data
    changes, extra = list(protocol.changes), []
    if protocol.encoder:
        file = arguments.weights / f"{protocol.encoder}_imagenet.safetensors"
        extra = ["--encoder-weights", str(file)] if file.is_file() else []
        changes += [] if extra else ["encoder.weights=none"]
    if protocol.data == "carvana":
        found, more = _split(data)
        extra += found
        changes += more
    sets = [word for change in changes for word in ("--set", change)]
    run, cache = arguments.out / protocol.name, arguments.out / "cache"
    where = ["--data", str(data), "--out", str(run), "--cache", str(cache), "--device", arguments.device]
    return [sys.executable, "-m", "carmask", "train", protocol.recipe, *where, "--progress", "lines", *extra, *sets]


def _split(data: Path) -> tuple[list[str], list[str]]:
    """Further arguments, and changes to the recipe, that choose the validation cars."""
    from carmask.data.layouts import read_data
    from carmask.training.split import read_validation_cars

    cars = {example.car for example in read_data(data)[0]}
    if len(cars) == CARS:
        return [], [f"validation={VALIDATED}"]
    return (["--validation-cars", "default"], []) if cars >= set(read_validation_cars("default")) else ([], [])


def train(protocol: Protocol, arguments: argparse.Namespace) -> State:
    """Train or resume, to the protocol's end or ``--until``; after each epoch, write down the processor time."""
    run: Path = arguments.out / protocol.name
    run.mkdir(parents=True, exist_ok=True)
    now = state(protocol, run)
    until = min(arguments.until or now.of, now.of)
    if now.finished or (now.epochs >= until < now.of):
        return now
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(arguments.threads))
    before, done = now.minutes or 0.0, resource.getrusage(resource.RUSAGE_CHILDREN)
    with (
        (arguments.out / f"{protocol.name}.log").open("a") as log,
        subprocess.Popen(train_command(protocol, arguments), stdout=log, stderr=log, env=os.environ | threads) as child,
    ):
        try:
            while child.poll() is None:
                time.sleep(arguments.poll)
                if (now := _watch(protocol, run, before, child.pid, now)).epochs >= until < now.of:
                    child.terminate()
                    child.wait()
        except KeyboardInterrupt:
            child.terminate()
            raise
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    _spent(run, before + (after.ru_utime + after.ru_stime - done.ru_utime - done.ru_stime) / 60)
    _keep_first(run)
    now = state(protocol, run)
    if not now.finished and now.epochs < until:
        raise SystemExit(f"{protocol.name}: 'carmask train' ended before its time; see {log.name}")
    return now


def _watch(protocol: Protocol, run: Path, before: float, pid: int, last: State) -> State:
    """See how far it is; the checkpoint is written after the history, and an epoch counts when both are."""
    checkpoint, history = run / "last.ckpt", run / "history.csv"
    if not checkpoint.exists() or not history.exists() or checkpoint.stat().st_mtime < history.stat().st_mtime:
        return last
    found = state(protocol, run)
    if found.epochs > last.epochs:
        _spent(run, before + _processor_minutes(pid))
        _keep_first(run)
        print(f"{protocol.name}: {found.words}", flush=True)
    return found


def _processor_minutes(pid: int) -> float:
    """Of a process and those of its children that have ended (Linux; elsewhere it is known at the end alone)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") / 60


def _spent(run: Path, minutes: float) -> None:
    (run / SPENT_FILE).write_text(json.dumps({"minutes": round(minutes, 2)}))


def _keep_first(run: Path) -> None:
    """The weights after the first epoch, of which some sources report, outlive the run's own."""
    first = run / "epochs" / "0001.safetensors"
    if first.exists() and not (run / FIRST_FILE).exists():
        shutil.copyfile(first, run / FIRST_FILE)


def results(protocol: Protocol, arguments: argparse.Namespace) -> dict:
    """Score what there is of a run, and put its numbers together."""
    import torch

    from carmask.training.history import read_history

    torch.set_num_threads(arguments.threads)
    run: Path = arguments.out / protocol.name
    now, (best, file), history = state(protocol, run), weights(protocol, run), read_history(run)
    parts = protocol.data == "parts"
    given = f"--parts {arguments.parts.name}" if parts else f"--data {arguments.data.name}"
    found = {
        "epochs": now.epochs,
        "finished": now.finished,
        "minutes": now.minutes,
        "hours_left": round(now.left, 2),
        "best_epoch": best + 1,
        "command": f"python benchmarks/reproduce.py {protocol.name} {given} --record",
        "machine": machine().partition(";")[0],
        "date": datetime.now(UTC).date().isoformat(),
        "history": [{name: round(value, 6) for name, value in row.items()} for row in history],
    }
    if protocol.data == "carvana":
        found |= _judged(protocol, run, file, arguments)
    return found


def _judged(protocol: Protocol, run: Path, file: Path, arguments: argparse.Namespace) -> dict:
    import torch

    from _judge import judge, load, validation_photos
    from carmask.data.layouts import read_data
    from carmask.training.dataset.cache import build_cache
    from carmask.training.run_folder import read_run_info

    recipe = protocol.settings
    device = "cuda" if arguments.device != "cpu" and torch.cuda.is_available() else "cpu"
    info, photos = read_run_info(run), validation_photos(run, arguments.data)
    decoded = build_cache(photos, recipe.stages[-1].size, arguments.out / "cache")
    scores = judge(load(recipe, file), recipe, decoded, photos, device)
    views = Counter(one.car for one in read_data(arguments.data)[0])
    cars = [car for car in info.training_cars if recipe.views in (1, views[car])]
    found = {
        "data": f"{arguments.data.name}: {len(cars)} cars to train on, {len(photos)} photos of "
        f"{len(info.validation_cars)} others to validate",
        "best": scores["small"],
        "native": scores["native"],
    }
    if recipe.views > 1:
        found["alone"] = judge(load(recipe, file), recipe, decoded, (), device, alone=True)["small"]
    if (first := run / FIRST_FILE).exists():
        same = first.read_bytes() == file.read_bytes()
        found["first"] = found["best"] if same else judge(load(recipe, first), recipe, decoded, (), device)["small"]
    return found


def show(out: Path) -> None:
    """Print the state and the hours of each run: of its folder, or where there is none, as it was recorded."""
    width = max(map(len, names())) + 2
    print(f"{'run':{width}}{'state':44}{'hours spent':>12}{'hours left':>12}  recorded")
    for name in names():
        now, file = state(read(name), out / name), RESULTS / f"{name}.json"
        words, minutes, left, date = now.words, now.minutes, now.left, ""
        if file.is_file():
            recorded = json.loads(file.read_text(encoding="utf-8"))
            date = recorded["date"]
            if not now.epochs and "epochs" in recorded:
                then = recorded_state(read(name), recorded)
                words, minutes, left = then.words, then.minutes, then.left
        spent = "" if minutes is None else f"{minutes / 60:.2f}"
        print(f"{name:{width}}{words:44}{spent:>12}{left:>12.2f}  {date}")
    print(
        f"\nA run that is not in {out} is shown as it was recorded. Hours are of processor time: those left at the "
        "pace so far, or estimated for one core where none is run."
    )


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="show the state and the hours of each run")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--parts", type=Path, default=DATA.parent / "carparts", help="images/ and annotations.json")
    parser.add_argument("--weights", type=Path, default=DATA.parent / "weights", help="ENCODER_imagenet.safetensors")
    parser.add_argument("--out", type=Path, default=Path("runs/sources"), help="the runs' folders, and decoded photos")
    parser.add_argument("--until", type=int, metavar="EPOCHS", help="stop when so many epochs are finished")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--background", action="store_true", help="return at once; a log is written beside the runs")
    parser.add_argument("--record", action="store_true", help="keep the scores for the page of the docs")
    parser.add_argument("--poll", type=float, default=1.0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.until is not None and arguments.until < 1:
        parser.error("--until: at least 1")
    if arguments.list or not arguments.names:
        show(arguments.out)
        return
    protocols = [read(name) for name in arguments.names]
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.background:
        words = [word for word in sys.argv if word != "--background"]
        with (arguments.out / "reproduce.log").open("a") as log:
            child = subprocess.Popen([sys.executable, *words], stdout=log, stderr=log, start_new_session=True)
        print(f"process {child.pid}; its log is {log.name}")
        return
    for protocol in protocols:
        try:
            with FileLock(arguments.out / f"{protocol.name}.lock", timeout=0):
                print(f"{protocol.name}: {train(protocol, arguments).words}", flush=True)
                found = results(protocol, arguments)
        except CarmaskError as error:
            sys.exit(f"{protocol.name}: {error}")
        except Timeout:
            sys.exit(f"{protocol.name}: another process is training it in {arguments.out}")
        print(json.dumps({name: value for name, value in found.items() if name != "history"}, indent=1), flush=True)
        if arguments.record:
            RESULTS.mkdir(exist_ok=True)
            file = RESULTS / f"{protocol.name}.json"
            file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
