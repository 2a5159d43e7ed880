from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carmask.cli import app
from carmask.errors import UnknownNameError, UsageError
from carmask.profiles.in_force import combine, describe
from carmask.profiles.loading import find_profile, load_profile, profile_names, to_toml, write_profile
from carmask.profiles.profile import Profile
from tests.conftest import draw_photo

_RULES = '[rules]\nchannel = "x"\nsource = "y"\ndate = "2026-11-27"\n'


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_can_be_used_and_shown(name):
    loaded = load_profile(name)
    spec = loaded.profile.output_spec()
    assert loaded.profile.description
    assert spec.picture == (name != "challenge")
    shown = Profile.model_validate(tomllib.loads(to_toml(loaded.profile)))
    assert shown == loaded.profile
    if spec.rules is not None:
        assert spec.rules.source.startswith("https://")


def test_there_are_styles_and_channels():
    assert {"white", "showroom", "challenge", "google-vehicle-ads"} <= {*profile_names()}
    google = load_profile("google-vehicle-ads").profile.output_spec().rules
    assert (google.aspect, google.min_width, google.min_height) == ((4, 3), 800, 600)
    height, width = load_profile("google-vehicle-ads").profile.size
    assert width * 3 == height * 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('shdow = "make"', r"shdow: there is no such key; did you mean shadow\?"),
        ('[rules]\nchanel = "x"', r"rules.chanel: there is no such key; did you mean channel\?"),
        ("[cheks]\n", r"cheks: there is no such key; did you mean checks\?"),
        ('shadow = "soft"', "shadow: 'soft': give 'none', 'keep', 'make' or 'reflect'"),
        ('size = "big"', "size: 'big': write WIDTHxHEIGHT in quotation marks"),
        ("size = 1600", "size: 1600: write WIDTHxHEIGHT in quotation marks, such as"),
        ("size = [1600, 1200]", "size: write WIDTHxHEIGHT in quotation marks, such as"),
        ("mask = 1600", "mask: 1600: give true or false"),
        ("quality = true", "quality: True: give a number"),
        ("scale = true", "scale: True: give a number"),
        (_RULES + "min-side = true", "rules.min-side: True: give a number"),
        (_RULES + "aspect = [4, 0]", "rules.aspect.1: give more than 0"),
        (_RULES + 'formats = ["jpeg"]', "rules.formats.0: 'jpeg': give 'jpg'"),
        (_RULES + 'id-pattern = "("', r"carmask.toml: rules.id-pattern: '\(': no regular expression: missing"),
        ('stock = "("', r"carmask.toml: stock: '\(': no regular expression: missing"),
        ("[checks]\nblurred = -5", "carmask.toml: checks: blurred takes true or false or a number"),
        ("name = 4711", "name: 4711: give a text in quotation marks"),
        ("quality = 101", "quality: 101: give at most 100"),
        ('scale = "wide"', "scale: 'wide'"),
        ("scale = nan", "scale"),
        ('[rules]\nchannel = "x"\nsource = "y"\ndate = "May"', "rules.date"),
        ('[rules]\nchannel = "x"', "rules.source: is missing"),
        ('checks = "off"', r"checks: 'off': this is a table: write \[checks\], and its keys below"),
        ('[checks]\nblurred = "x"', "checks.blurred: 'x': give true, false or a number"),
        ("shadow = ", "not TOML"),
        ('extends = "carmask.toml"', "it extends itself"),
        ('extends = "nothing"', r"carmask\.toml: extends: [^:]*nothing: no profile has this name"),
    ],
)
def test_wrong_keys_and_values_are_named(tmp_path, text, said):
    file = write(tmp_path / "carmask.toml", text)
    with pytest.raises(UsageError, match=said):
        load_profile(file)


