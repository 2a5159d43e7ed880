from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.batch.vin import check_digit, check_vin, looks_like_vin

#: Values of the letters as 49 CFR 565.15, table IV, prints them, column by column.
ROWS = ("AJ", "BKS", "CLT", "DMU", "ENV", "FW", "GPX", "HY", "RZ")
VALUES = {letter: value for value, row in enumerate(ROWS, 1) for letter in row} | {str(n): n for n in range(10)}


@pytest.mark.parametrize(
    "vin",
    [
        "11111111111111111",  # 89 ones: 89 modulo 11 is 1
        "1M8GDM9AXKP042788",  # the sum is 351, 10 modulo 11
        "5GZCZ43D13S812715",
        "1HGCM82633A004352",
    ],
)
def test_published_numbers(vin):
    assert check_vin(vin) == ("ok", "")
    assert check_vin(vin.lower()) == ("ok", "")
    assert looks_like_vin(vin) == (not vin.isdigit())


def test_the_digit_by_hand():
    # The example of 49 CFR 565: the weighted sum is 351 = 31 * 11 + 10, and 10 is written X.
    weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]
    vin = "1M8GDM9AXKP042788"
    total = sum(VALUES[character] * weight for character, weight in zip(vin, weights, strict=True))
    assert (total, total % 11) == (351, 10)
    assert check_digit(vin) == "X"


@given(
    st.text("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", min_size=16, max_size=16),
    st.integers(0, 15),
    st.sampled_from("ABCDEFGHJKLMNPRSTUVWXYZ0123456789"),
)
def test_one_wrong_character_is_found_unless_its_value_is_the_same(rest, place, other):
    rest = "1" + rest[1:]
    vin = rest[:8] + check_digit(rest[:8] + "0" + rest[8:]) + rest[8:]
    assert check_vin(vin)[0] == "ok"
    at = place + (place >= 8)
    changed = vin[:at] + other + vin[at + 1 :]
    state = check_vin(changed)[0]
    assert (state == "ok") == (VALUES[other] == VALUES[vin[at]])


def test_what_is_wrong_is_said():
    assert check_vin("1HGCM82633A00435") == ("wrong", "16 characters; a VIN has 17")
    assert check_vin("1HGCM82633A0O435I") == ("wrong", "I, O never stands in a VIN")
    assert check_vin("1HGCM82633A004353") == (
        "wrong",
        "the check digit, character 9, is 3 and should be 5: a character is wrong",
    )
    state, said = check_vin("WDBRF61J21F111111")
    assert state == "unchecked"
    assert "need not" in said


def test_what_looks_like_one():
    assert not any(map(looks_like_vin, ("", "4711", "1HGCM82633A00435", "ABCDEFGHIJKLMNOPQ", "1HGCM8263-A004352")))
