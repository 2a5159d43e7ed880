"""Number plates: how many of those that were marked by eye are found and covered, and how many others are hidden.

    python benchmarks/plates.py --photos shared/ [--pictures out/] [--record]

--photos: the folder that the paths in tests/prediction/plates.csv start from; photos that are not there are left out.
--pictures: the photos with what was found (red) and what was marked (green) are written to this folder. A sixth of a
second of processor time a photo.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

import _bench
from carmask.compositing.plates import PlateCover
from carmask.images import open_photo, write_picture
from carmask.model.runtime import load_model
from carmask.prediction.plates import (
    FoundPlate,
    PlateNetwork,
    covered,
    describe_plates,
    find_plates,
    plate_iou,
)
from carmask.prediction.predict import open_for, predict_reduced

LABELS = Path(__file__).parents[1] / "tests" / "prediction" / "plates.csv"
#: From this overlap on a plate is found, and from this part on it is covered.
_OVERLAP, _COVERED = 0.5, 0.95


class Row(NamedTuple):
    """What was found on a photo, and what was marked."""

    photo: str
    marked: list[np.ndarray]
    found: list[FoundPlate]
    milliseconds: float


def read_table() -> dict[str, list[np.ndarray]]:
    """The marked plates of each photo: corners in pixels."""
    marked: dict[str, list[np.ndarray]] = {}
    with LABELS.open(encoding="utf-8", newline="") as stream:
        for photo, *corners in list(csv.reader(stream))[1:]:
            plates = marked.setdefault(photo, [])
            if corners[0]:
                plates.append(np.array([float(value) for value in corners], np.float32).reshape(4, 2))
    return marked


def measure(photos: Path, pictures: Path | None) -> list[Row]:
    """Look for plates."""
    network, plates, rows = load_model("default", streams=1), PlateNetwork(), []
    for name, marked in read_table().items():
        paths = sorted(photos.glob(f"{name}.*"))
        if not paths:
            continue
        photo = open_for(network, paths[0])
        prob_map = predict_reduced(network, photo).probability_map
        best = float("inf")
        for _ in range(3):
            started = time.thread_time()
            found = find_plates(plates, photo, prob_map, network.info.threshold)
            best = min(best, time.thread_time() - started)
        rows.append(Row(name, marked, found, best * 1e3))
        if pictures is not None:
            drawn = open_photo(paths[0]).pixels.copy()
            for colour, some in (((0, 255, 0), marked), ((255, 0, 0), [one.corners for one in found])):
                for corners in some:
                    cv2.polylines(drawn, [np.rint(corners).astype(np.int32)], True, colour, 1, cv2.LINE_AA)
            write_picture(pictures / f"{name.replace('/', '_')}.png", drawn)
    return rows


def show(rows: list[Row]) -> None:
    """The table, by where the photos are from."""
    table = {}
    for source in [*sorted({row.photo.partition("/")[0] for row in rows}), "all"]:
        some = [row for row in rows if source in ("all", row.photo.partition("/")[0])]
        plates = [(corners, row.found) for row in some for corners in row.marked]
        at_best = [max((plate_iou(corners, one.corners) for one in found), default=0.0) for corners, found in plates]
        hidden = [max((covered(corners, hidden_by(one)) for one in found), default=0.0) for corners, found in plates]
        wrong = sum(
            all(plate_iou(corners, one.corners) < 0.1 for corners in row.marked) for row in some for one in row.found
        )
        said = [describe_plates(row.found) for row in some]
        told = sum(row.marked != [] and state == "none" for row, state in zip(some, said, strict=True))
        table[source] = [
            str(len(some)),
            str(len(plates)),
            *(
                (f"{100 * np.mean(np.array(values) >= least):.0f} %" if plates else "")
                for values, least in ((at_best, _OVERLAP), (hidden, _COVERED))
            ),
            f"{100 * np.mean(hidden):.1f} %" if plates else "",
            f"{wrong / len(some):.2f}",
            f"{said.count('found')}, {said.count('doubtful')}, {said.count('none')}",
            str(told),
        ]
    columns = [
        "photos",
        "plates",
        f"overlap of {_OVERLAP} and more",
        f"{100 * _COVERED:.0f} % covered",
        "plate pixels covered",
        "others hidden a photo",
        "found, doubtful, none",
        "`none` in spite of a plate",
    ]
    _bench.table("Number plates found, of those that were marked by eye", columns, table, section=SECTION)
    print(f"processor time: {np.median([row.milliseconds for row in rows]):.1f} ms a photo (median of {len(rows)})")
    for row in rows:
        scores = ", ".join(f"{one.score:.2f}" for one in row.found) or "none"
        best = [max((plate_iou(corners, one.corners) for one in row.found), default=0.0) for corners in row.marked]
        print(f"  {row.photo}: {scores}; overlap {', '.join(f'{one:.2f}' for one in best) or '-'}")


SECTION = "Photos as they come in"


def hidden_by(plate: FoundPlate) -> np.ndarray:
    """The corners of what is blurred for a plate."""
    return PlateCover("blur").place(plate.corners)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=_bench.DATA.parent)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    _bench._RECORDED["on"] = given.record
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    if given.pictures is not None:
        given.pictures.mkdir(parents=True, exist_ok=True)
    rows = measure(given.photos, given.pictures)
    if not rows:
        raise SystemExit(f"{given.photos}: none of the photos of {LABELS.name} is there")
    show(rows)


if __name__ == "__main__":
    main()