def test_odd_files_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match=r"profile: shwroom: no profile has this name.*did you mean showroom"):
        load_profile("shwroom")
    (tmp_path / "carmask.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not in UTF-8; save it with the encoding UTF-8"):
        load_profile(tmp_path / "carmask.toml")
    (tmp_path / "carmask.toml").write_bytes(b"x = " + b"[" * 100_000)
    with pytest.raises(UsageError, match="not TOML"):
        load_profile(tmp_path / "carmask.toml")
    (tmp_path / "carmask.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(UsageError, match="too long"):
        load_profile(tmp_path / "carmask.toml")


def test_a_profile_as_an_editor_saves_it_with_a_mark(tmp_path):
    (tmp_path / "carmask.toml").write_bytes(b'\xef\xbb\xbfbackground = "white"\r\n')
    assert load_profile(tmp_path / "carmask.toml").profile.background == "white"


def test_a_profile_changes_another_and_names_files_beside_it(tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "hall.png")
    write(tmp_path / "base.toml", 'extends = "google-vehicle-ads"\nbackground = "hall.png"\ndescription = "base"')
    write(tmp_path / "day.toml", 'extends = "base.toml"\nsize = "800x600"\n[rules]\nmin-side = 900\n')
    found = load_profile(tmp_path / "day.toml").profile
    assert found.size == (600, 800)
    assert found.background == str(tmp_path / "hall.png")
    assert found.shadow == "make"
    assert (found.rules.min_side, found.rules.min_width, found.rules.aspect) == (900, 800, (4, 3))
    assert found.description == ""
    assert found.output_spec().background.pixels.shape == (30, 40, 3)


@pytest.mark.parametrize("table", ["stock.csv", "stock.tsv", "STOCK.TXT", "tables/stock"])
def test_a_table_of_vehicles_lies_beside_the_profile_whatever_it_is_called(tmp_path, table):
    (tmp_path / table).parent.mkdir(exist_ok=True)
    write(tmp_path / table, "photo;vehicle\na.jpg;4711\n")
    write(tmp_path / "day.toml", f'group = "{table}"')
    profile = load_profile(tmp_path / "day.toml").profile
    assert profile.grouping().vehicle(Path("a.jpg"), "a") == "4711"
    for word in ("folder", "name", "none"):
        write(tmp_path / "day.toml", f'group = "{word}"')
        assert load_profile(tmp_path / "day.toml").profile.group == word


def test_where_a_profile_is_looked_for(tmp_path):
    assert find_profile(None, tmp_path) is None
    file = write(tmp_path / "carmask.toml", 'background = "red"')
    assert find_profile(None, tmp_path / "none", tmp_path).source == str(file)
    assert find_profile("white", tmp_path).source == "white"
    assert load_profile(tmp_path).profile.background == "red"


def test_what_is_written_to_begin_with_is_the_profile_it_begins_with(tmp_path):
    file = tmp_path / "carmask.toml"
    write_profile(file, "showroom")
    found = load_profile(file).profile
    assert found.model_copy(update={"extends": None}) == load_profile("showroom").profile.model_copy(
        update={"description": "", "extends": None}
    )
    # Every key can be uncommented, and is then what it was or a value that is taken.
    text = "\n".join(
        line.removeprefix("# ").removesuffix("  # not set") if " = " in line or line == "# [checks]" else line
        for line in file.read_text().splitlines()
    )
    every = Profile.model_validate({**tomllib.loads(text), "extends": None})
    assert every.background == "showroom"
    assert every.quality == 90
    with pytest.raises(UsageError, match="exists already"):
        write_profile(file, "white")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    background=st.none() | texts,
    scale=st.none() | st.floats(0.01, 1),
    quality=st.none() | st.integers(1, 100),
    size=st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
    mask=st.none() | st.booleans(),
)
def test_what_is_shown_is_read_again(background, scale, quality, size, mask):
    profile = Profile(background=background, scale=scale, quality=quality, size=size, mask=mask)
    shown = Profile.model_validate(tomllib.loads(to_toml(profile)))
    assert shown.model_dump() == {**profile.model_dump(), "background": background or None}


