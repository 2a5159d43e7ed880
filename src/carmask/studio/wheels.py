"""Wheels: tyre, rim with spokes, brake disc, and the well that they stand in."""

from __future__ import annotations

import numpy as np

from carmask.studio.car import Car
from carmask.studio.mesh import Mesh, merge, split
from carmask.studio.parts import Piece
from carmask.studio.primitives import box, lathe

#: Width of the tyres.
WIDE = 0.225


def make_wheel(car: Car) -> list[Piece]:
    """A left wheel, its hub at the origin and its outer side towards +y."""
    r, half = car.tyre_radius, WIDE / 2
    rim = 0.665 * r + 0.012
    tyre, barrel, spokes = _tyre(r, rim, half), _barrel(rim, half), _spokes(car, rim, half)
    disc = lathe([(0.02, -0.005), (0.47 * r, -0.005), (0.47 * r, -0.03), (0.02, -0.03)], smooth=False)
    caliper = box((0.11, 0.06, 0.16), (0.40 * r, 0.005, 0.02), power=5)
    back = lathe([(0.001, -0.055), (rim, -0.055)], smooth=False)
    cap = lathe([(0.034, half - 0.035), (0.030, half - 0.026), (0.001, half - 0.022)])
    return [
        Piece("wheel", "tyre", _facing(tyre)),
        Piece("wheel", "rim", _facing(barrel).inverted()),
        Piece("wheel", "rim", spokes),
        Piece("wheel", "disc", disc),
        Piece("wheel", "lamp-dark", caliper),
        Piece("wheel", "dark", back),
        Piece("wheel", "lamp-dark", cap),
    ]


def _tyre(r: float, rim: float, half: float) -> Mesh:
    """A tyre of outer radius ``r`` on a rim of radius ``rim``, ``half`` its width to either side; with two grooves."""
    return lathe(
        [
            (rim - 0.01, half - 0.055),
            (rim, half - 0.018),
            (rim + 0.012, half - 0.006),
            (rim + 0.35 * (r - rim), half),
            (r - 0.035, half - 0.004),
            (r - 0.012, half - 0.016),
            (r - 0.003, half - 0.034),
            (r, half - 0.05),
            (r, 0.034),
            (r - 0.008, 0.032),
            (r - 0.008, 0.026),
            (r, 0.024),
            (r, -0.024),
            (r - 0.008, -0.026),
            (r - 0.008, -0.032),
            (r, -0.034),
            (r, -half + 0.05),
            (r - 0.012, -half + 0.016),
            (rim, -half + 0.01),
            (rim - 0.01, -half + 0.05),
        ]
    )


def _barrel(rim: float, half: float) -> Mesh:
    """What the tyre sits on, seen from inside."""
    return lathe(
        [
            (rim + 0.004, half - 0.008),
            (rim - 0.004, half - 0.004),
            (rim - 0.014, half - 0.01),
            (rim - 0.02, half - 0.03),
            (rim - 0.035, 0.03),
            (rim - 0.035, -half + 0.03),
        ]
    )


def _facing(mesh: Mesh) -> Mesh:
    """Turn a lathed ring the right way out: at its largest radius it faces outwards."""
    radius = np.hypot(mesh.vertices[:, 0], mesh.vertices[:, 2])
    i = int(np.argmax(radius))
    out = mesh.normals[i, 0] * mesh.vertices[i, 0] + mesh.normals[i, 2] * mesh.vertices[i, 2]
    return mesh if out > 0 else mesh.inverted()


def _spokes(car: Car, rim: float, half: float) -> Mesh:
    paired = car.spokes in (5, 7) and car.face > 0.5
    result = []
    reach = rim - 0.012
    for i in range(car.spokes):
        for shift in (-1, 1) if paired else (0,):
            wide = (0.34 if not paired else 0.2) * reach * (5 / car.spokes) ** 0.75
            bar = box((wide, 0.030, reach - 0.03), (0, 0, 0.5 * (reach + 0.03)), power=5)
            # Slimmer towards the hub, hollow in the middle, nearly flush with the tyre at the rim.
            share = bar.vertices[:, 2] / reach
            points = bar.vertices.copy()
            points[:, 0] *= 0.62 + 0.45 * share**2
            points[:, 1] += half - 0.046 + 0.024 * share**2
            points[:, 0] += shift * 0.055 * share
            result.append(Mesh(points, bar.normals, bar.faces).turned(360 * i / car.spokes, axis=1))
    hub = lathe(
        [(0.22 * reach, half - 0.07), (0.21 * reach, half - 0.034), (0.17 * reach, half - 0.028), (0.001, half - 0.028)]
    )
    lip = lathe([(reach + 0.012, half - 0.012), (reach - 0.004, half - 0.012), (reach - 0.016, half - 0.03)])
    return merge([*result, _up(hub), _up(lip)])


def _up(mesh: Mesh) -> Mesh:
    """Turn a lathed face towards +y."""
    return mesh if mesh.normals[:, 1].sum() > 0 else mesh.inverted()


def make_well(car: Car, arch: float) -> Mesh:
    """The dark half-barrel above a left wheel, its hub at the origin; it is seen from inside."""
    deep = 0.58 * car.width / 2
    outer = 0.955 * car.width / 2
    barrel = lathe([(arch + 0.004, deep), (arch + 0.004, outer)], around=64)
    plate = lathe([(0.001, deep), (arch + 0.004, deep)], around=64)
    upper, _ = split(merge([barrel, plate]), lambda p: -0.35 * car.tyre_radius - p[:, 2])
    return upper
