"""Kill ``carmask cut --mask`` again and again, then let it finish: the output must be that of an undisturbed run.

    python benchmarks/kill.py [--data DIR] [--photos 200] [--kills 20]

SIGKILL, at random moments from the first second on. What was made twice because of it is counted.
"""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from _bench import arguments, carmask, linked, measure, photos, table


def report(out: Path) -> list[dict[str, str]]:
    """The report without its seconds."""
    with (out / "report.csv").open(newline="") as stream:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(stream)]


def main() -> None:
    """Print the table; exit 1 if anything differs."""
    given = arguments(__doc__, photos=200, kills=20, seed=4)
    found, what = photos(given.data)
    dice = random.Random(given.seed)  # noqa: S311  # no secrets here
    killed, twice, when = 0, 0, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = linked(found, given.photos, folder / "photos")
        plain = measure(carmask("cut", source, "-o", folder / "plain", "--mask"))
        # Few enough photos a turn that all kills fall into the run, and its start is hit too.
        turn = plain.wall / given.kills
        start = measure(carmask("cut", found[0], "-o", folder / "start", "--mask")).wall
        out = folder / "killed"
        while killed < given.kills:
            before = {path: path.stat().st_mtime_ns for path in out.glob("*_mask.png")} if out.exists() else {}
            with subprocess.Popen(carmask("cut", source, "-o", out, "--mask"), stdout=subprocess.DEVNULL) as process:
                when = dice.uniform(0.2, start + 0.8 * turn)
                time.sleep(when)
                over = process.poll() is not None
                process.send_signal(signal.SIGKILL)
            twice += sum(path.stat().st_mtime_ns != stamp for path, stamp in before.items())
            killed += 1
            if over:
                break
        last = measure(carmask("cut", source, "-o", out, "--mask"))
        same = {p.name: p.read_bytes() for p in out.glob("*.png")} == {
            p.name: p.read_bytes() for p in (folder / "plain").glob("*.png")
        }
        reports = report(out) == report(folder / "plain")
        left = len(list(out.rglob("*.tmp")))
    table(
        f"{given.photos} {what} photos, killed {killed} times",
        ["value"],
        {
            "masks are those of an undisturbed run": ["yes" if same else "NO"],
            "report is that of an undisturbed run": ["yes" if reports else "NO"],
            "temporary files left": [str(left)],
            "photos done twice": [str(twice)],
            "seconds undisturbed": [f"{plain.wall:.1f}"],
            "seconds of the last run": [f"{last.wall:.1f}"],
        },
    )
    if not same or not reports or left:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
