"""The car's outer surface: an implicit body, blended from a hull and a greenhouse, and its mesh.

Each half of the body is a smooth maximum of bounding surfaces (side, top, front, rear, floor; for the greenhouse side,
roof, windscreen, rear window), and the two are joined by a smooth minimum. Reflections in paint show every fault of a
surface; normals here are the gradient of a smooth function, not means over triangles. Windows, doors and lamps are
later cut out by the same surfaces.

Smooth minimum: I. Quilez, "Smooth minimum", 2013 (the quadratic polynomial kind).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from carmask.studio.car import Car
from carmask.studio.mesh import Mesh, Points, grid_faces

Values = NDArray[np.float64]


def smooth_max(*values: Values | float, radius: float) -> Values:
    """The larger of the values, with the edge between them rounded over about ``radius`` metres."""
    result = np.asarray(values[0], np.float64)
    for value in values[1:]:
        gap = np.maximum(radius - np.abs(result - value), 0.0) / radius
        result = np.maximum(result, value) + gap * gap * radius * 0.25
    return result


def bent(x: Values, knots: Sequence[tuple[float, float]], radius: float) -> Values:
    """A line through the knots (position, value), its corners rounded over ``radius``; straight on beyond the ends."""
    at, value = np.asarray(knots, np.float64).T
    slopes = np.diff(value) / np.diff(at)
    result = value[0] + slopes[0] * (x - at[0])
    for knot, change in zip(at[1:-1], np.diff(slopes), strict=True):
        result = result + change * 0.5 * ((x - knot) + np.sqrt((x - knot) ** 2 + radius**2) - radius * 0.5)
    return result


class Shape:
    """The surface of one car: fields of points (n, 3), each float64 (n,), negative inside, in metres.

    Symmetric left and right.
    """

    def __init__(self, car: Car) -> None:
        self.car = car
        self.nose, self.tail = car.length / 2, -car.length / 2
        self.half = car.width / 2
        #: Where the windscreen and the rear window meet body and roof: x.
        self.cowl, self.screen_top = self.nose - car.cowl_d, self.nose - car.screen_top_d
        self.roof_rear, self.back_base = self.nose - car.roof_rear_d, self.nose - car.back_base_d
        #: Height where the body is widest.
        self.widest = 0.50 * (car.clearance + car.cowl_z)
        self.arch = car.tyre_radius + 0.055

    def belt(self, x: Values) -> Values:
        """Lower edge of the side windows, a height."""
        car = self.car
        return bent(x, [(self.back_base, car.back_base_z - 0.01), (self.cowl, car.cowl_z - 0.005)], 0.2)

    def crease(self, x: Values) -> Values:
        """Height of the line along the doors, through the door handles."""
        return self.belt(x) - 0.15 + 0.02 * x

    def hull_side(self, p: Points) -> Values:
        """The flanks."""
        car, (x, y, z) = self.car, p.T
        front, rear = (0.17, 0.10) if not car.bed else (0.10, 0.035)
        plan = bent(
            x,
            [
                (self.tail, self.half - rear),
                (self.tail + 0.75, self.half - 0.012),
                (0.0, self.half),
                (self.nose - 0.95, self.half - 0.012),
                (self.nose, self.half - front),
            ],
            0.35,
        )
        low = np.minimum(z - self.widest, 0.0)
        high = np.maximum(z - self.widest, 0.0)
        section = plan - 0.30 * low**2 - 0.34 * high**2
        # Two creases: one at the door handles, one above the sill; each a step of two or three centimetres.
        section = section + 0.009 * np.tanh((z - self.crease(x)) / 0.016)
        section = section - 0.011 * np.tanh((z - (car.clearance + 0.20 + 0.02 * x)) / 0.05)
        for axle in (car.front_axle, car.rear_axle):
            out = np.hypot(x - axle, z - car.tyre_radius) - self.arch
            section = section + (0.034 if car.cladding else 0.022) * np.exp(-((out / 0.13) ** 2))
        return np.abs(y) - section

    def hull_top(self, p: Points) -> Values:
        """Bonnet, shoulders and boot lid."""
        car, (x, y, z) = self.car, p.T
        knots = [
            (self.tail, car.deck_z - 0.03),
            (min(self.back_base - 0.02, self.tail + 0.55), car.deck_z + 0.005),
            (self.back_base + 0.1, car.back_base_z - 0.01),
            (self.cowl - 0.1, car.cowl_z),
            (self.nose - 0.45, car.nose_z + 0.085),
            (self.nose, car.nose_z - 0.03),
        ]
        if knots[1][0] - knots[0][0] < 0.05 or knots[2][0] - knots[1][0] < 0.05:
            knots = [knots[0], *knots[3:]]
        top = bent(x, knots, 0.16)
        # The bonnet is higher in the middle, with a ridge on either side.
        across = np.abs(y) / self.half
        ridge = 0.014 * np.tanh((0.62 - across) / 0.05)
        forward = 0.5 * (1 + np.tanh((x - self.cowl + 0.2) / 0.3))
        return z - top + 0.055 * across**2.0 - ridge * forward

    def hull_front(self, p: Points) -> Values:
        """The face."""
        car, (x, y, z) = self.car, p.T
        across = np.abs(y) / self.half
        middle = 0.5 * (car.clearance + car.nose_z)
        profile = bent(
            z,
            [
                (car.clearance - 0.05, 0.11),
                (middle - 0.16, 0.015),
                (middle, 0.0),
                (car.nose_z - 0.1, 0.075),
                (car.nose_z + 0.02, 0.17),
                (car.nose_z + 0.2, 0.42),
            ],
            0.05,
        )
        return (x - (self.nose - 0.30 * across**2.6 - np.where(car.bed, 0.45, 1.0) * profile)) * 0.9

    def hull_rear(self, p: Points) -> Values:
        """The tail."""
        car, (x, y, z) = self.car, p.T
        across = np.abs(y) / self.half
        middle = 0.5 * (car.clearance + car.deck_z)
        profile = bent(
            z,
            [
                (car.clearance - 0.05, 0.13),
                (middle - 0.18, 0.015),
                (middle - 0.06, 0.0),
                (middle + 0.03, 0.035),
                (car.deck_z - 0.06, 0.06),
                (car.deck_z + 0.1, 0.1),
            ],
            0.035,
        )
        return (self.tail + 0.16 * across**3.0 + np.where(car.bed, 0.3, 1.0) * profile - x) * 0.95

    def hull_floor(self, p: Points) -> Values:
        """The underside, which rises towards both ends."""
        car, (x, _, z) = self.car, p.T
        rise = np.maximum(np.abs(x) - (self.nose - 0.7), 0.0)
        return car.clearance + 0.16 * rise**2 - z

    def hull(self, p: Points) -> Values:
        """Everything below the windows."""
        walls = smooth_max(self.hull_side(p), self.hull_top(p), radius=0.13)
        ends = smooth_max(walls, self.hull_front(p), self.hull_rear(p), radius=0.12)
        return smooth_max(ends, self.hull_floor(p), radius=0.08)

    def glass_side(self, p: Points) -> Values:
        """The plane of the side windows, leaning in and drawn in towards both ends."""
        car, (x, y, z) = self.car, p.T
        middle = 0.5 * (self.cowl + self.back_base)
        long = 0.5 * (self.cowl - self.back_base)
        plan = self.half - 0.085 - 0.085 * np.abs((x - middle) / long) ** 2.4
        lean = car.tumblehome * (z - car.cowl_z) + 0.10 * np.maximum(z - car.cowl_z, 0.0) ** 2
        return (np.abs(y) - (plan - lean)) * 0.94

    def roof(self, p: Points) -> Values:
        """The roof, curved along and across."""
        car, (x, y, z) = self.car, p.T
        middle = self.screen_top - 0.38 * (self.screen_top - self.roof_rear)
        long = np.where(x > middle, self.screen_top - middle, middle - self.roof_rear)
        share = np.abs(x - middle) / long
        # A parabola up to the window's head and its tangent beyond: there the windows must be the lower ones.
        drop = np.minimum(0.05, 0.075 * long) * np.where(share < 1, share**2, 2 * share - 1)
        return z - (car.height - drop - 0.055 * (y / (self.half - 0.25)) ** 2)

    def windscreen(self, p: Points) -> Values:
        """The windscreen, bowed across and a little along."""
        car, (x, y, z) = self.car, p.T
        return self._pane(x, y, z, (self.cowl, car.cowl_z), (self.screen_top, car.height - 0.045), 0.21)

    def rear_window(self, p: Points) -> Values:
        """The rear window, bowed across."""
        car, (x, y, z) = self.car, p.T
        head = (-self.roof_rear, car.height - 0.055)
        bow = 0.06 if car.bed or car.roof_rear_d > 0.8 * car.length else 0.13
        return self._pane(-x, y, z, (-self.back_base, car.back_base_z), head, bow)

    def _pane(
        self, x: Values, y: Values, z: Values, foot: tuple[float, float], head: tuple[float, float], bow: float
    ) -> Values:
        run, rise = foot[0] - head[0], head[1] - foot[1]
        slant = float(np.hypot(run, rise))
        # The distance from the line foot-head, in side view, positive outside.
        flat = ((x - foot[0]) * rise + (z - foot[1]) * run) / slant
        along = ((foot[0] - x) * run + (z - foot[1]) * rise) / slant**2
        return flat + bow * (y / self.half) ** 2 * rise / slant - 0.09 * slant * along * (1 - along) * 0.35

    def greenhouse(self, p: Points) -> Values:
        """Everything above the shoulders."""
        ends = smooth_max(self.windscreen(p), self.rear_window(p), radius=0.05)
        upper = smooth_max(self.glass_side(p), self.roof(p), radius=0.11)
        body = smooth_max(upper, ends, radius=0.085)
        # Its planes go on below the shoulders; there it must stay within the hull.
        low = self.car.cowl_z - 0.20 - p[:, 2]
        return np.maximum.reduce([body, low, self.hull_rear(p) + 0.03, self.hull_front(p) + 0.10])

    def surface(self, p: Points) -> Values:
        """The whole body: zero on its skin."""
        return -smooth_max(-self.hull(p), -self.greenhouse(p), radius=0.045)

    def gradient(self, p: Points, step: float = 5e-4) -> Points:
        """Unit normals of the surface, outwards: central differences."""
        result = np.empty_like(p)
        for axis in range(3):
            shift = np.zeros(3)
            shift[axis] = step
            result[:, axis] = self.surface(p + shift) - self.surface(p - shift)
        return result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)


def mesh_of(shape: Shape, *, detail: float = 1.0) -> Mesh:
    """The left half of the body's skin: rays from a spine inside the body out to its surface.

    Args:
        shape: whose surface; every ray must leave it once, which holds for cars that pass ``check_car``.
        detail: cells along each direction, in proportion to the usual.

    Returns:
        An open mesh with y >= 0, normals from the field's gradient.
    """
    car = shape.car
    caps, long, around = (max(8, round(n * detail)) for n in (110, 330, 150))
    level = 0.5 * (car.clearance + car.nose_z) + 0.05
    rear, front = shape.tail + 0.5, shape.nose - 0.5
    quarter = np.linspace(0, np.pi / 2, caps)
    lean = np.concatenate([-quarter[::-1], np.zeros(long - 2), quarter])
    start = np.concatenate([np.full(caps, rear), np.linspace(rear, front, long)[1:-1], np.full(caps, front)])
    turn = np.linspace(-np.pi / 2, np.pi / 2, around)
    ray = np.stack(
        [
            np.repeat(np.sin(lean)[:, None], around, 1),
            np.cos(lean)[:, None] * np.cos(turn),
            np.cos(lean)[:, None] * np.sin(turn),
        ],
        -1,
    ).reshape(-1, 3)
    origin = np.zeros_like(ray)
    origin[:, 0] = np.repeat(start, around)
    origin[:, 2] = level
    near, far = np.zeros(len(ray)), np.full(len(ray), 2.6)
    for _ in range(24):
        middle = 0.5 * (near + far)
        outside = shape.surface(origin + ray * middle[:, None]) > 0
        near, far = np.where(outside, near, middle), np.where(outside, middle, far)
    points = origin + ray * (0.5 * (near + far))[:, None]
    points[np.abs(points[:, 1]) < 1e-9, 1] = 0.0
    faces = grid_faces(len(lean), around)[:, ::-1]
    mesh = Mesh(points, shape.gradient(points), faces)
    a, b, c = (points[faces[:, i]] for i in range(3))
    crosses = np.cross(b - a, c - a)
    # The poles' triangles have no area.
    kept = np.linalg.norm(crosses, axis=1) > 1e-10
    outwards = np.einsum("ij,ij->i", crosses, mesh.normals[faces[:, 0]])[kept].sum() > 0
    return Mesh(points, mesh.normals, faces[kept] if outwards else faces[kept][:, ::-1])
