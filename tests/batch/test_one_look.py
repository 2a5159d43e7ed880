"""One look for a vehicle: the same bytes alone and among others, and when a view is added or replaced."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.batch.outputs import OutputSpec
from carmask.batch.run import cut_folder
from carmask.compositing.background import Background
from carmask.compositing.placement import Placing
from carmask.compositing.style import RenderStyle

SPEC = OutputSpec(
    background=Background.parse("showroom"),
    style=RenderStyle("reflect", placing=Placing("vehicle", 0.8, 0.85, (150, 200)), light="left"),
)


def car(path, height, width, top=40, left=30, size=(128, 192)):
    """A dark car on a light floor, and something in it that differs from photo to photo."""
    pixels = np.full((*size, 3), 235, np.uint8)
    pixels[top : top + height, left : left + width] = (30, 10, 60)
    pixels[0, 0] = (200 + len(path.name), 210, 220)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def day(tmp_path):
    folder = tmp_path / "day"
    car(folder / "4711" / "side.png", 40, 120)
    car(folder / "4711" / "front.png", 56, 56)
    car(folder / "4711" / "far.png", 24, 32, 60, 90)
    car(folder / "5446P" / "side.png", 60, 100)
    car(folder / "5446P" / "front.png", 50, 60, 30, 80)
    car(folder / "solo" / "front.png", 50, 70)
    return folder


def cut(paths, out, tiny_model):
    made = cut_folder(paths, out, SPEC, model=tiny_model, recursive=True, group="folder")
    assert made.failed == 0
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*.png")
        if ".carmask" not in path.parts
    }


def test_the_same_bytes_alone_and_in_a_batch_and_in_any_order(day, tiny_model, tmp_path):
    batch = cut([day], tmp_path / "batch", tiny_model)
    assert len(batch) == 6
    alone = {}
    for vehicle in ("solo", "5446P", "4711"):
        alone |= cut([day / vehicle], tmp_path / f"alone-{vehicle}", tiny_model)
    assert alone == batch
    single = sorted((day / "4711").glob("*.png"), reverse=True)
    assert cut(single, tmp_path / "photos", tiny_model) == {k: v for k, v in batch.items() if k.startswith("4711/")}


def box(content):
    """Rows and columns that a dark car fills."""
    pixels = np.asarray(Image.open(__import__("io").BytesIO(content)).convert("L")) < 60
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def test_all_views_have_one_height_one_floor_and_the_middle(day, tiny_model, tmp_path):
    made = cut([day / "4711"], tmp_path / "out", tiny_model)
    tops, bottoms, lefts, rights = np.transpose([box(content) for content in made.values()])
    # 0.85 of 150 rows; the widest view, 120 by 40, fills 0.8 of 200 columns: 160 by 53.
    assert np.abs(bottoms - 127.5).max() <= 3
    assert np.abs((bottoms - tops) - 53).max() <= 4
    assert np.abs((lefts + rights) / 2 - 100).max() <= 3


def test_views_that_are_added_or_replaced_move_the_others_and_nothing_else_is_done(day, tiny_model, tmp_path):
    out, seen = tmp_path / "out", []
    cut([day], out, tiny_model)

    def again():
        seen.clear()
        cut_folder(
            [day],
            out,
            SPEC,
            model=tiny_model,
            recursive=True,
            group="folder",
            progress=lambda result, *_: seen.append((result.photo.rpartition("day/")[2], result.kept)),
        )
        return sorted(photo for photo, kept in seen if not kept)

    assert again() == []
    (day / "4711" / "side.png").touch()
    assert again() == []
    car(day / "5446P" / "long.png", 40, 150)
    assert again() == ["5446P/front.png", "5446P/long.png", "5446P/side.png"]
    car(day / "5446P" / "long.png", 40, 160, left=20)
    assert again() == ["5446P/front.png", "5446P/long.png", "5446P/side.png"]
    assert again() == []
    alone = cut([day / "5446P"], tmp_path / "alone", tiny_model)
    assert {name: (out / name).read_bytes() for name in alone} == alone
    (day / "5446P" / "long.png").unlink()
    assert again() == ["5446P/front.png", "5446P/side.png"]


def test_a_view_that_the_photo_cuts_off_does_not_set_the_scale(day, tiny_model, tmp_path):
    before = cut([day / "4711"], tmp_path / "before", tiny_model)
    car(day / "4711" / "detail.png", 20, 192, 60, 0)
    after = cut([day / "4711"], tmp_path / "after", tiny_model)
    assert {name: after[name] for name in before} == before
