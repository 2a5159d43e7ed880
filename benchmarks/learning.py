"""Do corrections make the model better: a shifted studio, cut, drift, review by a script, learn, cut again.

    python benchmarks/learning.py DATA ROOM --work DIR [--processor-minutes 4] [--scale 0.7] [--record]
    python benchmarks/learning.py DATA --rendered --work DIR ...
    python benchmarks/learning.py DATA --rendered --random --work DIR ...

DATA is the challenge's (train/, train_masks/), ROOM a picture of a room without a car. All its photos are of the 40
cars that the default model was not trained on, by the order of a hash:

- 12 cars, 5 views each, stand in the shifted studio (``_shifted.py``). 40 of these photos, those that ``drift``
  chooses, get their true masks as corrections.
- 10 other cars, 3 views each, stand there too and are scored before and after. The same photos as they were before the
  shift are scored, too: the difference is what the shift costs.
- 18 others stay in the challenge's studio: 6 of them, 2 views each, are the rehearsal's test photos, 12 of them, 3
  views each, are scored before and after. The rehearsal is trained on 24 photos of 24 cars that the model knew.

With ``--rendered`` the shifted studio is a hall with 12 + 10 rendered cars, in 40 and 10 photos (``_rendered.py``);
before the shift is the usual rendered studio. With ``--random`` each of the 40 photos gets the
mask of another car's photo: a model learned from that must be refused.

Everything is done once; the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np

from _bench import record
from _rendered import write_rendered
from _shifted import write_shifted
from carmask.batch.corrections import Correction, Corrections
from carmask.batch.outputs import OutputSpec
from carmask.batch.run import cut_folder
from carmask.data.layouts import read_data
from carmask.data.table import Example, sample
from carmask.drift.run import compare_runs
from carmask.images import encode_mask
from carmask.learning.learn import learn
from carmask.learning.page import write_learning
from carmask.learning.scores import ScoreFile
from carmask.learning.settings import Limits
from carmask.model.file import find_model, read_info
from carmask.pages.drift import write_drift

Rows: TypeAlias = dict[str, list[str]]
TITLES = {
    "test": "shifted studio, 10 other cars",
    "usual": "the same photos before the shift",
    "studio": "challenge's studio, 12 cars",
}
COLUMNS = ("photos", "Dice before", "after", "gain", "of what was missing", "of what the shift cost")


def main() -> None:
    """Run the experiment, and print what came of it."""
    given = arguments()
    work, model = given.work, find_model("shipped:default")
    sets = prepare(given, read_info(model).validation_cars)
    if given.until == "photos":
        return
    end = "-random" if given.random else ""
    out = work / f"cut{end}"
    cut_folder(work / "shifted" / "train", out, OutputSpec(mask=True), model="shipped:default")
    found = compare_runs([out], count=40)
    write_drift(out, found)
    moved = found.drift.moved
    print(f"drift: {len(moved)} of {len(found.drift.changes)} moved, from {found.drift.period.photos} photos")
    if given.until == "drift":
        return
    correct(out, [one.row.name for one in found.choices], sets["shifted"], random=given.random)
    limits = Limits(processor_minutes=given.processor_minutes, passes=given.passes, rate=given.rate, scale=given.scale)
    started = [time.monotonic(), processor_time()]
    made = learn([out], work / f"ours{end}.onnx", model=model, data=work / "rehearsal", limits=limits, report=say)
    page = write_learning(made, work / f"learn{end}.html")
    took = (
        f"{(time.monotonic() - started[0]) / 60:.0f} minutes, {(processor_time() - started[1]) / 60:.1f} of processor"
    )
    print(f"learn: {made.verdict.reason}; {took}; page {page}")
    if given.until == "learn":
        return
    where = "the hall" if given.rendered else "the shifted studio"
    corrected, changes = len(made.gathered.names), len(found.drift.changes)
    what = f"{corrected} corrections, drift: {len(moved)} of {changes} measures and rates moved"
    if made.model is None:
        columns = ("photos held out", "Dice before", "after", "gain", "± by chance", "verdict")
        rows = {
            f"corrected, {one.share:g} of the new weights": [
                str(one.corrected.photos), f"{one.corrected.before:.5f}", f"{one.corrected.after:.5f}",
                f"{one.corrected.gain:+.5f}", f"{one.corrected.margin:.5f}", "refused",
            ]
            for one in made.candidates
        }  # fmt: skip
        title = "Masks of other cars as corrections" if given.random else f"Corrections of {where}: refused"
        keep(given, title, columns, rows, f"{what}; {made.verdict.reason}", "random" if given.random else "refused")
        return
    prepare_test(given, sets)
    rows = compare(given, (model, made.model), sets)
    scene = "rendered cars in a dim hall" if given.rendered else "validation cars before a room's picture, relit"
    data = f"{scene}, and the challenge's validation cars in their own studio; {what}"
    title = "A rendered shifted studio: 40 corrections" if given.rendered else "A shifted studio: 40 corrections"
    keep(given, title, COLUMNS, rows, data, "rendered" if given.rendered else "")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("room", type=Path, metavar="ROOM", nargs="?")
    parser.add_argument("--rendered", action="store_true", help="rendered cars in a hall in place of ROOM")
    parser.add_argument("--random", action="store_true", help="masks of other cars' photos as corrections")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--processor-minutes", type=float, default=4.0)
    parser.add_argument("--scale", type=float, default=0.7)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--passes", type=float, default=12)
    parser.add_argument("--photos", type=int, default=30, help="scored before and after, of each studio; default 30")
    parser.add_argument("--until", choices=["photos", "drift", "learn", "end"], default="end")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    if (given.room is None) != given.rendered:
        parser.error("give either ROOM or --rendered")
    return given


def compare(given: argparse.Namespace, models: tuple[Path, Path], sets: dict[str, list[Example]]) -> Rows:
    """Score both models in the shifted studio, on the same photos before the shift, and in the challenge's studio."""
    scores = ScoreFile(given.work / "test.jsonl")
    shifted = sample(sets["test"], given.photos)
    names = {one.name for one in shifted}
    chosen = {
        "test": shifted,
        "usual": [one for one in sets["usual"] if one.name in names],
        "studio": sample(sets["studio"], given.photos),
    }
    dice = {
        (kind, at): {row["name"]: row["dice"] for row in scores.score(file, examples, kind=kind)}
        for kind, examples in chosen.items()
        for at, file in enumerate(models)
    }
    cost = float(np.mean([found - dice["test", 0][name] for name, found in dice["usual", 0].items()]))
    rows = {}
    # Before the shift, the challenge's own cars stand in its studio, too.
    both = {"usual studio": "challenge's studio, 22 cars"} if not given.rendered else {}
    for kind, title in (TITLES | both).items():
        before, after = (
            float(np.mean([found for one in kind.split() for found in dice[one, at].values()])) for at in (0, 1)
        )
        photos = sum(len(chosen[one]) for one in kind.split())
        rows[title] = [
            str(photos), f"{before:.5f}", f"{after:.5f}", f"{after - before:+.5f}",
            f"{(after - before) / (1 - before):+.0%}", f"{(after - before) / cost:+.0%}" if kind == "test" else "",
        ]  # fmt: skip
    return rows


