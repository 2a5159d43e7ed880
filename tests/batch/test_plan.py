from __future__ import annotations

import csv
import errno
import os
import re
from collections import Counter

import pytest
from PIL import Image

from carmask.batch.naming import Naming
from carmask.batch.outputs import OutputSpec
from carmask.batch.own_outputs import OWN_OUTPUT
from carmask.batch.plan import OF_SETTINGS, plan_run
from carmask.batch.process import PhotoTask
from carmask.batch.run import cut_folder, open_run
from carmask.batch.vehicles import Grouping
from carmask.compositing.background import Background
from carmask.compositing.plates import PlateCover
from carmask.errors import OutputError, UsageError
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
    with pytest.raises(UsageError) as caught:
        plan_run([tmp_path], tmp_path / "out", MASKS)
    assert caught.value.message.endswith(
        f"no photos in this folder; what is there: {NOT_SEARCHED}, a video; give recursive=True to search it"
    )
    (tmp_path / "sub").rmdir()
    with pytest.raises(UsageError, match=r"what is there: a video$"):
        plan_run([tmp_path], tmp_path / "out", MASKS)


def test_what_the_settings_name_is_no_photo_of_the_folder(photos, tmp_path):
    hall, cover, table = photos / "hall.jpg", photos / "more" / "house.png", photos / "stock.csv"
    Image.fromarray(draw_photo(5)).save(hall)
    Image.new("RGB", (104, 22)).save(cover)
    table.write_text("photo,vehicle\ncar 10.jpg,4711\n")
    (photos / "carmask.toml").write_text("")
    before = plan_run([photos], tmp_path / "out", MASKS, recursive=True)
    (tmp_path / "linked").symlink_to(photos)
    named = Background.parse(str(tmp_path / "linked" / "hall.jpg"))
    spec = OutputSpec(background=named, plate=PlateCover.parse(str(cover)))
    plan = plan_run([photos], tmp_path / "out", spec, recursive=True, grouping=Grouping.parse(str(table)))
    assert {job.photo for job in before.jobs} - {job.photo for job in plan.jobs} == {hall, cover}
    assert {(one.path, one.reason) for one in plan.left_out} - {(one.path, one.reason) for one in before.left_out} == {
        (hall, OF_SETTINGS),
        (cover, OF_SETTINGS),
    }
    assert {one.path.name for one in before.left_out} - {one.path.name for one in plan.left_out} == {"stock.csv"}
    # Whoever names the picture itself, means it.
    assert [job.photo for job in plan_run([hall], tmp_path / "out", spec).jobs] == [hall]


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
    made = cut_folder(photos, photos, MASKS, model=tiny_model)
    assert (made.done, made.failed) == (11, 1)
    with pytest.raises(UsageError, match=r"car 01\.png: this photo would be overwritten"):
        cut_folder(photos, photos, model=tiny_model)


def test_of_two_photos_of_one_name_the_first_keeps_it(photos, tiny_model, tmp_path, monkeypatch):
    """Also where the other one comes before it later, and however the folder is named."""
    monkeypatch.chdir(tmp_path)
    second, third = photos / "car 01.webp", photos / "car 01.bmp"
    Image.fromarray(draw_photo(50)).save(second)
    reason = f"{second}: {photos / 'car 01.jpg'} has the same name in the output folder; rename one of them"
    for _ in range(2):
        made = cut_folder(photos, tmp_path / "out", MASKS, model=tiny_model)
        assert (made.done, made.failed) == (10, 1)
        with made.report.open(newline="") as stream:
            failed = [row for row in csv.DictReader(stream) if row["status"] == "failed"]
        assert [(row["photo"], row["reason"]) for row in failed] == [(str(second), reason)]
    Image.fromarray(draw_photo(51)).save(third)
    for folder in (photos, photos.relative_to(tmp_path)):
        plan = plan_run([folder], tmp_path / "out", MASKS)
        assert [job.photo.name for job in plan.jobs if job.name == "car 01"] == ["car 01.jpg"]
        assert sorted(failed.photo for failed in plan.failed) == sorted(
            str(folder / one.name) for one in (second, third)
        )


