from __future__ import annotations

import csv
import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carmask.batch.engines.local import LocalEngine
from carmask.batch.job import Result
from carmask.batch.names import ERROR_LOG, STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.process import PhotoCutter, PhotoTask
from carmask.batch.report import Review, write_report
from carmask.batch.run import CutRun, open_run, run_jobs
from carmask.batch.storage import LocalStorage
from carmask.errors import OutputError, UsageError
from carmask.formats.labels import encode_labels
from carmask.formats.table import read_annotations
from carmask.model.file import METADATA_KEY, read_info
from tests.conftest import draw_photo

MASKS = OutputSpec(mask=True)


class Inline:
    """An engine without processes, which remembers what it was asked for."""

    def __init__(self, network, wanted=MASKS):
        self.cutter = PhotoCutter(network, wanted, LocalStorage())
        self.jobs, self.closed = [], False

    def close(self):
        self.closed = True

    def map(self, jobs):
        for job in jobs:
            self.jobs.append(job)
            yield job, self.cutter(job)

    @property
    def names(self):
        return [job.name for job in self.jobs]


@pytest.fixture
def run(dark, tiny_model, photos, tmp_path):
    """Cut the photos, all over again or not, and give what the engine had to do and what came of it."""

    def go(wanted=MASKS, *, folder=photos, restart=False):
        out = tmp_path / "out"
        plan, engine = plan_run([folder], out, wanted, recursive=True), Inline(dark, wanted)
        jobs = plan.jobs
        with open_run(out, jobs, PhotoTask(str(tiny_model), wanted), restart=restart) as manifest:
            results = list(run_jobs(jobs, manifest, engine, error_log=out / ERROR_LOG))
            write_report(out, plan, manifest)
        return engine, results

    return go


def report(out: Path) -> list[dict[str, str]]:
    with (out / "report.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def masks(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.png")}


def test_files_of_earlier_runs_that_are_no_results_of_this_one_are_named(photos, dark, tiny_model, tmp_path):
    """A folder that is handed on must not hold pictures with another background, or of a photo that fails now."""
    out = tmp_path / "out"

    def cut(wanted):
        plan = plan_run([photos], out, wanted)
        run = CutRun(out, PhotoTask(str(tiny_model), wanted), Review(0.5))
        return [path.name for path in run.work(plan, Inline(dark, wanted)).earlier]

    for path in list(photos.glob("*.jpg"))[3:]:
        path.unlink()
    names = sorted(path.stem for path in photos.glob("*.jpg"))
    assert cut(MASKS) == []
    assert cut(MASKS) == []
    assert cut(OutputSpec()) == [f"{name}_mask.png" for name in names]
    assert cut(OutputSpec(format="webp")) == sorted([f"{name}{end}" for name in names for end in (".png", "_mask.png")])
    (photos / f"{names[0]}.jpg").write_bytes(b"no photo")
    for name in names:
        (out / f"{name}_mask.png").unlink()
    assert cut(OutputSpec(format="webp")) == sorted([f"{names[0]}.webp", *(f"{name}.png" for name in names)])


def test_what_is_done_stays_done(run, tmp_path):
    engine, first = run()
    assert len(engine.jobs) == len(first) == 12
    before = masks(tmp_path / "out")
    rows = report(tmp_path / "out")
    engine, second = run()
    assert engine.jobs == []
    assert all(result.kept for result in second)
    assert [replace(result, kept=False) for result in second] == first
    assert masks(tmp_path / "out") == before
    assert report(tmp_path / "out") == rows
    engine, _ = run(restart=True)
    assert len(engine.jobs) == 12


def test_changed_photos_are_done_again_and_no_others(run, photos):
    run()
    changed = photos / "car 03.jpg"
    Image.fromarray(draw_photo(99)).save(changed)
    (photos / "car 04.jpg").touch()  # another time, the same content
    engine, results = run()
    assert sorted(engine.names) == ["car 03", "car 04"]
    assert {Path(result.photo).stem for result in results if not result.kept} == {"car 03"}
    engine, _ = run()  # the new time of the touched one is known now
    assert engine.jobs == []


