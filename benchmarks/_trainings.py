"""Trainings side by side, one core each: what ``networks.py`` and ``parts.py`` share.

Each training has a folder of its own under ``--out``; one that holds ``result.json`` is finished and skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar


class Named(Protocol):
    """A training to perform."""

    @property
    def name(self) -> str:
        """What the table and ``--only`` call it."""


#: One kind of training.
T = TypeVar("T", bound=Named)


def carmask(*arguments: str) -> None:
    """Run a command of the product on one core.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    one_core = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "carmask", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | one_core,
    )
    if done.returncode:
        raise RuntimeError(f"carmask {' '.join(arguments)}\n{done.stderr[-2000:]}")


def folder_of(out: Path, training: Named) -> Path:
    """The training's own folder."""
    return out / "".join(c if c.isalnum() or c in "-+" else "-" for c in training.name.lower())


def train_and_export(
    training: Named, recipe: str, data: Path, out: Path, minutes: float, changes: Sequence[str], extra: Sequence[str]
) -> tuple[Path, Path]:
    """``carmask train`` for so many minutes of processor time and ``carmask export``: the run's folder, the model."""
    folder = folder_of(out, training)
    sets = [argument for change in changes for argument in ("--set", change)]
    train = ["train", recipe, "--data", str(data), "--out", str(folder), "--cache", str(out / "cache")]
    carmask(*train, "--processor-minutes", str(minutes), "--device", "cpu", *sets, *extra)
    carmask("export", str(folder), "--out", str(folder / "model.onnx"))
    return folder, folder / "model.onnx"


def keep(folder: Path, result: dict) -> None:
    """Write down that a training is finished, and what it found."""
    (folder / "result.json").write_text(json.dumps(result, indent=1))


def found(out: Path, training: Named) -> dict | None:
    """What a finished training found; ``None`` where it is not finished."""
    file = folder_of(out, training) / "result.json"
    return json.loads(file.read_text()) if file.exists() else None


def say_missing(out: Path, trainings: Sequence[Named]) -> None:
    """Print which trainings are not finished."""
    missing = [one.name for one in trainings if found(out, one) is None]
    if missing:
        print(f"\nnot measured yet ({len(missing)}): {'; '.join(missing)}")


def add_options(
    parser: argparse.ArgumentParser, *, data: str, out: str, minutes: float, weights: Sequence[str]
) -> None:
    """The options that both have."""
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--data", type=Path, default=Path(data))
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*")
    for kind in weights:
        parser.add_argument(f"--{kind}-weights", type=Path)


def perform_all(
    trainings: Sequence[T], perform: Callable[[T], None], *, out: Path, only: Sequence[str] | None, jobs: int
) -> None:
    """Perform what is asked for and not finished, ``jobs`` at a time; one that fails is told and leaves the others."""

    def one(training: T) -> None:
        started = time.monotonic()
        try:
            perform(training)
        except RuntimeError as error:
            print(f"{training.name}: {error}", file=sys.stderr, flush=True)
        else:
            print(f"{training.name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

    assert len({folder_of(out, training) for training in trainings}) == len(trainings)
    open_ = [training for training in trainings if (not only or training.name in only) and not found(out, training)]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, open_))
