from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from carmask.batch import watch
from carmask.batch.arrivals import Arrivals, looks_whole
from carmask.batch.manifest import Manifest, describe, read_records
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.process import PhotoTask
from carmask.batch.run import cut_folder
from carmask.batch.vehicles import Grouping
from carmask.batch.watch import WatchEvents, WatchTimes, watch_folder
from carmask.compositing.background import Background
from carmask.compositing.placement import Placing
from carmask.compositing.style import RenderStyle
from carmask.errors import InUseError, OutputError, UsageError
from tests.conftest import draw_photo
from tests.processes import started

MASKS = OutputSpec(mask=True)
TIMES = WatchTimes(settle=0.1, quiet=0.6, stop_after=0.3, poll=0.05)


def arrive(folder: Path, *numbers: int) -> None:
    """Photos that are there whole at once."""
    for number in numbers:
        vehicle = folder / f"car{number % 2}"
        vehicle.mkdir(parents=True, exist_ok=True)
        part = vehicle / f".{number}.part"
        Image.fromarray(draw_photo(number)).save(part, "PNG")
        part.rename(vehicle / f"{number:02}.png")


def files(out: Path) -> dict[str, bytes]:
    found = (path for path in out.rglob("*.png") if ".carmask" not in path.parts)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def rows(out: Path, name: str = "report.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_file_is_whole_when_it_has_its_end(tmp_path):
    picture = Image.fromarray(draw_photo(1))
    for suffix in ("jpg", "png", "webp", "bmp"):
        path = tmp_path / f"a.{suffix}"
        picture.save(path)
        assert looks_whole(path)
        path.write_bytes(path.read_bytes()[:-40])
        assert looks_whole(path) == (suffix == "bmp")
    (tmp_path / "empty.jpg").touch()
    assert not looks_whole(tmp_path / "empty.jpg")
    assert not looks_whole(tmp_path / "missing.jpg")


def test_what_is_new_by_a_clock(tmp_path):
    whole, half = tmp_path / "whole.png", tmp_path / "half.png"
    Image.fromarray(draw_photo(1)).save(whole)
    half.write_bytes(whole.read_bytes()[:-40])
    arrivals = Arrivals(settle=2, quiet=60)
    arrivals.update([whole, half, tmp_path / "gone.png"], 0)
    assert arrivals.fresh(1.9) == frozenset()
    assert arrivals.fresh(2.0) == {whole}
    assert arrivals.fresh(60.0) == {whole, half}
    arrivals.worked_on([whole])
    assert arrivals.fresh(3.0) == frozenset()
    assert arrivals.waiting == 1
    half.write_bytes(whole.read_bytes())
    arrivals.update([whole, half], 50)
    assert arrivals.fresh(51) == frozenset()
    assert arrivals.fresh(52) == {half}
    assert arrivals.last_change([whole]) == 0
    assert arrivals.last_change([whole, half]) == 50
    arrivals.update([half], 60)
    assert arrivals.photos == [half]


def test_photos_are_done_as_they_arrive_and_vehicles_finished(tiny_model, tmp_path):
    folder, out, done, finished = tmp_path / "in", tmp_path / "out", [], []
    arrive(folder, 0, 1)
    (folder / "notes.txt").write_text("no photo")
    half = folder / "car1" / "99.png"
    half.write_bytes((folder / "car1" / "01.png").read_bytes()[:-100])

    def on_photo(result):
        done.append(result.photo)
        if len(done) == 1:
            arrive(folder, 2)
            # The half one is copied to its end.
            half.write_bytes((folder / "car1" / "01.png").read_bytes())

    events = WatchEvents(photo=on_photo, vehicle=lambda vehicle: finished.append((vehicle.vehicle, vehicle.photos)))
    times = replace(TIMES, quiet=4)  # a half file is waited for so long
    made = watch_folder(folder, out, MASKS, model=tiny_model, group="folder", times=times, events=events)
    assert (made.photos, made.failed, made.waiting) == (4, 0, 0)
    assert sorted(Path(photo).stem for photo in done) == ["00", "01", "02", "99"]
    assert sorted(finished)[-2:] == [("car0", 2), ("car1", 2)]
    assert [row["status"] for row in rows(out) if row["vehicle"]] == ["done"] * 4
    assert [row["photos"] for row in rows(out, "vehicles.csv")] == ["2", "2"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    kept = cut_folder(folder, out, MASKS, model=tiny_model, recursive=True, group="folder")
    assert kept.done == 4
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before
    assert watch_folder(folder, out, MASKS, model=tiny_model, group="folder", times=TIMES).photos == 0


def test_a_vehicle_s_pictures_end_up_as_a_run_over_the_folder_makes_them(tiny_model, tmp_path):
    spec = OutputSpec(
        background=Background.parse("white"), style=RenderStyle("make", placing=Placing("vehicle", size=(90, 120)))
    )
    folder, count = tmp_path / "in", []

    def on_photo(result):
        count.append(result.photo)
        if len(count) == 1:
            arrive(folder, 2, 3)
        if len(count) == 3:
            arrive(folder, 4)

    arrive(folder, 0)
    events = WatchEvents(photo=on_photo)
    watch_folder(folder, tmp_path / "out", spec, model=tiny_model, group="folder", times=TIMES, events=events)
    cut_folder(folder, tmp_path / "batch", spec, model=tiny_model, recursive=True, group="folder")
    assert len(files(tmp_path / "batch")) == 4
    assert files(tmp_path / "out") == files(tmp_path / "batch")
    assert len(count) <= 8  # each when it arrived, and at most once more


def test_the_picture_behind_the_cars_is_no_photo_that_arrived(tiny_model, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    arrive(folder, 1, 2)
    Image.fromarray(draw_photo(5)).save(folder / "hall.png")
    spec = OutputSpec(background=Background.parse(str(folder / "hall.png")))
    made = watch_folder(folder, out, spec, model=tiny_model, group="folder", times=TIMES)
    assert (made.photos, made.failed, made.waiting) == (2, 0, 0)
    assert {row["vehicle"] for row in rows(out, "vehicles.csv")} == {"car0", "car1"}


def test_results_that_lie_in_the_folder_are_no_photos_that_arrived(tiny_model, tmp_path):
    folder = tmp_path / "in"
    arrive(folder, 0)
    photo = folder / "car0" / "00.png"
    cut_folder(photo, folder / "earlier", MASKS, model=tiny_model)
    made = watch_folder(folder, tmp_path / "out", MASKS, model=tiny_model, group="folder", times=TIMES)
    assert (made.photos, made.failed, made.waiting) == (1, 0, 0)
    photo.unlink()
    made = watch_folder(folder, tmp_path / "again", MASKS, model=tiny_model, times=TIMES)
    assert (made.photos, made.failed, made.waiting) == (0, 0, 0)


def test_what_is_gone_for_a_moment_ends_nothing_and_is_done_when_it_is_back(tiny_model, tmp_path, monkeypatch):
    """A folder that went between two looks at it ended the watch, and a photo that did was never looked at again."""
    folder, said = tmp_path / "in", []
    arrive(folder, 0)
    going = iter([folder, folder / "car0" / "00.png"])

    def plan(*args, **words):
        place = next(going, None)
        if place is None:
            return plan_run(*args, **words)
        away = place.rename(tmp_path / "away")
        try:
            return plan_run(*args, **words)
        finally:
            away.rename(place)

    monkeypatch.setattr(watch, "plan_run", plan)
    events = WatchEvents(trouble=said.append)
    made = watch_folder(folder, tmp_path / "out", MASKS, model=tiny_model, times=TIMES, events=events)
    assert (made.photos, made.failed, made.waiting) == (1, 0, 0)
    assert said == [f"{folder}: there is no such folder", ""]


def test_a_bad_photo_fails_once_and_is_done_when_it_is_replaced(tiny_model, tmp_path):
    folder, out, said = tmp_path / "in", tmp_path / "out", []
    arrive(folder, 0)
    (folder / "car0" / "bad.png").write_text("this is no picture")

    def on_photo(result):
        said.append((Path(result.photo).name, result.status))
        if result.status == "failed":
            shutil.copy(folder / "car0" / "00.png", folder / "car0" / "bad.png")

    events = WatchEvents(photo=on_photo)
    made = watch_folder(folder, out, MASKS, model=tiny_model, group="folder", times=TIMES, events=events)
    assert (made.photos, made.failed) == (3, 0)
    assert sorted(said) == [("00.png", "done"), ("bad.png", "done"), ("bad.png", "failed")]
    assert [row["status"] for row in rows(out)] == ["done", "done"]


def test_two_photos_of_one_name_end_nothing_and_the_first_keeps_it(tiny_model, tmp_path):
    folder, out, said = tmp_path / "in", tmp_path / "out", []
    arrive(folder, 0)

    def on_photo(result):
        said.append((Path(result.photo).name, result.status))
        if len(said) == 1:
            Image.fromarray(draw_photo(7)).save(folder / "car0" / "00.bmp")
        if len(said) == 2:
            arrive(folder, 2)

    for _ in range(2):
        events = WatchEvents(photo=on_photo)
        watch_folder(folder, out, MASKS, model=tiny_model, group="folder", times=TIMES, events=events)
    assert said == [("00.png", "done"), ("00.bmp", "failed"), ("02.png", "done"), ("00.bmp", "failed")]
    assert sorted(files(out)) == ["car0/00_mask.png", "car0/02_mask.png"]


def test_it_stops_when_it_is_told_and_the_next_goes_on(tiny_model, tmp_path):
    folder, out, stop = tmp_path / "in", tmp_path / "out", threading.Event()
    arrive(folder, *range(12))
    events = WatchEvents(photo=lambda _: stop.set())
    first = watch_folder(folder, out, MASKS, model=tiny_model, times=TIMES, stop=stop, events=events)
    assert 0 < first.photos < 12
    assert first.waiting == 12 - first.photos
    assert len(files(out)) == len(rows(out)) == first.photos
    second = watch_folder(folder, out, MASKS, model=tiny_model, times=TIMES)
    assert second.photos == 12 - first.photos
    assert len(files(out)) == 12


INTERRUPTED = """
from carmask.batch import watch
from carmask.cli.commands.watch import _stopping

with _stopping() as stop:
    print("ready", flush=True)
    while not stop.is_set():
        watch._pause(stop, 1e-6)
"""


def test_a_signal_that_comes_as_it_begins_to_wait_ends_it():
    """The handler waited for a lock that its own thread held: neither Ctrl-C nor SIGTERM could end it any more."""
    for _ in range(3):  # of the watch before, two in three did not end
        with started([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_what_is_done_does_not_wait_where_a_watch_is_stopped_soon(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, out, times = tmp_path / "in", tmp_path / "out", WatchTimes(settle=60)

    def soon(place=folder, spec=MASKS):
        with monkeypatch.context() as patch:
            patch.setattr(watch, "_pause", lambda stop, _: stop.set())  # it comes while the second look is waited for
            made = watch_folder(place, out, spec, model=tiny_model, group="folder", times=times)
        return made.photos, made.waiting

    arrive(folder, *range(3))
    assert soon() == (0, 3)
    assert watch_folder(folder, out, MASKS, model=tiny_model, group="folder", times=TIMES).photos == 3
    assert soon() == soon(Path("in")) == (0, 0)
    arrive(folder, 3)
    shutil.copy(folder / "car0" / "00.png", folder / "car1" / "01.png")
    assert soon() == (0, 2)
    assert soon(spec=OutputSpec()) == (2, 2)


def test_an_output_folder_in_use_is_refused_at_first_and_waited_for_later(tiny_model, tmp_path):
    folder, out, troubles = tmp_path / "in", tmp_path / "out", []
    arrive(folder, 0)
    cut_folder(folder, out, MASKS, model=tiny_model, recursive=True)
    manifest = out / ".carmask" / "manifest.sqlite"
    settings = describe(PhotoTask(str(tiny_model), MASKS))
    with Manifest(manifest, settings), pytest.raises(InUseError, match="another carmask is writing here"):
        watch_folder(folder, out, MASKS, model=tiny_model, times=TIMES)
    shutil.rmtree(out)
    let_go = threading.Event()

    def hold():
        while True:  # until the round has let go of it
            try:
                with Manifest(manifest, settings):
                    let_go.wait(120)
                return
            except (UsageError, OutputError):
                time.sleep(0.01)

    holder = threading.Thread(target=hold, daemon=True)

    def on_trouble(text):
        troubles.append(text)
        if text:
            let_go.set()
            holder.join(60)

    def on_photo(result):
        if result.photo.endswith("00.png"):
            arrive(folder, 2)
            holder.start()

    times = WatchTimes(settle=0.6, quiet=0.6, stop_after=0.5, poll=0.05)
    events = WatchEvents(photo=on_photo, trouble=on_trouble)
    made = watch_folder(folder, out, MASKS, model=tiny_model, times=times, events=events)
    assert made.photos == 2
    assert troubles[0].endswith("or name another output")
    assert troubles[1:] == [""]


def test_requests_that_cannot_be_served(tiny_model, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="there is no such folder"):
        watch_folder(tmp_path / "none", tmp_path / "out", model=tiny_model)
    with pytest.raises(UsageError, match="this is the folder that is watched"):
        watch_folder(tmp_path / "in", tmp_path / "in" / ".", model=tiny_model)
    with pytest.raises(UsageError, match="numbers within a vehicle"):
        watch_folder(tmp_path / "in", tmp_path / "out", model=tiny_model, name="{vehicle}-{number}")
    with pytest.raises(UsageError, match="quiet: 0: give seconds"):
        watch_folder(tmp_path / "in", tmp_path / "out", model=tiny_model, times=WatchTimes(quiet=0))
    spec = OutputSpec(style=RenderStyle(placing=Placing("vehicle")))
    with pytest.raises(UsageError, match="needs to know which photos show one vehicle"):
        watch_folder(tmp_path / "in", tmp_path / "out", spec, model=tiny_model)
    assert Grouping.parse("folder").by == "folder"


def test_killed_while_photos_arrive_nothing_is_lost_and_nothing_done_twice(tiny_model, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-m", "carmask", "watch", str(folder), "--out", str(out), "--model", str(tiny_model)]
    command += ["--settle", "0.1", "--quiet-time", "0.5", "--group", "folder"]

    with started(command, stdout=subprocess.PIPE, text=True) as watch:
        arrive(folder, *range(5))
        for line in watch.stdout:
            if line.startswith("done"):
                break
        arrive(folder, 5)
        watch.send_signal(signal.SIGKILL)
    recorded = {one.result.photo for one in read_records(out / ".carmask" / "manifest.sqlite")}
    arrive(folder, *range(6, 10))
    last = subprocess.run([*command, "--stop-after", "1"], capture_output=True, text=True, check=False, timeout=300)
    said = last.stdout.splitlines()
    again = [line.removeprefix("done ").partition(": ")[0] for line in said if line.startswith("done ")]
    assert len(again) == len(set(again)) == 10 - len(recorded)
    assert recorded.isdisjoint(again)
    assert [row["status"] for row in rows(out)] == ["done"] * 10
    assert [row["photos"] for row in rows(out, "vehicles.csv")] == ["5", "5"]
    cut_folder(folder, tmp_path / "batch", model=tiny_model, recursive=True, group="folder")
    assert files(out) == files(tmp_path / "batch")
    assert not [path for path in out.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tiny_model, tmp_path, number):
    folder, out = tmp_path / "in", tmp_path / "out"
    arrive(folder, *range(4))
    command = [sys.executable, "-m", "carmask", "watch", str(folder), "--out", str(out), "--model", str(tiny_model)]
    lines: list[str] = []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started([*command, "--settle", "0.1"], **pipes) as watch:
        for line in watch.stdout:
            if line.startswith("done") and not any(earlier.startswith("done") for earlier in lines):
                watch.send_signal(number)
            lines.append(line)
        assert (watch.wait(60), watch.stderr.read()) == (0, "")
    assert "stopping: finishing the photos under way\n" in lines
    done = sum(line.startswith("done ") for line in lines)
    assert lines[-1].startswith(f"stopped: {done} photos worked on, 0 failed")
    assert len(rows(out)) == len(files(out)) == done
