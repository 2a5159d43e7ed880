from __future__ import annotations

import errno
import hashlib
import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from carmask.batch import process as module
from carmask.batch import storage as storing
from carmask.batch.job import Job
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoCutter, PhotoTask
from carmask.batch.storage import LocalStorage, stamp_of
from carmask.compositing.background import Background
from carmask.compositing.placement import Placing
from carmask.compositing.style import RenderStyle
from carmask.errors import OutputError, UsageError
from carmask.formats.rle import rle_decode
from carmask.images import open_photo, read_mask, write_atomically
from carmask.prediction.predict import open_for, predict_reduced, reduce_for
from tests.conftest import draw_photo


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
        (OutputSpec(), ["car.png"]),
        (OutputSpec(mask=True), ["car_mask.png"]),
        (OutputSpec(background=Background.parse("teal")), ["car.png"]),
        (OutputSpec(mask=True, background=Background.parse("teal")), ["car_mask.png", "car.png"]),
        (OutputSpec(format="webp"), ["car.webp"]),
        (OutputSpec(mask=True, format="webp"), ["car_mask.png"]),
        (OutputSpec(runs=True), []),
        (OutputSpec(mask=True, runs=True), ["car_mask.png"]),
    ],
)
def test_each_wish_writes_its_files_and_no_others(dark, jpeg, tmp_path, wanted, files):
    out = tmp_path / "new" / "out"
    result = PhotoCutter(dark, wanted, LocalStorage())(job(jpeg, wanted, out))
    assert (result.status, result.reason) == ("done", "")
    assert [path.name for path in sorted(out.iterdir())] == sorted(files) if files else not out.exists()
    assert result.written == sum((out / file).stat().st_size for file in files)
    assert result.digest == hashlib.sha256(jpeg.read_bytes()).hexdigest()
    # What draws from the photo's own pixels decodes it once, at its own size.
    reduced = reduce_for(dark, open_photo(jpeg)) if wanted.picture else open_for(dark, jpeg)
    expected = predict_reduced(dark, reduced)
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
        inside, outside = away_from_contour(expected.mask)
        assert np.array_equal(made[inside][:, :3], pixels[inside])
        assert (made[outside][:, :3] == (0 if wanted.background is None else (0, 128, 128))).all()
    if "car.webp" in files:
        made = np.asarray(Image.open(out / "car.webp"))
        inside, outside = away_from_contour(expected.mask)
        assert (made[inside][:, 3] == 255).all()
        assert (made[outside][:, 3] == 0).all()


def away_from_contour(mask):
    """What is certainly car and certainly not, for the frame of the test's network."""
    kernel = np.ones((41, 41), np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel) > 0, cv2.dilate(mask.astype(np.uint8), kernel) == 0


def test_masks_do_not_depend_on_the_picture(dark, jpeg, tmp_path):
    looks = [
        OutputSpec(mask=True),
        OutputSpec(layers=True),
        OutputSpec(
            mask=True, background=Background.parse("teal"), style=RenderStyle("make", placing=Placing("centre"))
        ),
    ]
    contents = set()
    for number, wanted in enumerate(looks):
        out = tmp_path / str(number)
        assert PhotoCutter(dark, wanted, LocalStorage())(job(jpeg, wanted, out)).status == "done"
        contents.add((out / "car_mask.png").read_bytes())
    assert len(contents) == 1


def test_layers_can_be_put_together_again(dark, jpeg, tmp_path):
    wanted = OutputSpec(layers=True, background=Background.parse("#204060"), style=RenderStyle("make"))
    result = PhotoCutter(dark, wanted, LocalStorage())(job(jpeg, wanted, tmp_path))
    assert (result.status, result.reason) == ("done", "")
    made = [np.asarray(Image.open(tmp_path / f"car_{name}.png")) for name in ("mask", "alpha", "foreground", "shadow")]
    mask, alpha, foreground, shadow = made
    assert alpha.shape == shadow.shape[:2] == foreground.shape[:2] == mask.shape
    assert not foreground[alpha == 0].any()
    assert not shadow[..., 0].any()
    floor = np.array([0x20, 0x40, 0x60]) * (1 - shadow[..., 1:] / 255)
    share = alpha[..., None] / 255
    again = share * foreground + (1 - share) * floor
    whole = (alpha == 0) | (alpha == 255)  # between, light adds up instead
    picture = np.asarray(Image.open(tmp_path / "car.png"))
    assert np.abs(again - picture)[whole].max() <= 1


