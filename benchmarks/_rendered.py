"""A second shifted studio: rendered cars in a dim hall, with a brick wall, a polished floor and covered things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from carmask.data.table import Example, read_examples
from carmask.images import make_folder, write_mask
from carmask.studio.build import build_car, by_material, with_labels
from carmask.studio.mesh import Mesh, merge
from carmask.studio.photograph import photograph
from carmask.studio.primitives import box, lathe
from carmask.studio.renderer import Labeller, Renderer
from carmask.studio.renderset import draw_session, turn_of, write_jpeg
from carmask.studio.scene import VIEWS, Studio, Surface, materials, room

#: (height, width) of the photos.
SIZE = (512, 768)
#: Rays for each pixel, before denoising.
SAMPLES = 4
#: Of the cars, and of the hall, which is the same for all of them.
SEED = 26
#: Times the usual brightness: of the ceiling and front lamps, of the lamps at the sides, and of the wall's own.
KEY, LEFT, RIGHT, WASH = 0.35, 3.2, 0.15, 0.35
#: Colour of the light, where the usual studio has -0.5 to 0.7.
WARMTH = 5.0


def hall(studio: Studio) -> list[Surface]:
    """The usual room's surfaces in other colours, without the word on the wall; the light as it is dimmed here."""
    usual = replace(
        studio,
        key=KEY * studio.key,
        left=LEFT * studio.left,
        right=RIGHT * studio.right,
        wash=WASH * studio.wash,
        warmth=WARMTH + studio.warmth,
    )
    floor, disc, rim, wall, _, screen, *lights = room(usual)
    rng = np.random.default_rng(SEED)
    boards = _principled(_boards(rng), 0.12)
    # Vertices lie in rows of equal height, 193 to a turn.
    rows = len(wall.mesh.vertices) // 193
    across = np.tile(np.linspace(0, 1, 193), rows)
    up = np.repeat(np.linspace(0, 1, rows), 193)
    bricks = {"type": "twosided", "inner": {"type": "diffuse", "reflectance": _bitmap(_bricks(rng))}}
    return [
        replace(floor, material=boards),
        replace(disc, material=boards),
        rim,
        replace(wall, material=bricks, uv=np.stack([across, up], -1)),
        screen,
        *_things(),
        *lights,
    ]


def _things() -> list[Surface]:
    """What stands behind the turntable: two hoods over machines, a cabinet, stacks of tyres."""
    stack = lathe([(0.17, 0.0), (0.33, 0.02), (0.36, 0.11), (0.33, 0.2), (0.17, 0.22)]).turned(90, axis=0)
    tyres = merge([stack.moved((*at, 0.22 * level)) for at in ((-4.3, 0.4), (-3.9, -3.4)) for level in range(5)])
    made: list[tuple[Mesh, tuple[float, float, float], float]] = [
        (box((1.7, 3.6, 1.45), (-5.2, 2.9, 0.72), power=3.5), (0.42, 0.44, 0.46), 0.2),
        (box((1.6, 2.6, 1.2), (-4.9, -1.9, 0.6), power=4.0), (0.30, 0.02, 0.02), 0.15),
        (box((0.7, 1.2, 1.9), (-6.3, 0.3, 0.95), power=10.0), (0.02, 0.06, 0.20), 0.2),
        (tyres, (0.016, 0.016, 0.016), 0.7),
    ]
    return [
        Surface(mesh, {"type": "twosided", "inner": {"type": "principled", "base_color": _rgb(colour),
                "roughness": roughness, "specular": 0.5, "clearcoat": 0.8, "clearcoat_gloss": 0.95}})
        for mesh, colour, roughness in made
    ]  # fmt: skip


