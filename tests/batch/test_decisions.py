"""Decisions are about the photo that was looked at, not about its name."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from carmask.batch.corrected_masks import corrected_masks
from carmask.batch.corrections import FILE, Correction, Corrections, Decision
from carmask.batch.deliver import deliver
from carmask.batch.manifest import Recorded, read_records
from carmask.batch.measured import read_measured
from carmask.batch.names import MANIFEST, STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.run import cut_folder
from carmask.cli import app
from carmask.formats.table import read_annotations
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


def test_convert_reads_the_manifest_once(tmp_path, tiny_model, monkeypatch):
    """Once for the names of the outputs and again for the corrections it took twice the time, of two states perhaps."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    Image.fromarray(draw_photo(0)).save(photos / "a.png")
    cut_folder(photos, out, OutputSpec(mask=True), model=tiny_model)
    mended = np.eye(*draw_photo(0).shape[:2], dtype=bool)
    with Corrections(out / STATE / FILE) as store:
        store.save(Correction("a", "corrected", "", encode_mask(mended)), seen=0)
    read: list[Path] = []

    def counted(file: Path) -> list[Recorded]:
        read.append(file)
        return read_records(file)

    for module in ("output_names", "corrected_masks", "manifest"):
        monkeypatch.setattr(f"carmask.batch.{module}.read_records", counted, raising=False)
    words = ["convert", str(out), "--to", "coco", "--out", str(tmp_path / "coco")]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert read == [out / STATE / MANIFEST]
    (picture,) = read_annotations(tmp_path / "coco").pictures
    assert np.array_equal(picture.mask(), mended)