def test_what_a_camera_wrote_is_kept(dark, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "ACME"
    exif.get_ifd(0x8769)[0x829A] = 0.5
    exif.get_ifd(0x8769)[0xA002] = 128
    path = tmp_path / "turned.jpg"
    Image.fromarray(np.ascontiguousarray(np.rot90(draw_photo(3), 1))).save(path, exif=exif, icc_profile=profile)
    for kind in ("png", "webp", "jpg"):
        wanted = OutputSpec(background=Background.parse("white"), format=kind, quality=None if kind == "png" else 70)
        PhotoCutter(dark, wanted, LocalStorage())(job(path, wanted, tmp_path / "out"))
        with Image.open(tmp_path / "out" / f"turned.{kind}") as made:
            assert made.size == (192, 128)
            assert made.info["icc_profile"] == profile
            assert made.getexif()[0x010F] == "ACME"
            assert 0x0112 not in made.getexif()
            assert dict(made.getexif().get_ifd(0x8769)) == {0x829A: 0.5}


def test_place_and_owner_are_kept_only_where_that_is_asked_for(dark, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "ACME", "A. Owner"
    exif.get_ifd(0x8825)[1] = "N"
    path = tmp_path / "phone.jpg"
    Image.fromarray(draw_photo(3)).save(path, exif=exif, dpi=(300, 300))
    for keep, kept in (("safe", {"ACME"}), ("all", {"ACME", "A. Owner"}), ("none", set())):
        spec = OutputSpec(layers=True, keep_metadata=keep)
        PhotoCutter(dark, spec, LocalStorage())(job(path, spec, tmp_path / keep))
        for name in ("phone.png", "phone_foreground.png"):
            with Image.open(tmp_path / keep / name) as made:
                assert {made.getexif().get(tag) for tag in (0x010F, 0x013B)} - {None} == kept
                assert bool(made.getexif().get_ifd(0x8825)) == (keep == "all")
                assert ("dpi" in made.info) == (keep != "none")
    assert OutputSpec().settings() != OutputSpec(keep_metadata="all").settings()
    assert OutputSpec(mask=True).settings() == OutputSpec(mask=True, keep_metadata="all").settings()


WIDE = RenderStyle(placing=Placing("centre", size=(9, 65501)))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (OutputSpec(mask=True, keep_metadata="all"), "keep_metadata: no picture is written with mask=True"),
        (OutputSpec(format="jpg"), "JPEG has no transparency"),
        (OutputSpec(quality=80), "quality: it is for webp and jpg"),
        (OutputSpec(style=RenderStyle(match=0.5)), "match: it takes on the light of a background"),
        (OutputSpec(style=RenderStyle(match=0.5), background=Background.parse("blur")), "have its light already"),
        (OutputSpec(mask=True, style=RenderStyle("make")), "parts=True alone: no picture is written"),
        (OutputSpec(mask=True, format="webp"), "format: masks are PNG"),
        (OutputSpec(style=RenderStyle(strength=9)), "strength: 9"),
        (
            OutputSpec(format="webp", style=WIDE),
            r"size: 65501x9 is too large for webp \(16383 a side\); give less, or",
        ),
        (OutputSpec(format="jpg", background=Background.parse("white"), style=WIDE), "too large for jpg .65500 a side"),
    ],
)
def test_wishes_that_exclude_each_other(wanted, message):
    with pytest.raises(UsageError, match=message):
        wanted.check()


def test_every_setting_of_a_picture_is_part_of_resuming():
    white = Background.parse("white")
    wishes = [
        OutputSpec(),
        OutputSpec(format="webp"),
        OutputSpec(format="webp", quality=50),
        OutputSpec(layers=True),
        OutputSpec(background=white),
        OutputSpec(background=Background.parse("white:black")),
        OutputSpec(style=RenderStyle("make")),
        OutputSpec(style=RenderStyle("make", strength=0.5)),
        OutputSpec(background=white, style=RenderStyle(match=0.5)),
        OutputSpec(style=RenderStyle(placing=Placing("centre"))),
        OutputSpec(style=RenderStyle(placing=Placing("centre", floor=0.9))),
        OutputSpec(style=RenderStyle(placing=Placing(crop=0.1))),
    ]
    texts = [json.dumps(wanted.settings(), sort_keys=True) for wanted in wishes]
    assert len(set(texts)) == len(texts)


def test_clear_windows_need_a_model_that_knows_them(tiny_model):
    wanted = OutputSpec(style=RenderStyle(glass=0.5))
    with pytest.raises(UsageError, match="glass: it needs a model that labels windows; tiny tells car only"):
        PhotoTask(str(tiny_model), wanted).load()


def test_known_content_is_not_worked_on_again(dark, jpeg, tmp_path):
    wanted = OutputSpec(mask=True)
    known = hashlib.sha256(jpeg.read_bytes()).hexdigest()
    result = PhotoCutter(dark, wanted, LocalStorage())(job(jpeg, wanted, tmp_path / "out", known=known))
    assert result.unchanged
    assert not dark.seen
    assert not (tmp_path / "out").exists()


