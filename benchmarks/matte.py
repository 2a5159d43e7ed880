"""Edges against the truth: alpha and composites of rendered cars, with what others make of them, and what it costs.

    python benchmarks/matte.py [--views 4] [--size 1918x1280] [--kept FOLDER] [--data FOLDER] [--foreground FOLDER]

Rendering needs the [studio] extra and takes about two minutes of processor time a view; it is done once, into --kept.
For the comparison with pymatting (never a dependency), name a folder with --foreground that was filled by
``pip install --target FOLDER --no-deps pymatting numba llvmlite``.

The first table begins where the product does, with the model's probabilities. The second takes its errors out: the
probabilities are those of the true contour, blurred at the network's resolution, so that only edge and colours count.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from _bench import DATA, photos, processor_ms, table
from _truth import VIEWS, Truth, truth
from carmask.compositing.background import Background
from carmask.compositing.light import LINEAR, to_display
from carmask.compositing.matte import matte
from carmask.compositing.shadow import kept
from carmask.compositing.style import RenderStyle, blend, make_layers, render
from carmask.images import encode_picture, open_photo
from carmask.model.runtime import load_model
from carmask.prediction.predict import open_for, predict_reduced

#: Half the width of the band along the true contour in which composites are compared.
BAND = 15
Edge = tuple[np.ndarray, np.ndarray]  # alpha in [0, 1], foreground uint8


def backgrounds(size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Two greys, a colour, a gradient and noise: uint8 (height, width, 3)."""
    rng = np.random.default_rng(8)
    noise = rng.integers(0, 256, (size[0] // 16, size[1] // 16, 3), np.uint8)
    return {
        **{name: Background.parse(name).fitted(size) for name in ("white", "#181818", "#3c8c50", "#204080:#e0d0b0")},
        "blotches": cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC),
    }


def gradient_error(alpha: np.ndarray, true: np.ndarray) -> float:
    """Sum of squared differences of gradients of Gaussian scale 1.4 (Rhemann et al., CVPR 2009)."""

    def slope(layer: np.ndarray) -> np.ndarray:
        smooth = cv2.GaussianBlur(layer, (0, 0), 1.4)
        return np.hypot(
            cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
        )

    return float(((slope(alpha) - slope(true)) ** 2).sum())


def psnr(edge: Edge, true: Truth, behind: np.ndarray, where: np.ndarray) -> float:
    """Of a composite against the true one, in dB."""
    wanted = to_display(true.foreground + (1 - true.alpha[..., None]) * LINEAR[behind])
    alpha = (edge[0] * 255).round().astype(np.uint8)
    error = blend(None, edge[1], alpha, behind)[where].astype(np.float64) - wanted[where]
    return float(10 * np.log10(255**2 / max(1e-9, float((error**2).mean()))))


def timed(function: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """A result and its processor time in ms."""
    started = time.process_time()
    result = function()
    return result, (time.process_time() - started) * 1000


def score(views: list[Truth], guesses: list[tuple[np.ndarray, float]], foreground: Path | None) -> dict[str, list[str]]:
    """Mean SAD, gradient error, PSNR on each background, and processor time, for each kind of edge."""
    rows: dict[str, list[list[float]]] = {}
    for true, (probability, threshold) in zip(views, guesses, strict=True):
        photo = open_photo(true.name, true.photo).pixels
        size = (photo.shape[0], photo.shape[1])
        mask = cv2.resize(probability, size[::-1], interpolation=cv2.INTER_LINEAR) >= threshold
        hard = mask.astype(np.float32)
        started = time.process_time()
        soft = matte(photo, mask, probability, threshold)
        ours = (time.process_time() - started) * 1000
        alpha = soft.alpha / np.float32(255)
        edges: dict[str, tuple[Edge, float]] = {
            "hard mask": ((hard, photo), 0.0),
            "mask, 3 px blur": ((cv2.blur(hard, (3, 3)), photo), 0.0),
            "carmask": ((alpha, soft.foreground), ours),
            "carmask's alpha, photo's colours": ((alpha, photo), ours),
        }
        if foreground is not None:
            from pymatting import estimate_foreground_ml

            small = photo[:64, :64] / 255.0
            estimate_foreground_ml(small, np.ones((64, 64)))  # compiled before it is timed
            found, taken = timed(lambda: estimate_foreground_ml(photo / 255.0, alpha.astype(np.float64)))  # noqa: B023
            colours = (np.clip(found, 0, 1) * 255).round().astype(np.uint8)
            edges["carmask's alpha, pymatting's colours"] = ((alpha, colours), taken)
        shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND + 1, 2 * BAND + 1))
        inside = (true.alpha > 0.5).astype(np.uint8)
        where = cv2.dilate(inside, shape) != cv2.erode(inside, shape)
        for name, (edge, taken) in edges.items():
            errors = [float(np.abs(edge[0] - true.alpha).sum()), gradient_error(edge[0], true.alpha)]
            dbs = [psnr(edge, true, behind, where) for behind in backgrounds(size).values()]
            rows.setdefault(name, []).append([*errors, *dbs, float(np.mean(dbs)), taken])
    means = {name: np.mean(values, axis=0).tolist() for name, values in rows.items()}
    return {
        name: [f"{row[0]:.0f}", f"{row[1]:.1f}", *(f"{value:.2f}" for value in row[2:-1]), f"{row[-1]:.0f}"]
        for name, row in means.items()
    }


