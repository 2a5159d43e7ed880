"""What a run of ``cut`` makes of corrections: rendered from them, kept, said in the report."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carmask.batch.checks import NO_CAR
from carmask.batch.corrections import FILE, Correction, Corrections, with_corrections
from carmask.batch.manifest import Manifest, describe
from carmask.batch.names import MANIFEST, STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.process import REPLACED, PhotoCutter, PhotoTask
from carmask.batch.report import Review, read_report, write_report
from carmask.batch.run import cut_folder, open_run, run_jobs
from carmask.batch.runfile import read_run
from carmask.batch.storage import LocalStorage
from carmask.compositing.background import Background
from carmask.compositing.placement import Placing
from carmask.compositing.style import RenderStyle
from carmask.data.table import read_examples
from carmask.errors import InUseError, UsageError
from carmask.images import encode_mask, read_mask
from carmask.review.export import export_corrections
from carmask.review.queue import Entry, Queue, car_of, id_of, read_queue
from carmask.review.report import write_decisions
from tests.conftest import draw_photo

MASKS = OutputSpec(mask=True)


class Inline:
    def __init__(self, network, wanted):
        self.cutter, self.names = PhotoCutter(network, wanted, LocalStorage()), []

    def close(self):
        pass

    def map(self, jobs):
        for job in jobs:
            self.names.append(job.name)
            yield job, self.cutter(job)


@pytest.fixture
def run(dark, tiny_model, photos, tmp_path):
    """Cut the folder as the command does, with what was corrected; give the names that were worked on."""

    def go(wanted=MASKS, *, restart=False):
        out = tmp_path / "out"
        plan, engine = plan_run([photos], out, wanted, recursive=True), Inline(dark, wanted)
        store, decided = Corrections.of(out / STATE), {}
        if store:
            with store:
                plan = replace(plan, jobs=tuple(with_corrections(plan.jobs, store)))
                decided = {name: one.decision for name, one in store.decided().items()}
        with open_run(out, plan.jobs, PhotoTask(str(tiny_model), wanted), restart=restart) as manifest:
            list(run_jobs(plan.jobs, manifest, engine))
            write_report(out, plan, manifest, review=Review(0.99), decisions=decided)
        return engine.names

    return go


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def correct(out: Path, name: str, photo: Path, mask: np.ndarray) -> None:
    import hashlib

    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    with Corrections(out / STATE / FILE) as store:
        seen = store.current(name)
        correction = Correction(name, "corrected", digest, encode_mask(mask), author="Anna")
        store.save(correction, seen=seen.revision if seen else 0)


def report(out: Path) -> dict[str, dict[str, str]]:
    with (out / "report.csv").open(newline="") as stream:
        return {Path(row["photo"]).stem: row for row in csv.DictReader(stream)}


@pytest.fixture
def mine() -> np.ndarray:
    mask = np.zeros((128, 192), np.bool_)
    mask[30:90, 40:150] = True
    return mask


def test_a_run_renders_from_the_correction_once(run, out, photos, mine):
    run()
    correct(out, "car 03", photos / "car 03.jpg", mine)
    assert run() == ["car 03"]
    np.testing.assert_array_equal(read_mask(out / "car 03_mask.png"), mine)
    assert float(report(out)["car 03"]["area"]) == pytest.approx(mine.mean(), abs=1e-4)
    assert report(out)["car 03"]["decision"] == "corrected"
    assert report(out)["car 04"]["decision"] == ""
    assert run() == []


def test_other_options_and_restart_keep_it(run, out, photos, mine):
    run()
    correct(out, "car 03", photos / "car 03.jpg", mine)
    run(restart=True)
    np.testing.assert_array_equal(read_mask(out / "car 03_mask.png"), mine)
    run(OutputSpec(layers=True))
    alpha = np.asarray(Image.open(out / "car 03_alpha.png"))
    # The edge is soft within a few pixels; beyond, it is the correction's.
    assert (alpha[36:84, 46:144] == 255).all()
    assert not alpha[:24].any()
    assert not alpha[:, 156:].any()


def test_another_correction_or_none_is_rendered_again(run, out, photos, mine):
    run()
    before = (out / "car 03_mask.png").read_bytes()
    correct(out, "car 03", photos / "car 03.jpg", mine)
    run()
    correct(out, "car 03", photos / "car 03.jpg", ~mine)
    assert run() == ["car 03"]
    np.testing.assert_array_equal(read_mask(out / "car 03_mask.png"), ~mine)
    with Corrections(out / STATE / FILE) as store:
        assert store.discard("Anna") == 1
    assert run() == ["car 03"]
    assert (out / "car 03_mask.png").read_bytes() == before


def test_a_run_says_how_many_were_decided_about(photos, out, tiny_model, mine):
    made = cut_folder(photos, out, MASKS, model=tiny_model, review=Review(1.0))
    assert (made.to_review, made.decided) == (made.done, 0)
    correct(out, "car 03", photos / "car 03.jpg", mine)
    again = cut_folder(photos, out, MASKS, model=tiny_model, review=Review(1.0))
    assert (again.to_review, again.decided) == (made.to_review, 1)
    assert cut_folder(photos, out, MASKS, model=tiny_model, review=Review(0.0)).decided == 0


def test_a_photo_that_was_replaced_does_not_get_the_correction(run, out, photos, mine):
    run()
    correct(out, "car 03", photos / "car 03.jpg", mine)
    run()
    Image.fromarray(draw_photo(77)).save(photos / "car 03.jpg")
    assert run() == ["car 03"]
    assert not np.array_equal(read_mask(out / "car 03_mask.png"), mine)
    assert report(out)["car 03"]["reason"].startswith(REPLACED)
    assert run() == []
    Image.new("RGB", (120, 80), "white").save(photos / "car 03.jpg")
    assert run() == ["car 03"]
    assert report(out)["car 03"]["reason"] == f"{REPLACED}; {NO_CAR}"


def test_a_run_is_read_back_as_it_was_told(run, out, tmp_path):
    style = RenderStyle(shadow="make", strength=0.5, placing=Placing("centre", 0.7, 0.9, (96, 128)))
    picture = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    for behind in (Background.parse("white:#102030"), Background(None), Background(picture, fit="contain")):
        wanted = OutputSpec(background=behind, format="jpg", quality=80, style=style)
        run(wanted)
        found = read_run(out / STATE)
        assert found.task.spec.settings() == wanted.settings()
        assert found.base == Path.cwd()
    (tmp_path / "old" / STATE).mkdir(parents=True)
    with pytest.raises(UsageError, match="earlier version"):
        read_run(tmp_path / "old" / STATE)
    with pytest.raises(UsageError, match="no results of 'carmask cut' in this folder"):
        read_run(tmp_path / "new" / STATE)


def test_the_queue_puts_the_doubtful_first(run, out):
    run()
    queue = read_queue(out)
    assert len(queue) == 12
    marks = [entry.review for entry in queue.entries]
    assert marks == sorted(marks, reverse=True)
    marked = [entry.confidence for entry in queue.entries if entry.review]
    assert marked == sorted(marked)
    entry = queue.entries[0]
    assert queue.find(id_of(entry.name)) is entry
    assert queue.find("0" * 20) is None
    decided = {entry.name: Correction(entry.name, "accepted", entry.digest)}
    assert entry not in queue.select("todo", decided)
    assert entry in queue.select("review", decided)
    assert queue.select("accepted", decided) == [entry]
    assert sorted(one.name for one in queue.select("all", {}, "CAR 1")) == ["more/car 10", "more/car 11"]
    counts = queue.counts(decided)
    assert (counts["all"], counts["accepted"]) == (12, 1)
    assert counts["todo"] == counts["review"] - entry.review


def test_the_report_is_brought_up_to_date_in_place(run, out, photos, mine):
    run()
    before = report(out)
    correct(out, "car 05", photos / "car 05.jpg", mine)
    with Corrections(out / STATE / FILE) as store:
        write_decisions(out, read_queue(out), store.decided())
    after = report(out)
    assert after["car 05"].pop("decision") == "corrected"
    before["car 05"].pop("decision")
    assert after == before


def test_a_report_without_its_manifest_gets_none(run, out):
    """An empty one would be taken for damaged."""
    run()
    queue = read_queue(out)
    for file in (out / STATE).glob(f"{MANIFEST}*"):
        file.unlink()
    write_decisions(out, queue, {})
    assert not (out / STATE / MANIFEST).exists()


def test_the_report_is_brought_up_to_date_while_no_run_writes_it(run, out, monkeypatch):
    """What a run wrote between reading and writing was lost, and so were its photos to a delivery."""
    run()
    tried = []

    def read(folder):
        with pytest.raises(InUseError):
            Manifest(out / STATE / MANIFEST, "{}")
        tried.append(folder)
        return read_report(folder)

    monkeypatch.setattr("carmask.review.report.read_report", read)
    queue = read_queue(out)
    write_decisions(out, queue, {})
    assert tried == [out]
    with Manifest(out / STATE / MANIFEST, "{}"), pytest.raises(InUseError):
        write_decisions(out, queue, {})
    assert tried == [out]


def test_corrections_are_exported_as_a_data_set(run, out, photos, tmp_path, mine):
    run()
    with pytest.raises(UsageError, match="nothing was corrected"):
        export_corrections(out, tmp_path / "set")
    correct(out, "car 03", photos / "car 03.jpg", mine)
    correct(out, "more/car 10", photos / "more" / "car 10.jpg", ~mine)
    correct(out, "car 04", photos / "car 04.jpg", mine)
    Image.fromarray(draw_photo(50)).save(photos / "car 04.jpg")
    done, wrong = export_corrections(out, tmp_path / "set")
    assert done == 2
    assert "another photo than was corrected" in wrong[0]
    examples = {example.name: example for example in read_examples(tmp_path / "set")}
    assert set(examples) == {"car 03", "more_car 10"}
    np.testing.assert_array_equal(examples["car 03"].read_mask(), mine)
    assert examples["car 03"].photo.read_bytes() == (photos / "car 03.jpg").read_bytes()


def test_pairs_of_other_photos_are_not_written_over(run, out, photos, tmp_path, mine):
    """Cameras count from 1 each day: the corrections of two runs in one folder replaced each other."""
    run()
    correct(out, "car 03", photos / "car 03.jpg", mine)
    correct(out, "car 05", photos / "car 05.jpg", mine)
    (tmp_path / "set" / "train").mkdir(parents=True)
    (tmp_path / "set" / "train_masks").mkdir()
    (tmp_path / "set" / "train" / "car 03.png").write_bytes(b"another photo")
    (tmp_path / "set" / "train_masks" / "car 03_mask.png").write_bytes(b"its mask")
    for _ in range(2):
        done, wrong = export_corrections(out, tmp_path / "set")
        assert done == 1
        [said] = wrong
        assert "car 03.png is another photo of this name; nothing was written for it, name another folder" in said
    assert sorted(path.name for path in (tmp_path / "set" / "train").iterdir()) == ["car 03.png", "car 05.jpg"]
    assert (tmp_path / "set" / "train_masks" / "car 03_mask.png").read_bytes() == b"its mask"
    correct(out, "car 05", photos / "car 05.jpg", ~mine)
    export_corrections(out, tmp_path / "set")
    np.testing.assert_array_equal(read_mask(tmp_path / "set" / "train_masks" / "car 05_mask.png"), ~mine)


def test_a_data_set_gets_no_second_mask_of_a_photo(run, out, photos, tmp_path, mine):
    """The challenge's masks are GIFs: with a PNG beside them nothing could read the folder."""
    run()
    for name in ("car 03", "car 05"):
        correct(out, name, photos / f"{name}.jpg", mine)
    export_corrections(out, tmp_path / "set")
    before = tmp_path / "set" / "train_masks" / "car 03_mask.gif"
    before.with_suffix(".png").unlink()
    Image.fromarray(~mine).save(before)
    done, wrong = export_corrections(out, tmp_path / "set")
    assert done == 1
    assert ["car 03_mask.gif is a mask of it, too" in line for line in wrong] == [True]
    examples = {example.name: example for example in read_examples(tmp_path / "set")}
    np.testing.assert_array_equal(examples["car 03"].read_mask(), ~mine)


