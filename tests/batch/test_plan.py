from __future__ import annotations

import csv
import errno
import os
from collections import Counter

import pytest
from PIL import Image

from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import OWN_OUTPUT, plan_run
from carmask.batch.run import cut_folder
from carmask.compositing.background import Background
from carmask.errors import UsageError
from carmask.images import read_mask
from carmask.images import search as searching
from tests.conftest import draw_photo

MASKS = OutputSpec(mask=True)
NOT_SEARCHED = "a sub-folder, which is not searched"


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_every_file_of_a_folder_is_a_job_or_left_out_with_a_reason(photos, tmp_path):
    (photos / "notes.txt").write_text("x")
    (photos / "README").write_text("x")
    (photos / ".DS_Store").write_text("x")
    (photos / ".thumbs").mkdir()
    (photos / "elsewhere").symlink_to(tmp_path)
    (photos / "dead.jpg").symlink_to(tmp_path / "missing.jpg")
    flat = plan_run([photos], tmp_path / "out", MASKS)
    found = {one.path.name: one.reason for one in flat.left_out}
    assert found == {
        "notes.txt": "not a picture",
        "README": "not a picture",
        ".DS_Store": "hidden: its name begins with a dot",
        ".thumbs": "hidden: its name begins with a dot",
        "elsewhere": NOT_SEARCHED,
        "more": NOT_SEARCHED,
    }
    assert {job.photo.name for job in flat.jobs} | set(found) == names(photos)
    deep = plan_run([photos], tmp_path / "out", MASKS, recursive=True)
    assert len(deep.jobs) == len(flat.jobs) + 2
    assert "more" not in {one.path.name for one in deep.left_out}


def test_a_folder_without_photos_says_what_is_in_it(tmp_path):
    (tmp_path / "a.mov").touch()
    (tmp_path / "sub").mkdir()
    with pytest.raises(UsageError, match=f"no photos in this folder; what is there: {NOT_SEARCHED}, a video"):
        plan_run([tmp_path], tmp_path / "out", MASKS)


def test_a_folder_that_cannot_be_listed_is_a_failure(photos, tmp_path, monkeypatch, tiny_model):
    scandir = os.scandir

    def refuse(path="."):
        if os.fspath(path) == str(photos / "more"):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(searching.os, "scandir", refuse)
    plan = plan_run([photos], tmp_path / "out", MASKS, recursive=True)
    assert [result.reason for result in plan.failed] == [
        f"{photos / 'more'}: the folder cannot be read: Permission denied"
    ]
    made = cut_folder(photos, tmp_path / "out", MASKS, model=tiny_model, recursive=True)
    assert (made.done, made.failed) == (10, 1)
    assert f"{photos / 'more'},failed" in made.report.read_text()
    with pytest.raises(UsageError, match="more: the folder cannot be read"):
        plan_run([photos / "more"], tmp_path / "out", MASKS)


@pytest.mark.parametrize("spec", [OutputSpec(), OutputSpec(format="webp"), OutputSpec(layers=True)])
def test_a_run_into_its_own_folder_resumes(photos, tiny_model, spec):
    before = names(photos)
    first = cut_folder(photos, photos, spec, model=tiny_model)
    written = names(photos) - before
    seen = []
    second = cut_folder(photos, photos, spec, model=tiny_model, progress=lambda result, *_: seen.append(result.kept))
    assert (second.done, second.failed) == (first.done, first.failed) == (10, 0)
    assert all(seen)
    pictures = [name for name in written if name.endswith((".png", ".webp"))]
    assert Counter(one.reason for one in second.left_out) == {OWN_OUTPUT: len(pictures), NOT_SEARCHED: 1}
    # So does one with other settings, and one that is given what a shell makes of photos/*.
    third = cut_folder(photos, photos, MASKS, model=tiny_model)
    assert third.done == 10
    files = [path for path in sorted(photos.iterdir()) if path.is_file()]
    fourth = cut_folder(files, photos, MASKS, model=tiny_model)
    assert (fourth.done, fourth.failed) == (10, 0)


def test_what_other_runs_wrote_is_no_photo(photos, tiny_model, tmp_path):
    cut_folder(photos, photos / "first", MASKS, model=tiny_model, recursive=True)
    made = cut_folder(photos, photos / "second", MASKS, model=tiny_model, recursive=True)
    assert made.done == 12
    assert not list((photos / "second").rglob("*_mask_mask.png"))
    # The other way round: the outputs lie in the folder that is searched, their manifest above it.
    cut_folder(photos, photos, OutputSpec(), model=tiny_model, recursive=True)
    plan = plan_run([photos / "more"], tmp_path / "out", MASKS)
    assert sorted(job.name for job in plan.jobs) == ["car 10", "car 11"]


def test_a_photo_beside_outputs_is_still_a_photo(photos, tiny_model):
    cut_folder(photos, photos, MASKS, model=tiny_model)
    Image.fromarray(draw_photo(50)).save(photos / "new_mask.png")
    assert cut_folder(photos, photos, MASKS, model=tiny_model).done == 11
    Image.fromarray(draw_photo(51)).save(photos / "car 01.png")
    with pytest.raises(UsageError, match="would both be written to"):
        cut_folder(photos, photos, MASKS, model=tiny_model)


def test_cutting_a_folder_in_one_call(photos, tiny_model, tmp_path):
    (photos / "bad.jpg").write_bytes(b"no photo")
    steps = []
    made = cut_folder(
        str(photos),
        str(tmp_path / "out"),
        OutputSpec(mask=True, background=Background.parse("teal")),
        model=str(tiny_model),
        progress=lambda result, done, total: steps.append((result.status, done, total)),
    )
    assert (made.done, made.failed) == (10, 1)
    assert made.report == tmp_path / "out" / "report.csv"
    assert [step[1:] for step in steps] == [(number, 11) for number in range(1, 12)]
    assert Counter(step[0] for step in steps) == {"done": 10, "failed": 1}
    with made.report.open(newline="") as stream:
        assert made.to_review == sum(row["review"] == "yes" for row in csv.DictReader(stream))
    assert f'{photos / "more"},left out,"{NOT_SEARCHED}",' in made.report.read_text()
    assert read_mask(tmp_path / "out" / "car 00_mask.png").any()
    assert (tmp_path / "out" / "car 00.png").exists()
