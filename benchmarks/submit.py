"""From photos to a checked submission.csv: the rate, and what 100,064 photos take at it.

    python benchmarks/submit.py [--data DIR] [--photos 500]

The long form is ``--photos 5000``. Photos are real ones under many names, by links; the sample names them in reverse,
so that the order of the rows is tested too. The time for all photos is extrapolated
from the rate of this run, its start taken off.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from _bench import HEIGHT, WIDTH, arguments, carmask, linked, measure, photos, table

ALL = 100_064


def main() -> None:
    """Print the table and the memory curve."""
    given = arguments(__doc__, photos=500)
    found, what = photos(given.data)
    curve: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = linked(found, given.photos, folder / "photos")
        first = linked(found, 1, folder / "one")
        sample, out = folder / "sample.csv", folder / "submission.csv"
        names = sorted((path.name for path in source.iterdir()), reverse=True)
        sample.write_text("img,rle_mask\n" + "".join(f"{name},1 1\n" for name in names))
        start = measure(carmask("submit", first, "-o", folder / "one.csv"))
        run = measure(
            carmask("submit", source, "--sample", sample, "-o", out),
            watch=lambda seconds, size: curve.append((seconds, size)),
        )
        with Image.open(found[0]) as photo:
            frame = f"{photo.width}x{photo.height}"
        check = measure(carmask("check", out, "--sample", sample, "--size", frame))
        rows = out.read_text().splitlines()
        assert len(rows) == given.photos + 1
        assert [row.partition(",")[0] for row in rows[1:]] == names
        size = out.stat().st_size
    rate = (given.photos - 1) / (run.wall - start.wall)
    minutes = ALL / rate / 60
    table(
        f"submit, {given.photos} {what} photos of {frame}",
        ["value", "target"],
        {
            "photos a second": [f"{rate:.2f}", "22.2"],
            f"minutes for {ALL:,} photos, extrapolated": [f"{minutes:.1f}", "75"],
            "ms of processor time a photo": [f"{(run.processor - start.processor) / (given.photos - 1) * 1e3:.1f}", ""],
            "peak MB": [f"{run.peak / 1e6:.0f}", "1500"],
            "seconds to check it": [f"{check.wall:.1f}", ""],
            "kB a row": [f"{size / given.photos / 1e3:.1f}", ""],
        },
    )
    print(check.output.strip().splitlines()[-1].replace(str(folder) + "/", ""))
    if tuple(map(int, frame.split("x"))) != (WIDTH, HEIGHT):
        print("not the challenge's photos: another size, another rate")
    print("memory (MB) over the run:")
    step = max(1, len(curve) // 12)
    print("  " + "  ".join(f"{seconds:.0f} s {size / 1e6:.0f}" for seconds, size in curve[::step]))


if __name__ == "__main__":
    main()
