"""What is mounted on the body: mirrors, handles, plates, wipers, exhausts, badge, spoiler, rails, rack, antenna."""

from __future__ import annotations

import numpy as np

from carmask.studio.mesh import Mesh, Points, flat, merge, split
from carmask.studio.panels import pillars
from carmask.studio.parts import Piece
from carmask.studio.primitives import box, tube
from carmask.studio.shape import Shape


def land(shape: Shape, start: Points, ray: tuple[float, float, float]) -> Points:
    """Where rays from outside the body meet its skin.

    Args:
        shape: the body.
        start: float64 (n, 3), outside.
        ray: their direction; the skin must lie within 2.5 m.

    Returns:
        float64 (n, 3).
    """
    direction = np.asarray(ray, np.float64) / np.linalg.norm(ray)
    distance = np.zeros(len(start))
    for _ in range(400):
        value = shape.surface(start + distance[:, None] * direction)
        if np.abs(value).max() < 1e-5:
            break
        distance += np.clip(value * 0.8, -0.03, 0.10)
    return np.asarray(start + distance[:, None] * direction)


def side_fittings(shape: Shape) -> list[Piece]:
    """The fittings of the left side; ``build`` mirrors them."""
    pieces = [*_mirror(shape), *_handles(shape)]
    if shape.car.rails:
        pieces += _rails(shape)
    return pieces


def _mirror(shape: Shape) -> list[Piece]:
    car = shape.car
    x = shape.cowl - 0.36
    z = car.cowl_z + 0.045
    foot = land(shape, np.array([[x, 1.4, z]]), (0, -1, 0))[0]
    high = 0.165 if not car.bed and car.body not in ("van", "suv") else 0.205
    centre = (foot[0] - 0.03, foot[1] + 0.145, z + 0.045)
    shell = box((0.14, 0.20, high), (0, 0, 0), power=3.2)
    points = shell.vertices.copy()
    points[:, 2] *= 1 - 0.6 * (points[:, 1] - 0.0)
    points[:, 0] = np.maximum(points[:, 0], -0.05) - 0.20 * points[:, 1]
    shell = Mesh(points, shell.normals, shell.faces).moved(centre)
    glass = box((0.006, 0.165, high - 0.045), (0, 0, 0), power=4)
    bent = glass.vertices.copy()
    bent[:, 0] -= 0.20 * bent[:, 1]
    glass = Mesh(bent, glass.normals, glass.faces).moved((centre[0] - 0.052, centre[1], centre[2]))
    arm = tube([(foot[0] + 0.02, foot[1] - 0.03, z - 0.03), (centre[0], centre[1] - 0.02, centre[2] - 0.06)], 0.022)
    upper, lower = split(shell, lambda p: centre[2] - 0.3 * high - p[:, 2])
    return [
        Piece("left_mirror", "chrome" if car.bed and car.chrome else "paint", upper),
        Piece("left_mirror", "trim", lower),
        Piece("left_mirror", "mirror-glass", glass),
        Piece("left_mirror", "trim", arm),
    ]


def _handles(shape: Shape) -> list[Piece]:
    car = shape.car
    at = [("front_left_door", pillars(shape)[0] + 0.16)]
    if car.doors == 4:
        end = car.rear_axle + 0.12 if not car.bed else shape.back_base + 0.20
        if car.body in ("estate", "suv", "van"):
            end = pillars(shape)[1] + 0.14
        at.append(("back_left_door", min(end, at[0][1] - 0.6)))
    pieces = []
    for part, x in at:
        z = float(shape.crease(np.array([x]))[0]) + 0.03
        foot = land(shape, np.array([[x, 1.4, z]]), (0, -1, 0))[0]
        grip = box((0.20, 0.022, 0.032), (foot[0], foot[1] + 0.026, foot[2]), power=3.5)
        feet = [box((0.032, 0.03, 0.028), (foot[0] + d, foot[1] + 0.012, foot[2]), power=4) for d in (-0.08, 0.08)]
        pocket = box((0.12, 0.012, 0.055), (foot[0], foot[1] + 0.0005, foot[2]), power=3)
        pieces += [
            Piece(part, "chrome" if car.chrome else "paint", merge([grip, *feet])),
            Piece(part, "dark", pocket),
        ]
    return pieces