def test_clocks_and_copies_do_not_hide_a_change(run, photos):
    run()
    path = photos / "car 05.jpg"
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-200] ^= 1  # same size, and the same time put back, as rsync and clocks that are set do
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(photos / "car 06.jpg", (2**33, 2**33))  # a camera that lives in the year 2242
    engine, results = run()
    assert sorted(engine.names) == ["car 05", "car 06"]
    assert [Path(result.photo).stem for result in results if not result.kept] == ["car 05"]


def test_a_result_that_is_gone_or_cut_off_is_made_again(run, tmp_path):
    run()
    before = masks(tmp_path / "out")
    (tmp_path / "out" / "car 01_mask.png").unlink()
    (tmp_path / "out" / "more" / "car 10_mask.png").write_bytes(b"\x89PNG")
    engine, _ = run()
    assert sorted(engine.names) == ["car 01", "more/car 10"]
    assert masks(tmp_path / "out") == before


def test_other_settings_make_everything_again(run):
    run()
    engine, _ = run(OutputSpec(mask=True, format="webp"))
    assert len(engine.jobs) == 12


def test_a_photo_that_moved_is_looked_at_and_kept(run, photos, tmp_path):
    run()
    moved = photos.rename(tmp_path / "elsewhere")
    engine, results = run(folder=moved)
    assert all(job.known for job in engine.jobs)
    assert all(result.kept and result.photo.startswith(str(moved)) for result in results)
    assert report(tmp_path / "out")[0]["photo"].startswith(str(moved))


def test_failures_are_tried_again(run, photos, tmp_path):
    good = (photos / "car 02.jpg").read_bytes()
    (photos / "car 02.jpg").write_bytes(good[:500])
    _, results = run()
    assert [result.status for result in results].count("failed") == 1
    row = next(row for row in report(tmp_path / "out") if row["status"] == "failed")
    assert "car 02.jpg: damaged" in row["reason"]
    (photos / "car 02.jpg").write_bytes(good)
    engine, results = run()
    assert engine.names == ["car 02"]
    assert {result.status for result in results} == {"done"}


def test_photos_that_vanish_are_reported(dark, tiny_model, photos, tmp_path):
    out = tmp_path / "out"
    plan = plan_run([photos], out, MASKS, recursive=True)
    jobs = plan.jobs
    (photos / "car 07.jpg").unlink()
    with open_run(out, jobs, PhotoTask(str(tiny_model), MASKS)) as manifest:
        results = list(run_jobs(jobs, manifest, Inline(dark)))
        write_report(out, plan, manifest)
    assert len(results) == len(report(out)) == 12
    assert "car 07.jpg: there is no such file" in next(r.reason for r in results if r.status == "failed")


class FullAfter(Inline):
    """An engine on a disk that has room for a few results."""

    def map(self, jobs):
        for number, (job, result) in enumerate(super().map(jobs)):
            yield job, result if number < 3 else Result(str(job.photo), "failed", "no room", full=True)


def test_a_full_disk_stops_the_run_and_the_next_goes_on(dark, run, tiny_model, photos, tmp_path):
    out = tmp_path / "out"
    plan, seen = plan_run([photos], out, MASKS, recursive=True), []
    jobs = plan.jobs
    with open_run(out, jobs, PhotoTask(str(tiny_model), MASKS)) as manifest:
        with pytest.raises(OutputError, match="the same command goes on from here"):
            seen.extend(run_jobs(jobs, manifest, FullAfter(dark)))
        # Room was set aside for this.
        assert not list((out / STATE).glob("*reserve"))
        write_report(out, plan, manifest)
    assert [row["status"] for row in report(out)].count("done") == 3
    assert [row["reason"] for row in report(out) if row["status"] == "failed"] == ["no room"]
    engine, _ = run()
    assert len(engine.jobs) == 9
    assert {row["status"] for row in report(out)} == {"done"}


