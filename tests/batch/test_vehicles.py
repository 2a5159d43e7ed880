from __future__ import annotations

import csv
from pathlib import Path

import pytest

from carmask.batch.job import Job, Result
from carmask.batch.naming import Naming
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.rules import ChannelRules
from carmask.batch.vehicle_report import describe_vehicles, write_vehicles
from carmask.batch.vehicles import Grouping, vehicle_in_name
from carmask.errors import UsageError


@pytest.mark.parametrize(
    ("stem", "vehicle"),
    [
        ("1HGCM82633A004352_03", "1HGCM82633A004352"),
        ("front 1HGCM82633A004352", "1HGCM82633A004352"),
        ("5446P-01", "5446P"),
        ("4711_front", "4711"),
        ("4711_02", "4711"),
        ("4711 (3)", "4711"),
        ("lot-7_4711_12", "lot-7_4711"),
        ("00087a6bd4dc_01", "00087a6bd4dc"),
        ("IMG_0815", ""),
        ("20201123_132905", ""),
        ("PXL_20201123_132905123", ""),
        ("20201123_132905(0)", ""),
        ("20201123_03", "20201123"),
        ("DSC01021", ""),
        ("PXL_20260101_123456", ""),
        ("front", ""),
        ("0007", ""),
        ("", ""),
    ],
)
def test_the_vehicle_in_a_name(stem, vehicle):
    assert vehicle_in_name(stem) == vehicle


def test_the_vehicle_of_a_folder_is_the_same_alone_and_among_others(tmp_path):
    grouping = Grouping.parse("folder")
    photo = tmp_path / "lot" / "4711" / "front.jpg"
    assert grouping.vehicle(photo, "lot/4711/front") == grouping.vehicle(photo, "front") == "4711"


def table(path: Path, *rows: list[str]) -> str:
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream).writerows(rows)
    return str(path)


def test_a_table_of_photos(tmp_path):
    text = table(
        tmp_path / "m.csv",
        ["Photo", "Stock", "VIN"],
        ["a/1.jpg", "S-1", "1HGCM82633A004352"],
        ["2.jpg", "", "1M8GDM9AXKP042788"],
        ["3", "S 3", ""],
    )
    grouping = Grouping.parse(text)
    assert grouping.vehicle(Path("in/a/1.jpg"), "a/1") == "S-1"
    assert grouping.vehicle(Path("in/b/1.jpg"), "b/1") == ""
    assert grouping.vehicle(Path("in/b/2.jpg"), "b/2") == "1M8GDM9AXKP042788"
    assert grouping.vehicle(Path("in/3.png"), "3") == "S 3"
    assert grouping.identity("S-1").problem == ""
    assert "no stock number: it may have at most 40 letters, digits, dots" in grouping.identity("S 3").problem
    strict = Grouping.parse("name", "[0-9]{4}")
    assert strict.identity("12").problem == "no stock number: it does not match [0-9]{4}"
    assert grouping.identity("1M8GDM9AXKP042788").kind == "vin"


