from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carmask.batch.checks import KEPT, count_findings, facts_of, with_checks
from carmask.batch.job import Job, Result
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoCutter
from carmask.batch.run import cut_folder
from carmask.batch.storage import LocalStorage
from carmask.compositing.placement import Placing
from carmask.compositing.style import RenderStyle
from carmask.errors import UsageError
from carmask.images import read_mask
from carmask.prediction.checks import CheckSettings
from carmask.prediction.facts import PhotoFacts
from carmask.prediction.quality import QualityMeasures
from carmask.prediction.view import View
from tests.conftest import draw_photo

GOOD = QualityMeasures(1600, 1200, car=1200, share=0.75, blur=0.001, light=240, haze=10)
SIDE = View(5, 0.99, 0.99, 0.01, 0.5)


def photo_result(name, *, seed=0, noise=0, digest="", measures=GOOD, view=SIDE):
    random = np.random.default_rng(seed)
    signature = np.clip(
        random.integers(20, 230, (24, 40)) + np.random.default_rng(99).normal(0, noise, (24, 40)), 0, 255
    )
    found = PhotoFacts(measures, view, signature.astype(np.uint8))
    return name, Result(f"{name}.jpg", "done", digest=digest or name, facts=facts_of(found))


def columns(results, settings=CheckSettings()):  # noqa: B008  # it is frozen
    found = with_checks(results, settings)
    return {name: (result.facts.get("checks"), result.facts.get("take_again")) for name, result in found}


def test_columns_of_the_view():
    facts = facts_of(PhotoFacts(GOOD, SIDE))
    assert (facts["view"], facts["view_name"], facts["view_confidence"]) == (5, "left", 0.99)
    facts = facts_of(PhotoFacts(GOOD, SIDE._replace(whole=0.1)))
    assert (facts["view"], facts["view_name"], facts["view_confidence"]) == (None, "other", 0.9)
    facts = facts_of(PhotoFacts(GOOD))
    assert (facts["view"], facts["view_name"], facts["view_confidence"]) == (None, "other", None)


def test_faults_stand_beside_each_other():
    soft = GOOD._replace(blur=0.01, light=20)
    assert columns([photo_result("a", measures=soft), photo_result("b", seed=1)]) == {
        "a": ("too dark; blurred", "yes"),
        "b": (None, None),
    }


def test_copies():
    results = [
        photo_result("one/a", seed=1),
        photo_result("one/b", seed=2),
        photo_result("one/c", seed=1, noise=3),  # the same, stored again
        photo_result("two/d", seed=1, noise=3),  # alike, of another vehicle
        photo_result("two/e", seed=5, digest="one/b"),  # the same file in another folder
        photo_result("two/f", seed=1, noise=60),
    ]
    assert columns(results) == {
        "one/a": (None, None),
        "one/b": (None, None),
        "one/c": ("copy of one/a", None),
        "two/d": (None, None),
        "two/e": ("copy of one/b", None),
        "two/f": (None, None),
    }
    assert columns(results, CheckSettings.of({"duplicate": False}))["one/c"] == (None, None)


def test_copies_are_found_whatever_else_their_outputs_are_made_of():
    """A corrected mask, and the other views of a vehicle, are no part of the photo."""
    one, two = Job(Path("a.jpg"), "one/a", (), correction=b"mask", corrected_photo="same"), Job(Path("b.jpg"), "b", ())
    results = [
        photo_result("one/a", seed=1, digest=one.made_of("same", "views of one")),
        photo_result("two/a", seed=2, digest=two.made_of("same", "views of two")),
        photo_result("three/a", seed=3, digest=two.made_of("other", "views of two")),
    ]
    found = {name: checks for name, (checks, _) in columns(results).items()}
    assert found == {"one/a": None, "two/a": "copy of one/a", "three/a": None}


def test_copies_among_many_are_found_once():
    """More photos than are compared at once."""
    results = [photo_result(f"{number:04d}", seed=number % 1100) for number in range(1103)]
    found = {name: one for name, (one, _) in columns(results).items() if one}
    assert found == {"1100": "copy of 0000", "1101": "copy of 0001", "1102": "copy of 0002"}


