"""Peak memory of ``carmask train`` over few and many photos: it must not grow with the data set.

    python benchmarks/training_memory.py [--few 160] [--many 1600] [--epochs 1]

Data sets of the example photos under many names, by links; ``cnn-small``, epochs of 256 photos. Counted are all
processes of the run together, without pages of mapped files (the decoded photos), which the system takes back when it
needs them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _bench import arguments, carmask, measure, table

EXAMPLES = Path(__file__).parents[1] / "examples"
VIEWS = 16


def linked_cars(count: int, folder: Path) -> Path:
    """A data set of so many photos."""
    photos = sorted((EXAMPLES / "train").glob("*.jpg"))
    for part in ("train", "train_masks"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        photo = photos[number % len(photos)]
        (mask,) = (EXAMPLES / "train_masks").glob(f"{photo.stem}_mask.*")
        name = f"{number // VIEWS:06d}_{number % VIEWS + 1:02d}"
        (folder / "train" / f"{name}.jpg").symlink_to(photo)
        (folder / "train_masks" / f"{name}_mask{mask.suffix}").symlink_to(mask)
    return folder


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, few=160, many=1600, epochs=1)
    changes = ("validation=0.1", "check_photos=16", "epoch_photos=256")
    stage = f"stages=[{{height=160,width=240,batch=8,epochs={given.epochs}}}]"
    sets = [word for change in (*changes, stage) for word in ("--set", change)]
    peaks = {}
    with tempfile.TemporaryDirectory() as name:
        for count in (given.few, given.many):
            data = linked_cars(count, Path(name) / str(count))
            run = carmask("train", "cnn-small", "--data", data, "--out", Path(name) / f"run {count}", *sets)
            peaks[count] = measure(run, memory="RssAnon").peak / 1e6
    table(
        "peak memory of a training",
        ["MB", "ratio"],
        {f"{count} photos": [f"{peak:.0f}", f"{peak / peaks[given.few]:.3f}"] for count, peak in peaks.items()},
    )


if __name__ == "__main__":
    main()
