"""How long a user waits for the first sign of life, and for one photo.

    python benchmarks/startup.py [--data DIR] [--rounds 5]

``--version`` and ``--help`` load nothing; one photo pays for the network and the process that holds it. The median of
some runs, each in a new process, files in the operating system's cache.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from _bench import arguments, carmask, measure, photos, table


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, rounds=5)
    originals, what = photos(given.data)
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "carmask --version": lambda _: carmask("--version"),
            "carmask --help": lambda _: carmask("--help"),
            "carmask cut one photo --mask": lambda n: carmask(
                "cut", originals[0], "-o", Path(folder) / str(n), "--mask"
            ),
            "carmask cut one photo, done before": lambda _: carmask(
                "cut", originals[0], "-o", Path(folder) / "0", "--mask"
            ),
        }
        rows = {}
        for name, command in commands.items():
            runs = [measure(command(number)) for number in range(given.rounds)]
            rows[name] = [
                statistics.median(run.wall for run in runs),
                statistics.median(run.processor for run in runs),
                statistics.median(run.peak for run in runs) / 1e6,
            ]
    base = rows["carmask --version"][0]
    table(
        f"start-up, median of {given.rounds} runs, {what} photo",
        ["seconds", "of processor", "MB", "ratio"],
        {name: [*row, row[0] / base] for name, row in rows.items()},
    )


if __name__ == "__main__":
    main()
