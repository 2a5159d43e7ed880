"""Cut the body's skin into panels, windows, lamps and grille, along the bounding surfaces that made it.

Everything is done on the left half; ``build`` mirrors it.
"""

from __future__ import annotations

import numpy as np

from carmask.studio.cutter import Cutter
from carmask.studio.ends import cut_face, cut_tail
from carmask.studio.mesh import Mesh, Points, split, wall
from carmask.studio.parts import Piece
from carmask.studio.shape import Shape, Values, smooth_max


def cut_panels(shape: Shape, skin: Mesh) -> list[Piece]:
    """Cut the left half of the skin into its pieces.

    Args:
        shape: whose skin.
        skin: as ``mesh_of`` makes it.

    Returns:
        Pieces that together cover the skin, but for the wheel arches, the windows' recess, and the load bed.
    """
    cutter = Cutter(skin)
    _arches(shape, cutter)
    _windows(shape, cutter)
    cut_face(shape, cutter)
    cut_tail(shape, cutter)
    _doors(shape, cutter)
    _lids(shape, cutter)
    if shape.car.cladding:
        sill = shape.car.clearance + 0.13
        cutter.add("body", "cladding", cutter.take(lambda p: p[:, 2] - sill))
    else:
        sill = shape.car.clearance + 0.035
        cutter.add("body", "trim", cutter.take(lambda p: p[:, 2] - sill))
    cutter.add("body", "paint", cutter.skin)
    return cutter.pieces


def _around(shape: Shape, axle: float, p: Points) -> Values:
    return np.hypot(p[:, 0] - axle, p[:, 2] - shape.car.tyre_radius)


def _arches(shape: Shape, cutter: Cutter) -> None:
    for axle in (shape.car.front_axle, shape.car.rear_axle):

        def opening(p: Points, axle: float = axle) -> Values:
            return np.maximum(_around(shape, axle, p) - shape.arch, 0.42 * shape.car.width / 2 - p[:, 1])

        cutter.drop(opening)
        lip = 0.055 if shape.car.cladding else 0.012

        def rim(p: Points, axle: float = axle, lip: float = lip) -> Values:
            return np.maximum(_around(shape, axle, p) - shape.arch - lip, 0.6 * shape.half - p[:, 1])

        edge = cutter.take(rim)
        cutter.add("body", "cladding" if shape.car.cladding else "paint", edge)
        cutter.add("body", "dark", wall(edge, 0.05))


def _windows(shape: Shape, cutter: Cutter) -> None:
    _screens(shape, cutter)
    _side_windows(shape, cutter)
    if shape.car.glass_roof:
        _sunroof(shape, cutter)


def _screens(shape: Shape, cutter: Cutter) -> None:
    """Windscreen and rear window."""
    car = shape.car

    def windscreen(p: Points) -> Values:
        low = 0.045 - shape.hull_top(p)
        field = smooth_max(shape.glass_side(p) + 0.075, shape.roof(p) + 0.055, low, radius=0.07)
        return np.asarray(field)

    def rear(p: Points) -> Values:
        low = car.back_base_z + 0.045 - p[:, 2]
        side = 0.10 if not car.bed else 0.13
        return smooth_max(shape.glass_side(p) + side, shape.roof(p) + 0.075, low, radius=0.09)

    def on_front(p: Points) -> Values:
        return np.maximum(windscreen(p), np.maximum(-0.045 - shape.windscreen(p), shape.roof_rear - p[:, 0]))

    def on_rear(p: Points) -> Values:
        return np.maximum(rear(p), np.maximum(-0.045 - shape.rear_window(p), p[:, 0] - shape.screen_top))

    glass = cutter.framed(on_front, 0.028, "front_glass", "gloss-black")
    cutter.add("front_glass", "windscreen", glass.offset(-0.004))
    if not car.panel_van:
        glass = cutter.framed(on_rear, 0.03, "back_glass", "gloss-black")
        cutter.add("back_glass", "rear-glass", glass.offset(-0.004))


