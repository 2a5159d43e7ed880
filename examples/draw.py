"""Draw the example photos: side views of cars in a studio, with exact masks, in the challenge's own layout.

    python examples/draw.py

Everything is drawn at three times the size and averaged down. No photograph is involved.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 960, 640
#: Drawn this many times larger than written.
OVER = 3

Points = Sequence[tuple[float, float]]
Image32 = NDArray[np.float32]

# Outlines of body and windows in car units: x from the rear (0) to the front (1), y upwards from the sill, both in
# lengths of the car. The wheels stand at x = 0.19 and 0.81.
BODIES: dict[str, tuple[Points, list[Points]]] = {
    "saloon": (
        [
            (0.0, 0.02),
            (-0.01, 0.12),
            (0.02, 0.175),
            (0.14, 0.19),
            (0.26, 0.285),
            (0.33, 0.305),
            (0.5, 0.305),
            (0.58, 0.285),
            (0.7, 0.195),
            (0.9, 0.17),
            (0.98, 0.13),
            (1.01, 0.07),
            (1.0, 0.02),
        ],
        [
            [(0.22, 0.195), (0.29, 0.27), (0.34, 0.288), (0.43, 0.289), (0.43, 0.195)],
            [(0.445, 0.195), (0.445, 0.289), (0.5, 0.287), (0.56, 0.27), (0.65, 0.195)],
        ],
    ),
    "hatchback": (
        [
            (0.01, 0.02),
            (0.0, 0.14),
            (0.03, 0.24),
            (0.09, 0.31),
            (0.2, 0.335),
            (0.45, 0.335),
            (0.55, 0.31),
            (0.71, 0.205),
            (0.9, 0.17),
            (0.98, 0.12),
            (1.01, 0.06),
            (1.0, 0.02),
        ],
        [
            [(0.08, 0.21), (0.12, 0.29), (0.2, 0.315), (0.36, 0.317), (0.36, 0.21)],
            [(0.375, 0.21), (0.375, 0.317), (0.45, 0.315), (0.53, 0.295), (0.65, 0.21)],
        ],
    ),
    "van": (
        [
            (0.0, 0.02),
            (-0.005, 0.3),
            (0.01, 0.4),
            (0.05, 0.42),
            (0.6, 0.42),
            (0.7, 0.39),
            (0.82, 0.24),
            (0.95, 0.2),
            (1.0, 0.12),
            (1.0, 0.02),
        ],
        [[(0.57, 0.24), (0.57, 0.385), (0.66, 0.375), (0.78, 0.24)]],
    ),
    "pickup": (
        [
            (0.0, 0.03),
            (-0.005, 0.18),
            (0.0, 0.195),
            (0.36, 0.195),
            (0.38, 0.31),
            (0.42, 0.34),
            (0.56, 0.34),
            (0.62, 0.315),
            (0.7, 0.215),
            (0.92, 0.195),
            (0.99, 0.16),
            (1.0, 0.03),
        ],
        [
            [(0.41, 0.215), (0.42, 0.31), (0.5, 0.318), (0.5, 0.215)],
            [(0.515, 0.215), (0.515, 0.318), (0.57, 0.315), (0.605, 0.295), (0.66, 0.215)],
        ],
    ),
}

#: Name, body, paint (RGB), wall brightness, mirrored.
CARS = [
    ("red-saloon_01", "saloon", (176, 24, 30), 232, False),
    ("blue-hatchback_01", "hatchback", (28, 66, 150), 222, True),
    ("white-van_01", "van", (236, 238, 240), 238, False),
    ("black-pickup_01", "pickup", (26, 27, 30), 226, True),
    ("silver-saloon_02", "saloon", (168, 172, 178), 236, True),
    ("green-hatchback_02", "hatchback", (34, 92, 62), 216, False),
]


def smooth(points: Points, rounds: int = 3) -> NDArray[np.float64]:
    """Round the corners of a closed outline by cutting them (Chaikin 1974)."""
    line = np.asarray(points, np.float64)
    for _ in range(rounds):
        after = np.roll(line, -1, axis=0)
        line = np.stack([0.75 * line + 0.25 * after, 0.25 * line + 0.75 * after], axis=1).reshape(-1, 2)
    return line


def fill(points: NDArray[np.float64]) -> Image32:
    """Coverage of a polygon, in pixels of the large picture: 0 or 1."""
    canvas = np.zeros((HEIGHT * OVER, WIDTH * OVER), np.uint8)
    cv2.fillPoly(canvas, [np.round(points * OVER).astype(np.int32)], 1)
    return canvas.astype(np.float32)


def disc(x: float, y: float, radius: float) -> Image32:
    """Coverage of a disc."""
    canvas = np.zeros((HEIGHT * OVER, WIDTH * OVER), np.uint8)
    cv2.circle(canvas, (round(x * OVER), round(y * OVER)), round(radius * OVER), 1, -1)
    return canvas.astype(np.float32)


def paint(picture: Image32, coverage: Image32, colour: Image32 | tuple[float, ...]) -> None:
    """Put a colour, plain or by pixel, where coverage is 1."""
    picture += coverage[..., None] * (np.asarray(colour, np.float32) - picture)


def studio(brightness: float) -> Image32:
    """A wall that falls off to the sides, and a floor that is lighter in front."""
    rows, columns = np.mgrid[0 : HEIGHT * OVER, 0 : WIDTH * OVER].astype(np.float32) / OVER
    wall = brightness - 26 * ((columns - WIDTH / 2) / WIDTH) ** 2 * 4 - 12 * (1 - rows / HEIGHT)
    floor = brightness - 62 + 60 * ((rows - 0.58 * HEIGHT) / HEIGHT)
    blend = 1 / (1 + np.exp(-(rows - 0.6 * HEIGHT) / 9))
    grey = wall + blend * (floor - wall)
    return np.stack([grey, grey + 1, grey + 3], axis=-1)


def draw(body: str, colour: tuple[int, int, int], brightness: float) -> tuple[Image32, NDArray[np.bool_]]:
    """Draw one car: float32 (640, 960, 3) RGB, 0 to 255, and its bool (640, 960) mask."""
    scale, left, sill = 0.66 * WIDTH, 0.17 * WIDTH, 0.735 * HEIGHT

    def place(points: Points, rounds: int = 3) -> NDArray[np.float64]:
        return smooth(points, rounds) * (scale, -scale) + (left, sill)

    picture = studio(brightness)
    shadow = np.zeros(picture.shape[:2], np.float32)
    centre = (round((left + scale / 2) * OVER), round((sill + 0.06 * scale) * OVER))
    cv2.ellipse(shadow, centre, (round(0.52 * scale * OVER), round(0.03 * scale * OVER)), 0, 0, 360, 1.0, -1)
    picture *= 1 - 0.72 * cv2.GaussianBlur(shadow, (0, 0), 9 * OVER)[..., None]

    outline, windows = BODIES[body]
    hull = fill(place(outline))
    rows = np.mgrid[0 : HEIGHT * OVER, 0 : WIDTH * OVER][0].astype(np.float32) / OVER
    height = np.clip((sill - rows) / (0.33 * scale), 0, 1)
    light = 0.55 + 0.5 * height + 0.35 * np.exp(-(((height - 0.52) / 0.05) ** 2)) - 0.25 * (height < 0.1)
    sheen = 26 * np.exp(-(((height - 0.5) / 0.16) ** 2)) + 10 * height
    shade = np.clip(np.asarray(colour, np.float32) * light[..., None] + sheen[..., None], 0, 255)
    paint(picture, hull, shade)
    seam = np.zeros_like(hull)
    for x in (0.34, 0.52, 0.68):
        line = [(x, 0.03), (x, 0.185)]
        ends = (np.asarray(line) * (scale, -scale) + (left, sill)) * OVER
        cv2.line(seam, *[(round(px), round(py)) for px, py in ends], 1.0, OVER)
    paint(picture, seam * hull * 0.5, (20, 20, 22))
    for window in windows:
        glass = 38 + 60 * height
        paint(picture, fill(place(window, 2)), np.stack([glass, glass + 6, glass + 12], axis=-1))
    paint(picture, fill(place([(0.955, 0.125), (0.995, 0.095), (0.99, 0.13), (0.95, 0.15)], 2)) * hull, (246, 246, 236))
    paint(picture, fill(place([(-0.02, 0.12), (0.025, 0.12), (0.025, 0.165), (-0.01, 0.165)], 1)) * hull, (150, 18, 20))

    mask = hull
    for x in (0.19, 0.81):
        wheel_x, wheel_y, radius = left + x * scale, sill - 0.012 * scale, 0.077 * scale
        paint(picture, disc(wheel_x, wheel_y, radius * 1.16) * hull, (18, 18, 20))
        tyre = disc(wheel_x, wheel_y, radius)
        mask = np.maximum(mask, tyre)
        paint(picture, tyre, (30, 30, 32))
        paint(picture, disc(wheel_x, wheel_y, radius * 0.66), (172, 174, 178))
        for angle in np.arange(5) * 2 * np.pi / 5 + 0.3:
            hole = (wheel_x + 0.4 * radius * np.cos(angle), wheel_y + 0.4 * radius * np.sin(angle))
            paint(picture, disc(*hole, radius * 0.15), (62, 63, 66))
        paint(picture, disc(wheel_x, wheel_y, radius * 0.14), (120, 122, 126))

    size = (WIDTH, HEIGHT)
    small = cv2.GaussianBlur(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (0, 0), 0.7)
    truth = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) >= 0.5
    return small, truth


def main() -> None:
    """Write all of them beside this file."""
    home = Path(__file__).parent
    rng = np.random.default_rng(20)
    for folder in ("train", "train_masks"):
        (home / folder).mkdir(exist_ok=True)
    for name, body, colour, brightness, mirrored in CARS:
        small, truth = draw(body, colour, brightness)
        if mirrored:
            small, truth = small[:, ::-1], truth[:, ::-1]
        grain = cv2.GaussianBlur(rng.normal(0, 4.5, small.shape).astype(np.float32), (0, 0), 0.6)
        photo = np.clip(small + grain, 0, 255).round().astype(np.uint8)
        Image.fromarray(np.ascontiguousarray(photo)).save(home / "train" / f"{name}.jpg", quality=88)
        Image.fromarray(np.ascontiguousarray(truth)).save(home / "train_masks" / f"{name}_mask.png")
        print(f"{name}: {body}, {truth.mean():.1%} of the picture")


if __name__ == "__main__":
    main()
