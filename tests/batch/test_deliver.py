from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from carmask.batch.checks import COPY, NO_CAR, OTHER, SKIPPED
from carmask.batch.corrections import FILE, Correction, Corrections
from carmask.batch.decisions import decisions_of
from carmask.batch.deliver import Delivery, deliver
from carmask.batch.manifest import Manifest, describe, read_records
from carmask.batch.names import MANIFEST, REPORT, STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoTask
from carmask.batch.run import cut_folder
from carmask.cli import app
from carmask.compositing.background import Background
from carmask.errors import OutputError, UsageError
from carmask.images import encode_mask, read_mask, write_atomically
from carmask.review.queue import read_queue
from tests.conftest import draw_photo

VIEWS = {"4711/a": 9, "4711/b": 1, "4711/c": None, "4711/d": 9, "5446P/a": 5}


@pytest.fixture
def out(tmp_path, tiny_model):
    """A run whose views are known: what a network would find is written into its manifest."""
    for number, name in enumerate(VIEWS):
        path = tmp_path / "day" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_photo(number)).save(path)
    folder = tmp_path / "out"
    cut_folder(tmp_path / "day", folder, model=tiny_model, recursive=True, group="folder")
    file = folder / STATE / MANIFEST
    records = read_records(file)
    with Manifest(file, describe(PhotoTask(str(tiny_model), OutputSpec()))) as manifest:
        for name, result in records:
            manifest.record(name, replace(result, facts={**result.facts, "view": VIEWS[name], "view_name": "x"}))
    return folder


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def name_of(photo):
    """The name on record of a photo: the last folder and the stem of its path."""
    return "/".join(Path(photo).with_suffix("").parts[-2:])


def test_pictures_are_named_by_the_view_and_listed_in_its_order(out, tmp_path):
    made = deliver(out, tmp_path / "to")
    assert (made.files, made.vehicles, made.left_out) == (5, 2, 0)
    pictures = {name: (out / f"{name}.png").read_bytes() for name in VIEWS}
    assert files(tmp_path / "to") == {
        "4711_01.png": pictures["4711/b"],
        "4711_09.png": pictures["4711/a"],
        "4711_09-2.png": pictures["4711/d"],
        "4711_c.png": pictures["4711/c"],
        "5446P_05.png": pictures["5446P/a"],
    }
    rows = list(csv.DictReader(made.table.open(newline="")))
    assert [(row["number"], row["view"], row["file"]) for row in rows[:4]] == [
        ("1", "1", "4711_01.png"),
        ("2", "9", "4711_09.png"),
        ("3", "9", "4711_09-2.png"),
        ("4", "", "4711_c.png"),
    ]


def test_vehicles_that_differ_in_case_alone_overwrite_nothing_and_are_said(out, tmp_path, tiny_model):
    """Where case makes no difference, as on Windows and macOS, ab1_05.png would be AB1_05.png."""
    (tmp_path / "cars.csv").write_text("photo,vehicle\n4711/a.png,AB1\n4711/d.png,ab1\n4711/b.png,x\n")
    folder = tmp_path / "tabled"
    cut_folder(tmp_path / "day", folder, model=tiny_model, recursive=True, group=str(tmp_path / "cars.csv"))
    for pattern, names in (
        ("{vehicle}_{number}", ["AB1_1.png", "ab1_1-2.png", "x_1.png"]),
        ("{vehicle}/{number}", ["AB1/1.png", "ab1/1-2.png", "x/1.png"]),
    ):
        said = CliRunner().invoke(app, ["deliver", str(folder), "--to", str(tmp_path / "to"), "--name", pattern])
        assert said.exit_code == 0
        assert "the vehicles AB1 and ab1 differ in upper and lower case alone" in said.output
        assert sorted(files(tmp_path / "to")) == names
    assert deliver(out, tmp_path / "other").alike == ()


def test_a_delivery_with_names_in_another_case_keeps_what_it_wrote(out, tmp_path, monkeypatch):
    """Where case makes no difference, the file of before is the one that was just written."""
    to = tmp_path / "to"
    deliver(out, to, "car{vehicle}_{view:02}")
    same = Path.samefile
    monkeypatch.setattr(Path, "samefile", lambda one, two: str(one).lower() == str(two).lower() or same(one, two))
    deliver(out, to, "Car{vehicle}_{view:02}")
    assert sorted({name.lower() for name in files(to)}) == sorted(name.lower() for name in files(to) if name[0] == "C")
    assert len(files(to)) == 10  # here both are there, since they are two files


