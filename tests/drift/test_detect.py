from __future__ import annotations

import json
from dataclasses import replace

import pytest

from carmask.batch.measured import MadeWith
from carmask.drift.detect import detect_drift
from carmask.drift.summary import load_summary, save_summary, summarise
from carmask.errors import DataError, UsageError


def test_a_darker_wall_is_found_and_nothing_else_is(rows):
    reference = summarise(rows(1, 100), about="before")
    found = detect_drift(summarise(rows(2, 13, shift=6), about="now"), reference)
    assert [one.name for one in found.moved] == ["background_light"]
    change = found.moved[0]
    assert change.before == pytest.approx(80, abs=1)
    assert change.now == pytest.approx(74, abs=1.5)
    assert change.p_value <= change.adjusted < 1e-6


def test_ordinary_photos_give_no_alarm(rows):
    reference = summarise(rows(1, 100), about="before")
    alarms = sum(
        bool(detect_drift(summarise(rows(seed, 13), about="now"), reference).moved) for seed in range(100, 140)
    )
    assert alarms <= 1  # 0.4 are expected


def test_what_is_certain_and_small_is_no_alarm(rows):
    reference = summarise(rows(1, 1200), about="before")
    found = detect_drift(summarise(rows(2, 1200, shift=0.6), about="now"), reference)
    change = next(one for one in found.changes if one.name == "background_light")
    assert change.adjusted < 1e-6
    assert not found.moved


def test_a_reference_without_values_is_none(rows, tmp_path):
    file = tmp_path / "reference.json"
    for change in (
        {"measures": {"light": {"values": [], "photos": 9, "effective": 9.0}}},
        {"rates": {"failed": {"count": 0, "photos": 0, "effective": 9.0}}},
    ):
        file.write_text(json.dumps(summarise(rows(1, 10), about="x").model_dump() | change))
        with pytest.raises(DataError, match="not a reference"):
            load_summary(file)


def test_rates_are_compared(rows):
    before, now = rows(1, 100), [replace(row, review=index % 3 == 0) for index, row in enumerate(rows(2, 20))]
    found = detect_drift(summarise(now, about="now"), summarise(before, about="before"))
    change = found.moved[0]
    assert (change.name, round(change.now, 2)) == ("review", 0.34)


def test_confidence_features_of_another_model_are_not_compared(rows):
    other = MadeWith("other", "2", "cd" * 32)
    found = detect_drift(summarise(rows(2, 20), about="now"), summarise(rows(1, 40, model=other), about="before"))
    assert {one.name for one in found.changes} == {"light", "background_light", "car_light", "area", "failed", "no_car"}
    assert "other, version 2 (cdcdcdcd)" in found.untested[0]


def test_too_few_photos(rows):
    with pytest.raises(UsageError, match="too few photos to test: 4 photos of 1 car;"):
        detect_drift(summarise(rows(2, 1), about="now"), summarise(rows(1, 40), about="before"))
    with pytest.raises(UsageError, match="level: 1 is no probability"):
        detect_drift(summarise(rows(2, 9), about="now"), summarise(rows(1, 40), about="before"), level=1)


def test_a_saved_reference_decides_as_the_photos_do(rows, tmp_path):
    before, now = summarise(rows(1, 300), about="before"), summarise(rows(2, 20, shift=4), about="now")
    save_summary(tmp_path / "r.json", before)
    kept = load_summary(tmp_path / "r.json")
    assert len(kept.measures["light"].values) == 401
    one, other = detect_drift(now, before), detect_drift(now, kept)
    assert [change.name for change in one.moved] == [change.name for change in other.moved]
    for a, b in zip(one.changes, other.changes, strict=True):
        assert a.name != b.name or a.distance == pytest.approx(b.distance, abs=0.01)


def test_files_that_are_no_references(tmp_path):
    (tmp_path / "r.json").write_text('{"light": 3}')
    with pytest.raises(DataError, match="not a reference"):
        load_summary(tmp_path / "r.json")
    with pytest.raises(DataError, match="No such file"):
        load_summary(tmp_path / "none.json")


def test_photos_without_measures(rows):
    with pytest.raises(DataError, match="an earlier version cut them"):
        summarise([replace(row, measures={}) for row in rows(1, 3)], about="old/")


def test_a_reference_of_a_folder_whose_name_is_no_utf8(rows, tmp_path):
    save_summary(tmp_path / "r.json", summarise(rows(1, 20), about="caf\udce9"))
    assert load_summary(tmp_path / "r.json").about == "caf?"
