"""Train the network that finds number plates, and write its file and card.

    python examples/train_plates.py --photos shared/ --out plates/

--photos: the folder that the paths in src/carmask/training/plates/labels.csv start from; photos that are not there are
left out. --labels: another table. --weights: ImageNet weights of EfficientNet-Lite0 as safetensors, in place of a
download. The same seed and data give the same network on the same machine.

Needs the [train] extra; about a quarter of an hour of one processor core, and 4 GB of memory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _settings import add_options, chosen, lines
from carmask.training.plates.build import build_plates
from carmask.training.plates.train import Settings


def main() -> None:
    """Train, and say how it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    add_options(parser, Settings)
    given = parser.parse_args()
    file = build_plates(
        given.out,
        photos=given.photos,
        labels=given.labels,
        weights=given.weights,
        cache=given.cache or given.out / "cache",
        settings=chosen(Settings, given),
        report=lines(),
    )
    print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
