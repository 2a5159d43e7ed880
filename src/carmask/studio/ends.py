"""The car's two ends: lamps, grille, air intake, reflectors, apron."""

from __future__ import annotations

import numpy as np

from carmask.studio.cutter import Cutter
from carmask.studio.mesh import Mesh, Points, split, wall
from carmask.studio.shape import Shape, Values, smooth_max

#: Metres between a headlamp and the grille.
_GAP = 0.06


def cut_face(shape: Shape, cutter: Cutter) -> None:
    """Headlamps, grille, air intake, fog lamps."""
    car = shape.car
    inner = 0.50 * shape.half if car.face < 0.5 else 0.56 * shape.half
    _headlamp(shape, cutter, inner)
    grille_low = _grille(shape, cutter, inner - _GAP + 0.02)
    intake_top = grille_low - 0.12
    intake_low = max(car.clearance + 0.07, intake_top - 0.17)
    _intake(shape, cutter, intake_low, intake_top)
    _fog_lamp(shape, cutter, intake_low, intake_top)
    if car.cladding:
        low = car.clearance + 0.17
        cutter.add(
            "front_bumper",
            "cladding",
            cutter.take(lambda p: np.maximum(p[:, 2] - low, car.front_axle + shape.arch - 0.02 - p[:, 0])),
        )


def _headlamp(shape: Shape, cutter: Cutter, inner: float) -> None:
    """A headlamp; ``inner`` is how far from the middle of the car it begins."""
    car, top, wide = shape.car, shape.car.nose_z, shape.half
    high = (0.135 if not car.bed else 0.20) * (1.15 - 0.3 * car.face)
    level = top - 0.135 - 0.5 * high * (0.2 if not car.bed else 0.6)
    slant = 0.05 + 0.22 * car.face if not car.bed else 0.03

    def lamp(p: Points) -> Values:
        x, y, z = p.T
        middle = level + slant * (y - 0.72 * wide)
        thick = 0.5 * high * (0.55 + 0.45 * np.clip((y - inner) / 0.25, 0, 1.2))
        end = shape.nose - (0.62 if not car.bed else 0.48) - 0.25 * (z - level)
        field = smooth_max(inner - y, z - middle - thick, middle - thick - z, end - x, radius=0.05)
        return np.maximum(field, 0.35 - x)

    glass = cutter.take(lamp)
    cutter.add("front_left_light", "dark", cutter.take(lambda p: lamp(p) - 0.005).offset(-0.003))
    bowl = glass.offset(-0.055)
    stripe, bowl = split(bowl, lambda p: np.abs(lamp(p) + 0.028) - 0.007)
    amber, bowl = split(bowl, lambda p: p[:, 0] - (shape.nose - 0.46))
    cutter.add("front_left_light", "lens", stripe.offset(0.02))
    cutter.add("front_left_light", "amber", amber)
    dark, bowl = split(bowl, lambda p: np.sin(p[:, 1] * 60) - 0.2)
    cutter.add("front_left_light", "lamp-dark" if car.face > 0.4 else "lamp-bowl", dark)
    cutter.add("front_left_light", "lamp-bowl", bowl)
    cutter.add("front_left_light", "lamp-dark", wall(glass, 0.055))
    cutter.add("front_left_light", "lamp-glass", glass)


def _grille(shape: Shape, cutter: Cutter, wide: float) -> float:
    """The grille, ``wide`` metres from the car's middle to its end; the height of its lower edge is returned."""
    car = shape.car
    top = car.nose_z - 0.085
    low = top - car.grille_high

    def grille(p: Points) -> Values:
        x, y, z = p.T
        narrowing = 0.35 * np.maximum(top - z, 0)
        field = smooth_max(y - wide + narrowing, z - top + 0.03 * y, low - z, radius=0.05)
        return np.maximum(field, 0.6 * shape.nose - x)

    mesh = cutter.framed(grille, 0.014, "front_bumper", "chrome" if car.face < 0.65 else "gloss-black")
    _slats(cutter, mesh, 0.036 if car.face < 0.5 else 0.052, upright=car.face > 0.8)
    return low


def _intake(shape: Shape, cutter: Cutter, low: float, top: float) -> None:
    """The air intake below the grille, between two heights."""

    def intake(p: Points) -> Values:
        x, y, z = p.T
        flare = 0.5 * np.maximum(top - z, 0)
        field = smooth_max(y - 0.50 * shape.half - flare, z - top, low - z, radius=0.05)
        return np.maximum(field, 0.6 * shape.nose - x)

    _slats(cutter, cutter.framed(intake, 0.008, "front_bumper", "trim"), 0.045, upright=False)


