"""What is seen through the windows: tub, dashboard, seats, steering wheel, trim behind the body's skin."""

from __future__ import annotations

import numpy as np

from carmask.studio.fittings import land
from carmask.studio.mesh import Mesh, merge, split
from carmask.studio.panels import pillars
from carmask.studio.parts import Piece
from carmask.studio.primitives import box, lathe
from carmask.studio.shape import Shape


def make_interior(shape: Shape, panels: list[Piece]) -> list[Piece]:
    """Furnish the cabin; both sides.

    Args:
        shape: the car's outside.
        panels: the pieces of the left half, whose opaque ones are lined.

    Returns:
        Pieces that lie wholly within the skin.
    """
    car = shape.car
    floor = car.clearance + 0.16
    rear = shape.back_base + (0.02 if car.bed or car.body in ("saloon", "coupe") else 0.32)
    wide, shelf = car.width - 0.30, car.cowl_z - 0.10
    long = shape.cowl - 0.05 - rear
    pieces = _lining(shape, panels)
    pieces.append(Piece("body", "interior", box((long, wide, 0.04), (rear + long / 2, 0, floor), power=12)))
    pieces += _dashboard(shape, wide, shelf)
    pieces.append(Piece("body", "seat", merge(_seats(shape, floor, rear))))
    if car.body in ("saloon", "coupe"):
        parcel = box((0.75, wide - 0.15, 0.05), (shape.back_base + 0.30, 0, car.back_base_z - 0.07), power=10)
        pieces.append(Piece("body", "interior", parcel))
    # Bulkheads keep anyone from looking through the engine bay and the boot.
    height = car.cowl_z - 0.05 - floor
    bulk = [box((0.03, wide, height), (shape.cowl - 0.06, 0, floor + height / 2), power=14)]
    bulk.append(box((0.03, wide, height), (rear + 0.02, 0, floor + height / 2), power=14))
    pieces.append(Piece("body", "dark", merge(bulk)))
    mirror = box((0.025, 0.24, 0.07), (shape.screen_top + 0.06, 0, car.height - 0.16), power=4)
    pieces.append(Piece("body", "dashboard", mirror))
    return pieces


def _lining(shape: Shape, panels: list[Piece]) -> list[Piece]:
    """The skin of the cabin once more, 3 cm further in and seen from inside; both sides."""
    pieces = []
    for piece in panels:
        if "glass" in piece.material or piece.material == "windscreen":
            continue
        above, below = split(piece.mesh, lambda p: shape.belt(p[:, 0]) - p[:, 2])
        inside = lambda p: np.maximum(shape.back_base + 0.15 - p[:, 0], p[:, 0] - shape.cowl)  # noqa: E731
        cabin, _ = split(above, inside)
        doors, _ = split(below, inside)
        for mesh, material in ((cabin, "headliner"), (doors, "interior")):
            if len(mesh.faces):
                lining = mesh.offset(-0.03).inverted()
                pieces += [Piece("body", material, lining), Piece("body", material, lining.mirrored())]
    return pieces


def _dashboard(shape: Shape, wide: float, shelf: float) -> list[Piece]:
    """Dashboard and steering wheel of a cabin ``wide`` metres across; ``shelf`` is the dashboard's height."""
    dash = box((0.62, wide - 0.02, 0.24), (shape.cowl - 0.42, 0, shelf - 0.07), power=5)
    cowl = box((0.5, wide - 0.1, 0.05), (shape.cowl - 0.15, 0, shelf + 0.02), power=6)
    binnacle = box((0.24, 0.40, 0.10), (shape.cowl - 0.55, 0.37, shelf + 0.05), power=4)
    wheel = _steering_wheel().turned(-65, axis=1).moved((shape.cowl - 0.80, 0.37, shelf - 0.02))
    return [Piece("body", "dashboard", merge([dash, cowl, binnacle])), Piece("body", "dashboard", wheel)]


def _seats(shape: Shape, floor: float, rear: float) -> list[Mesh]:
    """All seats between the dashboard and ``rear``, where the cabin ends, on the floor at the height ``floor``."""
    car = shape.car
    front = pillars(shape)[0] + 0.22
    places = [(front, 0.37, 0.52)]
    behind = front - (0.70 if car.doors == 2 or car.bed else 0.80)
    places += [(behind - 0.86 * row, 0.33, 0.56) for row in range(2 if car.body == "van" else 1)]
    seats = []
    for x, y, across in places:
        if x - 0.35 < rear - 0.1:
            continue
        # The roof, or the rear window, limits how high the head restraint may reach.
        above = land(shape, np.array([[x - 0.52, y + 0.1, car.height + 0.4]]), (0, 0, -1))[0, 2]
        share = min(1.0, (above - 0.09 - floor) / 1.09)
        seats += [
            Mesh(s.vertices * [1, 1, share], s.normals, s.faces).moved((x, side, floor))
            for s in [_seat(across)]
            for side in (y, -y)
        ]
    return seats


def _steering_wheel() -> Mesh:
    angle = np.linspace(0, 2 * np.pi, 14)
    ring = lathe([(0.185 + 0.016 * np.cos(a), 0.016 * np.sin(a)) for a in angle], around=40).turned(90, axis=0)
    bar = box((0.05, 0.34, 0.02), power=4)
    hub = box((0.14, 0.16, 0.03), power=3)
    return merge([ring, bar, hub])


def _seat(wide: float) -> Mesh:
    """A seat that looks forward, its front legs' middle at the origin on the floor."""
    cushion = box((0.54, wide, 0.18), (0.0, 0, 0.24), power=4).turned(-6, axis=1)
    back = box((0.17, wide - 0.03, 0.66), (0.0, 0, 0.33), power=4).turned(-14, axis=1).moved((-0.26, 0, 0.26))
    head = box((0.11, 0.26, 0.18), (-0.455, 0, 0.995), power=3.2)
    return merge([cushion, back, head])