def test_one_line_says_what_is_in_force():
    loaded = load_profile("google-vehicle-ads")
    given = {"size": (600, 800), "shadow": "reflect"}
    line = describe(combine(loaded, given), loaded, given)
    assert "\n" not in line
    assert line.startswith("profile google-vehicle-ads: background white, shadow reflect, place vehicle scale 0.86")
    assert "800x600" in line
    assert "rules of Google vehicle ads (2026-11-26)" in line
    assert line.endswith("from the command line: shadow, size")
    assert combine(None, {}) == Profile()


def test_the_line_of_what_is_in_force_names_the_checks(tmp_path):
    file = tmp_path / "house.toml"
    file.write_text('extends = "white"\n[checks]\nblurred = false\ntwo-cars = true\ntilted = 1\n')
    loaded = load_profile(file)
    assert "checks two-cars on blurred off tilted 1" in describe(combine(loaded, {}), loaded, {})


@pytest.fixture
def run(tmp_path, tiny_model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for vehicle in ("4711", "5446P"):
        (tmp_path / "day" / vehicle).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(draw_photo(number)).save(tmp_path / "day" / vehicle / f"p{number}.jpg")

    def go(*words):
        return CliRunner().invoke(app, ["cut", "day", "--out", "out", "--model", str(tiny_model), *words])

    return go


def test_the_command_line_wins_and_says_so(run, tmp_path):
    write(tmp_path / "day" / "carmask.toml", 'extends = "white"\nsize = "400x300"\nbackground = "#00ff00"')
    done = run("--size", "200x150", "--format", "png", "--others", "cut")
    assert done.exit_code == 0, done.output
    first = done.stdout.splitlines()[0]
    assert first.startswith("profile day/carmask.toml: background #00ff00")
    assert first.endswith("; from the command line: format, others, size")
    picture = Image.open(tmp_path / "out" / "4711" / "p0.png")
    assert picture.size == (200, 150)
    assert np.asarray(picture.convert("RGB"))[0, 0].tolist() == [0, 255, 0]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "vehicles.csv").read_text())))
    assert [(row["vehicle"], row["photos"]) for row in rows] == [("4711", "2"), ("5446P", "2")]


def test_a_profile_can_be_asked_for_and_parts_of_it_taken_back(run, tmp_path):
    options = "--background none --format png --group none --place photo --others cut"
    done = run("--profile", "white", *options.split())
    assert done.exit_code == 0, done.output
    assert Image.open(tmp_path / "out" / "4711" / "p0.png").mode == "RGBA"
    done = run("--profile", "challenge", "-r")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "4711" / "p0_mask.png").is_file()
    assert not (tmp_path / "out" / "vehicles.csv").exists()


def test_a_profile_and_its_pictures_lie_among_the_photos(run, tmp_path):
    Image.fromarray(draw_photo(7)).save(tmp_path / "day" / "hall.jpg")
    write(tmp_path / "day" / "carmask.toml", 'extends = "white"\nsize = "200x150"\nbackground = "hall.jpg"')
    done = run()
    assert done.exit_code == 0, done.output
    assert "4 of 4 photos done" in done.stdout
    assert "1 left out: a picture that the settings name, no photo\n" in done.stdout
    assert "2 vehicles; table in out/vehicles.csv\n" in done.stdout
    again = [row["take_again"] for row in csv.DictReader(io.StringIO((tmp_path / "out" / "report.csv").read_text()))]
    assert f"{again.count('yes')} to take again: those with take_again=yes in the table\n" in done.stdout
    # Drawn photos show no car that the network of the views knows.
    assert "4 show no whole car, those with view_name=other in the table: kept as they are\n" in done.stdout
    assert "left from earlier runs" not in done.stdout
    assert (
        "4 files in out left from earlier runs, of other photos or with other options; the first is out/4711/p0.jpg\n"
        in (run("--format", "webp").stdout)
    )
    assert "carmask.toml" not in (tmp_path / "out" / "report.csv").read_text()