def _rails(shape: Shape) -> list[Piece]:
    car = shape.car
    x = np.linspace(shape.screen_top - 0.25, shape.roof_rear + 0.15, 26)
    y = shape.half - 0.30 - 0.05 * car.tumblehome
    start = np.stack([x, np.full_like(x, y), np.full_like(x, car.height + 0.4)], 1)
    line = land(shape, start, (0, 0, -1))
    lift = 0.045 * np.clip(np.minimum(np.arange(26), 25 - np.arange(26)) / 2.5, -0.1, 1)
    rail = tube(line + lift[:, None] * [0, 0, 1], 0.015)
    feet = [box((0.12, 0.03, 0.06), line[i] + [0, 0, 0.015], power=3) for i in (2, 13, 23)]
    return [Piece("roof_rack", "chrome" if car.chrome else "trim", merge([rail, *feet]))]


def middle_fittings(shape: Shape) -> list[Piece]:
    """The fittings that are not mirrored."""
    car = shape.car
    pieces = [*_plates(shape), *_wipers(shape), *_exhausts(shape)]
    badge = land(shape, np.array([[shape.nose + 0.6, 0.0, car.nose_z - 0.045]]), (-1, 0, 0))[0]
    pieces.append(Piece("hood", "chrome", box((0.03, 0.12, 0.075), badge, power=2.2)))
    back = land(shape, np.array([[shape.tail - 0.6, 0.0, car.deck_z - 0.10]]), (1, 0, 0))[0]
    lid = "tailgate" if car.body in ("hatchback", "estate", "suv", "van", "pickup") else "trunk"
    pieces.append(Piece(lid, "chrome", box((0.025, 0.11, 0.07), back, power=2.2)))
    if car.spoiler:
        pieces.append(Piece(lid, "paint", _spoiler(shape)))
    if car.rack:
        pieces.append(Piece("roof_rack", "trim", _rack(shape)))
    if car.antenna:
        pieces.append(Piece("antenna", "trim", _antenna(shape)))
    elif not car.bed:
        pieces.append(Piece("antenna", "paint", _fin(shape)))
    if car.bed:
        pieces += _bed(shape)
    return pieces


def _plates(shape: Shape) -> list[Piece]:
    car = shape.car
    pieces = []
    middle = 0.5 * (car.clearance + car.deck_z)
    lid_high = car.deck_z - 0.30 if car.body != "van" else car.deck_z - 0.36
    front_z = car.nose_z - 0.085 - car.grille_high - 0.075
    for front, z in ((True, front_z), (False, max(lid_high, middle + 0.06))):
        sign = 1 if front else -1
        start = np.array([[sign * (shape.nose + 0.6), 0.0, z]])
        foot = land(shape, start, (-sign, 0, 0))[0]
        part = "plate"
        plate = box((0.012, 0.31, 0.155), (foot[0] + sign * 0.012, 0, z), power=14)
        holder = box((0.02, 0.335, 0.175), (foot[0] + sign * 0.004, 0, z), power=14)
        pieces += [Piece(part, "trim", holder), Piece(part, "plate", plate)]
        ink = [
            box((0.004, 0.022, 0.06), (foot[0] + sign * 0.019, y, z - 0.005), power=6)
            for y in np.linspace(-0.11, 0.11, 7)
        ]
        ink.append(box((0.004, 0.18, 0.012), (foot[0] + sign * 0.019, 0, z + 0.055), power=6))
        pieces.append(Piece(part, "plate-ink", merge(ink)))
    return pieces


def _wipers(shape: Shape) -> list[Piece]:
    car = shape.car
    arms = []
    for y0, y1 in ((0.55, 0.02), (-0.02, -0.52)):
        y = np.linspace(y0, y1, 12)
        z = car.cowl_z + 0.03 + 0.03 * np.linspace(0, 1, 12)
        line = land(shape, np.stack([np.full(12, shape.cowl + 0.9), y, z], 1), (-1, 0, 0))
        arms.append(tube(line + np.array([0.012, 0, 0.008]), 0.008))
    return [Piece("front_glass", "trim", merge(arms))]


