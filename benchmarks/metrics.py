"""All exact scores of pairs of masks at 1918x1280, beside the usual way.

    python benchmarks/metrics.py [--data DIR] [--pairs 256] [--usual 4] [--threads 2]

DIR has ``train_masks/``; without it, masks are drawn: car-sized blobs with a ragged edge. The prediction of a pair is
its truth at 384x256, enlarged softly, with a bite taken out and a spot added: contours differ everywhere, a little.

* carmask: overlap (Dice, IoU, precision, recall, accuracy), contour error, HD95, boundary IoU in three bands.
* usual, scipy: ``binary_erosion`` and ``distance_transform_edt`` over the whole picture both ways for HD95, and
  ``binary_erosion`` repeated as often as the band is wide for boundary IoU.
* usual, OpenCV: the erosion of the boundary-IoU authors (``cv2.erode`` with iterations), for the three bands only.
* MONAI, if it is installed: ``compute_hausdorff_distance(..., percentile=95)``.

The usual ways are timed on the first pairs only, in one thread, and their scores are compared with ours. Masks are read
before the clock starts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from carmask.evaluation.contours import contour_scores, standard_band
from carmask.evaluation.overlap import overlap
from carmask.formats.listing import find_masks
from carmask.images import read_mask

HEIGHT, WIDTH = 1280, 1918
Mask = NDArray[np.bool_]
Pair = tuple[Mask, Mask]


def drawn_masks(count: int) -> list[Mask]:
    """Car-sized blobs with ragged edges."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    ellipse = ((rows - 700) / 300) ** 2 + ((columns - 960) / 650) ** 2
    noise = (rng.normal(size=(40, 60)).astype(np.float32) for _ in range(count))
    return [ellipse + 0.08 * cv2.resize(one, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) < 1 for one in noise]


def spoiled(truth: Mask, number: int) -> Mask:
    """What a model might make of a mask."""
    rng = np.random.default_rng(number)
    small = cv2.resize(truth.astype(np.float32), (384, 256), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(small, (WIDTH, HEIGHT)) >= 0.5
    ys, xs = np.nonzero(truth[::16, ::16])
    at = int(rng.integers(len(ys)))
    mask[ys[at] * 16 : ys[at] * 16 + 40, xs[at] * 16 : xs[at] * 16 + 60] = False
    mask[int(rng.integers(HEIGHT - 20)) :, int(rng.integers(WIDTH - 20)) :][:12, :12] = True
    return mask


def ours(pair: Pair) -> tuple[float, ...]:
    """Every score."""
    found = overlap(*pair)
    counts = (found.dice, found.iou, found.precision, found.recall, found.accuracy((HEIGHT, WIDTH)))
    return (*contour_scores(*pair), *counts)


def with_scipy(pair: Pair) -> tuple[float, ...]:
    """Contour error, HD95 and boundary IoU over the whole picture."""
    prediction, truth = pair
    edge_p, edge_t = prediction & ~ndimage.binary_erosion(prediction), truth & ~ndimage.binary_erosion(truth)
    there = ndimage.distance_transform_edt(~edge_t)[edge_p]
    back = ndimage.distance_transform_edt(~edge_p)[edge_t]
    square, bands = np.ones((3, 3)), []
    for width in (standard_band((HEIGHT, WIDTH)), 2, 5):
        one = prediction & ~ndimage.binary_erosion(prediction, square, iterations=width)
        other = truth & ~ndimage.binary_erosion(truth, square, iterations=width)
        bands.append(float((one & other).sum() / (one | other).sum()))
    worst = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(np.concatenate([there, back]).mean()), float(worst), *bands


def with_opencv(pair: Pair) -> tuple[float, ...]:
    """Boundary IoU as its authors compute it, in the three bands."""
    ious = []
    for width in (standard_band((HEIGHT, WIDTH)), 2, 5):
        inner = []
        for mask in pair:
            framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
            eroded = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=width)
            inner.append((framed - eroded)[1:-1, 1:-1] > 0)
        ious.append(float((inner[0] & inner[1]).sum() / (inner[0] | inner[1]).sum()))
    return tuple(ious)


def with_monai(pair: Pair) -> tuple[float, ...]:
    """HD95 only."""
    import torch
    from monai.metrics import compute_hausdorff_distance

    prediction, truth = (torch.from_numpy(mask)[None, None] for mask in pair)
    return (float(compute_hausdorff_distance(prediction, truth, include_background=True, percentile=95)),)


def timed(
    function: Callable[[Pair], tuple[float, ...]], pairs: Sequence[Pair]
) -> tuple[float, list[tuple[float, ...]]]:
    """Seconds for a pair, and the scores."""
    start = time.perf_counter()
    scores = [function(pair) for pair in pairs]
    return (time.perf_counter() - start) / len(pairs), scores


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with train_masks/")
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--usual", type=int, default=4, help="pairs that the usual ways are timed on")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    cv2.setNumThreads(1)  # the threads are ours
    files = list(find_masks(options.data / "train_masks").values()) if options.data else []
    count = min(options.pairs, len(files) or 32)
    files = [files[int(i)] for i in np.linspace(0, len(files) - 1, count)] if files else []
    kept = [np.packbits(mask) for mask in (map(read_mask, files) if files else drawn_masks(count))]

    def pair(number: int) -> Pair:
        truth = np.unpackbits(kept[number % count], count=HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).view(np.bool_)
        return spoiled(truth, number), truth

    # Pairs are made in batches, so that they fit into memory; only the scoring is timed.
    seconds, scores = 0.0, []
    with ThreadPoolExecutor(options.threads) as pool:
        for first in range(0, options.pairs, 64):
            batch = [pair(number) for number in range(first, min(first + 64, options.pairs))]
            start = time.perf_counter()
            scores += list(pool.map(ours, batch))
            seconds += time.perf_counter() - start
    source = f"{count} masks of {options.data}" if files else f"{count} drawn masks"
    print(f"{options.pairs} pairs at {WIDTH}x{HEIGHT} from {source}")
    print(f"carmask, all scores, {options.threads} threads: {seconds:.1f} s")
    some = [pair(number) for number in range(min(options.usual, options.pairs))]
    one, mine = timed(ours, some)
    print(f"one thread, per pair: carmask, all scores        {1000 * one:8.1f} ms")
    ways = [
        ("scipy: contour error, HD95, boundary IoU", with_scipy, slice(0, 5)),
        ("OpenCV: boundary IoU", with_opencv, slice(2, 5)),
    ]
    if find_spec("monai"):
        ways.append(("MONAI: HD95", with_monai, slice(1, 2)))
    for name, function, part in ways:
        spent, theirs = timed(function, some)
        apart = max(float(np.abs(np.array(a[part]) - np.array(b)).max()) for a, b in zip(mine, theirs, strict=True))
        print(f"{name:48s} {1000 * spent:8.1f} ms, {spent / one:5.1f} times ours; scores differ by at most {apart:.1e}")


if __name__ == "__main__":
    main()
