"""Rendered photos whose matte is known: alpha, foreground and shadow, for benchmarks/matte.py.

Alpha is the share of 4 by 4 rays through a pixel that meet the car. The colours of pixels that are all car are carried
on over the contour, and so are those of the room from the other side; what is mixed of both by alpha, in linear light,
is the photo. So photo = alpha * foreground + (1 - alpha) * background holds exactly before lens, noise and JPEG, which
come after that, as in a camera. The shadow is the room rendered with the car divided by the room without it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from carmask.studio.build import build_car, by_material, with_labels
from carmask.studio.parts import PARTS
from carmask.studio.photograph import encode_srgb
from carmask.studio.renderer import Labeller, Renderer
from carmask.studio.renderset import draw_session, turn_of
from carmask.studio.scene import materials, room

#: Standard deviation of the lens's blur, in pixels of a photo 1918 wide: the middle of what the studio draws.
LENS = 0.95
#: (index of the session, hard case, view): all body types' kinds of contour, light and dark paint.
VIEWS = ((0, "white", 3), (3, "black", 1), (4, "", 12), (1, "antenna", 6), (6, "", 8), (2, "rack", 15))


class Truth(NamedTuple):
    """What is known of a rendered photo.

    Attributes:
        name: of the view.
        photo: bytes of a JPEG file.
        alpha: float32 (height, width), share of the pixel that is car.
        foreground: float32 (height, width, 3), linear light of the car's share, multiplied by alpha.
        shadow: float32 (height, width), light on the floor in proportion to the floor without the car.
        glass: bool (height, width), the pixel's centre lies on a window.
    """

    name: str
    photo: bytes
    alpha: np.ndarray
    foreground: np.ndarray
    shadow: np.ndarray
    glass: np.ndarray


def truth(number: int, folder: Path, size: tuple[int, int], seed: int = 8) -> Truth:
    """Render one of ``VIEWS``, or read what was rendered before.

    Args:
        number: index into ``VIEWS``.
        folder: where renderings are kept.
        size: (height, width) of the photo.
        seed: of the cars.
    """
    index, hard, view = VIEWS[number]
    name = f"{index}{hard}_{view:02d}_{size[1]}x{size[0]}"
    file = folder / f"{name}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(file, **_render(index, hard, view, size, seed))
    with np.load(file) as stored:
        layers = {key: stored[key] for key in stored.files}
    alpha, foreground, shadow = (layers[key].astype(np.float32) for key in ("alpha", "foreground", "shadow"))
    return Truth(name, layers["photo"].tobytes(), alpha, foreground, shadow, layers["glass"])


def _render(index: int, hard: str, view: int, size: tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    session = draw_session(seed, index, (hard,) if hard else ())
    pieces = build_car(session.car)
    camera, turn = session.studio.camera, turn_of(view)
    surroundings = room(session.studio)
    renderer = Renderer(by_material(pieces), materials(session.car), surroundings)
    light = renderer.photo(camera, turn, size, samples=6, seed=view)
    empty = Renderer([], {}, surroundings).photo(camera, 0, size, samples=4, seed=view)
    fine = _labels(pieces, camera, turn, (size[0] * 4, size[1] * 4))
    alpha = cv2.resize((fine > 0).astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    foreground = _spread(light, alpha > 0.95) * alpha[..., None]
    behind = _spread(light, alpha < 0.05)
    sigma = LENS * size[1] / 1918
    alpha, foreground = (cv2.GaussianBlur(layer, (0, 0), sigma) for layer in (alpha, foreground))
    behind = cv2.GaussianBlur(behind, (0, 0), sigma)
    rng = np.random.default_rng([seed, index, view])
    photo = foreground + (1 - alpha[..., None]) * behind
    grain = cv2.GaussianBlur(rng.normal(0, 1, photo.shape).astype(np.float32), (0, 0), 0.55) * 1.6
    photo = photo + grain * np.sqrt(1.5e-6 + 3.2e-5 * photo)
    stream = io.BytesIO()
    Image.fromarray((encode_srgb(photo) * 255).round().astype(np.uint8)).save(stream, "JPEG", quality=92)
    before = cv2.GaussianBlur(empty, (0, 0), sigma).mean(axis=2)
    shadow = np.clip(behind.mean(axis=2) / np.maximum(before, 1e-3), 0, 1)
    glass = np.isin(fine[2::4, 2::4], [label for label, part in enumerate(PARTS, 1) if "glass" in part])
    return {
        "photo": np.frombuffer(stream.getvalue(), np.uint8),
        "alpha": alpha.astype(np.float16),
        "foreground": foreground.astype(np.float16),
        "shadow": shadow.astype(np.float16),
        "glass": glass,
    }


def _labels(pieces: list, camera: object, turn: float, size: tuple[int, int]) -> np.ndarray:
    return Labeller(*with_labels(pieces)).label(camera, turn, size)  # type: ignore[arg-type]


def _spread(light: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Carry the colours of known pixels into the others, from the nearest ones first."""
    weight = known.astype(np.float32)
    result = light * weight[..., None]
    for sigma in (1.0, 3.0, 12.0, 60.0, 400.0):
        # Wide blurs of a small copy: nothing of them is sharp.
        scale = max(1.0, sigma / 4)
        small = (round(light.shape[1] / scale), round(light.shape[0] / scale))
        near = cv2.GaussianBlur(
            cv2.resize(light * known[..., None], small, interpolation=cv2.INTER_AREA), (0, 0), sigma / scale
        )
        mass = cv2.GaussianBlur(
            cv2.resize(known.astype(np.float32), small, interpolation=cv2.INTER_AREA), (0, 0), sigma / scale
        )
        filled = cv2.resize(near / np.maximum(mass, 1e-6)[..., None], light.shape[1::-1])
        reach = cv2.resize(mass, light.shape[1::-1]) > 1e-3
        take = (weight == 0) & reach
        result[take] = filled[take]
        weight[take] = 1
    return result
