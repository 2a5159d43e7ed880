"""Photos of a vehicle in a review: rendered again as the run did, with what all views share."""

from __future__ import annotations

import numpy as np
from PIL import Image

from carmask.batch.manifest import Manifest, describe
from carmask.batch.outputs import OutputSpec
from carmask.batch.run import cut_folder
from carmask.batch.runfile import read_run
from carmask.compositing.background import Background
from carmask.compositing.placement import Placing
from carmask.compositing.plates import PlateCover
from carmask.compositing.style import RenderStyle
from carmask.server.folder import Folder


def test_a_photo_of_a_vehicle_is_rendered_as_the_run_did(pool, tiny_model, tmp_path):
    for name, height, width in (("front", 50, 60), ("side", 40, 120)):
        pixels = np.full((128, 192, 3), 235, np.uint8)
        pixels[40 : 40 + height, 30 : 30 + width] = 20
        (tmp_path / "day" / "4711").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "day" / "4711" / f"{name}.png")
    style = RenderStyle("reflect", placing=Placing("vehicle", 0.8, 0.85, (150, 200)))
    spec, out = OutputSpec(background=Background.parse("showroom"), style=style), tmp_path / "out"

    def cut():
        seen = []
        cut_folder(
            tmp_path / "day",
            out,
            spec,
            model=tiny_model,
            recursive=True,
            group="folder",
            progress=lambda result, *_: seen.append(result.kept),
        )
        return seen

    cut()
    before = {path: path.read_bytes() for path in (out / "4711").iterdir()}
    folder = Folder(out, pool)
    try:
        entries = folder.queue().entries
        assert [(entry.name, entry.vehicle) for entry in entries] == [("4711/front", "4711"), ("4711/side", "4711")]
        for path in before:
            path.write_bytes(b"gone")
        for entry in entries:
            folder.render(entry, None)
    finally:
        folder.close()
    assert {path: path.read_bytes() for path in (out / "4711").iterdir()} == before
    assert cut() == [True, True]


def test_a_photo_that_is_rendered_again_keeps_what_a_run_found_and_hides_its_plate(pool, tiny_model, tmp_path):
    pixels = np.full((128, 192, 3), 235, np.uint8)
    pixels[40:100, 30:160] = 20
    (tmp_path / "day" / "4711").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "day" / "4711" / "front.png")
    out = tmp_path / "out"
    spec = OutputSpec(background=Background.parse("white"), plate=PlateCover("plain"))
    cut_folder(tmp_path / "day", out, spec, model=tiny_model, recursive=True, group="folder")
    task = read_run(out / ".carmask").task
    with Manifest(out / ".carmask" / "manifest.sqlite", describe(task)) as manifest:
        before = manifest.result("4711/front").facts
    assert {"vehicle", "view_name", "plate"} <= {*before}
    folder = Folder(out, pool)
    try:
        (entry,) = folder.queue().entries
        found = folder.render(entry, None)
    finally:
        folder.close()
    # A plate is looked for again: whatever was hidden stays so.
    assert found.facts == before
