"""How long a user waits for the first sign of life, and for one photo, as multiples of an empty Python program.

    python benchmarks/startup.py [--data DIR] [--rounds 5]

``--version`` and ``--help`` load nothing but the command line; one photo pays for the network and the process that
holds it. All commands run in turn, each in a new process, files in the operating system's cache. The ratio is taken in
each round against the empty program of the same round; medians of the rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from _bench import Usage, arguments, carmask, measure, photos, table

EMPTY = "python -c pass"


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, rounds=5)
    originals, what = photos(given.data)
    runs: dict[str, list[Usage]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            out = Path(folder) / str(number)
            for name, command in {
                EMPTY: [sys.executable, "-c", "pass"],
                "carmask --version": carmask("--version"),
                "carmask --help": carmask("--help"),
                "carmask cut --help": carmask("cut", "--help"),
                "carmask cut one photo --mask": carmask("cut", originals[0], "-o", out, "--mask"),
                "carmask cut one photo, done before": carmask("cut", originals[0], "-o", out, "--mask"),
            }.items():
                runs.setdefault(name, []).append(measure(command))
    table(
        f"start-up, median of {given.rounds} rounds, {what} photo",
        ["seconds", "of processor", "MB", "ratio", "of processor time"],
        {
            name: [
                statistics.median(run.wall for run in rounds),
                statistics.median(run.processor for run in rounds),
                statistics.median(run.peak for run in rounds) / 1e6,
                statistics.median(run.wall / empty.wall for run, empty in zip(rounds, runs[EMPTY], strict=True)),
                statistics.median(
                    run.processor / empty.processor for run, empty in zip(rounds, runs[EMPTY], strict=True)
                ),
            ]
            for name, rounds in runs.items()
        },
    )


if __name__ == "__main__":
    main()
