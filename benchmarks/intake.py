"""Views and checks of photos: how often they are right, on real photos and on photos made worse by known amounts.

    python benchmarks/intake.py --data carvana/ --wild shared/ [--kept FILE] [--worse 80] [--step 1] [--record]

--data: the challenge's photos; those of the model's validation cars count. --wild: the folder that the paths in
tests/prediction/wild_views.csv start from. --kept: measurements are kept in this file, and not made again. --step takes
every so many photos of --data, --worse is how many of them are made worse. A quarter of a second of processor time a
photo.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

import _bench
from _worse import WORSE, Scene
from carmask.images import ReducedPhoto, search_photos
from carmask.model.network import Network
from carmask.model.runtime import load_model
from carmask.prediction.checks import CHECKS, CheckSettings, find_faults
from carmask.prediction.facts import PhotoFacts, find_facts, pack_facts, unpack_facts
from carmask.prediction.predict import Prediction, open_for, predict_reduced
from carmask.prediction.view import VIEWS, ViewNetwork, mirrored_view, view_input

LABELS = Path(__file__).parents[1] / "tests" / "prediction" / "wild_views.csv"


#: Views from which the front, or the rear, is seen.
_FRONT, _REAR = frozenset({14, 15, 16, 1, 2, 3, 4}), frozenset(range(6, 13))


class Row(NamedTuple):
    """What was found on a photo: of the studio, wild, of no car, or made worse."""

    kind: str
    name: str
    facts: PhotoFacts
    mirrored: int
    milliseconds: float


class Measurer:
    """Measures photos, and keeps what it measured."""

    def __init__(self, network: Network, kept: Path | None) -> None:
        """Read what an earlier run kept; views are found anew, so that another network can be tried."""
        self.network, self._views, self._file = network, ViewNetwork(), kept
        self._kept: dict[tuple[str, str], Row] = {}
        if kept is not None and kept.exists():
            for line in kept.read_text().splitlines():
                kind, name, text, picture, milliseconds = json.loads(line)
                facts = unpack_facts(text)
                assert facts is not None
                pixels = None if not picture else np.frombuffer(base64.b85decode(picture), np.uint8).copy()
                pixels = None if pixels is None else cv2.imdecode(pixels, cv2.IMREAD_COLOR)[..., ::-1]
                self._kept[kind, name] = self._look(Row(kind, name, facts, 0, milliseconds), pixels)
        self.rows: list[Row] = []

    def _look(self, row: Row, pixels: np.ndarray | None) -> Row:
        if pixels is None:
            return row
        facts = replace(row.facts, view=self._views.predict(np.ascontiguousarray(pixels)))
        return row._replace(facts=facts, mirrored=self._views.predict(np.ascontiguousarray(pixels[:, ::-1])).view)

    def known(self, kind: str, name: str) -> bool:
        """Take over what was measured before."""
        if (kind, name) in self._kept:
            self.rows.append(self._kept[kind, name])
            return True
        return False

    def measure(self, kind: str, name: str, photo: ReducedPhoto, found: Prediction) -> None:
        """Measure a photo in which the car was found."""
        threshold = self.network.info.threshold
        started = time.thread_time()
        facts = find_facts(self._views, photo, found.probability_map, threshold)
        taken = (time.thread_time() - started) * 1e3
        pixels = view_input(photo, found.probability_map, threshold)
        self.rows.append(self._look(Row(kind, name, facts, 0, taken), pixels))
        if self._file is not None:
            content = b"" if pixels is None else cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
            line = [kind, name, pack_facts(facts), base64.b85encode(content).decode(), taken]
            with self._file.open("a") as stream:
                stream.write(json.dumps(line) + "\n")


def measure_all(given: argparse.Namespace, measurer: Measurer) -> None:
    """Measure all photos."""
    network = measurer.network
    cars = set(network.info.validation_cars)
    studio = sorted(path for path in (given.data / "train").iterdir() if path.stem[:-3] in cars)
    chosen = studio[:: given.step]
    for path in following(chosen, "studio"):
        if not measurer.known("studio", path.stem):
            photo = open_for(network, path)
            measurer.measure("studio", path.stem, photo, predict_reduced(network, photo))
    if given.wild is not None:
        for name, _ in following(list(labels().items()), "wild"):
            paths = sorted(given.wild.glob(f"{name}.*"))
            if paths and not measurer.known("wild", name):
                photo = open_for(network, paths[0])
                measurer.measure("wild", name, photo, predict_reduced(network, photo))
        empty = sorted(search_photos(given.wild / "wild" / "backgrounds", recursive=True)[0])[::12]
        for path in following(empty, "no car"):
            if not measurer.known("no car", path.stem):
                photo = open_for(network, path)
                measurer.measure("no car", path.stem, photo, predict_reduced(network, photo))
    random = np.random.default_rng(7)
    some = [studio[at] for at in random.choice(len(studio), given.worse, replace=False)]
    for number, path in enumerate(following(some, "worse")):
        if all(measurer.known(f"worse: {kind}", path.stem) for kind in WORSE):
            continue
        measurer.rows = [row for row in measurer.rows if not (row.kind.startswith("worse") and row.name == path.stem)]
        pixels, mask = read(network, path)
        scene = Scene(pixels, mask, read(network, some[number - 1]), np.random.default_rng(number))
        for kind, (_, _, worse) in WORSE.items():
            if not measurer.known(f"worse: {kind}", path.stem):
                made = worse(scene)
                photo = ReducedPhoto(np.ascontiguousarray(made), (made.shape[0], made.shape[1]))
                measurer.measure(f"worse: {kind}", path.stem, photo, predict_reduced(network, photo))


def read(network: Network, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A photo and the mask that the model gives it."""
    photo = open_for(network, path)
    return photo.pixels, cv2.resize(
        predict_reduced(network, photo).mask.astype(np.uint8), photo.pixels.shape[1::-1], interpolation=cv2.INTER_AREA
    ) > 0


