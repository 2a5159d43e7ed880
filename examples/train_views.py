"""Train the network that tells which side of a car a photo shows, and write its file and card.

    python examples/train_views.py --data carvana/ --wild shared/ --pictures backgrounds/ --out views/

--data: the challenge's photos and masks; the validation cars of --model are not trained on.
--wild: the folder that the paths in src/carmask/training/views/labels.csv start from; photos that are not there are
left out, and without it the network learns from the studio alone.
--pictures: pictures without a car. --weights: ImageNet weights of EfficientNet-Lite0 as safetensors, in place of a
download. The same seed and data give the same network on the same machine.

Needs the [train] extra; about half an hour of one processor core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _settings import add_options, chosen, lines
from carmask.model.runtime import load_model
from carmask.training.views.build import build_views
from carmask.training.views.train import Settings


def main() -> None:
    """Train, and say how it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--wild", type=Path)
    parser.add_argument("--model", default="default", help="finds cars in --wild, and names the validation cars")
    add_options(parser, Settings)
    given = parser.parse_args()
    file = build_views(
        given.out,
        data=given.data,
        pictures=given.pictures,
        wild=given.wild,
        weights=given.weights,
        network=load_model(given.model, streams=1),
        cache=given.cache or given.out / "cache",
        settings=chosen(Settings, given),
        report=lines(),
    )
    print(f"{file}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
