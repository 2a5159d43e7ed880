"""Render the example photos in the project's own studio, in the challenge's layout. No photograph is involved.

    pip install 'carmask[studio]'
    python examples/render.py

Eight cars, each from another side; some of them hard to cut: white before a white wall, antenna, roof rack, glass roof.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from carmask.images import write_mask
from carmask.studio.car import draw_car
from carmask.studio.renderset import Photographer, Sitting, write_jpeg
from carmask.studio.scene import draw_studio

SIZE = (640, 960)
#: Name, body, hard cases, view, seed.
CARS: tuple[tuple[str, str, tuple[str, ...], int, int], ...] = (
    ("saloon", "saloon", (), 3, 1),
    ("hatchback", "hatchback", (), 7, 2),
    ("estate-rack", "estate", ("rack",), 4, 3),
    ("suv-white", "suv", ("white",), 2, 4),
    ("coupe", "coupe", (), 6, 5),
    ("pickup-antenna", "pickup", ("antenna",), 4, 6),
    ("van-white", "van", ("white", "clear-glass"), 14, 7),
    ("saloon-black", "saloon", ("black", "glass-roof"), 16, 8),
)


def main() -> None:
    """Write all of them beside this file; names on the command line choose some."""
    home = Path(__file__).parent
    for folder in ("train", "train_masks"):
        (home / folder).mkdir(exist_ok=True)
    for name, body, hard, view, seed in CARS:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        rng = np.random.default_rng(seed)
        sitting = Sitting(name, draw_car(rng, body=body, hard=hard), draw_studio(rng), "", (seed, 0))
        photographer = Photographer(sitting)
        truth = photographer.labels(view, SIZE) > 0
        write_mask(home / "train_masks" / f"{name}_{view:02d}_mask.png", truth)
        write_jpeg(home / "train" / f"{name}_{view:02d}.jpg", photographer.photo(view, SIZE))
        print(f"{name}: {sitting.car.paint} {body} from view {view}, {truth.mean():.1%} of the picture")


if __name__ == "__main__":
    main()
