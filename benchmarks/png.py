"""What it costs to write masks and cut-outs, and why these settings were picked.

    python benchmarks/png.py [--data DIR] [--photos 8] [--rounds 3]

Cut-outs are of the default model's masks, at the photo's own size. The format that ``cut`` writes is marked with *.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from _bench import arguments, photos, processor_ms, table
from carmask import Cutter
from carmask.images import encode_mask, encode_picture, encode_png, read_photo


def by_pillow(image: Image.Image, kind: str, **options: int | bool) -> bytes:
    """Pillow's encoders."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def by_opencv(pixels: np.ndarray, *options: int) -> bytes:
    """OpenCV's PNG encoder."""
    return bytes(cv2.imencode(".png", pixels, list(options))[1])


def main() -> None:
    """Print the tables."""
    given = arguments(__doc__, photos=8, rounds=3)
    cv2.setNumThreads(1)
    found, what = photos(given.data)
    found = found[:: max(1, len(found) // given.photos)][: given.photos]
    cutter = Cutter()
    pixels = {path: read_photo(path) for path in found}
    masks = {path: cutter.mask(photo) for path, photo in pixels.items()}
    cut = {path: np.dstack([np.where(masks[path][..., None], photo, 0), masks[path] * np.uint8(255)]).astype(np.uint8)
           for path, photo in pixels.items()}  # fmt: skip
    bgra = {path: np.ascontiguousarray(rgba[..., [2, 1, 0, 3]]) for path, rgba in cut.items()}

    def report(title: str, ways: dict[str, Callable[..., bytes]], chosen: str) -> None:
        costs = {name: processor_ms(way, found, given.rounds) for name, way in ways.items()}
        sizes = {name: sum(len(way(path)) for path in found) / len(found) / 1e3 for name, way in ways.items()}
        table(
            f"{title}, {len(found)} {what} photos of {pixels[found[0]].shape[1]}x{pixels[found[0]].shape[0]}",
            ["ms of processor", "kB", "time ratio", "size ratio"],
            {
                name: [costs[name], sizes[name], costs[name] / costs[chosen], sizes[name] / sizes[chosen]]
                for name in ways
            },
        )
        print()

    ours = "* carmask, one bit, level 1, runs"
    report(
        "masks",
        {
            ours: lambda path: encode_mask(masks[path]),
            "Pillow, one bit, level 1": lambda p: by_pillow(Image.fromarray(masks[p]), "PNG", compress_level=1),
            "Pillow, one bit, level 6": lambda p: by_pillow(Image.fromarray(masks[p]), "PNG", compress_level=6),
            "Pillow, 8 bits, level 6": lambda p: by_pillow(Image.fromarray(masks[p] * np.uint8(255)), "PNG"),
            "OpenCV, one bit, level 1": lambda p: by_opencv(
                masks[p].view(np.uint8), cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1
            ),
        },
        ours,
    )
    ours = "* carmask PNG (filter up, level 1)"
    quick = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
    up = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP)
    report(
        "cut-outs",
        {
            ours: lambda path: encode_png(cut[path]),
            "* carmask --format webp": lambda path: encode_picture(cut[path], format="webp"),
            "Pillow PNG, level 0": lambda p: by_pillow(Image.fromarray(cut[p]), "PNG", compress_level=0),
            "Pillow PNG, level 1": lambda p: by_pillow(Image.fromarray(cut[p]), "PNG", compress_level=1),
            "Pillow PNG, level 3": lambda p: by_pillow(Image.fromarray(cut[p]), "PNG", compress_level=3),
            "Pillow PNG, level 6 (its default)": lambda p: by_pillow(Image.fromarray(cut[p]), "PNG", compress_level=6),
            "OpenCV PNG, level 1": lambda p: by_opencv(bgra[p], cv2.IMWRITE_PNG_COMPRESSION, 1),
            "OpenCV PNG, level 1, runs": lambda p: by_opencv(bgra[p], *quick),
            "OpenCV PNG, level 1, filter up": lambda p: by_opencv(bgra[p], *up),
            "Pillow WebP, quality 90, method 4": lambda p: by_pillow(
                Image.fromarray(cut[p]), "WEBP", quality=90, method=4
            ),
            "Pillow WebP, lossless, method 0": lambda p: by_pillow(
                Image.fromarray(cut[p]), "WEBP", lossless=True, quality=0, method=0
            ),
        },
        ours,
    )
    ours = "* carmask PNG (filter up, level 1)"
    report(
        "whole photos, as on another background",
        {
            ours: lambda path: encode_png(pixels[path]),
            "Pillow PNG, level 1": lambda p: by_pillow(Image.fromarray(pixels[p]), "PNG", compress_level=1),
            "Pillow PNG, level 6 (its default)": lambda p: by_pillow(Image.fromarray(pixels[p]), "PNG"),
        },
        ours,
    )


if __name__ == "__main__":
    main()
