"""The studio around the car: floor, turntable, wall with a word on it, lights, camera, and what things are made of.

Nothing here needs the renderer: materials are plain dictionaries in Mitsuba's own terms, surfaces are meshes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from carmask.studio.car import PAINTS, RGB, Car
from carmask.studio.mesh import Mesh, Points, grid_faces, merge
from carmask.studio.primitives import tube

#: Views of each car, turned by 360 / VIEWS degrees from one to the next.
VIEWS = 16
#: The room is a cylinder: its radius, the radius of the cove where the floor rises, and where grey turns white.
ROOM, COVE, EDGE = 9.5, 1.2, 0.62
TURNTABLE = 3.55
WORD = "CARMASK"


@dataclass(frozen=True)
class Camera:
    """Where the camera stands; lengths in metres, angles in degrees.

    Attributes:
        distance: from the turntable's axis.
        height: above the floor.
        aim: height of the point that it looks at.
        aside: how far that point lies to the right of the axis.
        angle: horizontal angle of view.
    """

    distance: float = 8.6
    height: float = 1.5
    aim: float = 0.80
    aside: float = 0.0
    angle: float = 41.0


@dataclass(frozen=True)
class Studio:
    """One session: light, camera and floor as they were for one car.

    Attributes:
        camera: where the photos are taken from.
        key: brightness of the ceiling light, 1 is usual.
        left: brightness of the strip on the left.
        right: of the one on the right.
        wash: brightness of the wall's own light.
        warmth: colour of the light, from -1 (bluish) to 1 (yellowish).
        floor: albedo of the turntable.
        seed: scuffs on the floor.
    """

    camera: Camera = Camera()
    key: float = 1.0
    left: float = 1.0
    right: float = 1.0
    wash: float = 1.0
    warmth: float = 0.0
    floor: float = 0.30
    seed: int = 0


def draw_studio(rng: np.random.Generator) -> Studio:
    """Draw a session at random, near the usual one."""
    camera = Camera(
        distance=8.6 * rng.uniform(0.97, 1.03),
        height=rng.uniform(1.42, 1.58),
        aim=rng.uniform(0.74, 0.86),
        aside=rng.uniform(-0.12, 0.12),
    )
    return Studio(
        camera,
        key=rng.uniform(0.9, 1.1),
        left=rng.uniform(0.75, 1.25),
        right=rng.uniform(0.75, 1.25),
        wash=rng.uniform(0.94, 1.06),
        warmth=rng.uniform(-0.5, 0.7),
        floor=rng.uniform(0.26, 0.36),
        seed=int(rng.integers(2**31)),
    )


@dataclass(frozen=True)
class Surface:
    """Part of the room.

    Attributes:
        mesh: its shape.
        material: a Mitsuba BSDF.
        uv: float64 (n, 2), where on the material's texture each vertex lies; None without a texture.
        light: radiance that it gives off, or None.
    """

    mesh: Mesh
    material: dict[str, Any]
    uv: Points | None = None
    light: RGB | None = None


def room(studio: Studio) -> list[Surface]:
    """Floor, turntable, wall, writing, glass screen and lights."""
    rng = np.random.default_rng(studio.seed)
    angle = np.linspace(-np.pi, np.pi, 193)
    cove = [(ROOM - COVE + COVE * np.sin(t), COVE - COVE * np.cos(t)) for t in np.linspace(0, np.pi / 2, 25)]
    grey = [(r, 0.0) for r in np.linspace(0.0, ROOM - COVE, 12)] + [point for point in cove[1:] if point[1] < EDGE]
    white = [point for point in cove if point[1] >= EDGE] + [(ROOM, z) for z in (2.0, 3.0, 4.5, 6.5)]
    radius = ROOM - COVE + np.sqrt(COVE**2 - (COVE - EDGE) ** 2)
    floor = _revolved([*grey, (radius, EDGE)], angle)
    upper = _revolved([(radius, EDGE), *white], angle)
    disc_uv = floor.vertices[:, :2] / (2 * ROOM) + 0.5
    disc = _revolved([(r, 0.002) for r in np.linspace(0.0, TURNTABLE, 12)], angle)
    rim = _revolved([(TURNTABLE, 0.0025), (TURNTABLE + 0.022, 0.0025)], angle)
    texture = _floor_texture(rng)
    return [
        Surface(floor, _plastic(_bitmap(texture * 0.30 * np.array([0.965, 1.0, 1.03])), 0.33), disc_uv),
        Surface(
            disc,
            _plastic(_bitmap(_floor_texture(rng, scuffs=40) * studio.floor * np.array([1.0, 1.0, 0.985])), 0.34),
            disc.vertices[:, :2] / (2 * TURNTABLE) + 0.5,
        ),
        Surface(rim, _diffuse((0.10, 0.10, 0.10))),
        Surface(upper, _diffuse((0.82, 0.82, 0.82))),
        *_writing(),
        *_screen(rng),
        *_lights(studio),
    ]


def _revolved(profile: list[tuple[float, float]], angle: NDArray[np.float64]) -> Mesh:
    """Turn (radius, z) about the vertical; normals point to the room's inside."""
    r, z = np.asarray(profile, np.float64).T
    points = np.stack(
        [r[:, None] * np.cos(angle), r[:, None] * np.sin(angle), np.repeat(z[:, None], len(angle), 1)], -1
    )
    slope = np.stack([np.gradient(r), np.gradient(z)], 1)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    inward, upward = -slope[:, 1], slope[:, 0]
    normals = np.stack(
        [
            inward[:, None] * np.cos(angle),
            inward[:, None] * np.sin(angle),
            np.repeat(upward[:, None], len(angle), 1),
        ],
        -1,
    )
    return Mesh(points.reshape(-1, 3), normals.reshape(-1, 3), grid_faces(len(r), len(angle)))


