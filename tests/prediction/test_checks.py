from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.errors import UsageError
from carmask.prediction.checks import CHECKS, CheckSettings, find_faults
from carmask.prediction.facts import PhotoFacts, pack_facts, unpack_facts
from carmask.prediction.quality import QualityMeasures
from carmask.prediction.view import View

GOOD = QualityMeasures(1600, 1200, car=1200, share=0.75, blur=0.001, light=240, haze=10)
SIDE = View(5, 0.99, 0.99, 0.01, 0.5)


def checks(measures=GOOD, view=SIDE, settings=CheckSettings()):  # noqa: B008  # it is frozen
    return [one.check for one in find_faults(PhotoFacts(measures, view), settings)]


def test_a_good_photo_passes():
    assert checks() == []


@pytest.mark.parametrize(
    ("check", "measures", "view"),
    [
        ("no_car", GOOD._replace(car=0), None),
        ("no_whole_car", GOOD, SIDE._replace(whole=0.2)),
        ("two_cars", GOOD, SIDE._replace(several=0.9)),
        ("two_cars", GOOD._replace(second=0.5), SIDE),
        ("cut_off", GOOD._replace(cut=(0, 0, 0, 0.2)), SIDE),
        ("too_small", GOOD._replace(car=150), SIDE),
        ("wrong_size", GOOD._replace(width=640, height=480), SIDE),
        ("wrong_size", GOOD._replace(width=700, height=700), SIDE),
        ("blurred", GOOD._replace(blur=0.004), SIDE),
        ("too_dark", GOOD._replace(light=90), SIDE),
        ("blown_out", GOOD._replace(blown=0.4), SIDE),
        ("glare", GOOD._replace(glare=0.04), SIDE),
        ("tilted", GOOD, SIDE._replace(tilt=9)),
        ("tilted", GOOD, SIDE._replace(tilt=-9)),
    ],
)
def test_each_check_finds_its_own_fault_and_can_be_off(check, measures, view):
    assert checks(measures, view) == [check]
    assert checks(measures, view, CheckSettings.of({check: False})) == []
    assert checks(measures, view, CheckSettings.of({"all": False, check: True})) == [check]


def test_what_is_said_of_a_fault():
    found = find_faults(PhotoFacts(GOOD._replace(cut=(0, 1, 0, 1)), SIDE._replace(tilt=-9.2)), CheckSettings())
    assert [one.text for one in found] == ["cut off (left, right)", "tilted: 9 degrees"]
    assert all(one.again for one in found)


def test_a_part_of_a_car_is_meant():
    (found,) = find_faults(PhotoFacts(GOOD._replace(cut=(1, 1, 1, 1)), SIDE._replace(whole=0.1)), CheckSettings())
    assert not found.again


def test_limits_are_changed_by_name():
    settings = CheckSettings.parse("tilted=12, too-small=off")
    assert dict(settings.limits)["tilted"] == 12
    assert "too_small" not in dict(settings.limits)
    assert dict(settings.limits)["blurred"] == CHECKS["blurred"].limit
    assert CheckSettings.parse("off").limits == ()
    assert CheckSettings.parse("on") == CheckSettings.parse("all=on") == CheckSettings()
    assert CheckSettings.parse("blurred=3,all=off").limits == (("blurred", 3.0),)
    assert CheckSettings.of({"blurred": 3, "all": False}) == CheckSettings.parse("all=off,blurred=3")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("blured=3", "no check blured; there are no_car"),
        ("blurred=soft", "'blurred=soft' is not NAME=off, NAME=on or NAME=NUMBER"),
        ("blurred", "'blurred' is not NAME=off"),
        ("", "'' is not"),
        ("no_car=3", "no_car takes true or false, not 3"),
        ("blurred=-1", "blurred takes true or false or a number"),
        ("blurred=nan", "blurred takes true or false or a number"),
    ],
)
def test_what_is_no_setting(text, said):
    with pytest.raises(UsageError, match=said):
        CheckSettings.parse(text)


numbers = st.floats(0, 1000, width=32)


@given(
    st.builds(QualityMeasures, *[st.integers(1, 20000)] * 2, *[numbers] * 2, st.tuples(*[numbers] * 4), *[numbers] * 6),
    st.none() | st.builds(View, st.integers(1, 16), *[numbers] * 4),
    st.none() | st.binary(min_size=960, max_size=960),
)
def test_facts_come_back_from_the_manifest(measures, view, signature):
    signature = None if signature is None else np.frombuffer(signature, np.uint8).reshape(24, 40)
    found = unpack_facts(pack_facts(PhotoFacts(measures, view, signature)))
    assert flat(found.measures) == pytest.approx(flat(measures), abs=1e-5)
    assert (found.view is None) == (view is None)
    if view is not None:
        assert found.view == pytest.approx(view, abs=1e-5)
        assert isinstance(found.view.view, int)
    assert (found.signature is None) == (signature is None)
    if signature is not None:
        assert (found.signature == signature).all()


def flat(measures):
    return [*measures[:4], *measures.cut, *measures[5:]]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "x", '{"measures": [1, 2], "view": null, "signature": null}'])
def test_what_is_no_facts(text):
    assert unpack_facts(text) is None
