"""Peak memory of ``carmask cut --mask`` over few and many photos: it must not grow with their number.

    python benchmarks/memory.py [--data DIR] [--few 100] [--many 1000]

The figures of the issue are ``--few 500 --many 5000``. Counted are all processes of the run together, pages that they
share counted in each.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _bench import arguments, carmask, linked, measure, photos, table


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, few=100, many=1000)
    found, what = photos(given.data)
    peaks = {}
    with tempfile.TemporaryDirectory() as name:
        for count in (given.few, given.many):
            source = linked(found, count, Path(name) / str(count))
            peaks[count] = measure(carmask("cut", source, "-o", Path(name) / f"out {count}", "--mask")).peak / 1e6
    table(
        f"peak memory of cut --mask, {what} photos",
        ["MB", "ratio", "target"],
        {
            f"{given.few} photos": [f"{peaks[given.few]:.0f}", "1", "1500"],
            f"{given.many} photos": [f"{peaks[given.many]:.0f}", f"{peaks[given.many] / peaks[given.few]:.3f}", "1.05"],
        },
    )


if __name__ == "__main__":
    main()