def _floor_texture(rng: np.random.Generator, scuffs: int = 90) -> NDArray[np.float32]:
    """Worn paint: float32 (1024, 1024, 1) around 1, blotches, scuffs and joints."""
    size = 1024
    picture = np.ones((size, size), np.float32)
    for cells, strength in ((6, 0.035), (24, 0.02), (120, 0.012)):
        noise = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        picture += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    marks = np.zeros_like(picture)
    for _ in range(scuffs):
        start, turn = rng.integers(0, size, 2), rng.uniform(0, np.pi)
        end = start + rng.uniform(6, 60) * np.array([np.cos(turn), np.sin(turn)])
        tone = float(rng.uniform(-0.16, 0.08))
        cv2.line(marks, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), tone, 1, cv2.LINE_AA)
    for at in (0.32, 0.68):
        cv2.line(marks, (0, int(at * size)), (size, int(at * size)), -0.10, 1, cv2.LINE_AA)
    return np.clip(picture + marks, 0.5, 1.4)[..., None]


def _writing() -> list[Surface]:
    """The word on the wall behind the car, its first letters light and its last ones heavy."""
    high, wide = 256, 2600
    picture = Image.new("L", (wide, high), 0)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=310)
    at = 20.0
    for index, letter in enumerate(WORD):
        weight = 1 if index < 3 else 9
        draw.text((at, high - 12), letter, fill=255, font=font, anchor="ls", stroke_width=weight)
        at += draw.textlength(letter, font=font) + 105 + 2 * weight
    ink = np.asarray(picture, np.float32)[:, : int(at)] / 255
    shade = 0.82 * (1 - ink) + 0.075 * ink
    # Centred on the far side of the room, seen from the camera on the positive x axis.
    half = 0.60
    angle = np.linspace(np.pi - half, np.pi + half, 65)
    low, top = EDGE + 0.02, 2.42
    # The foot of the word still lies on the cove.
    z = np.concatenate([np.linspace(low, COVE, 8), [top]])
    radius = ROOM - COVE + np.sqrt(COVE**2 - np.maximum(COVE - z, 0.0) ** 2) - 0.004
    mesh = _revolved(list(zip(radius.tolist(), z.tolist(), strict=True)), angle)
    u = np.linspace(1, 0, len(angle))
    v = 1 - (z - low) / (top - low)
    uv = np.stack([np.tile(u, len(z)), np.repeat(v, len(angle))], -1)
    return [Surface(mesh, _diffuse_map(np.repeat(shade[..., None], 3, 2)), uv)]