@pytest.mark.parametrize(
    ("separator", "encoding"),
    [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-8"), (";", "utf-16"), (";", "cp1252"), (",", "cp1252")],
)
def test_a_table_as_a_spreadsheet_saves_it(tmp_path, separator, encoding):
    file = tmp_path / "day.csv"
    lines = [
        ["Photo", "Vehicle", "note"],
        ["front é.jpg", "4711", '"red, two doors; a scratch"'],
        ["x.jpg", "5446P", ""],
    ]
    file.write_text("\r\n".join(separator.join(line) for line in lines), encoding=encoding, newline="")
    grouping = Grouping.parse(str(file))
    found = [grouping.vehicle(Path("in", f"{name}.jpg"), name) for name in ("front é", "x", "y")]
    assert found == ["4711", "5446P", ""]


def test_a_table_finds_names_as_macos_writes_them(tmp_path):
    """The umlaut is one character in the table, and two in the file's name."""
    decomposed = "Ku\u0308hn"
    text = table(tmp_path / "m.csv", ["photo", "vehicle"], ["K\u00fchn/t\u00fcr.jpg", "K\u00fchn"])
    photo = tmp_path / decomposed / "tu\u0308r.jpg"
    assert Grouping.parse(text).vehicle(photo, f"{decomposed}/tu\u0308r") == "K\u00fchn"
    text = table(tmp_path / "n.csv", ["vehicle"], ["K\u00fchn"])
    assert Grouping.parse(text).vehicle(photo, f"{decomposed}/tu\u0308r") == "K\u00fchn"


def test_a_table_in_another_encoding_is_refused_in_words(tmp_path):
    """The vehicle's folder was called by bytes that are no text."""
    file = tmp_path / "day.csv"
    file.write_bytes("photo,vehicle\nfront.jpg,M\u00fcller\n".encode("mac-roman"))
    with pytest.raises(UsageError, match=r"day\.csv: line 2: M\?ller: not in UTF-8; save it as 'CSV UTF-8'"):
        Grouping.parse(str(file))
    file.write_bytes("photo;vehicle\r\nfront.jpg;М\u0081\r\n".encode("cp866", "replace").replace(b"?", b"\x81"))
    with pytest.raises(UsageError, match="not a table in UTF-8; save it as 'CSV UTF-8'"):
        Grouping.parse(str(file))


def test_a_list_of_vehicles_as_the_challenge_has_it(tmp_path):
    grouping = Grouping.parse(table(tmp_path / "m.csv", ["id", "year"], ["00087a6bd4dc", "2008"], ["a_b", "2009"]))
    assert grouping.vehicle(Path("00087a6bd4dc_01.jpg"), "00087a6bd4dc_01") == "00087a6bd4dc"
    assert grouping.vehicle(Path("x.jpg"), "a_b/x") == "a_b"
    assert grouping.vehicle(Path("a_b_03.jpg"), "a_b_03") == "a_b"
    assert grouping.vehicle(Path("a_03.jpg"), "a_03") == ""


def test_a_wrong_vin_beside_a_stock_number_is_a_problem(tmp_path):
    grouping = Grouping.parse(table(tmp_path / "m.csv", ["stock", "vin"], ["7", "1HGCM82633A004353"]))
    assert "should be 5" in grouping.identity("7").problem


@pytest.mark.parametrize(
    ("vehicle", "said"),
    [
        ("CON", "CON is the name of a device there"),
        ("lpt1.x", "lpt1.x is the name of a device there"),
        ("A1.", "names there do not end with '.'"),
        ("a:b", "names there hold no ':'"),
        ("a?", "names there hold no '?'"),
    ],
)
def test_vehicles_whose_folder_windows_cannot_hold_are_a_problem(tmp_path, vehicle, said):
    """Copied there, CON and A1. are missing, and a:b is a stream of a file a."""
    text = table(tmp_path / "m.csv", ["photo", "vehicle"], ["a.jpg", vehicle])
    found = Grouping.parse(text).identity(vehicle)
    assert found.problem.endswith(f"Windows can hold no folder {vehicle!r}: {said}")
    asked = Grouping.parse(text, ".*").identity(vehicle)
    assert (asked.problem, asked.note) == ("", f"Windows can hold no folder {vehicle!r}: {said}")
    assert not Grouping.parse(text).identity("CON1").problem


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["photo", "vehicle"]], "no rows"),
        ([["photo", "car"], ["a", "b"]], "no column of vehicles"),
        ([["vehicle"], ["../x"]], "line 2: '../x' cannot be the name of a folder"),
        ([["photo", "vehicle"], ["a", "1"], ["a", "2"]], "line 3: a is of 1 and of 2"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, rows, said):
    with pytest.raises(UsageError, match=said):
        Grouping.parse(table(tmp_path / "m.csv", *rows))


def test_other_words_and_expressions_are_refused():
    with pytest.raises(UsageError, match="group: folders: neither 'folder' nor 'name'"):
        Grouping.parse("folders")
    with pytest.raises(UsageError, match="no regular expression"):
        Grouping.parse("folder", "[")
    assert Grouping.parse("name", "[0-9]{4}").identity("47110").problem


def test_names_by_a_pattern():
    naming = Naming("{vehicle}/{vehicle}-{number:02}")
    assert naming.apply("a/front", "4711", 3) == "4711/4711-03"
    assert Naming("{folder}/{vehicle}_{view:03}").apply("a/b/x_7", "4711", 1) == "a/b/4711_007"
    assert Naming("{vehicle}_{view:02}").apply("front", "4711", 1) == "4711_front"
    assert Naming("{vehicle}/{name}").apply("x", "", 1) == "no-vehicle/x"
    assert Naming("{folder}/{name}").apply("x", "", 1) == "x"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{vehicel}/{name}", r"no field \{vehicel\}; did you mean \{vehicle\}\?"),
        ("{name.__class__}", "no field"),
        ("{vehicle}", "all photos of a vehicle would get one name"),
        ("{name", "no pattern of names"),
        ("{name:99999999}", "only numbers have a width"),
        ("{number:99999999}", "only numbers have a width"),
        ("{name!r}", "only numbers have a width"),
        ("{number:3}", "only numbers have a width, such as"),
    ],
)
def test_patterns_that_are_refused(pattern, said):
    with pytest.raises(UsageError, match=said):
        Naming(pattern)