def following(items: Sequence, what: str) -> Iterator:
    """Say every now and then how far it is."""
    said = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - said > 30:
            said = time.monotonic()
            print(f"{what}: {number} of {len(items)}", file=sys.stderr, flush=True)
        yield item


def labels() -> dict[str, int]:
    """Views of the wild photos, as a person saw them."""
    with LABELS.open(newline="") as stream:
        return {row["photo"]: int(row["view"]) for row in csv.DictReader(stream)}


def true_view(row: Row) -> int:
    """The view of a photo of the studio, by its name, or of a wild one, by its label."""
    return int(row.name[-2:]) if row.kind == "studio" else labels()[row.name]


def apart(one: int, other: int) -> int:
    """Steps of 22.5 degrees between two views."""
    return min((one - other) % VIEWS, (other - one) % VIEWS)


def show_views(rows: Iterable[Row]) -> None:
    """The table of views: right ones, in per cent."""
    table: dict[str, list[str]] = {}
    rows = list(rows)
    for title, kind, mirrored in (
        ("challenge, cars not trained on", "studio", False),
        ("the same, mirrored", "studio", True),
        ("other places, labelled by eye", "wild", False),
        ("the same, mirrored", "wild", True),
    ):
        pairs = []
        for row in rows:
            if row.kind == kind and row.facts.view is not None:
                true, said = true_view(row), row.facts.view.view
                pairs.append((mirrored_view(true), row.mirrored) if mirrored else (true, said))
        if not pairs:
            continue
        # Of what is seen from the side no end, and of what is seen from an end no side is asked.
        sides = [(true, said) for true, said in pairs if true in {*range(3, 8), *range(11, 16)}]
        ends = [(true, said) for true, said in pairs if true in {15, 16, 1, 2, 3, *range(7, 12)}]
        cells = (
            np.mean([true == said for true, said in pairs]),
            np.mean([apart(true, said) <= 1 for true, said in pairs]),
            np.mean([(said in range(2, 9)) == (true < 9) for true, said in sides]),
            np.mean([said in _FRONT if true in _FRONT else said in _REAR for true, said in ends]),
        )
        name = f"{title} ({kind})" if title in table else title
        table[name] = [str(len(pairs)), *(f"{100 * cell:.1f} %" for cell in cells)]
    columns = ["photos", "the same view", "at most one step off", "left or right", "front or rear"]
    _bench.table(
        "Views: photos right, of the model's validation cars and of other places",
        columns,
        table,
        section="Photos as they come in",
    )


