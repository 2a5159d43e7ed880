"""Kill ``carmask watch`` while photos arrive: nothing is lost, nothing recorded is done twice.

    python benchmarks/watch.py [--data DIR] [--photos 200] [--kills 2] [--vehicles 10]

Small copies of a few photos arrive one by one, every other one in two halves, in a folder for each vehicle. SIGKILL
comes at moments spread over the run; the watch is started again at once. At the end the output must be that of
``carmask cut`` over the whole folder, byte for byte.
"""

from __future__ import annotations

import csv
import io
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from PIL import Image

from _bench import arguments, carmask, measure, photos, table

#: Longer side of the copies, in pixels.
SIDE = 480


def small(photo: Path) -> Image.Image:
    """A small copy."""
    picture = Image.open(photo)
    picture.draft("RGB", (SIDE, SIDE))
    picture = picture.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    return picture


def content(picture: Image.Image, number: int) -> bytes:
    """A file whose content no other photo has."""
    picture.putpixel((0, 0), (number % 256, number // 256, 128))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def arrive(contents: list[bytes], folder: Path, vehicles: int, dice: random.Random) -> None:
    """Write the photos one after the other, as a slow copy does."""
    for number, content in enumerate(contents):
        path = folder / f"{4711 + number % vehicles}" / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as stream:
            half = len(content) // 2 if number % 2 else len(content)
            stream.write(content[:half])
            stream.flush()
            time.sleep(dice.uniform(0.02, 0.3))
            stream.write(content[half:])


def rows(out: Path, name: str) -> list[dict[str, str]]:
    """A table of the output folder."""
    with (out / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def made(out: Path) -> dict[str, bytes]:
    """All pictures."""
    found = (path for path in out.rglob("*.png") if ".carmask" not in path.parts)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def main() -> None:
    """Print the table; exit 1 if anything differs."""
    given = arguments(__doc__, photos=200, kills=2, vehicles=10, seed=5)
    found, what = photos(given.data)
    dice = random.Random(given.seed)  # noqa: S311  # no secrets here
    copies = [small(photo) for photo in found[:16]]
    contents = [content(copies[number % len(copies)], number) for number in range(given.photos)]
    done: Counter[str] = Counter()
    recorded_again = 0
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "in", Path(name) / "out"
        folder.mkdir()
        command = [
            *carmask("watch", folder, "--out", out, "--group", "folder", "--settle", "0.5", "--quiet-time", "20")
        ]
        copying = threading.Thread(target=arrive, args=(contents, folder, given.vehicles, dice))
        copying.start()
        known: set[str] = set()
        for kill in range(given.kills + 1):
            limit = (kill + 1) * given.photos // (given.kills + 1)
            last = kill == given.kills
            with subprocess.Popen(
                [*command, *(["--stop-after", "5"] if last else [])], stdout=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    if not line.startswith("done "):
                        continue
                    photo = line.removeprefix("done ").strip()
                    done[photo] += 1
                    recorded_again += photo in known
                    if not last and sum(done.values()) >= limit:
                        process.send_signal(signal.SIGKILL)
                        break
            known = set(done)  # a line is printed after the record is written
        copying.join()
        report, vehicles = rows(out, "report.csv"), rows(out, "vehicles.csv")
        measure(carmask("cut", folder, "--out", Path(name) / "batch", "--group", "folder", "--recursive"))
        same = made(out) == made(Path(name) / "batch")
        left = len(list(out.rglob("*.tmp")))
    counts = Counter(row["status"] for row in report)
    complete = counts == {"done": given.photos} and sum(int(row["photos"]) for row in vehicles) == given.photos
    table(
        f"{given.photos} {what} photos at {SIDE} pixels arriving in a watched folder, killed {given.kills} times",
        ["value"],
        {
            "photos done in report.csv": [str(counts["done"])],
            "vehicles, photos of them": [f"{len(vehicles)}, {sum(int(row['photos']) for row in vehicles)}"],
            "pictures are those of one run of cut": ["yes" if same else "NO"],
            "recorded photos done again": [str(recorded_again)],
            "temporary files left": [str(left)],
        },
    )
    if not complete or not same or recorded_again or left:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