def test_copies_are_those_that_correlate():
    """NumPy's own correlation of all pairs: photos of one grey, and near the limit on both sides, of several blocks."""
    random = np.random.default_rng(0)
    base = random.integers(20, 230, (300, 24, 40))
    # Of every fourth, and each pair of neighbours, coarse parts are alike and fine ones are not.
    base[::4] = np.kron(random.integers(20, 230, (6, 10)), np.ones((4, 4))) + random.normal(0, 12, (75, 24, 40))
    photos = np.concatenate([np.clip(base + random.normal(0, spread, base.shape), 0, 255) for spread in (0, 8, 17, 30)])
    photos[[5, 700]] = 127
    photos = photos.astype(np.uint8)
    with np.errstate(invalid="ignore"):
        correlation = np.corrcoef(photos.reshape(len(photos), -1))
    for limit in (0.965, 0.6):
        later, earlier = np.nonzero(np.tril(correlation >= limit, -1))
        expected = dict(zip(later[::-1].tolist(), earlier[::-1].tolist(), strict=True))  # of several the first
        results = [
            (str(number), Result("a.jpg", "done", digest=str(number), facts=facts_of(PhotoFacts(GOOD, SIDE, photo))))
            for number, photo in enumerate(photos)
        ]
        settings = CheckSettings.of({"all": False, "duplicate": limit})
        found = {int(name): checks for name, (checks, _) in columns(results, settings).items() if checks}
        assert len(expected) > 100
        assert found == {one: f"copy of {other}" for one, other in expected.items()}


def test_photos_without_measurements_stay_as_they_are():
    results = [("a", Result("a.jpg", "failed", "damaged")), ("b", None), ("c", Result("c.jpg", "done"))]
    assert with_checks(results, CheckSettings()) == results


def test_without_checks_nothing_is_added():
    results = [photo_result("a")]
    assert with_checks(results, CheckSettings.parse("off")) == results


