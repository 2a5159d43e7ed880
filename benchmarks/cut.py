"""Photos a second of ``carmask cut``, beside rembg on the same photos and machine.

    python benchmarks/cut.py [--data DIR] [--photos 300] [--rembg-photos 12] [--rembg PYTHON]

rembg is run from an environment of its own, whose Python is given with --rembg or CARMASK_REMBG:

    python -m venv /tmp/rembg && /tmp/rembg/bin/pip install 'rembg[cpu,cli]'

Its networks u2netp and u2net are built here with random weights, from the paper (benchmarks/_u2net.py): the time does
not depend on the values, and nothing is downloaded. Rates are of whole runs less their start: the time
of a run of one photo is taken off. ``rembg p`` is its command for folders; ``-om`` asks it for masks only.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from _bench import arguments, carmask, linked, measure, photos, table


def rate(commands: dict[int, list[str]]) -> tuple[float, float, float]:
    """Photos a second, ms of processor time a photo, peak MB, from a run of few and a run of many photos."""
    few, many = sorted(commands)
    small, large = measure(commands[few]), measure(commands[many])
    count = many - few
    wall = large.wall - small.wall
    # Too few photos on a machine with other work may seem to take no time at all; the processor's time still tells.
    return (
        count / wall if wall > 0 else float("nan"),
        (large.processor - small.processor) / count * 1e3,
        large.peak / 1e6,
    )


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, photos=300, rembg_photos=12)
    found, what = photos(given.data)
    rows: dict[str, tuple[float, float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets = {count: linked(found, count, folder / str(count)) for count in {1, given.photos, given.photos // 4}}
        for title, count, words in (
            ("carmask cut --mask", given.photos, ["--mask"]),
            ("carmask cut", given.photos // 4, []),
            ("carmask cut --format webp", given.photos // 4, ["--format", "webp"]),
            ("carmask cut --background white", given.photos // 4, ["--background", "white"]),
        ):
            rows[title] = rate(
                {n: carmask("cut", sets[n], "-o", folder / f"out {title} {n}", *words) for n in (1, count)}
            )
        if given.rembg:
            python = Path(given.rembg).absolute()
            models = folder / "models"
            script = Path(__file__).with_name("_u2net.py")
            measure([sys.executable, str(script), str(models)])
            os.environ |= {"U2NET_HOME": str(models), "MODEL_CHECKSUM_DISABLED": "1", "OMP_NUM_THREADS": "2"}
            few = {n: linked(found, n, folder / f"rembg {n}") for n in (1, given.rembg_photos)}
            for model in ("u2netp", "u2net"):
                for title, words in ((f"rembg p -om, {model}", ["-om"]), (f"rembg p, {model}", [])):
                    rows[title] = rate(
                        {
                            n: [str(python.with_name("rembg")), "p", "-m", model, *words, str(few[n]),
                                str(folder / f"out {title} {n}")]
                            for n in few
                        }
                    )  # fmt: skip
    cores = len(os.sched_getaffinity(0))
    base = rows["carmask cut --mask"]
    table(
        f"{given.photos} {what} photos (rembg: {given.rembg_photos}), {cores} cores",
        ["photos/s", "ms of processor", "peak MB", "cut --mask is faster by", "and by processor time"],
        {
            title: [f"{row[0]:.2f}", f"{row[1]:.1f}", f"{row[2]:.0f}", f"{base[0] / row[0]:.1f}",
                    f"{row[1] / base[1]:.1f}"]
            for title, row in rows.items()
        },
    )  # fmt: skip
    if not given.rembg:
        print("rembg was not measured: give its Python with --rembg (see --help)")


if __name__ == "__main__":
    main()