def test_a_second_delivery_replaces_the_first_and_no_other_files(out, tmp_path, tiny_model):
    deliver(out, tmp_path / "to")
    (tmp_path / "to" / "note.txt").write_text("mine")
    (tmp_path / "day" / "4711" / "d.png").unlink()
    cut_folder(tmp_path / "day", out, model=tiny_model, recursive=True, group="folder")
    deliver(out, tmp_path / "to", "{vehicle}/{number:02}")
    assert sorted(files(tmp_path / "to")) == ["4711/01.png", "4711/02.png", "4711/03.png", "5446P/01.png"]
    assert (tmp_path / "to" / "note.txt").read_text() == "mine"


def test_photos_that_another_pattern_gave_other_names_are_handed_over_and_reviewed_once(out, tmp_path, tiny_model):
    """They were on record under both names, a channel got each picture twice; what was decided was not carried over."""
    digests = {one.name: one.digest for one in read_queue(out).entries}
    mended = np.eye(*draw_photo(0).shape[:2], dtype=bool)
    with Corrections(out / STATE / FILE) as store:
        store.save(Correction("4711/a", "corrected", digests["4711/a"], encode_mask(mended), author="Anna"), seen=0)
        store.save(Correction("4711/b", "rejected", digests["4711/b"], reason="blurred"), seen=0)
        store.save(Correction("4711/c", "accepted", digests["4711/c"]), seen=0)
    again = {"model": tiny_model, "recursive": True, "group": "folder"}
    masks = OutputSpec(mask=True, background=Background.parse("white"))
    made = cut_folder(tmp_path / "day", out, masks, name="{vehicle}-{number:02}", **again)
    assert len(made.earlier) == len(read_queue(out)) == len(VIEWS)
    np.testing.assert_array_equal(read_mask(out / "4711-01_mask.png"), mended)
    delivery = deliver(out, tmp_path / "to")
    assert (delivery.files, delivery.rejected) == (len(VIEWS) - 1, 1)
    with Corrections(out / STATE / FILE) as store:
        assert store.decided()["4711-01"].author == "Anna"
        store.save(replace(store.decided()["4711-03"], decision="open"), seen=1)
    cut_folder(tmp_path / "day" / "4711", out, model=tiny_model)
    names = {entry.name for entry in read_queue(out).entries}
    assert names == {"a", "b", "c", "d", "5446P-01"}
    assert {name: one for name, one in decisions_of(out / STATE, {}).items() if name in names} == {
        "a": "corrected",
        "b": "rejected",
    }


def test_a_path_seen_from_another_folder_is_another_photo(tmp_path, tiny_model, monkeypatch):
    """Two cameras call their photos alike, and each folder is cut from within."""
    out = tmp_path / "out"
    for number, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        Image.fromarray(draw_photo(number)).save(tmp_path / folder / "a.png")
        monkeypatch.chdir(tmp_path / folder)
        cut_folder("a.png", out, model=tiny_model, group="folder")
        with Corrections(out / STATE / FILE) as store:
            assert {*store.decided()} == ({"one/a"} if number else set())
            digest = next(one.digest for one in read_queue(out).entries if one.name == f"{folder}/a")
            store.save(Correction(f"{folder}/a", "rejected", digest, reason="blurred"), seen=0)
    assert {entry.name for entry in read_queue(out).entries} == {"one/a", "two/a"}


def test_a_delivery_that_ended_on_the_way_is_taken_up_by_the_next(out, tmp_path, monkeypatch):
    """It left pictures without a list, and the same command was refused: the folder had other files."""
    to = tmp_path / "to"
    whole = files(deliver(out, tmp_path / "whole").table.parent)

    def full(path, content):
        if path.name == "5446P_05.png":
            raise OutputError(f"{path}: cannot be written: No space left on device")
        write_atomically(path, content)

    for pattern in ("{vehicle}_{view:02}", "{vehicle}/{number:02}", "{vehicle}_{view:02}"):
        with monkeypatch.context() as patch:
            patch.setattr("carmask.batch.deliver.write_atomically", full)
            if pattern != "{vehicle}/{number:02}":
                with pytest.raises(OutputError, match="No space left"):
                    deliver(out, to, pattern)
        # Of a copy under way when the process was killed.
        (to / ".5446P_05.png.abcd1234.tmp").write_bytes(b"half")
        made = deliver(out, to, pattern)
        assert made.files == len(files(to)) == len(list(csv.DictReader(made.table.open(newline="")))) == 5
    assert files(to) == whole
    assert sorted(path.name for path in to.iterdir() if path.is_file()) == sorted([*whole, "delivery.csv"])


