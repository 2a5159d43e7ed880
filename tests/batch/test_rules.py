from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from PIL import Image

from carmask.batch.outputs import OutputSpec
from carmask.batch.rules import ChannelRules
from carmask.batch.run import cut_folder
from carmask.compositing.background import Background
from carmask.compositing.placement import Placing
from carmask.compositing.style import RenderStyle
from carmask.errors import UsageError


def picture(size=(800, 600), mode="RGB", kind="JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 0).save(buffer, kind, **options)
    return buffer.getvalue()


def rules(**stated) -> ChannelRules:
    return ChannelRules("channel", "https://example.com", "2026-01-01", **stated)


@pytest.mark.parametrize(
    ("stated", "content", "broken"),
    [
        ({"aspect": (4, 3)}, picture(), []),
        ({"aspect": (4, 3)}, picture((1000, 749)), []),
        ({"aspect": (4, 3)}, picture((1918, 1280)), ["aspect"]),
        ({"min_width": 800, "min_height": 600}, picture(), []),
        ({"min_width": 800, "min_height": 600}, picture((800, 599)), ["min-size"]),
        ({"min_side": 500}, picture((500, 100)), []),
        ({"min_side": 500}, picture((499, 499)), ["min-side"]),
        ({"max_megapixels": 0.48}, picture(), []),
        ({"max_megapixels": 0.47}, picture(), ["max-megapixels"]),
        ({"max_bytes": len(picture())}, picture(), []),
        ({"max_bytes": len(picture()) - 1}, picture(), ["max-bytes"]),
        ({"formats": ("jpg",)}, picture(), []),
        ({"formats": ("jpg",)}, picture(kind="PNG"), ["format"]),
        ({"opaque": True}, picture(mode="RGBA", kind="PNG"), ["opaque"]),
        ({"opaque": True}, picture(kind="PNG"), []),
        ({"formats": ("jpg",), "min_side": 900}, picture(kind="WEBP"), ["format", "min-side"]),
        ({}, picture((16, 16), "RGBA", "PNG"), []),
    ],
)
def test_each_rule_at_its_border(stated, content, broken):
    assert [text.split(":")[0] for text in rules(**stated).broken_by(content)] == broken


def test_an_opaque_picture_with_an_alpha_channel_keeps_the_rule():
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 4), 255, np.uint8)).save(buffer, "PNG")
    assert rules(opaque=True).broken_by(buffer.getvalue()) == []


def test_rules_of_vehicles():
    said = rules(max_photos=2, min_photos=1, id_pattern="[0-9]{4}", id_words="four digits")
    assert said.broken_by_vehicle("4711", 2) == []
    assert said.broken_by_vehicle("47111", 3) == ["id: four digits", "max-photos: 3 pictures, more than 2"]
    assert said.broken_by_vehicle("4711", 0) == ["min-photos: 0 pictures, fewer than 1"]
    with pytest.raises(UsageError, match=r"id-pattern: .*: no regular expression"):
        rules(id_pattern="[").check()


def test_a_picture_that_breaks_a_rule_is_a_failed_row_and_is_not_left_in_place(photos, tiny_model, tmp_path):
    for photo in sorted(photos.rglob("*.jpg"))[3:]:
        photo.unlink()
    (photos / "more").rmdir()
    small = OutputSpec(
        mask=True,
        background=Background.parse("white"),
        format="jpg",
        style=RenderStyle(placing=Placing("centre", size=(30, 60))),
        rules=rules(min_width=64, aspect=(2, 1)),
    )
    out = tmp_path / "out"
    made = cut_folder(photos, out, small, model=tiny_model)
    assert (made.done, made.failed) == (0, 3)
    rows = list(csv.DictReader((out / "report.csv").open(newline="")))
    assert all("breaks a rule of channel: min-size: 60x30 is smaller than 64x1" in row["reason"] for row in rows)
    assert not list(out.rglob("*.jpg"))
    assert not list(out.rglob("*.png"))
    wide = OutputSpec(**{**vars(small), "rules": rules(aspect=(2, 1))})
    assert cut_folder(photos, out, wide, model=tiny_model).done == 3
    assert len(list(out.rglob("*.jpg"))) == 3
