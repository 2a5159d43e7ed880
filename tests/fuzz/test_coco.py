"""Damaged COCO files: each is read, or refused in one line; single faulty annotations cost their picture alone.

A hundred are tried with the other tests, 500 with ``pytest -m fuzz -s tests/fuzz/test_coco.py``.
"""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import read_data
from carmask.errors import CarmaskError
from tests.fuzz.mutation import mutated, summary
from tests.fuzz.test_pictures import kind_of

pytest.importorskip("carmask.formats.coco")

FEW, MANY = 100, 500
HEIGHT, WIDTH = 30, 40
#: What stands in files where something else was meant.
STRANGE: list[Any] = [
    None, "", "car", "0", -1, 0, 1, 1.5, 10**9, 10**30, -(10**30), True, [], {}, [[]], [None], [[1, 2]], ["a"],
    {"size": None, "counts": None}, {"size": [1, 1], "counts": []}, {"size": [HEIGHT, WIDTH], "counts": "QQ"},
    {"size": [10**6, 10**6], "counts": [10**12]}, "../../etc/passwd", "images\\x.jpg", "\ud800", "a" * 100_000,
    float("nan"), float("inf"), [[float("nan")] * 6], [[10.0] * 100_000],
]  # fmt: skip


def whole(folder) -> dict[str, Any]:
    """Three photos with polygons, uncompressed and compressed run lengths."""
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for number in (1, 2, 3):
        name = f"car_{number:02d}.jpg"
        Image.new("RGB", (WIDTH, HEIGHT), (200, 200, 200)).save(folder / "images" / name)
        images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
    shapes: list[Any] = [
        [[5, 5, 30, 5, 30, 20, 5, 20]],
        [[5, 5, 30, 5, 30, 20], [1, 1, 4, 1, 4, 4]],
        {"size": [HEIGHT, WIDTH], "counts": [100, 200, HEIGHT * WIDTH - 300]},
        {"size": [HEIGHT, WIDTH], "counts": "T3X6Tl0"},  # 100, 200, 900: as pycocotools writes it
    ]
    for number, shape in enumerate(shapes, 1):
        annotations.append(
            {"id": number, "image_id": min(number, 3), "category_id": 1, "segmentation": shape, "area": 9, "iscrowd": 0}
        )
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "car"}]}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values of a JSON text."""
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*at, key))


def rewritten(content: dict[str, Any], seed: int) -> bytes:
    """One to three values replaced, removed or doubled."""
    source = random.Random(seed)
    content = json.loads(json.dumps(content))
    for _ in range(source.choice((1, 1, 2, 3))):
        found = list(places(content))
        *way, last = source.choice(found)
        holder: Any = content
        for key in way:
            holder = holder[key]
        fault = source.randrange(4)
        if fault == 0:
            del holder[last]
        elif fault == 1 and isinstance(holder, list):
            holder.insert(last, json.loads(json.dumps(holder[last])))
        else:
            holder[last] = source.choice(STRANGE)
        if not list(places(content)):
            break
    return json.dumps(content).encode(errors="surrogatepass")


def answer(folder, content: bytes) -> str:
    """What is said of a file; a bug or a hang raises."""
    (folder / "annotations.json").write_bytes(content)
    signal.alarm(60)
    said = ""
    try:
        examples, _ = read_data(folder)
        masks = [example.read_mask() for example in examples]
    except CarmaskError as error:
        said = str(error)
    finally:
        signal.alarm(0)
    if said:
        assert "\n" not in said
        assert len(said) < 4000
        return f"refused: {kind_of(said.partition('annotations.json: ')[2] or said.replace(str(folder), ''))}"
    for mask in masks:
        assert mask.dtype == np.bool_
        assert mask.shape == (HEIGHT, WIDTH)
    return f"read: {len(masks)} masks"


def answers(folder, count: int) -> list[str]:
    content = whole(folder)
    text = json.dumps(content).encode()
    assert answer(folder, text) == "read: 3 masks"
    return [answer(folder, mutated(text, seed) if seed % 4 == 0 else rewritten(content, seed)) for seed in range(count)]


def test_a_hundred_damaged_files(tmp_path):
    assert len(answers(tmp_path, FEW)) == FEW


@pytest.mark.fuzz
def test_five_hundred_damaged_files(tmp_path):
    print("\n" + summary("COCO", answers(tmp_path, MANY)))