def _screen(rng: np.random.Generator) -> list[Surface]:
    """The frame of a glass screen that stands behind the turntable."""
    x, y0, y1, z1 = -6.2, -1.35 + rng.uniform(-0.3, 0.3), 1.15, 2.15
    line = merge([tube([(x, y0, 0.5), (x, y0, z1)], 0.006), tube([(x, y1, 0.5), (x, y1, z1)], 0.006)])
    bar = tube([(x, y0, z1), (x, y1, z1)], 0.006)
    return [Surface(merge([line, bar]), _diffuse((0.35, 0.35, 0.36)))]


def _lights(studio: Studio) -> list[Surface]:
    tint = np.array([1 + 0.035 * studio.warmth, 1.0, 1 - 0.05 * studio.warmth])

    def panel(power: float, half: tuple[float, float], turn: float, at: tuple[float, float, float]) -> Surface:
        corners = np.array(
            [[-half[0], -half[1], 0], [half[0], -half[1], 0], [half[0], half[1], 0], [-half[0], half[1], 0]]
        )
        # Facing down, then tilted about the x axis.
        mesh = Mesh(corners, np.tile([0.0, 0.0, -1.0], (4, 1)), np.array([[0, 2, 1], [0, 3, 2]])).turned(turn, axis=0)
        level = power / (4 * half[0] * half[1] * np.pi)
        red, green, blue = (level * tint).tolist()
        return Surface(mesh.moved(at), _diffuse((0.0, 0.0, 0.0)), light=(red, green, blue))

    wash = panel(360 * studio.wash, (0.35, 4.5), 0.0, (0.0, 0.0, 0.0))
    lifted = Mesh(wash.mesh.vertices, wash.mesh.normals, wash.mesh.faces).turned(48, axis=1).moved((-5.4, 0.0, 5.6))
    front = panel(260 * studio.key, (1.0, 4.0), 0.0, (0.0, 0.0, 0.0))
    front = Surface(front.mesh.turned(-58, axis=1).moved((7.6, 0.0, 4.6)), front.material, light=front.light)
    ceiling = Mesh(
        np.array([[-11.0, -11, 6.6], [11, -11, 6.6], [11, 11, 6.6], [-11, 11, 6.6]]),
        np.tile([0.0, 0.0, -1.0], (4, 1)),
        np.array([[0, 2, 1], [0, 3, 2]]),
    )
    glow = (0.85 * studio.key * tint).tolist()
    return [
        Surface(ceiling, _diffuse((0.0, 0.0, 0.0)), light=(glow[0], glow[1], glow[2])),
        panel(150 * studio.key, (4.4, 3.0), 0.0, (0.3, 0.0, 5.2)),
        front,
        panel(150 * studio.left, (2.6, 0.5), -62.0, (1.5, -6.2, 3.3)),
        panel(150 * studio.right, (2.6, 0.5), 62.0, (1.5, 6.2, 3.3)),
        Surface(lifted, wash.material, light=wash.light),
    ]


def _diffuse(colour: RGB) -> dict[str, Any]:
    return {"type": "twosided", "inner": {"type": "diffuse", "reflectance": _rgb(colour)}}


def _diffuse_map(picture: NDArray[np.float32]) -> dict[str, Any]:
    return {"type": "twosided", "inner": {"type": "diffuse", "reflectance": _bitmap(picture)}}


def _plastic(reflectance: dict[str, Any], roughness: float) -> dict[str, Any]:
    inner = {"type": "principled", "base_color": reflectance, "roughness": roughness, "specular": 0.2}
    return {"type": "twosided", "inner": inner}


def _bitmap(picture: NDArray[Any]) -> dict[str, Any]:
    """A texture; the renderer makes a bitmap of the array under ``data``."""
    return {"type": "bitmap", "data": np.ascontiguousarray(picture, np.float32), "raw": True}


def _rgb(colour: RGB | float) -> dict[str, Any]:
    return {"type": "rgb", "value": [colour] * 3 if isinstance(colour, float) else list(colour)}