def test_a_disk_that_may_no_longer_be_written_stops_the_run_in_words(dark, tiny_model, photos, tmp_path, monkeypatch):
    """What was set aside cannot be freed there: that ended with a traceback."""
    out = tmp_path / "out"
    jobs, unlink = plan_run([photos], out, MASKS, recursive=True).jobs, Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path.name.endswith("-reserve"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        unlink(path, missing_ok=missing_ok)

    with open_run(out, jobs, PhotoTask(str(tiny_model), MASKS)) as manifest:
        monkeypatch.setattr(Path, "unlink", refuse)
        with pytest.raises(OutputError, match="the same command goes on from here"):
            list(run_jobs(jobs, manifest, FullAfter(dark)))


def test_a_record_that_cannot_be_written_stops_the_run(dark, tiny_model, photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    plan = plan_run([photos], out, MASKS, recursive=True)
    jobs = plan.jobs
    with open_run(out, jobs, PhotoTask(str(tiny_model), MASKS)) as manifest:
        record, calls = manifest.record, []

        def fail_once(name, result, outputs=()):
            calls.append(name)
            if len(calls) == 3:
                raise OutputError("the disk is full")
            record(name, result, outputs)

        monkeypatch.setattr(manifest, "record", fail_once)
        engine = Inline(dark)
        with pytest.raises(OutputError, match="the same command goes on from here"):
            list(run_jobs(jobs, manifest, engine))
        assert engine.closed  # before the room was given free: it would have taken it
        assert calls[2] == calls[3]  # recorded after all, with the room that was set aside
        assert manifest.done(calls[2]) is not None


def test_a_folder_that_is_removed_meanwhile_stops_the_run(dark, run, tiny_model, photos, tmp_path):
    """The run came to its end as if all was done, without the results of before."""
    out = tmp_path / "out"
    jobs, engine = plan_run([photos], out, MASKS, recursive=True).jobs, Inline(dark)
    said = pytest.raises(OutputError, match="removed while the run was under way; give the same command again")
    with said, open_run(out, jobs, PhotoTask(str(tiny_model), MASKS)) as manifest:
        for number, _ in enumerate(run_jobs(jobs, manifest, engine)):
            if number == 3:
                shutil.rmtree(out)
    assert len(engine.jobs) == 5
    assert {result.status for result in run()[1]} == {"done"}


def test_leftovers_of_a_kill_are_removed_and_nothing_else(run, tmp_path):
    run()
    out = tmp_path / "out"
    left = [out / ".car 01_mask.png.abcd1234.tmp", out / "more" / ".car 10_mask.png.a_b_c_d_.tmp"]
    left += [
        out / STATE / f".{name}.abcd1234.tmp" for name in ("run.json", "background.png", "manifest.sqlite-reserve")
    ]
    others = [out / ".notes.txt.abcd1234.tmp", out / ".car 01_mask.png.tmp", out / "car 01_mask.png.abcd1234.tmp"]
    for path in left + others:
        path.write_bytes(b"half")
    run()
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_one_run_at_a_time(run, tiny_model, photos, tmp_path):
    jobs = plan_run([photos], tmp_path / "out", MASKS).jobs
    with open_run(tmp_path / "out", jobs, PhotoTask(str(tiny_model), MASKS)):
        with pytest.raises(UsageError, match="another carmask is writing here"):
            run()
        assert (tmp_path / "out" / STATE / "manifest.sqlite-reserve").exists()  # the first one's


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_an_output_that_cannot_be_written_is_refused_at_once(tiny_model, photos, tmp_path, monkeypatch, number):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    jobs = plan_run([photos], tmp_path / "out", MASKS).jobs
    monkeypatch.setattr("carmask.images.writing.tempfile.NamedTemporaryFile", refuse)
    with (
        pytest.raises(OutputError, match=os.strerror(number)),
        open_run(tmp_path / "out", jobs, PhotoTask(str(tiny_model), MASKS)),
    ):
        pytest.fail("opened")


def test_the_local_engine_does_the_same_in_its_process(tiny_model, photos, tmp_path):
    out, wanted = tmp_path / "isolated", OutputSpec(mask=True, runs=True)
    jobs = plan_run([photos], out, wanted, recursive=True).jobs
    task = PhotoTask(str(tiny_model), wanted)
    with LocalEngine(task) as engine, open_run(out, jobs, task) as manifest:
        results = list(run_jobs(jobs, manifest, engine))
    assert {result.photo for result in results} == {str(job.photo) for job in jobs}
    assert all(result.status == "done" and result.runs for result in results)
    cutter = task.load()
    for result in results:
        job = next(job for job in jobs if str(job.photo) == result.photo)
        again = cutter(replace(job, outputs=(tmp_path / "again.png",)))
        assert (again.runs, again.confidence, again.digest) == (result.runs, result.confidence, result.digest)
        assert (tmp_path / "again.png").read_bytes() == Path(job.outputs[0]).read_bytes()


def test_an_unexpected_error_is_a_row_and_its_traceback_is_in_a_log(run, tmp_path, monkeypatch):
    cut, calls = PhotoCutter._cut, []

    def fail_once(self, job, content, result):
        calls.append(job.name)
        if len(calls) == 2:
            raise KeyError("no such thing")
        return cut(self, job, content, result)

    monkeypatch.setattr(PhotoCutter, "_cut", fail_once)
    _, results = run()
    assert [result.status for result in results].count("failed") == 1
    (row,) = [row for row in report(tmp_path / "out") if row["status"] == "failed"]
    assert row["reason"].endswith("unexpected KeyError: 'no such thing' (traceback in carmask-errors.log)")
    log = (tmp_path / "out" / "carmask-errors.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "in fail_once" in log
    assert calls[1] in log
    run()  # tried again, without fault
    assert not (tmp_path / "out" / "carmask-errors.log").exists()
    assert {row["status"] for row in report(tmp_path / "out")} == {"done"}


def test_plan_keeps_folders_and_photos(photos):
    out = photos / "out"
    plan = plan_run([photos], out, MASKS, recursive=True)
    jobs = plan.jobs
    assert [job.name for job in jobs] == sorted(f"{'more/' * (n > 9)}car {n:02d}" for n in range(12))
    assert jobs[-1].outputs == (out / "more" / "car 11_mask.png",)
    assert len(plan_run([photos, photos / "car 01.jpg", photos / ".." / photos.name], out, MASKS).jobs) == 10
    (photos / "car 01.png").write_bytes(b"x")
    assert len(plan_run([photos], out, MASKS).jobs) == 10
    with pytest.raises(UsageError, match="this photo would be overwritten"):
        plan_run([photos / "car 01.png"], photos, OutputSpec())


class Labels:
    """An engine that labels every photo with two parts."""

    def close(self):
        pass

    def map(self, jobs):
        for job in jobs:
            labels = np.zeros((128, 192), np.uint8)
            labels[10:20, 30:50], labels[40:60, 30:50] = 1, 2
            files = [encode_labels(labels) for _ in job.outputs]
            for output, file in zip(job.outputs, files, strict=True):
                LocalStorage().write(output, file)
            yield job, Result(str(job.photo), "done", digest="d", stamp="s", written=sum(map(len, files)))


def test_labels_of_parts_come_with_their_names(tiny_model, photos, tmp_path):
    onnx = pytest.importorskip("onnx")
    model, info = onnx.load(tiny_model), read_info(tiny_model)
    named = info.model_copy(update={"classes": ("door", "wheel")})
    onnx.helper.set_model_props(model, {METADATA_KEY: named.model_dump_json()})
    onnx.save(model, tmp_path / "parts.onnx")
    out, spec = tmp_path / "photos" / "out", OutputSpec(parts=True)
    run = CutRun(out, PhotoTask(str(tmp_path / "parts.onnx"), spec), Review(0.5))
    run.work(plan_run([photos], out, spec), Labels())
    assert (out / "classes.txt").read_text() == "0 background\n1 door\n2 wheel\n"
    found = read_annotations(out).strict()
    assert found.names == ("door", "wheel")
    assert [one.label for one in found.pictures[0].instances()] == ["door", "wheel"]
    again = plan_run([photos], tmp_path / "other", spec, recursive=True)
    assert not [one for one in again.left_out if one.path.name == "classes.txt"]


def test_a_photo_whose_results_no_file_can_be_called_as_fails_alone(run, photos):
    longest = photos / f"{'车' * 83}.jpg"  # 253 bytes, and _mask.png is longer than .jpg
    (photos / "car 03.jpg").rename(longest)
    engine, results = run()
    failed = [one for one in results if one.status == "failed"]
    assert [Path(one.photo).name for one in failed] == [longest.name]
    assert "File name too long" in failed[0].reason
    assert len(engine.jobs) == len(results) == 12
