"""Does drift flag another studio, and stay quiet over ordinary photos.

    python benchmarks/drift.py ORDINARY SHIFTED... [--draws 20] [--photos 50] [--record]

ORDINARY and SHIFTED are output folders of ``carmask cut``: of the challenge's photos of cars that the model was not
trained on, and of shifted studios (``benchmarks/learning.py`` makes two). Half of ORDINARY's cars, by the order of a
hash, are the reference; photos of the others are drawn at random. The same number of photos is drawn from each SHIFTED,
once if it has no more than that.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from _bench import record
from carmask.batch.measured import Measured, read_measured, vehicles
from carmask.drift.detect import Drift, detect_drift
from carmask.drift.summary import Summary, summarise


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ordinary", type=Path)
    parser.add_argument("shifted", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--photos", type=int, default=50)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    rows = read_measured(given.ordinary)
    cars = dict(zip([row.name for row in rows], vehicles(rows), strict=True))
    order = sorted({*cars.values()}, key=lambda car: hashlib.sha256(car.rpartition("/")[2].encode()).hexdigest())
    known = set(order[: len(order) // 2])
    reference = summarise([row for row in rows if cars[row.name] in known], about="half of the cars")
    rest = [row for row in rows if cars[row.name] not in known]
    table = {}
    for title, photos in (
        ("ordinary photos of other cars", rest),
        *(
            (f"a shifted studio: {folder.name}", [row for row in read_measured(folder) if row.measures])
            for folder in given.shifted
        ),
    ):
        draws = given.draws if len(photos) > given.photos else 1
        found = draw(photos, reference, draws, given.photos)
        moved = [len(one.moved) for one in found]
        least = min(one.changes[0].adjusted for one in found)
        table[title] = [
            f"{sum(count > 0 for count in moved)} of {draws}", f"{np.mean(moved):.1f} of {len(found[0].changes)}",
            f"{least:.1g}", f"{max(one.changes[0].adjusted for one in found):.1g}",
        ]  # fmt: skip
        print(title, table[title])
    if given.record:
        columns = ["alarms", "measures moved", "smallest p", "largest p"]
        what = f"{len(rows)} photos of {len(order)} cars not trained on, and shifted studios"
        what = f"{what}, cut with {reference.made_with}"
        record(f"Drift, draws of {given.photos} photos", columns, table, section="Learning from corrections", data=what)


def draw(rows: Sequence[Measured], reference: Summary, draws: int, photos: int) -> list[Drift]:
    """Compare random photos with a reference, several times."""
    found = []
    for seed in range(draws):
        chosen = np.random.default_rng(seed).choice(len(rows), photos, replace=False)
        found.append(detect_drift(summarise([rows[at] for at in chosen], about="drawn"), reference))
    return found


if __name__ == "__main__":
    main()