def _principled(
    colour: RGB | float, roughness: float, *, metallic: float = 0.0, specular: float = 0.5, coat: float = 0.0
) -> dict[str, Any]:
    inner: dict[str, Any] = {
        "type": "principled",
        "base_color": _rgb(colour),
        "roughness": roughness,
        "metallic": metallic,
        "specular": specular,
    }
    if coat:
        inner |= {"clearcoat": coat, "clearcoat_gloss": 0.95}
    return {"type": "twosided", "inner": inner}


def _glass(transmittance: float, tint: RGB = (0.96, 1.0, 0.98)) -> dict[str, Any]:
    return {
        "type": "thindielectric",
        "int_ior": 1.5,
        "specular_transmittance": _rgb((transmittance * tint[0], transmittance * tint[1], transmittance * tint[2])),
    }


def _paint(car: Car) -> dict[str, Any]:
    colour, metallic, _ = PAINTS[car.paint]
    if car.paint == "mirror":
        return _principled(colour, 0.04, metallic=1.0)
    coat = {"type": "roughplastic", "diffuse_reflectance": _rgb(colour), "alpha": 0.03, "nonlinear": True}
    if not metallic:
        return {"type": "twosided", "inner": coat}
    flakes = {"type": "principled", "base_color": _rgb(colour), "metallic": 0.9, "roughness": 0.32}
    return {"type": "twosided", "inner": {"type": "blendbsdf", "weight": 0.5, "first": coat, "second": flakes}}


def materials(car: Car) -> dict[str, dict[str, Any]]:
    """What the pieces of a car are made of: a Mitsuba BSDF for each name that ``build`` uses."""
    interior = 0.30 if car.light_interior else 0.035
    warm = (interior, interior * 0.94, interior * 0.86)
    return {
        "paint": _paint(car),
        "trim": _principled(0.022, 0.45),
        "gloss-black": _principled(0.008, 0.08),
        "cladding": _principled(0.028, 0.55),
        "dark": _diffuse((0.006, 0.006, 0.006)),
        "chrome": _principled((0.80, 0.80, 0.82), 0.10, metallic=1.0),
        "windscreen": _glass(0.82),
        "front-glass": _glass(max(0.68, car.glass)),
        "rear-glass": _glass(car.glass),
        "roof-glass": _glass(0.12 if car.glass < 0.5 else 0.35),
        "lamp-glass": _glass(0.93, (1.0, 1.0, 1.0)),
        "lamp-bowl": _principled((0.36, 0.37, 0.39), 0.18, metallic=0.9),
        "lamp-dark": _principled(0.03, 0.2),
        "lens": _principled((0.75, 0.78, 0.82), 0.05, metallic=0.6, coat=1.0),
        "amber": _principled((0.75, 0.22, 0.02), 0.12, coat=1.0),
        "red": _principled((0.36, 0.006, 0.008), 0.10, coat=1.0),
        "red-bright": _principled((0.62, 0.05, 0.045), 0.16, coat=1.0),
        "clear-lamp": _principled((0.62, 0.60, 0.60), 0.12, coat=1.0),
        "tyre": _principled(0.016, 0.72, specular=0.3),
        "rim": _principled(0.025, 0.25) if car.black_rims else _principled((0.62, 0.62, 0.64), 0.24, metallic=0.9),
        "disc": _principled((0.28, 0.28, 0.28), 0.35, metallic=0.9),
        "interior": _principled(warm, 0.6),
        "seat": _principled((warm[0] * 1.25, warm[1] * 1.22, warm[2] * 1.15), 0.55),
        "dashboard": _principled(0.03, 0.5),
        "headliner": _principled((0.34, 0.33, 0.31) if car.light_interior else (0.16, 0.155, 0.15), 0.8),
        "mirror-glass": _principled((0.75, 0.77, 0.80), 0.03, metallic=1.0),
        "plate": _principled((0.80, 0.80, 0.78), 0.35),
        "plate-ink": _principled((0.02, 0.05, 0.16), 0.5),
        "sticker": _diffuse((0.75, 0.76, 0.76)),
    }