def _fog_lamp(shape: Shape, cutter: Cutter, low: float, top: float) -> None:
    """A fog lamp beside the air intake, which lies between these heights."""
    wide = shape.half

    def fog(p: Points) -> Values:
        x, y, z = p.T
        middle = 0.5 * (top + low) + 0.02
        field = smooth_max(np.abs(y - 0.80 * wide) - 0.085, np.abs(z - middle) - 0.055, radius=0.06)
        return np.maximum(field, 0.5 * shape.nose - x)

    pit = cutter.framed(fog, 0.008, "front_bumper", "trim")
    cutter.add("front_bumper", "trim", wall(pit, 0.04))
    bulb, rest = split(
        pit.offset(-0.035),
        lambda p: np.hypot(p[:, 1] - 0.79 * wide, p[:, 2] - 0.5 * (top + low) - 0.02) - 0.038,
    )
    cutter.add("front_bumper", "lens", bulb.offset(0.02))
    cutter.add("front_bumper", "trim", rest)


def _slats(cutter: Cutter, mesh: Mesh, pitch: float, *, upright: bool) -> None:
    """Bars before a dark ground."""
    cutter.add("front_bumper", "dark", mesh.offset(-0.045))
    cutter.add("front_bumper", "gloss-black", wall(mesh, 0.045))
    axis = 1 if upright else 2
    bars, _ = split(mesh.offset(-0.012), lambda p: np.cos(2 * np.pi * p[:, axis] / pitch) * pitch / 6 + pitch / 14)
    cutter.add("front_bumper", "trim", bars)
    cutter.add("front_bumper", "trim", wall(bars, 0.02))


def cut_tail(shape: Shape, cutter: Cutter) -> None:
    """Rear lamps, reflectors, apron."""
    car = shape.car
    tall = car.body in ("suv", "van", "pickup", "estate", "hatchback")
    top = car.deck_z - (0.075 if not tall else 0.02)
    high = {"saloon": 0.15, "coupe": 0.13, "hatchback": 0.24, "estate": 0.24, "suv": 0.24, "van": 0.36, "pickup": 0.36}[
        car.body
    ]
    inner = shape.half * (0.52 + 0.1 * car.face if not tall else 0.70)
    if car.bed:
        inner = shape.half * 0.80

    def lamp(p: Points) -> Values:
        x, y, z = p.T
        low = top - high + (0.16 * np.clip((shape.half * 0.9 - y), 0, 1) if not car.bed else 0.0)
        end = shape.tail + (0.42 if not car.bed else 0.16)
        field = smooth_max(inner - y, z - top - 0.05 * (y - inner), low - z, x - end - 0.2 * (z - top), radius=0.045)
        return np.maximum(field, x + 0.4)

    glass = cutter.take(lamp)
    cutter.add("back_left_light", "dark", cutter.take(lambda p: lamp(p) - 0.004).offset(-0.003))
    stripe, glass = split(glass, lambda p: np.abs(lamp(p) + 0.030) - 0.009)
    clear, red = split(glass, lambda p: np.maximum(np.abs(p[:, 2] - top + 0.62 * high) - 0.028, inner + 0.05 - p[:, 1]))
    ribs, red = split(red, lambda p: np.sin(p[:, 1] * 95) - 0.35)
    cutter.add("back_left_light", "red-bright", stripe.offset(-0.002))
    cutter.add("back_left_light", "clear-lamp", clear)
    cutter.add("back_left_light", "red", ribs.offset(-0.003))
    cutter.add("back_left_light", "red", red)
    middle = 0.5 * (car.clearance + car.deck_z) - 0.1

    def reflector(p: Points) -> Values:
        x, y, z = p.T
        field = smooth_max(np.abs(y - 0.74 * shape.half) - 0.09, np.abs(z - middle + 0.13) - 0.016, radius=0.02)
        return np.maximum(field, x + 0.5)

    cutter.add("back_bumper", "red", cutter.take(reflector))
    apron = car.clearance + (0.20 if car.cladding else 0.115)

    def low(p: Points) -> Values:
        x, y, z = p.T
        edge = apron + 0.04 * np.tanh((0.55 - y) / 0.05)
        return np.maximum(z - edge, x - (car.rear_axle - shape.arch + 0.02))

    cutter.add("back_bumper", "cladding", cutter.take(low))
