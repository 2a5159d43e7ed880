"""Do corrections make the model better: a shifted studio, cut, drift, review by a script, learn, cut again.

    python benchmarks/learning.py DATA ROOM --work DIR [--processor-minutes 4] [--scale 0.7] [--record]

DATA is the challenge's (train/, train_masks/), ROOM a picture of a room without a car. All photos are of the 40 cars
that the default model was not trained on, by the order of a hash:

- 12 cars, 5 views each, stand in the shifted studio (``_shifted.py``). 40 of these photos, those that ``drift``
  chooses, get their true masks as corrections.
- 10 other cars, 3 views each, stand there too and are scored before and after.
- 18 others stay in the challenge's studio: 6 of them, 2 views each, are the rehearsal's test photos, 12 of them, 3
  views each, are scored before and after. The rehearsal is trained on 24 photos of 24 cars that the model knew.

Everything is done once; the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from _bench import record
from _shifted import write_shifted
from carmask.batch.corrections import Correction, Corrections
from carmask.batch.outputs import OutputSpec
from carmask.batch.run import cut_folder
from carmask.data.dataset import read_data
from carmask.data.table import Example, sample
from carmask.drift.run import judge_runs
from carmask.images import encode_mask
from carmask.learning.learn import learn
from carmask.learning.page import write_learning
from carmask.learning.scores import ScoreFile
from carmask.learning.settings import Limits
from carmask.model.file import find_model, read_info
from carmask.pages.drift import write_drift


def main() -> None:
    """Run the experiment, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("room", type=Path, metavar="ROOM")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--processor-minutes", type=float, default=4.0)
    parser.add_argument("--scale", type=float, default=0.7)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--passes", type=float, default=12)
    parser.add_argument("--photos", type=int, default=30, help="scored before and after, of each studio; default 30")
    parser.add_argument("--until", choices=["photos", "drift", "learn", "end"], default="end")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    work, model = given.work, find_model("shipped:default")
    info = read_info(model)
    sets = prepare(given.data, given.room, work, info.validation_cars)
    if given.until == "photos":
        return
    out = work / "cut"
    cut_folder(work / "shifted" / "train", out, OutputSpec(mask=True), model="shipped:default")
    found = judge_runs([out], count=40)
    write_drift(out, found)
    moved = found.drift.moved
    print(f"drift: {len(moved)} of {len(found.drift.changes)} moved, from {found.drift.period.photos} photos")
    if given.until == "drift":
        return
    correct(out, [one.row.name for one in found.choices], sets["shifted"])
    limits = Limits(processor_minutes=given.processor_minutes, passes=given.passes, rate=given.rate, scale=given.scale)
    started = time.monotonic()
    made = learn([out], work / "ours.onnx", model=model, data=work / "rehearsal", limits=limits, report=say)
    page = write_learning(made, work / "learn.html")
    print(f"learn: {made.verdict.reason}; {(time.monotonic() - started) / 60:.0f} minutes; page {page}")
    if given.until == "learn" or made.model is None:
        return
    scores = ScoreFile(work / "test.jsonl")
    rows = {}
    for title, name in (("shifted studio, 10 other cars", "test"), ("challenge's studio, 12 cars", "studio")):
        examples = sample(read_data(work / name)[0], given.photos)
        before, after = (
            np.array([row["dice"] for row in scores.score(file, examples, kind=name)]) for file in (model, made.model)
        )
        rows[title] = [
            str(len(examples)), f"{before.mean():.5f}", f"{after.mean():.5f}", f"{after.mean() - before.mean():+.5f}",
            f"{(after.mean() - before.mean()) / (1 - before.mean()):+.0%}",
        ]  # fmt: skip
        print(title, rows[title])
    if given.record:
        columns = ["photos", "Dice before", "after", "gain", "of what was missing"]
        what = "the challenge's validation cars before a room's picture, relit, and in their own studio"
        record("A shifted studio: 40 corrections", columns, rows, section="Learning from corrections", data=what)


def prepare(data: Path, room: Path, work: Path, unseen: tuple[str, ...]) -> dict[str, list[Example]]:
    """Choose the photos of each set, and write the data sets."""
    examples = read_data(data)[0]
    cars = sorted(unseen, key=lambda car: hashlib.sha256(car.encode()).hexdigest())
    seen = sorted({one.car for one in examples} - set(unseen), key=lambda car: hashlib.sha256(car.encode()).hexdigest())
    sets = {
        "shifted": views(examples, cars[:12], 5),
        "test": views(examples, cars[12:22], 3),
        "rehearsal": views(examples, cars[22:28], 2) + views(examples, seen[:24], 1),
        "studio": views(examples, cars[28:], 3),
    }
    for name in ("shifted", "test"):
        write_shifted(sets[name], room, work / name)
    for name in ("rehearsal", "studio"):
        for inner in ("train", "train_masks"):
            (work / name / inner).mkdir(parents=True, exist_ok=True)
        for one in sets[name]:
            for file, inner in ((one.photo, "train"), (one.mask, "train_masks")):
                if not (to := work / name / inner / file.name).exists():
                    to.symlink_to(file.resolve())
    return sets


def views(examples: list[Example], cars: list[str], count: int) -> list[Example]:
    """So many views of each car, other ones for each."""
    found = []
    for number, car in enumerate(cars):
        own = [one for one in examples if one.car == car]
        found += [own[(number * 3 + k * max(1, len(own) // count)) % len(own)] for k in range(count)]
    return list({one.name: one for one in found}.values())


def correct(out: Path, names: list[str], examples: list[Example]) -> None:
    """Store the true masks as corrections."""
    truth = {one.name: one for one in examples}
    if (file := out / ".carmask" / "corrections.sqlite").exists():
        return  # of an earlier call, which was told the same photos
    with Corrections(file) as store:
        for name in names:
            photo = out.parent / "shifted" / "train" / f"{name}.jpg"
            digest = hashlib.sha256(photo.read_bytes()).hexdigest()
            mask = encode_mask(truth[name].read_mask())
            store.save(Correction(name, "corrected", digest, mask, author="script"), seen=0)


def say(what: str, done: int, total: int) -> None:
    """A line for every tenth."""
    if total and done % max(1, total // 5) == 0:
        print(f"{datetime.now(UTC):%H:%M:%S} {what}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