def test_a_hundred_thousand_photos_are_a_queue_like_any_other():
    entries = [
        Entry(id_of(name), name, name, f"{name}.jpg", "done", "", number % 997 / 997, None, number % 20 == 0, "", "")
        for number in range(100_000)
        for name in (f"car{number // 16:05d}_{number % 16 + 1:02d}",)
    ]
    queue = Queue(entries)
    assert queue.counts({})["todo"] == 5000
    found = queue.select("todo", {})
    assert [entry.confidence for entry in found] == sorted(entry.confidence for entry in found)
    assert {entry.name for entry in queue.select("all", {}, "CAR06249_")} == {entry.name for entry in entries[-16:]}
    assert len(queue.views(queue.find(id_of("car00007_03")))) == 16


@pytest.mark.parametrize(
    ("name", "car"),
    [
        ("4711_03", "4711"),
        ("lot/IMG_1021", "lot/IMG"),
        ("IMG_1021", "IMG_1021"),
        ("IMG_20201123_132905", "IMG_20201123_132905"),
        ("20201123_132905", "20201123_132905"),
        ("0007", "0007"),
    ],
)
def test_what_a_camera_has_numbered_is_no_view_of_one_car(name, car):
    """All photos of a day's phone stood beside each other as views of one car."""
    assert car_of(name) == car


def test_a_run_that_cannot_begin_takes_no_corrections_back(photos, out, tiny_model, mine):
    cut_folder(photos, out, MASKS, model=tiny_model)
    correct(out, "car 03", photos / "car 03.jpg", mine)
    with pytest.raises(UsageError, match="tells no parts apart"):
        cut_folder(photos, out, OutputSpec(parts=True), model=tiny_model, discard_corrections=True)
    with (
        Manifest(out / STATE / MANIFEST, describe(PhotoTask(str(tiny_model), MASKS))),
        pytest.raises(InUseError, match="another carmask is writing here"),
    ):
        cut_folder(photos, out, MASKS, model=tiny_model, discard_corrections=True)
    with Corrections(out / STATE / FILE) as store:
        assert {name: one.decision for name, one in store.decided().items()} == {"car 03": "corrected"}
