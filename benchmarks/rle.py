"""Run-length encoding of masks at 1918x1280, side by side.

    python benchmarks/rle.py [--data DIR]

DIR has ``train_masks/``; without it, masks are drawn: an ellipse with a ragged edge, as large as a car. Compared are

* carmask: ``rle_encode``, from a bool mask in row-major order to the challenge's text;
* pycocotools: ``encode`` of the same masks, row-major, its column-major copy included, to COCO's compressed bytes;
* the usual numpy recipe of the challenge's notebooks: differences of the padded flat mask, then ``join``;
* a loop over pixels in Python on one mask, over the array as it is and over a list made of it first.

Processor time of one thread, the best of several rounds over all masks. They come to more than the processor's cache
holds; the last line is of one mask that stays there, as one does that was just made.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from _bench import DATA
from carmask.formats.listing import find_masks
from carmask.formats.rle import rle_decode, rle_encode
from carmask.images import read_mask

HEIGHT, WIDTH = 1280, 1918
Mask = NDArray[np.bool_]


def drawn_masks(count: int) -> list[Mask]:
    """Car-sized blobs with ragged edges."""
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(count):
        noise = cv2.resize(rng.normal(size=(40, 60)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
        distance = ((rows - 700) / 300) ** 2 + ((columns - 950) / 620) ** 2
        masks.append(distance + 0.08 * noise < 1)
    return masks


def by_numpy(mask: Mask) -> str:
    """The recipe that most notebooks of the challenge use."""
    padded = np.concatenate([[0], mask.ravel(), [0]])
    runs = np.where(padded[1:] != padded[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(number) for number in runs)


def by_loop(mask: Mask) -> str:
    """One pixel after another."""
    return _loop(mask.ravel())


def by_list_loop(mask: Mask) -> str:
    """One pixel after another, of a plain list."""
    return _loop(mask.ravel().tolist())


def _loop(pixels: Iterable[bool]) -> str:
    numbers: list[int] = []
    inside = False
    for position, value in enumerate(pixels, 1):
        if value and not inside:
            numbers += [position, 0]
        if value:
            numbers[-1] += 1
        inside = bool(value)
    return " ".join(map(str, numbers))


def by_coco(mask: Mask) -> bytes:
    """What a user of pycocotools writes for a mask in row-major order."""
    return bytes(coco.encode(np.asfortranarray(mask.view(np.uint8)))["counts"])


def best_time(function: Callable[[Mask], object], masks: Sequence[Mask], rounds: int) -> float:
    """Seconds of processor time a mask, of the fastest round."""
    times = []
    for _ in range(rounds):
        started = time.thread_time()
        for mask in masks:
            function(mask)
        times.append((time.thread_time() - started) / len(masks))
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = DATA if (DATA / "train_masks").is_dir() else None
    parser.add_argument("--data", type=Path, default=known, help="a folder with train_masks/")
    parser.add_argument("--masks", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.data:
        files = list(find_masks(arguments.data / "train_masks").values())
        masks = [read_mask(file) for file in files[:: max(1, len(files) // arguments.masks)][: arguments.masks]]
    else:
        masks = drawn_masks(arguments.masks)
    assert all(by_numpy(mask) == rle_encode(mask) for mask in masks)
    assert by_loop(masks[0]) == rle_encode(masks[0])
    assert all(np.array_equal(rle_decode(rle_encode(mask), *mask.shape), mask) for mask in masks)

    ours = best_time(rle_encode, masks, arguments.rounds)
    rows = [
        ("carmask rle_encode", ours),
        ("pycocotools encode", best_time(by_coco, masks, max(1, arguments.rounds // 2))),
        ("numpy, difference and join", best_time(by_numpy, masks, max(1, arguments.rounds // 4))),
        ("Python loop over a list", best_time(by_list_loop, masks[:1], 3)),
        ("Python loop over the array", best_time(by_loop, masks[:1], 3)),
        ("carmask, one mask in cache", best_time(rle_encode, masks[:1], 10 * arguments.rounds)),
    ]
    source = "real" if arguments.data else "drawn"
    print(f"{len(masks)} {source} masks of {masks[0].shape[1]}x{masks[0].shape[0]}")
    print(f"{'':28}{'ms a mask':>12}{'ratio':>10}{'100,064 masks':>16}")
    for name, seconds in rows:
        print(f"{name:28}{seconds * 1e3:12.3f}{seconds / ours:10.1f}{seconds * 100064:14.0f} s")


if __name__ == "__main__":
    main()
