"""Masks of 1918x1280 to each annotation format and back, and codecs beside the tools' own, side by side.

    python benchmarks/formats.py [--data DIR] [--masks COUNT] [--oracles PYTHON] [--record FILE]

DIR has ``train_masks/``; without it, masks are drawn: an ellipse with a ragged edge, as large as a car. Each format is
written by ``carmask convert`` without photos, and read back by the same call, which decodes every mask again and
compares it. Times are of the processor, all threads: on a busy machine the clock on the wall says nothing. PYTHON has
label-studio-sdk (tests/formats/oracles.py): its encoder and decoder run in one process with carmask's, on the same
masks. The last lines say what YOLO's own reader loses, which takes 1,000 points of an outline.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco

from _bench import DATA, record
from carmask.formats.codecs import check_counts, columns_counts, columns_mask, compress, decompress
from carmask.formats.convert import convert
from carmask.formats.picture import Annotations, from_masks
from carmask.formats.table import FORMATS, WRITABLE, read_annotations
from carmask.formats.yolo import outline
from carmask.images import write_mask
from rle import Mask, best_time, drawn_masks

#: What the table is scaled to: 200 cars of 16 views.
ALL = 3200
#: Points that Ultralytics makes of each outline.
RESAMPLED = 1000
SDK = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np
from PIL import Image
from label_studio_sdk.converter.brush import decode_rle, mask2rle
from carmask.formats import label_studio_rle as ours

masks = [np.asarray(Image.open(file)).view(np.uint8) > 0 for file in sys.argv[2:]]

def best(function, items, rounds):
    times = []
    for _ in range(rounds):
        started = time.thread_time()
        found = [function(item) for item in items]
        times.append((time.thread_time() - started) / len(items))
    return min(times), found

theirs, written = best(lambda mask: mask2rle(mask.astype(np.uint8) * 255), masks, 3)
mine, encoded = best(ours.encode, masks, 10)
assert [list(one) for one in encoded] == written, "not the same bytes"
their_decoding, decoded = best(decode_rle, written[:3], 1)
my_decoding, again = best(lambda one: ours.decode(one, masks[0].shape), written, 5)
assert all(np.array_equal(one, mask) for one, mask in zip(again, masks))
print(json.dumps([mine, theirs, my_decoding, their_decoding]))
"""


def sample(data: Path | None, count: int) -> Annotations:
    """Masks to convert: real ones by their files, or drawn ones."""
    if data is not None:
        found = read_annotations(data)
        # By chance: every 56th is one of two views of a car, whose outlines are short.
        order = np.random.default_rng(0).permutation(len(found.pictures))[:count]
        found.pictures = [found.pictures[place] for place in sorted(order.tolist())]
        return found
    return from_masks(
        (f"drawn_{number:04d}.png", mask.shape, mask, None) for number, mask in enumerate(drawn_masks(count))
    )


def timed(source: Annotations, name: str, out: Path) -> tuple[float, float, float, int, int]:
    """Seconds of processor time to write and to read back, of the clock for both, pixels changed, bytes written."""
    started = time.process_time()
    convert(source, out, name, photos="none", check=False)
    written = time.process_time()
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    shutil.rmtree(out)
    again, clock = time.process_time(), time.perf_counter()
    done = convert(source, out, name, photos="none")
    both, wall = time.process_time() - again, time.perf_counter() - clock
    shutil.rmtree(out)
    return written - started, max(0.0, both - (written - started)), wall, done.changed, size


def against_sdk(python: str, masks: Sequence[Mask]) -> list[float]:
    """Seconds a mask: our encoder, the SDK's, our decoder, the SDK's."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, mask in enumerate(masks):
            files.append(Path(folder, f"{number}.png"))
            write_mask(files[-1], mask)
        source = Path(__file__).parents[1] / "src"
        done = subprocess.run([python, "-c", SDK, source, *files], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def own_reader_loss(masks: Sequence[Mask]) -> tuple[float, float]:
    """What YOLO's own reader makes of the lines: mean pixels of a mask that change, and mean Dice.

    It adds points between the corners until there are 1,000, in float32, and cuts them to whole pixels.
    """
    changed, dice = [], []
    for mask in masks:
        height, width = mask.shape
        corners = ((outline(mask) + 0.5) / (width, height)).astype(np.float32) * np.array([width, height], np.float32)
        line = np.concatenate([corners, corners[:1]])
        places = np.arange(len(line))
        at = np.sort(np.concatenate([np.linspace(0, len(line) - 1, RESAMPLED - len(line)), places]))
        points = np.stack([np.interp(at, places, line[:, side]) for side in (0, 1)], axis=1).astype(np.float32)
        drawn = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(drawn, [points.astype(np.int32)], 1)
        changed.append(int(np.count_nonzero((drawn > 0) ^ mask)))
        dice.append(2 * np.count_nonzero((drawn > 0) & mask) / (np.count_nonzero(drawn) + np.count_nonzero(mask)))
    return float(np.mean(changed)), float(np.mean(dice))


def by_coco(mask: Mask) -> object:
    """Pycocotools' encoder, its column-major copy included."""
    return coco.encode(np.asfortranarray(mask.view(np.uint8)))


