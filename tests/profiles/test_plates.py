"""Number plates in profiles and on the command line."""

from __future__ import annotations

import csv
import io
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from carmask.cli.app import app
from carmask.errors import UsageError
from carmask.profiles.in_force import combine, describe
from carmask.profiles.loading import load_profile, to_toml
from carmask.profiles.profile import Profile
from tests.conftest import draw_photo


def write(file, text):
    file.write_text(text)
    return file


def test_a_profile_names_a_picture_beside_it(tmp_path):
    Image.new("RGBA", (104, 22), "navy").save(tmp_path / "plate.png")
    file = write(tmp_path / "carmask.toml", 'extends = "white"\nplate = "plate.png"')
    loaded = load_profile(file)
    assert loaded.profile.plate == str(tmp_path / "plate.png")
    assert loaded.profile.output_spec().plate.kind == "picture"
    assert f"plates {tmp_path / 'plate.png'}" in describe(combine(loaded, {}), loaded, {})
    assert combine(loaded, {"plate": "keep"}).output_spec().plate is None
    assert "plates" not in describe(combine(loaded, {"plate": "keep"}), loaded, {})


@pytest.mark.parametrize("word", ["keep", "blur", "plain"])
def test_words_of_a_profile(tmp_path, word):
    profile = load_profile(write(tmp_path / "carmask.toml", f'extends = "white"\nplate = "{word}"')).profile
    cover = profile.output_spec().plate
    assert (cover is None) if word == "keep" else (cover.kind == word)
    assert Profile.model_validate(tomllib.loads(to_toml(profile))) == profile


def test_shipped_profiles_keep_plates():
    for name in ("white", "showroom", "google-vehicle-ads"):
        assert load_profile(name).profile.output_spec().plate is None


def test_a_word_that_is_none_is_refused(tmp_path):
    profile = load_profile(write(tmp_path / "carmask.toml", 'extends = "white"\nplate = "blurr"')).profile
    with pytest.raises(UsageError, match="not keep, blur or plain"):
        profile.output_spec()


@pytest.fixture
def run(tmp_path, tiny_model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day").mkdir()
    Image.fromarray(draw_photo(1)).save(tmp_path / "day" / "front.jpg")

    def go(*words):
        return CliRunner().invoke(app, ["cut", "day", "--out", "out", "--model", str(tiny_model), *words])

    return go


def test_bad_input_is_named_and_nothing_is_written(run, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    for words, said in (
        (("--plate", "none.png"), "--plate: none.png: there is no such picture, and it is not keep, blur or plain"),
        (("--plate", "blurr"), "--plate: blurr: there is no such picture"),
        (("--plate", "text.png"), "text.png: "),
        (("--plate", "blur", "--mask"), "--plate: no picture is written with --mask alone"),
    ):
        done = run(*words)
        assert done.exit_code == 2 if words[1] != "text.png" else done.exit_code != 0, done.output
        assert said in done.output
        assert "Traceback" not in done.output
        assert not (tmp_path / "out").exists()


def test_a_run_with_each_cover(run, tmp_path):
    Image.new("RGB", (104, 22), "navy").save(tmp_path / "plate.jpg")
    for cover in ("blur", "plain", "plate.jpg"):
        done = run("--plate", cover, "--background", "white")
        assert done.exit_code == 0, done.output
        (row,) = csv.DictReader(io.StringIO((tmp_path / "out" / "report.csv").read_text()))
        assert row["plate"] in {"none", "found", "doubtful"}
        assert np.asarray(Image.open(tmp_path / "out" / "front.png")).shape == draw_photo(1).shape
    done = run("--background", "white")
    assert "plate" not in (tmp_path / "out" / "report.csv").read_text().splitlines()[0]


def test_a_photo_without_a_car(run, tmp_path):
    """Nothing is found, and the run goes on."""
    Image.new("RGB", (80, 60), "white").save(tmp_path / "day" / "front.jpg")
    done = run("--plate", "blur")
    assert done.exit_code == 0, done.output
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out" / "report.csv").read_text()))
    assert (row["reason"], row["plate"]) == ("no car found", "none")


def test_help_says_that_it_is_experimental():
    said = " ".join(CliRunner().invoke(app, ["cut", "--help"]).output.split())
    assert "--plate keep|blur|plain|IMAGE" in said
    assert "Experimental" in said