@pytest.fixture
def cars(tmp_path):
    """Two photos with a dark block, a copy of one, and one without."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a", "b")):
        Image.fromarray(draw_photo(seed)).save(folder / f"{name}.png")
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
    Image.fromarray(np.full((48, 64, 3), 250, np.uint8)).save(folder / "d.png")
    return folder


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "report.csv").open(newline="") as stream:
        return {Path(row["photo"]).stem: row for row in csv.DictReader(stream)}


def test_a_run_reports_views_and_checks_and_judges_anew_without_cutting(cars, tiny_model, tmp_path):
    out = tmp_path / "out"
    cut_folder(cars, out, OutputSpec(mask=True), model=tiny_model)
    found = rows(out)
    assert set(found["a"]) >= {"view", "view_name", "view_confidence", "checks", "take_again"}
    assert not any(column.startswith("_") for column in found["a"])
    assert "wrong size: 192x128" in found["a"]["checks"]
    assert found["a"]["take_again"] == "yes"
    assert "copy of a" in found["c"]["checks"]
    assert "no car" in found["d"]["checks"]
    assert (found["d"]["view"], found["d"]["view_name"]) == ("", "other")
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    cut_folder(cars, out, OutputSpec(mask=True), model=tiny_model, checks=CheckSettings.parse("all=off,no_car=on"))
    assert {name: row["checks"] for name, row in rows(out).items()} == {"a": "", "b": "", "c": "", "d": "no car"}
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")} == before
    cut_folder(cars, out, OutputSpec(mask=True), model=tiny_model, checks=CheckSettings.parse("off"))
    assert "checks" not in rows(out)["a"]
    assert "view" in rows(out)["a"]


class Part:
    """Says of all photos that they show a part of a car."""

    def __init__(self, whole):
        self.whole = whole

    def predict(self, _):
        return SIDE._replace(whole=self.whole)


@pytest.mark.parametrize("whole", [0.1, 0.9])
def test_photos_of_no_whole_car_are_kept_as_they_are(dark, photo, tmp_path, whole):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    outputs = tmp_path / "mask.png", tmp_path / "picture.png"
    spec = OutputSpec(mask=True, others="keep", background=None, layers=False)
    spec = OutputSpec(mask=True, others="keep", background=white())
    result = PhotoCutter(dark, spec, LocalStorage(), Part(whole))(Job(path, "photo", outputs))
    made = np.asarray(Image.open(outputs[1]).convert("RGB"))
    if whole < 0.5:
        assert (result.status, result.reason) == ("done", "no whole car: kept as it is")
        assert (made == photo).all()
        assert not read_mask(outputs[0]).any()
    else:
        assert result.reason == ""
        assert not (made == photo).all()
        assert read_mask(outputs[0]).any()


def test_photos_of_no_whole_car_fit_the_pictures_size(dark, photo, tmp_path):
    tall = np.concatenate([photo, photo[::-1], photo])
    for name, pixels, full in (("wide", photo, True), ("tall", tall, False)):
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(path)
        output = tmp_path / f"{name}-cut.png"
        style = RenderStyle(placing=Placing(size=(90, 120)))
        spec = OutputSpec(others="keep", background=white(), style=style)
        result = PhotoCutter(dark, spec, LocalStorage(), Part(0.1))(Job(path, name, (output,)))
        assert result.reason == "no whole car: kept as it is"
        made = np.asarray(Image.open(output).convert("RGB"))
        assert made.shape == (90, 120, 3)
        # A wide photo fills the picture; of a tall one nothing is cropped, and one colour is beside it.
        changes = np.ptp(made.astype(int), axis=0).max(axis=1)
        assert bool((changes[:5] == 0).all()) is not full


def test_photos_of_no_whole_car_are_counted():
    other, whole = photo_result("a"), photo_result("b")
    results = [(other[0], replace(other[1], facts={"view_name": "other", "take_again": "yes"}))]
    results.append((whole[0], replace(whole[1], facts={"view_name": "left"})))
    results.append(("c", replace(other[1], status="failed", facts={"view_name": "other"})))
    results.append(("d", None))
    assert count_findings(results) == (1, 1)


def white():
    from carmask.compositing.background import Background

    return Background.parse("white")


def test_photos_of_no_whole_car_are_skipped(dark, photo, tmp_path):
    path, output = tmp_path / "photo.png", tmp_path / "mask.png"
    Image.fromarray(photo).save(path)
    cutter = PhotoCutter(dark, OutputSpec(mask=True, others="skip"), LocalStorage(), Part(0.1))
    result = cutter(Job(path, "photo", (output,)))
    assert (result.status, result.reason) == ("done", "no whole car: skipped")
    assert not output.exists()
    assert KEPT in result.facts


def test_a_skipped_photo_is_not_looked_at_again(cars, tiny_model, tmp_path):
    out, seen = tmp_path / "out", []
    spec = OutputSpec(mask=True, others="skip")
    for _ in range(2):
        cut_folder(cars, out, spec, model=tiny_model, progress=lambda result, *_: seen.append(result))
    assert [one.kept for one in seen] == [False] * 4 + [True] * 4
    assert not (out / "d_mask.png").exists()
    assert rows(out)["d"]["reason"] == "no whole car: skipped"


def test_what_an_earlier_run_wrote_of_a_photo_that_is_skipped_now_is_removed(cars, tiny_model, tmp_path):
    out = tmp_path / "out"
    cut_folder(cars, out, OutputSpec(mask=True), model=tiny_model)
    assert (out / "d_mask.png").exists()
    cut_folder(cars, out, OutputSpec(mask=True, others="skip"), model=tiny_model)
    assert not (out / "d_mask.png").exists()
    cut_folder(cars, out, OutputSpec(mask=True), model=tiny_model)
    assert (out / "d_mask.png").exists()


def test_wrong_names_of_checks_are_refused(cars, tiny_model, tmp_path):
    with pytest.raises(UsageError, match="no check sharp"):
        cut_folder(cars, tmp_path / "out", model=tiny_model, checks=CheckSettings.parse("sharp=on"))