def print_codecs(masks: Sequence[Mask], oracles: str | None) -> dict[str, list[str]]:
    """Codecs beside the tools' own; the rows that were printed."""
    packed = [by_coco(mask) for mask in masks]
    texts = [one["counts"].decode() for one in packed]
    size = masks[0].shape
    assert all(compress(columns_counts(mask)) == text for mask, text in zip(masks, texts, strict=True))
    pairs: list[tuple[str, float, str, float]] = [
        (
            "COCO, encode",
            best_time(lambda mask: compress(columns_counts(mask)), masks, 5),
            "pycocotools",
            best_time(by_coco, masks, 5),
        ),
        (
            "COCO, decode",
            _best(lambda text: columns_mask(check_counts(decompress(text), size), size), texts),
            "pycocotools",
            _best(coco.decode, packed),
        ),
    ]
    if oracles:
        mine, theirs, my_decoding, their_decoding = against_sdk(oracles, masks)
        pairs += [
            ("Label Studio, encode", mine, "label-studio-sdk", theirs),
            ("Label Studio, decode", my_decoding, "label-studio-sdk", their_decoding),
        ]
    rows = {}
    print(f"{'codec':24}{'carmask, ms':>14}{'theirs, ms':>14}{'ratio':>8}")
    for name, ours, whose, other in pairs:
        rows[name] = [f"{ours * 1e3:.2f}", f"{other * 1e3:.2f}", f"{other / ours:.1f}", whose]
        print(f"{name:24}{ours * 1e3:14.2f}{other * 1e3:14.2f}{other / ours:8.1f}  {whose}")
    return rows


def _best(function: Callable[[object], object], items: Sequence[object]) -> float:
    return best_time(function, items, 5)  # type: ignore[arg-type]  # it times any function


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = DATA if (DATA / "train_masks").is_dir() else None
    parser.add_argument("--data", type=Path, default=known, help="a folder with train_masks/")
    parser.add_argument("--masks", type=int, default=64)
    parser.add_argument("--only", action="append", choices=WRITABLE, help="a format; may be given again; default all")
    parser.add_argument("--oracles", help="a Python with label-studio-sdk")
    parser.add_argument("--record", action="store_true", help="write the tables to benchmarks/results as well")
    arguments = parser.parse_args()
    source = sample(arguments.data, arguments.masks)
    masks = [picture.mask() for picture in source.pictures[:16]]
    kind = "real" if arguments.data else "drawn"
    told = f"{len(source.pictures)} {kind} masks of {masks[0].shape[1]}x{masks[0].shape[0]}"
    print(f"{told}, processor time")
    rows = {}
    heads = ("write, ms", "read, ms", f"{ALL} both, s", "KB a mask", "changed", "clock, s")
    widths = (12, 10, 14, 12, 10, 10)
    print(f"{'format':14}" + "".join(head.rjust(width) for head, width in zip(heads, widths, strict=True)))
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only or WRITABLE:
            write, read, wall, changed, size = timed(source, name, Path(folder, "out"))
            count = len(source.pictures)
            cells = [write / count * 1e3, read / count * 1e3, (write + read) / count * ALL, size / count / 1024]
            rows[name] = [*(f"{cells[0]:.1f} {cells[1]:.1f} {cells[2]:.0f} {cells[3]:.1f}".split()), str(changed)]
            print(f"{name:14}{cells[0]:12.1f}{cells[1]:10.1f}{cells[2]:14.0f}{cells[3]:12.1f}{changed:10}{wall:10.0f}")
            assert changed == 0 or not FORMATS[name].exact, name
    pixels, dice = own_reader_loss(masks)
    lost = f"YOLO's own reader, {RESAMPLED} points an outline: {pixels:.0f} pixels of a mask change, Dice {dice:.5f}"
    print(lost)
    codecs = print_codecs(masks, arguments.oracles)
    if arguments.record:
        columns = ["write, ms a mask", "read, ms", f"{ALL} masks both, s", "KB a mask", "pixels changed"]
        facts = {"section": "Formats", "data": f"{told}; processor time"}
        record(
            "Masks to each format and back", columns, rows, **facts, note=f"The time of {ALL} masks is scaled. {lost}."
        )
        record("Codecs beside the tools' own", ["carmask, ms", "theirs, ms", "ratio", "whose"], codecs, **facts)


if __name__ == "__main__":
    main()
