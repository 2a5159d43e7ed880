"""Render the example photos in the project's own studio, in the challenge's layout. No photograph is involved.

    pip install 'carmask[studio]'
    python examples/render.py
    python examples/render.py --bodies docs/studio.jpg

Eight cars, each from another side; some of them hard to cut: white before a white wall, antenna, roof rack, glass roof.
With --bodies, instead, a sheet of the seven body types side by side, and the part labels of the last.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from carmask.data.sheet import Tile, make_sheet
from carmask.formats.labels import palette
from carmask.images import write_mask
from carmask.studio.car import BODIES, draw_car
from carmask.studio.renderset import PhotoSession, SessionRenderer, write_jpeg
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
#: On the sheet of bodies.
PAINTS = ("red", "silver", "blue", "white", "black", "grey", "navy")


def body_sheet(file: Path, view: int = 4, width: int = 480) -> None:
    """Write a sheet of all body types, the typical car of each, and part labels in colour."""
    size = (width * 2 // 3, width)
    tiles = []
    for (body, car), paint in zip(BODIES.items(), PAINTS, strict=True):
        renderer = SessionRenderer(
            PhotoSession(body, replace(car, paint=paint), draw_studio(np.random.default_rng(0)), "", (0, 0))
        )
        tiles.append(Tile(body, renderer.photo(view, size)))
    tiles.append(Tile(f"parts of the {body}", palette()[renderer.labels(view, size)]))
    write_jpeg(file, make_sheet([tiles[:4], tiles[4:]], width=width), 82)
    print(f"{len(BODIES)} body types in {file}")


def main() -> None:
    """Write all of them beside this file; names on the command line choose some."""
    if sys.argv[1:2] == ["--bodies"] and len(sys.argv) == 3:
        body_sheet(Path(sys.argv[2]))
        return
    unknown = sorted(set(sys.argv[1:]) - {name for name, *_ in CARS})
    if unknown:
        sys.exit(f"{unknown[0]}: no car is called so; there are {', '.join(name for name, *_ in CARS)}")
    home = Path(__file__).parent
    for folder in ("train", "train_masks"):
        (home / folder).mkdir(exist_ok=True)
    for name, body, hard, view, seed in CARS:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        rng = np.random.default_rng(seed)
        session = PhotoSession(name, draw_car(rng, body=body, hard=hard), draw_studio(rng), "", (seed, 0))
        renderer = SessionRenderer(session)
        truth = renderer.labels(view, SIZE) > 0
        write_mask(home / "train_masks" / f"{name}_{view:02d}_mask.png", truth)
        write_jpeg(home / "train" / f"{name}_{view:02d}.jpg", renderer.photo(view, SIZE))
        print(f"{name}: {session.car.paint} {body} from view {view}, {truth.mean():.1%} of the picture")


if __name__ == "__main__":
    main()