def show_checks(rows: Sequence[Row], settings: CheckSettings) -> None:
    """The table of checks: what each finds, and how often it is wrong."""
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    found = {
        kind: [{one.check for one in find_faults(row.facts, settings)} for row in some]
        for kind, some in by_kind.items()
    }
    limits = dict(settings.limits)
    table = {}
    for kind, (check, amount, _) in WORSE.items():
        worse = found.get(f"worse: {kind}", [])
        if check == "duplicate":
            hits, wrong = copies(by_kind, kind, limits["duplicate"])
        else:
            hits = np.mean([check in one or other_name(check) in one for one in worse]) if worse else float("nan")
            wrong = np.mean([check in one for one in found["studio"]])
        wild = "" if check == "duplicate" else f"{100 * np.mean([check in one for one in found['wild']]):.0f} %"
        limit = f"{limits[check]:g} {CHECKS[check].unit}" if CHECKS[check].limit is not None else ""
        table[f"`{check}`: {kind}"] = [amount, limit, f"{100 * hits:.0f} %", f"{100 * wrong:.1f} %", wild]
    empty = found.get("no car", [])
    if empty:
        hits = np.mean([bool({"no_car", "no_whole_car"} & one) for one in empty])
        wrong = np.mean(["no_car" in one for one in found["studio"]])
        wild = f"{100 * np.mean(['no_car' in one for one in found['wild']]):.0f} %"
        table["`no_car`, `no_whole_car`: no car"] = [
            f"{len(empty)} pictures",
            "",
            f"{100 * hits:.0f} %",
            f"{100 * wrong:.1f} %",
            wild,
        ]
    columns = ["made worse by", "limit", "found", "wrong, challenge", "flagged, other places"]
    studio, worse = len(by_kind["studio"]), len(by_kind.get("worse: cut", []))
    title = f"Checks: found of {worse} photos of the challenge made worse, wrong of {studio} untouched ones"
    _bench.table(title, columns, table, section="Photos as they come in")
    any_wrong = np.mean([bool(one) for one in found["studio"]])
    print(f"challenge: {100 * any_wrong:.1f} % of the photos have a finding")


def other_name(check: str) -> str:
    """A part of a car may also be one in which no car is found."""
    return "no_car" if check == "no_whole_car" else check


def copies(by_kind: dict[str, list[Row]], kind: str, limit: float) -> tuple[float, float]:
    """How many photos that were stored again are found, and how many others are taken for a copy."""
    signatures = {row.name: unit(row.facts.signature) for row in by_kind["studio"] if row.facts.signature is not None}
    stored = [row for row in by_kind.get(f"worse: {kind}", []) if row.name in signatures]
    hits = [float(unit(row.facts.signature) @ signatures[row.name]) >= limit for row in stored]
    names, flat = list(signatures), np.stack(list(signatures.values()))
    alike = flat @ flat.T >= limit
    wrong = [alike[at, :at].any() for at in range(len(names))]
    return float(np.mean(hits)) if hits else float("nan"), float(np.mean(wrong))


def unit(signature: np.ndarray | None) -> np.ndarray:
    """A signature as it is compared."""
    assert signature is not None
    flat = signature.reshape(-1).astype(np.float32) - signature.mean()
    return flat / max(float(np.linalg.norm(flat)), 1e-3)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_bench.DATA)
    parser.add_argument("--wild", type=Path)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--worse", type=int, default=80)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    _bench._RECORDED["on"] = given.record
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    measurer = Measurer(load_model("default", streams=1), given.kept)
    measure_all(given, measurer)
    show_views(measurer.rows)
    show_checks(measurer.rows, CheckSettings())
    times = [row.milliseconds for row in measurer.rows if row.kind == "studio"]
    print(f"processor time of views and checks: {np.median(times):.1f} ms a photo (median of {len(times)})")


if __name__ == "__main__":
    main()
