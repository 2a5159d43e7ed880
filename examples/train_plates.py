"""Train the network that finds number plates, and write its file and card.

    python examples/train_plates.py --photos shared/ --out plates/

--photos: the folder that the paths in src/carmask/training/plates/labels.csv start from; photos that are not there are
left out. --labels: another table. --weights: ImageNet weights of EfficientNet-Lite0 as safetensors, in place of a
download. The same seed and data give the same network on the same machine.

Needs the [train] extra; about a quarter of an hour of one processor core, and 4 GB of memory.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from carmask.training.plates.build import build_plates
from carmask.training.plates.train import Settings


def main() -> None:
    """Train, and say how it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="crops of the photos; default OUT/cache")
    for name, value in Settings._field_defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default {value}")
    given = parser.parse_args()
    settings = Settings(**{name: getattr(given, name) for name in Settings._fields})
    started, said = time.monotonic(), 0.0

    def report(what: str, done: int, total: int) -> None:
        nonlocal said
        if done == total or time.monotonic() - said > 20:
            said = time.monotonic()
            print(f"{said - started:6.0f} s  {what}: {done} of {total}", flush=True)

    file = build_plates(
        given.out,
        photos=given.photos,
        labels=given.labels,
        weights=given.weights,
        cache=given.cache or given.out / "cache",
        settings=settings,
        report=report,
    )
    print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