def keep(given: argparse.Namespace, title: str, columns: Sequence[str], rows: Rows, data: str, part: str) -> None:
    """Print a table, and record it if that was asked for."""
    print(title, *(f"{name}: {cells}" for name, cells in rows.items()), sep="\n")
    if given.record:
        record(title, columns, rows, section="Learning from corrections", part=part, data=data)


def processor_time() -> float:
    """Seconds of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def prepare(given: argparse.Namespace, unseen: tuple[str, ...]) -> dict[str, list[Example]]:
    """Choose the photos of each set, and write the data sets."""
    examples, work = read_data(given.data)[0], given.work
    cars = sorted(unseen, key=lambda car: hashlib.sha256(car.encode()).hexdigest())
    seen = sorted({one.car for one in examples} - set(unseen), key=lambda car: hashlib.sha256(car.encode()).hexdigest())
    sets = {
        "rehearsal": views(examples, cars[22:28], 2) + views(examples, seen[:24], 1),
        "studio": views(examples, cars[28:], 3),
    }
    if given.rendered:
        sets["shifted"] = write_rendered(range(12), 40, work / "shifted", shifted=True)
    else:
        sets["shifted"] = write_shifted(views(examples, cars[:12], 5), given.room, work / "shifted")
        sets["usual"] = views(examples, cars[12:22], 3)
    for name in ("rehearsal", "studio"):
        for inner in ("train", "train_masks"):
            (work / name / inner).mkdir(parents=True, exist_ok=True)
        for one in sets[name]:
            for file, inner in ((one.photo, "train"), (one.mask, "train_masks")):
                if not (to := work / name / inner / file.name).exists():
                    to.symlink_to(file.resolve())
    return sets


def prepare_test(given: argparse.Namespace, sets: dict[str, list[Example]]) -> None:
    """Write the photos of the other cars, which a refusal does without."""
    test = given.work / "test"
    if given.rendered:
        sets["usual"] = write_rendered(range(12, 22), 10, given.work / "usual", shifted=False)
        sets["test"] = write_rendered(range(12, 22), 10, test, shifted=True)
    else:
        sets["test"] = write_shifted(sets["usual"], given.room, test)


def views(examples: list[Example], cars: list[str], count: int) -> list[Example]:
    """So many views of each car, other ones for each."""
    found = []
    for number, car in enumerate(cars):
        own = [one for one in examples if one.car == car]
        found += [own[(number * 3 + k * max(1, len(own) // count)) % len(own)] for k in range(count)]
    return list({one.name: one for one in found}.values())


def correct(out: Path, names: list[str], examples: list[Example], *, random: bool) -> None:
    """Store the true masks as corrections, or those of other cars."""
    truth = {one.name: one for one in examples}
    if (file := out / ".carmask" / "corrections.sqlite").exists():
        return  # of an earlier call, which was told the same photos
    rng = np.random.default_rng(0)
    with Corrections(file) as store:
        for name in names:
            one = truth[name]
            others = [other for other in examples if other.car != one.car]
            mask = (others[rng.integers(len(others))] if random else one).read_mask()
            digest = hashlib.sha256(one.photo.read_bytes()).hexdigest()
            store.save(Correction(name, "corrected", digest, encode_mask(mask), author="script"), seen=0)


def say(what: str, done: int, total: int) -> None:
    """A line for every tenth."""
    if total and done % max(1, total // 5) == 0:
        print(f"{datetime.now(UTC):%H:%M:%S} {what}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