def test_a_name_does_not_leave_the_output_folder():
    with pytest.raises(UsageError, match="which is no name"):
        Naming("../{name}").apply("x", "", 1)
    assert Naming("/{name}").apply("x", "", 1) == "x"
    with pytest.raises(UsageError, match="for what a run keeps for itself"):
        Naming(".carmask/{name}").apply("x", "", 1)


def test_a_plan_by_vehicle(photos, tmp_path):
    spec = OutputSpec(mask=True)
    plan = plan_run([photos], tmp_path / "out", spec, recursive=True, grouping=Grouping.parse("folder"))
    assert {job.vehicle for job in plan.jobs} == {"", "more"}
    assert (tmp_path / "out" / "more" / "car 10_mask.png",) in {job.outputs for job in plan.jobs}
    assert (tmp_path / "out" / "no-vehicle" / "car 00_mask.png",) in {job.outputs for job in plan.jobs}
    naming = Naming("{vehicle}-{number:02}")
    plan = plan_run([photos], tmp_path / "out", spec, recursive=True, grouping=Grouping.parse("folder"), naming=naming)
    assert sorted(job.name for job in plan.jobs)[:3] == ["more-01", "more-02", "no-vehicle-01"]


def test_photos_beside_the_vehicles_folders_show_no_vehicle_that_is_known(photos, tmp_path):
    def vehicles(path, **words):
        by_folder = Grouping.parse("folder")
        return {
            one.vehicle for one in plan_run([path], tmp_path / "out", OutputSpec(), grouping=by_folder, **words).jobs
        }

    assert vehicles(photos, recursive=True) == {"", "more"}
    # Where no photo lies deeper, the folder is that of a vehicle, and so it is for photos that are named.
    assert vehicles(photos) == vehicles(photos / "car 01.jpg") == {"photos"}
    (photos / "more" / "documents").mkdir()
    (photos / "more" / "documents" / "invoice.pdf").write_bytes(b"%PDF")
    assert vehicles(photos / "more", recursive=True) == {"more"}
    # To a watched folder, vehicles' folders may come later, and the photos keep what they were given.
    assert vehicles(photos / "more", recursive=True, watched=True) == {""}


def test_a_row_for_each_vehicle(tmp_path):
    jobs = [Job(f"{name}.jpg", name, (), vehicle=name[0]) for name in ("a1", "a2", "a3", "b1")] + [Job("x", "x", ())]
    results = {
        "a1": Result("a1.jpg", "done", facts={"view_name": "rear"}),
        "a2": Result("a2.jpg", "done", facts={"view_name": "front", "checks": "blurred", "take_again": "yes"}),
        "a3": Result("a3.jpg", "failed"),
        "b1": Result("b1.jpg", "done"),
        "x": Result("x", "done", facts={"view_name": "rear"}),
    }
    rules = ChannelRules("channel", "https://example.com", "2026-01-01", max_photos=1, id_pattern="[b-z]")
    found = describe_vehicles(
        jobs, results, Grouping.parse("name"), marked={"a1"}, rules=rules, wanted=("front", "left", "rear")
    )
    assert [one.vehicle for one in found] == ["a", "b", ""]
    first = found[0]
    assert (first.photos, first.done, first.failed, first.doubtful, first.again) == (3, 2, 1, 1, 1)
    assert (first.views, first.missing_views) == (("front", "rear"), ("left",))
    assert [problem.split(": ")[1] for problem in first.problems] == ["id", "max-photos"]
    assert (found[1].views, found[1].problems) == (None, ())
    assert found[2].problems == ("no vehicle is known for these photos",)
    # Of no one vehicle, so no view of it is missing.
    assert (found[2].views, found[2].missing_views) == (("rear",), ())
    rows = list(csv.DictReader(write_vehicles(tmp_path, found).open(newline="")))
    assert rows[0]["views"] == "front; rear"
    assert rows[0]["missing_views"] == "left"
    assert rows[1]["missing_views"] == ""
