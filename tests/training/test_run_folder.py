from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest

from carmask.data.split import Split
from carmask.data.table import Example
from carmask.errors import RecipeError
from carmask.model.info import ExtraData, ModelInfo
from carmask.training.recipe import Recipe
from carmask.training.run_folder import (
    DATA_FILE,
    INFO_FILE,
    LAST_FILE,
    RECIPE_FILE,
    check_data_of,
    check_photos_of,
    check_recipe_of,
    write_description,
)

RECIPE = Recipe.model_validate(
    {"name": "Übung", "network": "unet-small", "stages": [{"height": 64, "width": 96, "batch": 2, "epochs": 1}]}
)
INFO = ModelInfo(
    name="a", version="1", network="unet-small", height=64, width=96, normalisation="none", threshold=0.5,
    training_data="2 cars of Straße", training_cars=("Käfer",), validation_cars=("Škoda",), licence="free",
)  # fmt: skip


@pytest.fixture(params=["ascii", "latin-1", "utf-8"])
def locale(request, monkeypatch):
    """A user whose texts are in another encoding, unless it is said which one is meant."""
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, encoding=None, **how: read(path, encoding or request.param, **how)
    )


def test_a_run_goes_on_whatever_the_locale_is(tmp_path, locale):  # noqa: ARG001
    (tmp_path / RECIPE_FILE).write_bytes(RECIPE.model_dump_json().encode())
    (tmp_path / INFO_FILE).write_bytes(INFO.model_dump_json().encode())
    check_recipe_of(tmp_path, RECIPE)
    assert check_data_of(tmp_path, INFO) == INFO


def test_what_initial_weights_have_seen_is_theirs_that_were_taken(tmp_path):
    """Those of the run once it has a checkpoint; before that, those of this call."""
    seen = INFO.model_copy(
        update={"extra_data": (ExtraData(name="default", share=0, training_cars=("c",), validation_cars=()),)}
    )
    for before, now in ((INFO, seen), (seen, INFO)):
        (tmp_path / INFO_FILE).write_bytes(before.model_dump_json().encode())
        (tmp_path / LAST_FILE).unlink(missing_ok=True)
        assert check_data_of(tmp_path, now) == now
        (tmp_path / LAST_FILE).touch()
        assert check_data_of(tmp_path, now) == before


def test_a_run_goes_on_with_the_same_photos_only(tmp_path):
    def used(*names, place="/a"):
        photos = [Example(name, Path(place, name), None, "", name[:1], 1) for name in names]
        return [(photos, Split(("a", "b"), ()))]

    write_description(tmp_path, RECIPE, INFO, used("a_01.jpg", "a\udcff, _02.jpg", "b_01.jpg"), "32-true")
    check_photos_of(tmp_path, used("a_01.jpg"))  # nothing was trained yet
    (tmp_path / LAST_FILE).touch()
    check_photos_of(tmp_path, used("b_01.jpg", "a\udcff, _02.jpg", "a_01.jpg", place="/b"))
    with pytest.raises(RecipeError, match=r"other photos: 1 photo was added or removed since, such as b_01.jpg; bring"):
        check_photos_of(tmp_path, used("a_01.jpg", "a\udcff, _02.jpg"))
    with pytest.raises(RecipeError, match=r"other photos: 2 photos were added or removed since, such as b_01.jpg"):
        check_photos_of(tmp_path, used("a_01.jpg", "a\udcff, _02.jpg", "b_02.jpg"))


def test_a_run_goes_on_with_the_same_masks_only(tmp_path):
    run, data = tmp_path / "run", tmp_path / "data"
    data.mkdir()
    for name in ("a_01", "a_02"):
        (data / f"{name}.jpg").write_bytes(b"photo")
        (data / f"{name}.gif").write_bytes(b"mask")

    def used(folder=data, threshold=None):
        photos = [
            Example(name, folder / f"{name}.jpg", folder / f"{name}.gif", None, "a", 1, threshold)
            for name in ("a_01", "a_02")
        ]
        return [(photos, Split(("a",), ()))]

    write_description(run, RECIPE, INFO, used(), "32-true")
    (run / LAST_FILE).touch()
    shutil.copytree(data, tmp_path / "moved")  # with other times
    os.utime(tmp_path / "moved" / "a_01.gif", (1, 1))
    check_photos_of(run, used(tmp_path / "moved"))
    (data / "a_02.gif").write_bytes(b"cask")
    with pytest.raises(RecipeError, match=r"photos or masks: of 1 photo itself or the mask was changed .* as a_02; br"):
        check_photos_of(run, used())
    (data / "a_01.jpg").write_bytes(b"another photo")
    with pytest.raises(RecipeError, match=r"photos or masks: of 2 photos itself or the mask was changed .* as a_01; b"):
        check_photos_of(run, used())
    with pytest.raises(RecipeError, match="holds a run on other photos or masks: of 2 photos"):
        check_photos_of(run, used(tmp_path / "moved", threshold=200))
    # A run of an earlier version knows the names alone.
    rows = list(csv.reader((run / DATA_FILE).read_text().splitlines()))
    (run / DATA_FILE).write_text("".join(f"{','.join([*row[:4], row[-1]])}\n" for row in rows))
    check_photos_of(run, used())
    (run / DATA_FILE).write_text("image,car,view,use,file\na_01,a,1,train,x\n")
    with pytest.raises(RecipeError, match="1 photo was added or removed since, such as a_02"):
        check_photos_of(run, used())


def test_a_run_goes_on_with_the_same_parts_only(tmp_path):
    (tmp_path / INFO_FILE).write_bytes(INFO.model_copy(update={"classes": ("door", "hood")}).model_dump_json().encode())
    with pytest.raises(RecipeError, match="holds a run on other parts, or on the same in another order"):
        check_data_of(tmp_path, INFO.model_copy(update={"classes": ("hood", "door")}))


def test_another_run_and_what_is_none_are_refused(tmp_path):
    (tmp_path / RECIPE_FILE).write_bytes(RECIPE.model_copy(update={"name": "b"}).model_dump_json().encode())
    (tmp_path / INFO_FILE).write_bytes(INFO.model_copy(update={"training_cars": ("b",)}).model_dump_json().encode())
    with pytest.raises(RecipeError, match="holds a run with other settings"):
        check_recipe_of(tmp_path, RECIPE)
    with pytest.raises(RecipeError, match="holds a run with other training or validation cars"):
        check_data_of(tmp_path, INFO)
    for name in (RECIPE_FILE, INFO_FILE):
        (tmp_path / name).write_bytes(b'{"name": "\xff"}')
    with pytest.raises(RecipeError, match="not settings of a run that this version can resume"):
        check_recipe_of(tmp_path, RECIPE)
    with pytest.raises(RecipeError, match="not the description of a run that this version can resume"):
        check_data_of(tmp_path, INFO)