def test_a_picture_that_is_missing_costs_no_other_one(out, tmp_path, tiny_model):
    """The delivery ended at it; its list named pictures that were not there."""
    to = tmp_path / "to"
    deliver(out, to)
    (out / "4711" / "b.png").unlink()
    made = deliver(out, to)
    assert (made.files, made.vehicles) == (4, 2)
    assert [failure.name for failure in made.failures] == ["4711/b.png"]
    assert "b.png: cannot be read: No such file" in made.failures[0].reason
    listed = sorted(row["file"] for row in csv.DictReader(made.table.open(newline="")))
    assert listed == sorted(files(to)) == ["4711_09-2.png", "4711_09.png", "4711_c.png", "5446P_05.png"]
    said = CliRunner().invoke(app, ["deliver", str(out), "--to", str(to)])
    assert said.exit_code == 1
    assert "run the same 'carmask cut' again" in said.output
    assert "Traceback" not in said.output
    # What was said to help helps.
    cut_folder(tmp_path / "day", out, model=tiny_model, recursive=True, group="folder")
    assert len(files(deliver(out, to).table.parent)) == 5
    for name in VIEWS:
        (out / f"{name}.png").unlink()
    with pytest.raises(OutputError, match="so are all 5: run 'carmask cut' again"):
        deliver(out, to)


def test_what_a_person_should_know_of_the_pictures_is_counted(out, tmp_path):
    """Photos kept as they are, doubtful ones, copies and failed ones went along, or not, without a word."""
    told = json.loads((out / STATE / "run.json").read_text())
    (out / STATE / "run.json").write_text(json.dumps({**told, "others": "keep"}))
    said = {
        "4711/a": {"view_name": OTHER, "review": "yes", "decision": "corrected", "take_again": "yes"},
        "4711/b": {"review": "yes", "checks": f"{COPY}a.png"},
        "4711/c": {"view_name": OTHER, "review": "yes", "checks": "too dark: 3"},
        "4711/d": {"view_name": OTHER},
    }
    none = dict.fromkeys(("review", "decision", "checks", "take_again", "view_name"), "")
    rows = [row | none | said.get(name_of(row["photo"]), {}) for row in csv.DictReader((out / REPORT).open(newline=""))]
    rows.append({"photo": "broken.jpg", "status": "failed"})
    with (out / REPORT).open("w", newline="") as stream:
        table = csv.DictWriter(stream, rows[0])
        table.writeheader()
        table.writerows(rows)
    made = deliver(out, tmp_path / "to")
    # a shows no whole car, and was corrected by hand: it is cut.
    assert (made.files, made.kept, made.doubtful, made.again, made.copies, made.failed) == (5, 2, 2, 1, 1, 1)
    result = CliRunner().invoke(app, ["deliver", str(out), "--to", str(tmp_path / "to")])
    assert result.exit_code == 0
    for line in (
        "2 of them show no whole car: the photos as they are",
        f"2 of them are doubtful, and nobody has looked: carmask review {out}",
        "1 of them should be taken again",
        "1 of them is a copy of another",
        "1 photo failed and left out",
    ):
        assert line in result.output


def test_one_picture_is_spoken_of_as_one(monkeypatch, tmp_path):
    made = Delivery(1, 1, tmp_path / "delivery.csv", kept=1, doubtful=1)
    monkeypatch.setattr("carmask.batch.deliver.deliver", lambda *_: made)
    said = CliRunner().invoke(app, ["deliver", str(tmp_path), "--to", str(tmp_path / "to")]).output
    assert "1 of them shows no whole car" in said
    assert "1 of them is doubtful" in said


