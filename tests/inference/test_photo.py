from __future__ import annotations

import errno
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from carmask.compositing.background import Background
from carmask.errors import OutputError
from carmask.images import read_mask, write_atomically
from carmask.inference import photo as module
from carmask.inference.photo import Job, LocalStorage, PhotoCutter, PhotoTask, Wanted
from carmask.inference.predict import open_for, predict_reduced
from carmask.rle import rle_decode
from tests.inference.conftest import draw_photo


@pytest.fixture
def jpeg(tmp_path):
    path = tmp_path / "car.jpg"
    Image.fromarray(draw_photo(1)).save(path, quality=92)
    return path


def job(path, wanted, out, **changes):
    return Job(path, path.stem, tuple(out / file for file in wanted.outputs(path.stem)), **changes)


@pytest.mark.parametrize(
    ("wanted", "files"),
    [
        (Wanted(), ["car.png"]),
        (Wanted(mask=True), ["car_mask.png"]),
        (Wanted(background=Background.parse("teal")), ["car.png"]),
        (Wanted(mask=True, background=Background.parse("teal")), ["car_mask.png", "car.png"]),
        (Wanted(format="webp"), ["car.webp"]),
        (Wanted(mask=True, format="webp"), ["car_mask.png"]),
        (Wanted(runs=True), []),
        (Wanted(mask=True, runs=True), ["car_mask.png"]),
    ],
)
def test_each_wish_writes_its_files_and_no_others(dark, jpeg, tmp_path, wanted, files):
    out = tmp_path / "new" / "out"
    result = PhotoCutter(dark, wanted, LocalStorage())(job(jpeg, wanted, out))
    assert (result.status, result.reason) == ("done", "")
    assert [path.name for path in sorted(out.iterdir())] == sorted(files) if files else not out.exists()
    assert result.written == sum((out / file).stat().st_size for file in files)
    assert result.digest == hashlib.sha256(jpeg.read_bytes()).hexdigest()
    expected = predict_reduced(dark, open_for(dark, jpeg))
    assert (result.confidence, result.area) == (expected.confidence, expected.area)
    if wanted.mask:
        assert np.array_equal(read_mask(out / "car_mask.png"), expected.mask)
    if wanted.runs:
        assert np.array_equal(rle_decode(result.runs, *expected.mask.shape), expected.mask)
    else:
        assert result.runs is None
    if "car.png" in files:
        made = np.asarray(Image.open(out / "car.png"))
        pixels = np.asarray(Image.open(jpeg))
        assert np.array_equal(made[expected.mask][:, :3], pixels[expected.mask])
        assert (made[~expected.mask][:, :3] == (0 if wanted.background is None else (0, 128, 128))).all()
    if "car.webp" in files:
        made = np.asarray(Image.open(out / "car.webp"))
        assert np.array_equal(made[..., 3] > 0, expected.mask)  # the contour is kept as it is, colours nearly


def test_known_content_is_not_worked_on_again(dark, jpeg, tmp_path):
    wanted = Wanted(mask=True)
    known = hashlib.sha256(jpeg.read_bytes()).hexdigest()
    result = PhotoCutter(dark, wanted, LocalStorage())(job(jpeg, wanted, tmp_path / "out", known=known))
    assert result.unchanged
    assert not dark.seen
    assert not (tmp_path / "out").exists()


def test_the_stamp_is_that_of_the_file_read(dark, jpeg, tmp_path):
    result = PhotoCutter(dark, Wanted(runs=True), LocalStorage())(job(jpeg, Wanted(runs=True), tmp_path))
    assert result.stamp == module.stamp_of(jpeg.stat())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        (b"", "the file is empty"),
        (b"not a photo", "not an image that can be read"),
        ("truncated", "damaged: image file is truncated"),
    ],
)
def test_a_bad_photo_is_a_result(dark, jpeg, tmp_path, content, reason):
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(jpeg.read_bytes()[:3000] if content == "truncated" else content)
    result = PhotoCutter(dark, Wanted(mask=True), LocalStorage())(job(path, Wanted(mask=True), tmp_path / "out"))
    assert result.status == "failed"
    assert result.reason.startswith(f"{path}: {reason}")
    assert not (tmp_path / "out").exists()


def test_a_truncated_photo_is_noticed_at_every_length(dark, tmp_path):
    stream = io.BytesIO()
    Image.fromarray(draw_photo(2, (512, 768))).save(stream, "JPEG", quality=90)
    content = stream.getvalue()
    path = tmp_path / "cut off.jpg"
    # The last two bytes only say that this is the end.
    for length in range(0, len(content) - 2, len(content) // 25):
        path.write_bytes(content[:length])
        result = PhotoCutter(dark, Wanted(runs=True), LocalStorage())(job(path, Wanted(runs=True), tmp_path))
        assert result.status == "failed", length


def test_folders_and_unreadable_files_are_named(dark, tmp_path, monkeypatch):
    cutter = PhotoCutter(dark, Wanted(runs=True), LocalStorage())
    assert "this is a folder" in cutter(Job(tmp_path, "x", ())).reason

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module.Path, "open", refuse)
    assert cutter(Job(tmp_path / "a.jpg", "a", ())).reason.endswith("a.jpg: cannot be read: Permission denied")


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EROFS, True), (errno.EACCES, False)])
def test_a_full_disk_is_told_from_a_file_that_cannot_be_written(dark, jpeg, tmp_path, monkeypatch, number, full):
    def fail(path, _content):
        raise OutputError(f"{path}: cannot be written") from OSError(number, "no")

    monkeypatch.setattr(module, "write_atomically", fail)
    result = PhotoCutter(dark, Wanted(mask=True), LocalStorage())(job(jpeg, Wanted(mask=True), tmp_path / "out"))
    assert (result.status, result.full) == ("failed", full)
    assert write_atomically is not fail


def test_memory_that_runs_out_costs_one_photo(dark, jpeg, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(dark, "run", fail)
    result = PhotoCutter(dark, Wanted(runs=True), LocalStorage())(job(jpeg, Wanted(runs=True), tmp_path))
    assert result.reason == f"{jpeg}: too large for this machine's memory"


def test_large_photos_take_turns(dark, jpeg, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1000)
    seen = []
    run = dark.run
    monkeypatch.setattr(dark, "run", lambda pixels: (seen.append(module._LARGE_PHOTO.locked()), run(pixels))[1])
    assert PhotoCutter(dark, Wanted(runs=True), LocalStorage())(job(jpeg, Wanted(runs=True), tmp_path)).status == "done"
    assert seen == [True]
    assert not module._LARGE_PHOTO.locked()


def test_a_task_loads_the_same_function(tiny_model, dark, jpeg, tmp_path):
    # The tiny model and DarkIsCar agree on which side of the threshold a pixel lies.
    wanted = Wanted(runs=True)
    loaded = PhotoTask(str(tiny_model), wanted, threads=2).load()
    assert loaded(job(jpeg, wanted, tmp_path)).area == pytest.approx(
        PhotoCutter(dark, wanted, LocalStorage())(job(jpeg, wanted, tmp_path)).area, abs=0.02
    )