def test_folders_whose_photos_a_camera_has_called_alike_are_refused_before_anything_is_done(photos, tmp_path):
    """A hundred failures would be said one by one."""
    (tmp_path / "other").mkdir()
    for path in photos.glob("*.jpg"):
        (tmp_path / "other" / path.name).write_bytes(b"x")
    with pytest.raises(UsageError, match=r"same name in .* \(and 9 more such pairs\); cut folders one by one"):
        plan_run([photos, tmp_path / "other"], tmp_path / "out", MASKS)
    # What is advised does help.
    by_folder = {"grouping": Grouping("folder"), "naming": Naming("{name}")}
    for how, advised in (({}, "{vehicle}/{number:03}"), (by_folder, "{vehicle}/{name}")):
        with pytest.raises(UsageError, match=re.escape(f"such as name='{advised}'")):
            plan_run([photos, tmp_path / "other"], tmp_path / "out", MASKS, **how)
        helped = {**how, "naming": Naming(advised)}
        assert not plan_run([photos, tmp_path / "other"], tmp_path / "out", MASKS, **helped).failed
    # One among ten is one photo's fault.
    for path in [*(tmp_path / "other").iterdir()][1:]:
        path.unlink()
    assert len(plan_run([photos, tmp_path / "other"], tmp_path / "out", MASKS).failed) == 1


def test_a_file_beside_the_photos_is_not_written_over(photos, tiny_model, tmp_path):
    (photos / "car 01.png").write_bytes(b"another photo")
    with pytest.raises(UsageError, match=r"car 01\.png: this file lies beside the photos, and no run has written it"):
        cut_folder(photos / "car 01.jpg", photos, model=tiny_model)
    (tmp_path / "link").symlink_to(photos)
    with pytest.raises(UsageError, match="lies beside the photos"):
        cut_folder(photos / "car 01.jpg", tmp_path / "link", model=tiny_model)
    assert (photos / "car 01.png").read_bytes() == b"another photo"
    assert cut_folder(photos / "car 01.jpg", tmp_path / "out", model=tiny_model).done == 1
    # What a run has written it writes again.
    assert [cut_folder(photos / "car 02.jpg", photos, model=tiny_model).done for _ in range(2)] == [1, 1]


def test_outputs_of_a_run_that_was_killed_before_it_recorded_them_are_no_photos(photos, tiny_model):
    spec = OutputSpec()
    jobs = plan_run([photos], photos, spec).jobs
    with open_run(photos, jobs, PhotoTask(str(tiny_model), spec)) as manifest:
        jobs[0].outputs[0].write_bytes(b"whole, and not recorded")
        state = [file for file in manifest.file.parent.iterdir() if "reserve" not in file.name]
        kept = {file: file.read_bytes() for file in state}
    for file, content in kept.items():  # as a kill would leave it
        file.write_bytes(content)
    assert cut_folder(photos, photos, spec, model=tiny_model).done == 10
    # What was claimed and never came to be is somebody else's, when there is such a file later.
    (photos / "bad.jpg").write_bytes(b"no photo")
    assert cut_folder(photos, photos, spec, model=tiny_model).failed == 1
    Image.fromarray(draw_photo(51)).save(photos / "bad.png")
    with pytest.raises(UsageError, match="would be overwritten"):
        cut_folder(photos, photos, spec, model=tiny_model)


def test_tables_of_others_are_not_written_over(photos, tiny_model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.csv").write_text("month,sales\n")
    with pytest.raises(UsageError, match=r"report\.csv: this table was not written by carmask"):
        cut_folder(photos, out, MASKS, model=tiny_model)
    # As a spreadsheet saves ours; whoever deletes the manifest begins anew.
    (out / "report.csv").write_text("\ufeffphoto;status;reason\n")
    assert cut_folder(photos, out, MASKS, model=tiny_model).done == 10
    (out / "report.csv").write_text("edited")
    assert cut_folder(photos, out, MASKS, model=tiny_model).done == 10
    stock = photos / "vehicles.csv"
    stock.write_text("photo,vehicle\ncar 01.jpg,4711\n")
    for folder in (photos, photos / "more" / ".."):
        with pytest.raises(UsageError, match=r"vehicles\.csv: it would be overwritten with the run's own") as caught:
            cut_folder(photos, folder, MASKS, model=tiny_model, group=str(stock))
        assert caught.value.argument == "group"
    with pytest.raises(UsageError, match="was not written by carmask"):
        cut_folder(photos, photos, MASKS, model=tiny_model, group="folder")
    assert stock.read_text() == "photo,vehicle\ncar 01.jpg,4711\n"
    assert not (photos / ".carmask").exists()


def test_links_that_lead_round_in_a_circle(photos, tiny_model, tmp_path):
    (photos / "self.jpg").symlink_to("self.jpg")
    made = cut_folder(photos, tmp_path / "out", MASKS, model=tiny_model)
    assert (made.done, made.failed) == (10, 1)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match="cannot be made"):
        cut_folder(photos, tmp_path / "loop", MASKS, model=tiny_model)
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(OutputError, match="a link that leads nowhere has this name"):
        cut_folder(photos, tmp_path / "dangling", MASKS, model=tiny_model)


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