def test_a_table_of_somebody_else_is_not_taken_for_a_list(out, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "delivery.csv").write_text("date,driver\n2026-11-26,Anna\n")
    with pytest.raises(UsageError, match=r"delivery\.csv: not the list of a delivery; name a new or empty folder"):
        deliver(out, tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["delivery.csv"]


def test_what_cannot_be_delivered(out, tmp_path, tiny_model):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UsageError, match=r"to: .*it has other files"):
        deliver(out, tmp_path / "full")
    with pytest.raises(UsageError, match="all photos of a vehicle would get one name"):
        deliver(out, tmp_path / "to", "{vehicle}")
    cut_folder(tmp_path / "day", tmp_path / "plain", model=tiny_model, recursive=True)
    with pytest.raises(UsageError, match="has a vehicle; the option 'group' of 'carmask cut' says"):
        deliver(tmp_path / "plain", tmp_path / "to")
    cut_folder(
        tmp_path / "day", tmp_path / "masks", OutputSpec(mask=True), model=tiny_model, group="folder", recursive=True
    )
    with pytest.raises(UsageError, match="wrote no pictures"):
        deliver(tmp_path / "masks", tmp_path / "to")
    with pytest.raises(UsageError, match="no run of carmask has written here"):
        deliver(tmp_path / "day", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_photos_without_a_vehicle_are_counted(out, tmp_path, tiny_model):
    records = read_records(out / STATE / MANIFEST)
    with Manifest(out / STATE / MANIFEST, describe(PhotoTask(str(tiny_model), OutputSpec()))) as manifest:
        for name, result in records:
            if name in {"4711/c", "5446P/a"}:
                manifest.record(name, replace(result, facts={**result.facts, "vehicle": ""}))
    made = deliver(out, tmp_path / "to")
    assert (made.files, made.vehicles, made.left_out) == (3, 1, 2)


def test_photos_that_the_run_has_skipped_have_no_picture_to_hand_over(out, tmp_path, tiny_model):
    records = read_records(out / STATE / MANIFEST)

    def skip(*names):
        with Manifest(out / STATE / MANIFEST, describe(PhotoTask(str(tiny_model), OutputSpec()))) as manifest:
            for name, result in records:
                if name in names:
                    manifest.record(name, replace(result, facts={**result.facts, SKIPPED: "yes"}))
                    (out / f"{name}.png").unlink()

    skip("4711/c", "5446P/a")
    made = deliver(out, tmp_path / "to")
    assert (made.files, made.vehicles, made.left_out) == (3, 1, 0)
    skip("4711/a", "4711/b", "4711/d")
    with pytest.raises(UsageError, match="show no whole car, and were skipped"):
        deliver(out, tmp_path / "more")


def test_the_number_that_a_camera_gave_is_no_view(tmp_path, tiny_model):
    """A photo of the inside, IMG_0011, was handed over as view 11, and turned with the others."""
    (tmp_path / "day" / "7712A").mkdir(parents=True)
    Image.fromarray(draw_photo(1)).save(tmp_path / "day" / "7712A" / "IMG_0011.png")
    cut_folder(tmp_path / "day", tmp_path / "out", model=tiny_model, recursive=True, group="folder")
    deliver(tmp_path / "out", tmp_path / "to")
    assert list(files(tmp_path / "to")) == ["7712A_IMG_0011.png"]


def test_pictures_without_a_car_are_not_handed_over(out, tmp_path, tiny_model):
    records = read_records(out / STATE / MANIFEST)

    def lose(vehicle):
        with Manifest(out / STATE / MANIFEST, describe(PhotoTask(str(tiny_model), OutputSpec()))) as manifest:
            for name, result in records:
                if name.startswith(vehicle):
                    manifest.record(name, replace(result, reason=NO_CAR))

    lose("4711")
    made = deliver(out, tmp_path / "to")
    assert (made.files, made.vehicles, made.empty) == (1, 1, 4)
    assert list(files(tmp_path / "to")) == ["5446P_05.png"]
    lose("5446P")
    with pytest.raises(UsageError, match="no car was found in any photo of a vehicle"):
        deliver(out, tmp_path / "more")


def test_rejected_photos_are_not_handed_over(out, tmp_path):
    digests = {one.name: one.digest for one in read_queue(out).entries}
    with Corrections(out / STATE / FILE) as store:
        for name in ("4711/b", "5446P/a"):
            store.save(Correction(name, "rejected", digests[name], None, reason="blurred"), seen=0)
        store.save(Correction("4711/a", "accepted", digests["4711/a"], None), seen=0)
        made = deliver(out, tmp_path / "to")
        assert (made.files, made.vehicles, made.left_out, made.rejected) == (3, 1, 0, 2)
        assert sorted(files(tmp_path / "to")) == ["4711_09-2.png", "4711_09.png", "4711_c.png"]
        for name in ("4711/a", "4711/c", "4711/d"):
            store.save(Correction(name, "rejected", digests[name], None), seen=int(name == "4711/a"))
    with pytest.raises(UsageError, match="5 photos of vehicles, all rejected"):
        deliver(out, tmp_path / "to")
