import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from carmask.data.table import read_examples, read_metadata
from carmask.errors import DataError, OutputError, StudioError, UnknownNameError, UsageError
from carmask.formats.labels import read_labels
from carmask.formats.rle import rle_decode
from carmask.images import read_mask, read_photo
from carmask.locking import only_run
from carmask.studio import renderset
from carmask.studio.renderset import Request, draw_session, render_set

SIZE = (40, 60)


class Draft:
    """In place of the renderer: labels and photos that depend on car and view alone."""

    drawn: list[str] = []  # noqa: RUF012

    def __init__(self, session):
        self.session = session

    def labels(self, view, size):
        Draft.drawn.append(f"{self.session.name}_{view:02d}")
        labels = np.zeros(size, np.uint8)
        labels[10:30, 5 + view : 40] = 19
        labels[20:25, 20:30] = 18
        return labels

    def photo(self, view, size):
        return np.full((*size, 3), 10 * view + self.session.key[1], np.uint8)


@pytest.fixture(autouse=True)
def draft(monkeypatch):
    Draft.drawn = []
    monkeypatch.setattr(renderset, "SessionRenderer", Draft)
    monkeypatch.setattr(renderset, "check_installed", lambda: None)


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_set_has_the_challenges_own_form(tmp_path):
    out = tmp_path / "set"
    steps = []
    sessions = render_set(Request(2, SIZE, parts=True), out, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(done, 32) for done in range(33)]
    examples = read_examples(out)
    assert [(one.car, one.view) for one in examples] == sorted((s.name, v) for s in sessions for v in range(1, 17))
    runs = {row["img"]: row["rle_mask"] for row in csv.DictReader((out / "train_masks.csv").open())}
    for one in examples:
        mask = one.read_mask()
        assert read_photo(one.photo).shape == (*SIZE, 3)
        assert np.array_equal(rle_decode(runs[one.photo.name], *SIZE), mask)
        assert np.array_equal(read_labels(out / "parts" / f"{one.name}.png") > 0, mask)  # the parts partition the mask
    known = read_metadata(out / "metadata.csv")
    assert {name: info.model for name, info in known.items()} == {s.name: s.car.body for s in sessions}
    coco = json.loads((out / "parts.json").read_text())
    assert len(coco["images"]) == 32
    assert {one["category_id"] for one in coco["annotations"]} == {18, 19}


def test_without_parts_there_are_none(tmp_path):
    render_set(Request(1, SIZE), tmp_path)
    assert not (tmp_path / "parts").exists()
    assert not (tmp_path / "parts.json").exists()