def _side_windows(shape: Shape, cutter: Cutter) -> None:
    """The windows of a side, with their frame and the posts between them."""
    car = shape.car
    rear_wide = 0.21 if car.body in ("saloon", "coupe") else 0.14

    def side(p: Points) -> Values:
        low = shape.belt(p[:, 0]) + 0.035 - p[:, 2]
        return smooth_max(
            low, shape.roof(p) + 0.062, shape.windscreen(p) + 0.085, shape.rear_window(p) + rear_wide, radius=0.055
        )

    def flank(p: Points) -> Values:
        return np.maximum(side(p), -0.05 - shape.glass_side(p))

    frame = "chrome" if car.chrome and not car.bed else "gloss-black"
    inner = cutter.take(flank)
    cutter.add("side_glass", frame, cutter.take(lambda p: flank(p) - 0.014).offset(0.001))
    seal, glass = split(inner, lambda p: -0.018 - flank(p))
    cutter.add("side_glass", "gloss-black", seal.offset(-0.002))
    edges = pillars(shape)
    for index, at in enumerate(edges):
        half = 0.028 if index == 0 else 0.022

        def post(p: Points, at: float = at, half: float = half) -> Values:
            return np.abs(p[:, 0] - at - 0.05 * (p[:, 2] - car.cowl_z)) - half

        bar, glass = split(glass, post)
        cutter.add("side_glass", "gloss-black", bar.offset(-0.002))
    if car.panel_van:
        front, back = split(glass, lambda p: edges[0] - p[:, 0])
        cutter.add("side_glass", "front-glass", front.offset(-0.006))
        cutter.add("body", "paint", back.offset(-0.006))
    else:
        front, back = split(glass, lambda p: edges[0] - p[:, 0])
        cutter.add("side_glass", "front-glass", front.offset(-0.006))
        cutter.add("side_glass", "rear-glass", back.offset(-0.006))


def _sunroof(shape: Shape, cutter: Cutter) -> None:
    def sunroof(p: Points) -> Values:
        ahead = np.abs(p[:, 0] - 0.5 * (shape.screen_top + shape.roof_rear) - 0.1)
        long = 0.32 * (shape.screen_top - shape.roof_rear)
        field = smooth_max(p[:, 1] - 0.42, ahead - long, radius=0.12)
        return np.maximum(field, -0.06 - shape.roof(p))

    pane = cutter.framed(sunroof, 0.02, "roof_glass", "gloss-black")
    cutter.add("roof_glass", "roof-glass", pane.offset(-0.003))


def pillars(shape: Shape) -> list[float]:
    """Positions x of the posts between the side windows, at the height of the cowl, from the front."""
    car = shape.car
    first = shape.cowl - (1.50 if car.doors == 2 else 1.28)
    if car.bed:
        first = shape.cowl - 1.15
    posts = [first]
    room = first - shape.back_base
    if car.body in ("estate", "suv", "van"):
        posts.append(max(shape.car.rear_axle + 0.12, first - 1.12))
        if car.body == "van":
            posts.append(posts[-1] - 0.75 if posts[-1] - 0.75 > shape.back_base + 0.35 else posts[-1] - 0.5)
    elif car.doors == 4 and room > 1.2 and car.body in ("saloon", "hatchback"):
        posts.append(shape.car.rear_axle + 0.20)
    return posts


def _doors(shape: Shape, cutter: Cutter) -> None:
    car = shape.car
    sill = car.clearance + 0.145
    posts = pillars(shape)
    front_edge = min(car.front_axle - shape.arch - 0.10, shape.cowl - 0.02)
    middle = posts[0] - 0.01

    def door(p: Points, ahead: float, behind: float, *, arch: bool) -> Values:
        x, y, z = p.T
        lean = 0.05 * (z - car.cowl_z)
        screen = shape.windscreen(p) + 0.03
        sides = [
            x - ahead - np.where(z > shape.belt(x), 0.0, lean),
            behind + lean - x,
            sill - z,
            screen,
            shape.roof(p) + 0.03,
        ]
        if arch:
            sides += [shape.arch + 0.085 - _around(shape, car.rear_axle, p), shape.rear_window(p) + 0.10]
        return np.maximum(smooth_max(*sides, radius=0.05), 0.5 * shape.half - y)

    cutter.panel("front_left_door", lambda p: door(p, front_edge, middle, arch=False))
    if car.doors == 4:
        end = car.rear_axle + 0.04 if not car.bed else shape.back_base + 0.06
        if car.body in ("estate", "suv", "van"):
            end = posts[1] - 0.02
        cutter.panel("back_left_door", lambda p: door(p, middle, end, arch=True))
    if car.bed:
        cab = shape.back_base - 0.02
        cutter.add(
            "body",
            "dark",
            cutter.take(lambda p: np.maximum(np.abs(p[:, 0] - cab) - 0.009, car.clearance + 0.02 - p[:, 2])).offset(
                -0.02
            ),
        )