def write_rendered(cars: Sequence[int], photos: int, folder: Path, *, shifted: bool) -> list[Example]:
    """Render cars of ``SEED`` in the hall, or in the usual studio; photos that are there already are left.

    Args:
        cars: their numbers.
        photos: of all of them; each car's are evenly spaced, and begin with another view from car to car.
        folder: to write ``train/`` and ``train_masks/`` to.
        shifted: in the hall.

    Returns:
        The photos.
    """
    for inner in ("train", "train_masks"):
        make_folder(folder / inner)
    for number, index in enumerate(cars):
        views = photos // len(cars) + (number < photos % len(cars))
        session = draw_session(SEED, index)
        asked = [1 + (index + k * VIEWS // views) % VIEWS for k in range(views)]
        lacking = [view for view in asked if not (folder / "train" / f"{session.name}_{view:02d}.jpg").exists()]
        if not lacking:
            continue
        pieces, labeller = _car(index)
        around_it = (hall if shifted else room)(session.studio)
        renderer = Renderer(pieces, materials(session.car), around_it)
        camera = session.studio.camera
        for view in lacking:
            mask = labeller.label(camera, turn_of(view), SIZE) > 0
            light = renderer.photo(camera, turn_of(view), SIZE, samples=SAMPLES, seed=view)
            write_mask(folder / "train_masks" / f"{session.name}_{view:02d}_mask.png", mask)
            write_jpeg(
                folder / "train" / f"{session.name}_{view:02d}.jpg",
                photograph(light, np.random.default_rng([*session.key, view])),
            )
    return read_examples(folder)


@lru_cache(1)
def _car(index: int) -> tuple[list[tuple[str, Mesh]], Labeller]:
    """A car's pieces by material, and what finds it: the last one is kept."""
    pieces = build_car(draw_session(SEED, index).car)
    return by_material(pieces), Labeller(*with_labels(pieces))


def _bricks(rng: np.random.Generator) -> np.ndarray:
    """A wall all round: float32 (512, 8192, 3), reflectance, bricks with pictures and dark gates."""
    high, wide, brick, course = 512, 8192, 48, 16
    rows, columns = np.mgrid[0:high, 0:wide]
    number = (columns + brick // 2 * (rows // course % 2)) // brick + 1000 * (rows // course)
    tone = rng.uniform(0.6, 1.25, number.max() + 1)[number]
    wall = tone[..., None] * np.array([0.30, 0.13, 0.09])
    joint = (rows % course < 2) | ((columns + brick // 2 * (rows // course % 2)) % brick < 2)
    wall[joint] = 0.24
    for left in range(0, wide, 512):
        colour = rng.uniform(0.02, 0.5, 3)
        x, y, w, h = left + int(rng.integers(0, 200)), int(rng.integers(60, 230)), int(rng.integers(90, 300)), 170
        cv2.rectangle(wall, (x, y), (x + w, y + h), (0.05, 0.05, 0.05), -1)
        cv2.rectangle(wall, (x + 8, y + 8), (x + w - 8, y + h - 8), colour.tolist(), -1)
        cv2.ellipse(wall, (x + w // 2, y + h // 2), (w // 4, 40), 0, 0, 360, rng.uniform(0.02, 0.6, 3).tolist(), -1)
    return wall.astype(np.float32)


def _boards(rng: np.random.Generator) -> np.ndarray:
    """A floor: float32 (1024, 1024, 3), reflectance, green and dark squares with worn paint."""
    rows, columns = np.mgrid[0:1024, 0:1024]
    dark = (rows // 64 + columns // 64) % 2
    floor = np.where(dark[..., None] > 0, np.array([0.03, 0.035, 0.03]), np.array([0.10, 0.16, 0.11]))
    worn = cv2.resize(rng.normal(0, 0.12, (90, 90)).astype(np.float32), (1024, 1024), interpolation=cv2.INTER_CUBIC)
    return np.clip(floor * (1 + worn[..., None]), 0.005, 1).astype(np.float32)


def _principled(colour: np.ndarray, roughness: float) -> dict[str, Any]:
    inner = {"type": "principled", "base_color": _bitmap(colour), "roughness": roughness, "specular": 0.5}
    return {"type": "twosided", "inner": inner}


def _rgb(colour: tuple[float, float, float]) -> dict[str, Any]:
    return {"type": "rgb", "value": list(colour)}


def _bitmap(picture: np.ndarray) -> dict[str, Any]:
    return {"type": "bitmap", "data": np.ascontiguousarray(picture, np.float32), "raw": True}