def test_photos_without_a_vehicle_are_counted_and_are_no_vehicle(run, tmp_path):
    (tmp_path / "day" / "5446P" / "p1.jpg").rename(tmp_path / "day" / "IMG_0815.jpg")
    (tmp_path / "day" / "4711" / "p0.jpg").rename(tmp_path / "day" / "4711-1.jpg")
    done = run("--mask", "--group", "name")
    assert done.exit_code == 1
    assert "1 vehicle; table in out/vehicles.csv\n" in done.stdout
    said = "carmask: 1 photo without a vehicle: those whose column vehicle is empty in out/report.csv"
    assert done.stderr.splitlines()[-1] == said  # on a slow machine progress comes before


def test_a_broken_rule_ends_with_status_1_and_its_name(run):
    done = run("--profile", "google-vehicle-ads", "--size", "640x480")
    assert done.exit_code == 1
    assert "breaks a rule of Google vehicle ads: min-size: 640x480 is smaller than 800x600" in done.output


def test_a_fault_of_the_profile_is_told_from_one_of_an_option(run, tmp_path):
    file = write(tmp_path / "day" / "carmask.toml", 'background = "whit"\nplace = "centre"\nscale = 0.5')
    said = run().output
    assert "day/carmask.toml: background: whit: no such picture" in said
    assert "--background" not in said
    assert "--background: whitt" in run("--background", "whitt").output
    write(file, 'name = "{vehicel}/{name}"')
    assert "day/carmask.toml: name: {vehicel}/{name}: no field {vehicel}; did you mean {vehicle}?" in run().output
    write(file, "scale = 0.5")
    assert "day/carmask.toml: scale: it says how large a moved car is" in run().output


def test_without_a_profile_nothing_is_said(run):
    done = run("--mask", "-r")
    assert done.exit_code == 0
    assert not done.stdout.startswith("profile")


def test_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def go(*words):
        return CliRunner().invoke(app, ["profile", *words])

    listed = go("list")
    assert listed.exit_code == 0
    assert "showroom" in listed.output
    assert "https://support.google.com" in listed.output
    assert go("init", "--from", "showroom").exit_code == 0
    shown = go("show")
    assert shown.exit_code == 0
    assert 'background = "showroom"' in shown.output
    again = go("init")
    assert again.exit_code == 2
    assert "exists already" in again.output
    assert go("show", "whit").exit_code == 2


def test_styles_keep_photos_that_show_no_whole_car():
    for name in ("white", "showroom", "google-vehicle-ads"):
        assert load_profile(name).profile.output_spec().others == "keep"


def test_a_profile_that_changes_one_in_another_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / 'the "good" one.toml').write_text("quality = 77\n")
    write_profile(tmp_path / "b" / "mine.toml", str(tmp_path / "a" / 'the "good" one.toml'))
    assert load_profile(tmp_path / "b" / "mine.toml").profile.quality == 77


@pytest.mark.parametrize(
    "key",
    [
        "layers = true",
        "parts = true",
        "crop = 0.05",
        "glass = 0.5",
        "glass = 0",
        "recursive = true",
        'stock = "[0-9]+"',
    ],
)
def test_the_line_names_every_key_of_the_profile(tmp_path, key):
    file = tmp_path / "mine.toml"
    file.write_text(key + "\n")
    loaded = load_profile(file)
    assert key.replace(" = ", " ").removesuffix(" true").replace('"', "") in describe(loaded.profile, loaded, {})


def test_pictures_of_a_profile_are_found_from_a_profile_elsewhere(tmp_path, monkeypatch):
    for folder in ("base", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "base" / "p.toml").write_text('background = "room.jpg"\n')
    monkeypatch.chdir(tmp_path)
    write_profile(Path("other/mine.toml"), "base/p.toml")
    stated = [line for line in Path("other/mine.toml").read_text().splitlines() if line.startswith("# background")]
    Path("other/copy.toml").write_text(stated[0].removeprefix("# ") + "\n")
    Path("other/shown.toml").write_text(to_toml(load_profile("base/p.toml").profile))
    for name in ("copy", "shown"):
        assert load_profile(f"other/{name}.toml").profile.background == str(tmp_path / "base" / "room.jpg")