def test_the_stamp_is_that_of_the_file_read(dark, jpeg, tmp_path):
    result = PhotoCutter(dark, OutputSpec(runs=True), LocalStorage())(job(jpeg, OutputSpec(runs=True), tmp_path))
    assert result.stamp == stamp_of(jpeg.stat())


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
    result = PhotoCutter(dark, OutputSpec(mask=True), LocalStorage())(
        job(path, OutputSpec(mask=True), tmp_path / "out")
    )
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
        result = PhotoCutter(dark, OutputSpec(runs=True), LocalStorage())(job(path, OutputSpec(runs=True), tmp_path))
        assert result.status == "failed", length


def test_folders_and_unreadable_files_are_named(dark, tmp_path, monkeypatch):
    cutter = PhotoCutter(dark, OutputSpec(runs=True), LocalStorage())
    assert "this is a folder" in cutter(Job(tmp_path, "x", ())).reason

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(storing.Path, "open", refuse)
    assert cutter(Job(tmp_path / "a.jpg", "a", ())).reason.endswith("a.jpg: cannot be read: Permission denied")


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EROFS, True), (errno.EACCES, False)])
def test_a_full_disk_is_told_from_a_file_that_cannot_be_written(dark, jpeg, tmp_path, monkeypatch, number, full):
    def fail(path, _content):
        raise OutputError(f"{path}: cannot be written") from OSError(number, "no")

    monkeypatch.setattr(storing, "write_atomically", fail)
    result = PhotoCutter(dark, OutputSpec(mask=True), LocalStorage())(
        job(jpeg, OutputSpec(mask=True), tmp_path / "out")
    )
    assert (result.status, result.full) == ("failed", full)
    assert write_atomically is not fail


def test_memory_that_runs_out_costs_one_photo(dark, jpeg, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(dark, "run", fail)
    result = PhotoCutter(dark, OutputSpec(runs=True), LocalStorage())(job(jpeg, OutputSpec(runs=True), tmp_path))
    assert result.reason == f"{jpeg}: too large for this machine's memory"


def test_whatever_a_photo_raises_costs_one_photo(dark, jpeg, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise IndexError("index 7 is out of bounds")

    spec = OutputSpec(mask=True)
    monkeypatch.setattr("carmask.batch.outputs.encode_mask", fail)  # after reading and predicting
    result = PhotoCutter(dark, spec, LocalStorage())(job(jpeg, spec, tmp_path / "out"))
    assert result.status == "failed"
    assert result.reason == f"{jpeg}: unexpected IndexError: index 7 is out of bounds"
    assert "in encode" in result.traceback
    assert not (tmp_path / "out").exists()


def test_the_list_of_outputs_and_what_is_encoded_agree(dark, jpeg, tmp_path):
    # Suffix and encoder are one entry: every kind makes one file, and its content fits its suffix.
    kinds = {"png": b"\x89PNG", "webp": b"RIFF", "jpg": b"\xff\xd8\xff"}
    for kind in kinds:
        spec = OutputSpec(layers=True, format=kind, background=Background.parse("teal"), style=RenderStyle("make"))
        one = job(jpeg, spec, tmp_path / kind)
        assert PhotoCutter(dark, spec, LocalStorage())(one).status == "done"
        assert len(one.outputs) == len(spec.kinds) == 5
        for path in one.outputs:
            assert path.read_bytes().startswith(kinds[path.suffix[1:]])


def test_large_photos_take_turns(dark, jpeg, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1000)
    seen = []
    run = dark.run
    monkeypatch.setattr(dark, "run", lambda pixels: (seen.append(module._LARGE_PHOTO.locked()), run(pixels))[1])
    assert (
        PhotoCutter(dark, OutputSpec(runs=True), LocalStorage())(job(jpeg, OutputSpec(runs=True), tmp_path)).status
        == "done"
    )
    assert seen == [True]
    assert not module._LARGE_PHOTO.locked()


def test_waiting_for_other_large_photos_is_not_a_photo_s_time(dark, jpeg, tmp_path, monkeypatch):
    class Taken:
        def __enter__(self):
            clock[0] += 1000

        def __exit__(self, *_):
            pass

    clock = [0.0]
    monkeypatch.setattr(module, "LARGE", 1000)
    monkeypatch.setattr(module, "_LARGE_PHOTO", Taken())
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    spec = OutputSpec(runs=True)
    made = PhotoCutter(dark, spec, LocalStorage())(job(jpeg, spec, tmp_path))
    # Not to the last bit: seconds that other photos of this thread have waited before are subtracted, too.
    assert (made.status, clock) == ("done", [1000.0])
    assert made.seconds == pytest.approx(0, abs=1e-6)


def test_a_task_loads_the_same_function(tiny_model, dark, jpeg, tmp_path):
    # The tiny model and DarkIsCar agree on which side of the threshold a pixel lies.
    wanted = OutputSpec(runs=True)
    loaded = PhotoTask(str(tiny_model), wanted, threads=2).load()
    assert loaded(job(jpeg, wanted, tmp_path)).area == pytest.approx(
        PhotoCutter(dark, wanted, LocalStorage())(job(jpeg, wanted, tmp_path)).area, abs=0.02
    )