def _lids(shape: Shape, cutter: Cutter) -> None:
    """Bonnet, boot lid or tailgate, bumpers, and the pickup's bed."""
    _front_lids(shape, cutter)
    _rear_lids(shape, cutter)


def _front_lids(shape: Shape, cutter: Cutter) -> None:
    """Bonnet and front bumper."""
    car, wide = shape.car, shape.half

    def bonnet(p: Points) -> Values:
        x, y, z = p.T
        side = y - (0.80 * wide - 0.07 * np.clip((x - shape.cowl) / car.cowl_d, 0, 1.2))
        edge = car.nose_z - 0.045 + 0.02 * y
        return smooth_max(side, shape.cowl - 0.03 + 0.10 * (y / wide) ** 2 - x, edge - z, radius=0.08)

    cutter.panel("hood", bonnet)
    scuttle = lambda p: np.maximum(  # noqa: E731
        np.maximum(np.abs(p[:, 0] - shape.cowl - 0.03) - 0.075, p[:, 1] - 0.82 * wide), car.cowl_z - 0.09 - p[:, 2]
    )
    cutter.add("hood", "trim", cutter.take(scuttle))
    seam = car.nose_z - 0.16

    def front_bumper(p: Points) -> Values:
        x, y, z = p.T
        back = car.front_axle + shape.arch + 0.02 + 0.10 * np.clip((z - 0.4) / 0.3, 0, 1)
        return np.maximum(smooth_max(back - x, z - seam - 0.14 * (1 - y / wide), radius=0.03), 0.2 - x)

    cutter.panel("front_bumper", front_bumper)


def _rear_lids(shape: Shape, cutter: Cutter) -> None:
    """The pickup's bed, boot lid or tailgate, and rear bumper."""
    car, wide = shape.car, shape.half
    lid = "tailgate" if car.body in ("hatchback", "estate", "suv", "van", "pickup") else "trunk"
    low = 0.5 * (car.clearance + car.deck_z) + (0.03 if lid == "trunk" else -0.07)
    if car.bed:
        low = 0.5 * (car.clearance + car.deck_z) - 0.08

    def boot(p: Points) -> Values:
        x, y, z = p.T
        side = y - (0.66 if lid == "trunk" else 0.79) * wide
        ahead = x - (shape.back_base - 0.05 if lid == "trunk" else shape.roof_rear + 0.02)
        if car.bed:
            ahead = x - (shape.tail + 0.13)
        return smooth_max(side, low - z, ahead, radius=0.05)

    if car.bed:

        def bed(p: Points) -> Values:
            x, y, z = p.T
            inside = smooth_max(y - (wide - 0.17), x - (shape.back_base - 0.06), shape.tail + 0.10 - x, radius=0.04)
            return np.maximum(inside, car.deck_z - 0.12 - z)

        cutter.drop(bed)
        rail = cutter.take(lambda p: np.maximum(bed(p) - 0.05, car.deck_z - 0.05 - p[:, 2]))
        cutter.add("body", "cladding", rail.offset(0.006))
    cutter.panel(lid, boot)

    def rear_bumper(p: Points) -> Values:
        x, _y, z = p.T
        ahead = x - (car.rear_axle - shape.arch - 0.02 - 0.08 * np.clip((z - 0.4) / 0.3, 0, 1))
        return np.maximum(smooth_max(ahead, z - low, radius=0.03), x + 0.2)

    cutter.panel("back_bumper", rear_bumper, material="chrome" if car.bed else "paint")
