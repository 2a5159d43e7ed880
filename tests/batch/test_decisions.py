"""Decisions are about the photo that was looked at, not about its name."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from carmask.batch.corrected_masks import corrected_masks
from carmask.batch.corrections import FILE, Correction, Corrections, Decision
from carmask.batch.deliver import deliver
from carmask.batch.measured import read_measured
from carmask.batch.names import STATE
from carmask.batch.run import cut_folder
from carmask.images import encode_mask
from carmask.review.queue import read_queue
from tests.conftest import draw_photo


@pytest.mark.parametrize("decision", ["rejected", "corrected"])
def test_a_photo_that_was_taken_again_is_decided_about_anew(tmp_path, tiny_model, decision: Decision):
    """A rejected photo that was taken again stayed rejected, and out of what is delivered."""
    place, out = tmp_path / "photos" / "4711", tmp_path / "out"
    place.mkdir(parents=True)
    for number, name in enumerate("ab"):
        Image.fromarray(draw_photo(number)).save(place / f"{name}.png")
    first = (place / "a.png").read_bytes()

    def cut() -> dict[str, str]:
        cut_folder(tmp_path / "photos", out, model=tiny_model, recursive=True, group="folder")
        with (out / "report.csv").open(newline="") as stream:
            reported = {row["photo"][-5]: row["decision"] for row in csv.DictReader(stream)}
        assert {one.name[-1]: one.decision for one in read_measured(out)} == reported
        assert [*corrected_masks(out)] == (["4711/a"] if reported["a"] == "corrected" else [])
        assert deliver(out, tmp_path / "to").rejected == (reported["a"] == "rejected")
        with Corrections(out / STATE / FILE) as store:
            holding = read_queue(out).holding(store.decided())
        assert {name[-1]: one.decision for name, one in holding.items()} == {k: v for k, v in reported.items() if v}
        return reported

    cut_folder(tmp_path / "photos", out, model=tiny_model, recursive=True, group="folder")
    digest = next(one.digest for one in read_queue(out).entries if one.name == "4711/a")
    mask = encode_mask(np.eye(*draw_photo(0).shape[:2], dtype=bool)) if decision == "corrected" else None
    with Corrections(out / STATE / FILE) as store:
        store.save(Correction("4711/a", decision, digest, mask, reason="blurred"), seen=0)
    assert cut() == {"a": decision, "b": ""}
    Image.fromarray(draw_photo(7)).save(place / "a.png")
    assert cut() == {"a": "", "b": ""}
    (place / "a.png").write_bytes(first)
    assert cut() == {"a": decision, "b": ""}
