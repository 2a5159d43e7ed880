"""Number plates in a run: what is hidden, what is said, and which requests are refused."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from carmask.batch import process as module
from carmask.batch.job import Job
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoCutter
from carmask.batch.report import FACT_COLUMNS
from carmask.batch.storage import LocalStorage
from carmask.compositing.background import Background
from carmask.compositing.plates import PlateCover
from carmask.errors import UsageError
from carmask.images import KeepMetadata, open_photo
from carmask.prediction.plates import FoundPlate
from carmask.prediction.predict import predict_reduced, reduce_for
from tests.conftest import draw_photo

BLUR = PlateCover("blur")
RED = PlateCover("picture", np.full((16, 48, 3), (250, 0, 0), np.uint8))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "car.png"
    Image.fromarray(draw_photo(1)).save(path)
    return path


@pytest.fixture
def plate(dark, photo, monkeypatch):
    """Corners of a plate in the middle of the drawn car, which is what is found of any photo."""
    mask = predict_reduced(dark, reduce_for(dark, open_photo(photo))).mask
    rows, columns = np.nonzero(mask)
    x, y = np.median(columns), np.median(rows)
    corners = np.array([[x - 12, y - 4], [x + 12, y - 5], [x + 12, y + 4], [x - 12, y + 5]], np.float32)
    monkeypatch.setattr(module, "find_plates", lambda *_: [FoundPlate(corners, 0.9)])
    return corners


def cut(dark, photo, out, spec):
    job = Job(photo, "car", tuple(out / file for file in spec.outputs("car")))
    return PhotoCutter(dark, spec, LocalStorage(), None, object())(job)


@pytest.mark.parametrize(
    ("changes", "file"),
    [
        ({}, "car.png"),
        ({"background": Background.parse("teal")}, "car.png"),
        ({"background": Background.parse("blur")}, "car.png"),
        ({"layers": True}, "car_foreground.png"),
    ],
)
def test_a_plate_is_hidden_in_all_that_is_drawn_of_the_photo(dark, photo, plate, tmp_path, changes, file):
    before = cut(dark, photo, tmp_path / "before", OutputSpec(**changes))
    after = cut(dark, photo, tmp_path / "after", OutputSpec(plate=RED, **changes))
    assert (before.status, after.status) == ("done", "done")
    assert "plate" not in before.facts
    assert after.facts["plate"] == "found"
    one, other = (np.asarray(Image.open(tmp_path / name / file).convert("RGB")) for name in ("before", "after"))
    rows, columns = np.nonzero((one != other).any(axis=2))
    place = RED.place(plate)
    assert len(rows) > 50
    # And what the colours of the car's edge take from its inside.
    assert columns.min() >= place[:, 0].min() - 8
    assert columns.max() <= place[:, 0].max() + 8
    assert rows.min() >= place[:, 1].min() - 8
    assert rows.max() <= place[:, 1].max() + 8


@pytest.mark.usefixtures("plate")
def test_the_mask_is_the_same(dark, photo, tmp_path):
    for name, cover in (("before", None), ("after", BLUR)):
        cut(dark, photo, tmp_path / name, OutputSpec(mask=True, background=Background.parse("teal"), plate=cover))
    assert (tmp_path / "before/car_mask.png").read_bytes() == (tmp_path / "after/car_mask.png").read_bytes()


@pytest.mark.parametrize(("found", "said"), [([], "none"), ([0.3], "doubtful"), ([0.9], "found")])
def test_what_is_said_of_a_photo(dark, photo, plate, monkeypatch, tmp_path, found, said):
    monkeypatch.setattr(module, "find_plates", lambda *_: [FoundPlate(plate, score) for score in found])
    assert cut(dark, photo, tmp_path / "out", OutputSpec(plate=BLUR)).facts["plate"] == said
    assert "plate" in FACT_COLUMNS


def test_without_a_cover_nothing_is_looked_for(dark, photo, monkeypatch, tmp_path):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(module, "find_plates", refuse)
    monkeypatch.setattr(module, "PlateNetwork", refuse)
    assert cut(dark, photo, tmp_path / "out", OutputSpec()).status == "done"
    task = module.PhotoTask("best", OutputSpec())
    monkeypatch.setattr(module, "load_model", lambda *_, **__: dark)
    assert task.load()._plates is None


def test_settings_that_make_other_pictures():
    plain = OutputSpec().settings()
    assert "plate" not in plain  # runs that were made before there was a choice go on
    texts = {json.dumps(OutputSpec(plate=PlateCover(kind)).settings()) for kind in ("blur", "plain")}
    assert len(texts) == 2


def test_a_mask_alone_has_no_plate():
    for spec in (OutputSpec(mask=True, plate=BLUR), OutputSpec(runs=True, plate=BLUR)):
        with pytest.raises(UsageError, match="no picture is written") as refused:
            spec.check()
        assert refused.value.argument == "plate"
    OutputSpec(mask=True, background=Background.parse("white"), plate=BLUR).check()
    OutputSpec(parts=True, plate=BLUR).check()


@pytest.mark.usefixtures("plate")
@pytest.mark.parametrize("keep", ["safe", "all"])
def test_no_thumbnail_shows_the_plate(dark, tmp_path, keep: KeepMetadata):
    """A camera writes a small picture into the file: it is not taken over."""
    small = Image.fromarray(draw_photo(1)).resize((64, 48))
    inner = tmp_path / "small.jpg"
    small.save(inner)
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    content = exif.tobytes()
    photo = tmp_path / "car.jpg"
    Image.fromarray(draw_photo(1)).save(photo, exif=content + inner.read_bytes(), quality=90)
    spec = OutputSpec(background=Background.parse("white"), format="jpg", keep_metadata=keep, plate=BLUR)
    assert cut(dark, photo, tmp_path / "out", spec).status == "done"
    written = (tmp_path / "out/car.jpg").read_bytes()
    assert inner.read_bytes()[:200] not in written
    assert written.count(b"\xff\xd8\xff") == 1


def test_a_run_says_it_in_the_report(tiny_model, photo, tmp_path):
    """A photo without a plate, through a run with the shipped networks' files."""
    from carmask.batch.run import cut_folder

    spec = OutputSpec(background=Background.parse("white"), plate=PlateCover("plain"))
    made = cut_folder(photo, tmp_path / "out", spec, model=tiny_model)
    assert made.done == 1
    with made.report.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["plate"] in {"none", "found", "doubtful"}
    again = cut_folder(photo, tmp_path / "out", OutputSpec(background=Background.parse("white")), model=tiny_model)
    with again.report.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert "plate" not in row


@pytest.mark.parametrize(
    "cover",
    [
        None,
        BLUR,
        PlateCover("plain"),
        RED,
        PlateCover("picture", np.dstack([np.full((20, 40, 3), 200, np.uint8), np.full((20, 40), 255, np.uint8)])),
        PlateCover("picture", np.random.default_rng(0).integers(0, 255, (90, 2400, 4), np.uint8)),
    ],
)
def test_photos_that_are_rendered_again_hide_what_the_run_did(tmp_path, cover):
    """A mask that is mended by hand renders its photo again: by what the run kept, with the same settings."""
    from carmask.batch.runfile import read_run, write_run

    task = module.PhotoTask("best", OutputSpec(plate=cover))
    write_run(tmp_path, task)
    spec = read_run(tmp_path).task.spec
    assert spec.settings() == task.spec.settings()


def test_a_cutter_that_is_given_no_network_loads_it(dark, monkeypatch):
    network = object()
    monkeypatch.setattr(module, "PlateNetwork", lambda **_: network)
    assert PhotoCutter(dark, OutputSpec(plate=BLUR), LocalStorage())._plates is network
    assert PhotoCutter(dark, OutputSpec(), LocalStorage())._plates is None