def of_contour(true: Truth, size: tuple[int, int]) -> np.ndarray:
    """What a network would say that knows the contour: float32 (``*size``)."""
    small = cv2.resize((true.alpha > 0.5).astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 1.0)


def shadows(views: list[Truth]) -> list[tuple[str, float, float]]:
    """Mean difference of the kept shadow's opacity from the true one's on the floor, and of none from it."""
    rows = []
    for true in views:
        photo, mask = open_photo(true.name, true.photo).pixels, true.alpha > 0.5
        opacity = kept(photo, mask)
        wanted = 1 - true.shadow ** (1 / 2.2)
        ys, _ = np.nonzero(mask)
        rows_of_floor = np.arange(mask.shape[0])[:, None] > np.quantile(ys, 0.8)
        floor = cv2.dilate(mask.astype(np.uint8), np.ones((121, 121), np.uint8)).astype(bool) & ~mask & rows_of_floor
        made = np.zeros(mask.shape) if opacity is None else opacity / 255
        rows.append((true.name, float(np.abs(made - wanted)[floor].mean()), float(wanted[floor].mean())))
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=4, help=f"how many of {len(VIEWS)}")
    parser.add_argument("--size", default="1918x1280")
    parser.add_argument("--kept", type=Path, default=Path(os.environ.get("TMPDIR", "/tmp")) / "carmask-truth")  # noqa: S108
    parser.add_argument("--data", type=Path, default=DATA, help="photos for the time of a composite")
    parser.add_argument("--foreground", type=Path, help="a folder with pymatting")
    asked = parser.parse_args()
    if asked.foreground is not None:
        sys.path.append(str(asked.foreground))
    cv2.setNumThreads(1)
    width, height = map(int, asked.size.split("x"))
    views = [truth(number, asked.kept, (height, width)) for number in range(asked.views)]
    network = load_model(streams=1)
    threshold = network.info.threshold
    found = [
        predict_reduced(network, open_for(network, true.name, true.photo)).probability_map.whole() for true in views
    ]
    columns = ("SAD", "gradient", *(f"dB {name}" for name in backgrounds((16, 16))), "dB mean", "ms")
    table(
        f"{len(views)} rendered views of {asked.size}, the model's probabilities",
        columns,
        score(views, [(probability, threshold) for probability in found], asked.foreground),
    )
    exact = [(of_contour(true, probability.shape), 0.5) for true, probability in zip(views, found, strict=True)]
    table("the same, the true contour", columns, score(views, exact, asked.foreground))
    print("\nopacity of the shadow on the floor: mean error, and that of no shadow")
    for name, error, without in shadows(views):
        print(f"{name:30} {error:.3f} {without:.3f}")
    cost(network, asked.data)


def cost(network: object, data: Path) -> None:
    """Processor time of a composite beyond the mask, with decoding and writing."""
    files, what = photos(data)
    files = files[:: max(1, len(files) // 8)][:8]
    masks = {file: predict_reduced(network, open_for(network, file)) for file in files}  # type: ignore[arg-type]
    white = Background.parse("white")

    def composite(file: Path, look: RenderStyle, behind: Background | None, kind: str) -> bytes:
        photo, one = open_photo(file), masks[file]
        layers = make_layers(photo.pixels, one.mask, one.probability_map.whole(), look, threshold=0.5)
        made = render(layers, photo.pixels, one.mask, look, behind)
        return encode_picture(made, photo.icc_profile, format=kind, exif=photo.exif)  # type: ignore[arg-type]

    rows = {
        "decode and write JPEG only": [
            processor_ms(lambda file: encode_picture(open_photo(file).pixels, format="jpg"), files, 3)
        ],
        "on white, JPEG": [processor_ms(lambda file: composite(file, RenderStyle(), white, "jpg"), files, 3)],
        "with its shadow, JPEG": [
            processor_ms(lambda file: composite(file, RenderStyle("keep"), white, "jpg"), files, 3)
        ],
        "transparent, WebP": [processor_ms(lambda file: composite(file, RenderStyle(), None, "webp"), files, 3)],
        "transparent, PNG": [processor_ms(lambda file: composite(file, RenderStyle(), None, "png"), files, 3)],
    }
    table(f"{len(files)} {what} photos, processor time of a picture beyond the mask", ("ms",), rows)


if __name__ == "__main__":
    main()
