"""Put a car together: panels, glass, wheels, fittings and interior, as pieces with a part and a material."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from carmask.studio.car import Car
from carmask.studio.fittings import middle_fittings, side_fittings
from carmask.studio.interior import make_interior
from carmask.studio.mesh import Mesh, merge
from carmask.studio.panels import cut_panels
from carmask.studio.parts import Piece, label_of
from carmask.studio.shape import Shape, mesh_of
from carmask.studio.wheels import WIDE, make_well, make_wheel


def build_car(car: Car, *, detail: float = 1.0) -> list[Piece]:
    """Build a car that stands on the floor, its middle above the origin, looking along +x.

    Args:
        car: its measures and equipment.
        detail: of the body's mesh, in proportion to the usual.

    Returns:
        Its pieces, in an order that depends on nothing else.
    """
    shape = Shape(car)
    panels = cut_panels(shape, mesh_of(shape, detail=detail))
    half = [*panels, *side_fittings(shape), *_running_gear(car, shape)]
    whole = [*half, *(piece.mirrored() for piece in half)]
    return [*whole, *middle_fittings(shape), *make_interior(shape, panels)]


def _running_gear(car: Car, shape: Shape) -> list[Piece]:
    pieces = []
    aside = 0.965 * car.width / 2 - WIDE / 2
    wheel, well = make_wheel(car), make_well(car, shape.arch)
    for axle in (car.front_axle, car.rear_axle):
        # Under load a tyre sinks in by some millimetres.
        hub = (axle, aside, car.tyre_radius - 0.006)
        pieces += [Piece(piece.part, piece.material, piece.mesh.moved(hub)) for piece in wheel]
        pieces.append(Piece("body", "dark", well.moved((axle, 0.0, car.tyre_radius))))
    return pieces


def by_material(pieces: list[Piece]) -> list[tuple[str, Mesh]]:
    """Merge pieces of the same material, for rendering; sorted by name."""
    groups: dict[str, list[Mesh]] = defaultdict(list)
    for piece in pieces:
        groups[piece.material].append(piece.mesh)
    return [(name, merge(groups[name])) for name in sorted(groups)]


def with_labels(pieces: list[Piece]) -> tuple[Mesh, NDArray[np.uint8]]:
    """Merge all pieces, for labelling.

    Returns:
        The mesh and the label of each face, uint8 (faces,), from 1.
    """
    labels = [np.full(len(piece.mesh.faces), label_of(piece.part), np.uint8) for piece in pieces]
    return merge([piece.mesh for piece in pieces]), np.concatenate(labels)
