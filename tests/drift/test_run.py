"""From cut folders to a page and an exit status."""

from __future__ import annotations

import csv
import math
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from carmask.batch.corrections import Correction, Corrections
from carmask.batch.measured import MadeWith, read_measured, vehicles
from carmask.batch.outputs import OutputSpec
from carmask.batch.run import cut_folder
from carmask.cli import app
from carmask.drift.run import compare_runs, find_reference, save_reference
from carmask.errors import DataError, UsageError
from carmask.pages.drift import _short
from carmask.prediction.measures import MEASURES


def _draw(folder, seed, cars, wall):
    """Photos of dark blocks before a wall of some brightness."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for car in range(cars):
        pixels = np.clip(rng.normal(wall, 6, (64, 96, 3)), 0, 255).astype(np.uint8)
        top, left = rng.integers(10, 26), rng.integers(10, 40)
        pixels[top : top + 24, left : left + 44] = rng.integers(0, 50, 3)
        Image.fromarray(pixels).save(folder / f"car{seed}x{car}.png")
    return folder


@pytest.fixture(scope="module")
def cut(tiny_model, tmp_path_factory):
    """Two folders of bright photos and one of less bright ones, cut."""
    place = tmp_path_factory.mktemp("drift")
    for name, seed, cars, wall in (("march", 1, 40, 235), ("april", 2, 14, 235), ("may", 3, 14, 190)):
        cut_folder(
            _draw(place / f"{name}-photos", seed, cars, wall), place / name, OutputSpec(mask=True), model=tiny_model
        )
    return place


def test_another_wall_is_an_alarm_and_the_same_one_is_not(cut):
    assert not compare_runs([cut / "april"], against=cut / "march").drift.moved
    moved = {one.name for one in compare_runs([cut / "may"], against=cut / "march").drift.moved}
    assert {"background_light", "light"} <= moved
    assert not moved & {"area", "shape", "across", "car_light"}


def test_the_command(cut, tmp_path):
    run = CliRunner().invoke
    kept = tmp_path / "ours.json"
    assert run(app, ["drift", str(cut / "march"), "--save", str(kept)]).exit_code == 0
    assert kept.stat().st_size < 40_000
    for wrong in (
        ["--save", str(tmp_path / "car.jpg")],
        ["--save", str(kept), "--against", "earlier"],
        ["--save", str(kept), "--level", "0.01"],
        ["--save", str(kept), "--photos", "3"],
        ["--about", "x"],
    ):
        assert run(app, ["drift", str(cut / "march"), *wrong]).exit_code == 2
    assert [file.name for file in tmp_path.iterdir()] == ["ours.json"]
    both = run(app, ["drift", str(cut / "march"), "--save", str(kept), "--level", "0.5", "--photos", "3"])
    assert "compares nothing; leave --level and --photos out" in both.output
    assert "march-photos" not in kept.read_text()
    out = ["--out", str(tmp_path / "page")]
    assert run(app, ["drift", str(cut / "april"), "--against", str(kept), *out]).exit_code == 0
    done = run(app, ["drift", str(cut / "may"), "--against", str(kept), *out])
    assert done.exit_code == 3
    assert "brightness around the car, mean L*: 9" in done.stdout
    page = (tmp_path / "page" / "drift.html").read_text()
    assert page.count("<figure>") == 14
    with (tmp_path / "page" / "drift-photos.csv").open() as stream:
        distances = [row["distance"] for row in csv.DictReader(stream)]
    assert len(distances) == 14
    assert distances[0] == ""  # nothing was corrected or chosen before it
    assert all(math.isfinite(float(distance)) for distance in distances[1:])
    with (tmp_path / "page" / "drift.csv").open() as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert rows["background_light"]["moved"] == "True"
    assert (
        max(len(row[name].partition("e")[0]) for row in rows.values() for name in ("before", "now", "distance")) <= 10
    )


def test_photos_that_are_gone_are_shown_as_such(cut, tmp_path):
    from carmask.pages.drift import drift_page

    found = compare_runs([cut / "may"], against=cut / "march", count=2)
    found.choices[0].row.photo.rename(tmp_path / "elsewhere.png")
    try:
        assert "Cannot be shown" in drift_page(found)
        assert "Photos to correct" in drift_page(replace(found, choices=()))
    finally:
        (tmp_path / "elsewhere.png").rename(found.choices[0].row.photo)


def test_unusual_measures_are_named_shortly_and_apart():
    short = {_short(measure.title) for measure in MEASURES.values()}
    assert len(short) == len(MEASURES)
    assert {"colour around the car, blue to yellow", "view: width over height of the car's box"} <= short


def test_requests_that_cannot_be_served(cut, tmp_path):
    (tmp_path / "empty").mkdir()
    for message, outs, options in (
        ("not an output folder of 'carmask cut'", [tmp_path / "empty"], {}),
        ("nothing is known of the photos", [cut / "may"], {}),
        ("neither a reference file nor an output folder", [cut / "may"], {"against": "nowhere"}),
        ("since", [cut / "may"], {"against": "earlier"}),
        ("no output folder", [], {}),
    ):
        with pytest.raises(UsageError, match=message):
            compare_runs(outs, **options)
    with pytest.raises(DataError, match="not a reference"):
        compare_runs([cut / "may"], against=next((cut / "may-photos").iterdir()))


def test_a_period_of_the_same_folder(cut, tmp_path):
    import shutil
    from datetime import date

    shutil.copytree(cut / "march", tmp_path / "march")
    shutil.copytree(cut / "may", tmp_path / "may")
    for name in ("march", "may"):
        base = sqlite3.connect(tmp_path / name / ".carmask" / "manifest.sqlite")
        day = {"march": "2026-03-02T08:00:00+00:00", "may": "2026-05-04T08:00:00+00:00"}[name]
        with base:
            base.execute("UPDATE photos SET finished = ?", (day,))
        base.close()
    both = [tmp_path / "march", tmp_path / "may"]
    found = compare_runs(both, since=date(2026, 5, 1), against="earlier")
    assert found.drift.period.photos == 14
    assert "background_light" in {one.name for one in found.drift.moved}
    assert [name for name, _ in compare_runs(both, against=cut / "march").weeks] == ["2026-W10", "2026-W19"]
    with pytest.raises(UsageError, match="no photo was cut since"):
        compare_runs(both, since=date(2027, 1, 1), against="earlier")


def test_decisions_and_marks_are_read(cut):
    rows = read_measured(cut / "april")
    with Corrections(cut / "april" / ".carmask" / "corrections.sqlite") as store:
        store.save(Correction(rows[0].name, "corrected", "", mask=b"png"), seen=0)
        store.save(Correction(rows[1].name, "accepted", ""), seen=0)
    rows = read_measured(cut / "april")
    assert [row.decision for row in rows[:3]] == ["corrected", "accepted", ""]
    assert all(row.review is not None for row in rows)
    found = compare_runs([cut / "april"], against=cut / "march")
    assert rows[0].name not in {one.row.name for one in found.choices}
    assert found.drift.period.rates["corrected"].count == 1


def test_cars_by_the_names_of_files_and_folders(cut):
    from dataclasses import replace

    row = read_measured(cut / "april")[0]
    names = ["a_01", "a_02", "b_01", "IMG_0001", "IMG_0002"]
    cars = vehicles([replace(row, name=name) for name in names])
    assert len(set(cars)) == 4
    assert cars[0] == cars[1]
    # A folder for each car; one folder for all says nothing.
    assert len(set(vehicles([replace(row, name=name) for name in ("x/1", "x/2", "y/1", "y/2")]))) == 2
    assert len(set(vehicles([replace(row, name=name) for name in ("x/1", "x/2", "x/3")]))) == 3


def test_manifests_of_earlier_versions(cut, tmp_path, tiny_model):
    import shutil

    shutil.copytree(cut / "march", tmp_path / "old")
    file = tmp_path / "old" / ".carmask" / "manifest.sqlite"
    base = sqlite3.connect(file)
    base.executescript("DROP TABLE measures; PRAGMA user_version = 4;")
    base.close()
    assert not any(row.measures for row in read_measured(tmp_path / "old"))
    with pytest.raises(DataError, match="an earlier version cut them"):
        save_reference([tmp_path / "old"], tmp_path / "r.json")
    # The same command completes the file, and what is made again is measured.
    photos, spec = cut / "march-photos", OutputSpec(mask=True)
    assert cut_folder(photos, tmp_path / "old", spec, model=tiny_model).done == 40
    assert cut_folder(photos, tmp_path / "old", spec, model=tiny_model, restart=True).done == 40
    assert all(row.measures for row in read_measured(tmp_path / "old"))


def test_the_shipped_models_reference_is_its_own():
    """Made again for another default model: docs/decisions/0026-drift.md says by which commands."""
    from carmask.model.installed import describe_model

    shipped = describe_model("shipped:default")
    model = MadeWith(shipped.info.name, shipped.info.version, shipped.digest)
    reference = find_reference(None, model)
    assert reference.made_with == model
    assert reference.photos == 16 * len(shipped.info.validation_cars)
    assert set(reference.measures) == set(MEASURES)