def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path):
    render_set(Request(2, SIZE, parts=True), tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    lost = sorted((tmp_path / "cut" / "train").iterdir())[5]
    lost.unlink()
    for name in ("train_masks.csv", "metadata.csv", "parts.json"):
        (tmp_path / "cut" / name).unlink()
    Draft.drawn = []
    render_set(Request(2, SIZE, parts=True), tmp_path / "cut")
    assert Draft.drawn == [lost.stem]
    assert everything(tmp_path / "cut") == everything(tmp_path / "whole")


def test_more_cars_can_be_asked_for_later(tmp_path):
    render_set(Request(1, SIZE), tmp_path)
    Draft.drawn = []
    sessions = render_set(Request(3, SIZE), tmp_path)
    assert {name[:12] for name in Draft.drawn} == {s.name for s in sessions[1:]}


def test_some_views_of_each_car_are_evenly_spaced_and_all_sides_are_seen(tmp_path):
    sessions = render_set(Request(5, SIZE, views=4), tmp_path)
    views = {s.name: [one.view for one in read_examples(tmp_path) if one.car == s.name] for s in sessions}
    first, second, *_, fifth = (views[s.name] for s in sessions)
    assert first == fifth == [1, 5, 9, 13]
    assert second == [2, 6, 10, 14]
    assert sorted(view for s in sessions[:4] for view in views[s.name]) == list(range(1, 17))
    with pytest.raises(UsageError, match="was rendered with another number of views"):
        render_set(Request(5, SIZE), tmp_path)


def test_a_car_depends_on_seed_and_number_alone():
    assert draw_session(5, 2) == draw_session(5, 2)
    assert len({draw_session(seed, index).name for seed in range(3) for index in range(10)}) == 30
    assert [draw_session(0, i).car.body for i in range(7)] == [
        "saloon", "hatchback", "estate", "suv", "coupe", "pickup", "van",
    ]  # fmt: skip


def test_hard_cases_take_turns_over_all_bodies():
    sessions = [draw_session(1, i, ("white", "antenna")) for i in range(14)]
    assert [s.hard for s in sessions[:4]] == ["white", "antenna"] * 2
    assert len({(s.hard, s.car.body) for s in sessions}) == 14
    assert all(s.car.paint == "white" for s in sessions[::2])
    assert all(s.car.antenna for s in sessions[1::2])


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        (Request(0, SIZE), UsageError, "0 cars cannot be rendered"),
        (Request(-3, SIZE), UsageError, "-3 cars"),
        (Request(1, SIZE, seed=-1), UsageError, "the seed -1 is negative"),
        (Request(1, (10, 60)), UsageError, "60x10 cannot be rendered; both sides must be 32 to 8192 pixels"),
        (Request(1, (64, 9000)), UsageError, "9000x64"),
        (Request(1, SIZE, views=5), UsageError, "5 views cannot be spaced evenly .* ask for 1, 2, 4, 8 or 16"),
        (Request(1, SIZE, views=0), UsageError, "0 views"),
        (Request(1, SIZE, hard=("fog",)), UnknownNameError, "no hard case is named 'fog'; there are white, black"),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_written(tmp_path, request_, error, words):
    with pytest.raises(error, match=words):
        render_set(request_, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_folder_with_another_set_is_left_alone(tmp_path):
    render_set(Request(1, SIZE), tmp_path / "a")
    before = everything(tmp_path / "a")
    with pytest.raises(UsageError, match="was rendered with another size and seed"):
        render_set(Request(1, (64, 64), seed=1), tmp_path / "a")
    assert everything(tmp_path / "a") == before
    (tmp_path / "real" / "train").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds a data set that was not rendered"):
        render_set(Request(1, SIZE), tmp_path / "real")
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["train"]
    (tmp_path / "a" / "render.json").write_text("{")
    with pytest.raises(DataError, match=r"render\.json: cannot be read"):
        render_set(Request(1, SIZE), tmp_path / "a")


def test_a_second_rendering_in_a_folder_is_refused(tmp_path):
    """Each removed the half-written files of the other."""
    out = tmp_path / "set"
    out.mkdir()
    (out / "train").mkdir()
    with only_run(out / "render.lock", "another rendering runs"), pytest.raises(UsageError, match="was not rendered"):
        render_set(Request(1, SIZE), out)
    (out / "train").rmdir()
    with (
        only_run(out / "render.lock", "another rendering runs"),
        pytest.raises(OutputError, match="set: another rendering runs in this folder"),
    ):
        render_set(Request(1, SIZE), out)
    assert [path.name for path in out.iterdir()] == ["render.lock"]
    assert len(render_set(Request(1, SIZE), out)) == 1


def test_no_space_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(renderset.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(OutputError, match="are free; make space or ask for less"):
        render_set(Request(1, (1280, 1918)), tmp_path)
    assert Draft.drawn == []


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a file has this name"):
        render_set(Request(1, SIZE), tmp_path / "file")


def test_without_mitsuba_nothing_is_written(tmp_path, monkeypatch):
    def absent():
        raise StudioError("rendering needs mitsuba: pip install 'carmask[studio]'")

    monkeypatch.setattr(renderset, "check_installed", absent)
    with pytest.raises(StudioError, match="rendering needs mitsuba"):
        render_set(Request(1, SIZE), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_the_masks_of_the_examples_fit_their_photos():
    home = Path(__file__).parents[2] / "examples"
    for one in read_examples(home):
        assert read_mask(one.mask).shape == read_photo(one.photo).shape[:2]


def test_what_a_killed_run_left_is_removed(tmp_path):
    out = tmp_path / "set"
    render_set(Request(1, SIZE, views=1, parts=True), out)
    before = everything(out)
    for folder in (".", "train", "train_masks", "parts"):
        (out / folder / ".a.jpg.abcd1234.tmp").touch()
    render_set(Request(1, SIZE, views=1, parts=True), out)
    assert everything(out) == before