def _exhausts(shape: Shape) -> list[Piece]:
    car = shape.car
    z = car.clearance + 0.05
    rear = shape.tail + 0.12
    sides = (0.52, -0.52) if car.face > 0.5 else (-0.55,)
    pipes = [tube([(rear + 0.35, y, z), (rear, y, z)], 0.036) for y in sides]
    holes = [tube([(rear + 0.002, y, z), (rear - 0.002, y, z)], 0.029) for y in sides]
    return [Piece("back_bumper", "chrome", merge(pipes)), Piece("back_bumper", "dark", merge(holes))]


def _spoiler(shape: Shape) -> Mesh:
    y = np.linspace(-1, 1, 41) * (shape.half - 0.36)
    start = np.stack([np.full(41, shape.roof_rear + 0.03), y, np.full(41, shape.car.height + 0.3)], 1)
    line = land(shape, start, (0, 0, -1))
    blade = box((0.30, 2 * (shape.half - 0.36), 0.035), power=6)
    points = blade.vertices.copy()
    points[:, 2] += np.interp(points[:, 1], y, line[:, 2]) - 0.035 + 0.02
    points[:, 2] += 0.06 * (points[:, 0] + 0.15)
    points[:, 0] += shape.roof_rear - 0.06
    return Mesh(points, blade.normals, blade.faces)


def _rack(shape: Shape) -> Mesh:
    y = shape.half - 0.30 - 0.05 * shape.car.tumblehome
    bars = []
    for share in (0.25, 0.72):
        x = shape.screen_top - 0.25 + share * (shape.roof_rear + 0.4 - shape.screen_top)
        foot = land(shape, np.array([[x, y, shape.car.height + 0.4]]), (0, 0, -1))[0]
        z = foot[2] + 0.095
        bars.append(box((0.075, 2 * y + 0.14, 0.026), (x, 0, z), power=4))
        bars += [box((0.06, 0.035, 0.08), (x, sign * y, z - 0.05), power=4) for sign in (1, -1)]
    return merge(bars)


def _antenna(shape: Shape) -> Mesh:
    if shape.car.bed:
        foot = land(shape, np.array([[shape.cowl + 0.12, -shape.half + 0.16, 2.4]]), (0, 0, -1))[0]
        lean = -0.12
    else:
        foot = land(shape, np.array([[shape.roof_rear + 0.22, 0.0, 2.6]]), (0, 0, -1))[0]
        lean = -0.34
    tip = foot + np.array([lean, 0, 0.42 if not shape.car.bed else 0.78])
    line = [foot + (tip - foot) * t for t in np.linspace(0, 1, 8)]
    return merge([tube(line, np.linspace(0.006, 0.0026, 8).tolist()), box((0.07, 0.045, 0.04), foot, power=2.5)])


def _fin(shape: Shape) -> Mesh:
    foot = land(shape, np.array([[shape.roof_rear + 0.26, 0.0, 2.6]]), (0, 0, -1))[0]
    fin = box((0.17, 0.05, 0.10), (0, 0, 0), power=2.2)
    points = fin.vertices.copy()
    points[:, 0] -= 0.7 * np.maximum(points[:, 2], 0)
    return Mesh(points + foot, fin.normals, fin.faces)


def _bed(shape: Shape) -> list[Piece]:
    """The load bed's inside."""
    car = shape.car
    front, rear = shape.back_base - 0.07, shape.tail + 0.12
    long, wide, top, low = front - rear, car.width - 0.36, car.deck_z - 0.02, car.deck_z - 0.52
    middle = 0.5 * (front + rear)
    sides = [
        box((long, wide, 0.03), (middle, 0, low), power=14),
        box((0.02, wide, top - low), (front, 0, 0.5 * (top + low)), power=14),
        box((0.02, wide, top - low - 0.02), (rear, 0, 0.5 * (top + low)), power=14),
        *(box((long, 0.02, top - low), (middle, s * wide / 2, 0.5 * (top + low)), power=14) for s in (1, -1)),
    ]
    return [Piece("body", "cladding", flat(merge(sides)))]
