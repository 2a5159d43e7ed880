"""Values of options: whatever is typed is read as meant, or refused in words."""

from __future__ import annotations

import math
import string
from datetime import datetime
from pathlib import Path

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carmask.cli.types import DAY, EXTRA_FOLDER, LOCATION, PATH, PERCENT, SIZE, NumberRange, WholeRange
from carmask.images import MAX_PIXELS

NUMBERS = st.floats(0, 1, allow_nan=False)
#: Anything, and texts that are nearly right.
TEXTS = st.text(max_size=40) | st.text("0123456789xX.%=:-+einfa ", max_size=20)


@given(st.integers(1, 20000), st.integers(1, 20000), st.sampled_from(["{}x{}", "{}X{}", " {}x{} ", "00{}x{}"]))
def test_sizes(width, height, form):
    text = form.format(width, height)
    if width * height <= MAX_PIXELS:
        assert SIZE.convert(text, None, None) == (height, width)
    else:
        with pytest.raises(click.BadParameter, match="is more than 128 megapixels"):
            SIZE.convert(text, None, None)


@given(st.integers(0, 100))
def test_percentages(percent):
    assert PERCENT.convert(f"{percent}%", None, None) == percent / 100


@given(st.text(string.ascii_letters + "/.-_= ", min_size=1, max_size=20), NUMBERS, st.none() | NUMBERS, st.booleans())
def test_extra_data(folder, share, held, ranges):
    text = f"{folder}={share}" + ("" if held is None else f":{held}") + ":ranges" * ranges
    assert EXTRA_FOLDER.convert(text, None, None) == (Path(folder), share, held, ranges)


@given(TEXTS)
@example("1" * 5000 + "x1")
@example("1x1x1")
@example("²x²")
@example("nan%")
@example("=0.5")
@example("a=nan")
@example("a=0.1:2")
@example("1e999")
def test_any_other_text_is_refused_in_one_line(text):
    for kind in (DAY, SIZE, PERCENT, EXTRA_FOLDER, NumberRange(), NumberRange(0, 1), WholeRange(1, 9)):
        try:
            value = kind.convert(text, None, None)
        except click.BadParameter:
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        assert all(math.isfinite(one) for one in numbers if isinstance(one, int | float))


def test_empty_names_are_refused():
    for kind in (PATH, LOCATION):
        with pytest.raises(click.BadParameter, match="the name is empty"):
            kind.convert("", None, None)
    assert PATH.convert("a b/ü", None, None) == Path("a b/ü")
    assert LOCATION.convert("s3://bucket/a", None, None) == "s3://bucket/a"


def test_days():
    assert DAY.convert("2026-11-23", None, None) == datetime(2026, 11, 23)
    with pytest.raises(click.BadParameter, match=r"'2026-13-45' is no day; write YEAR-MONTH-DAY, such as 2026-11-23"):
        DAY.convert("2026-13-45", None, None)


def test_numbers_are_finite():
    for text in ("nan", "inf", "-inf"):
        with pytest.raises(click.BadParameter, match=r"not a (finite )?number"):
            NumberRange(0, 1).convert(text, None, None)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (NumberRange(), "x", "'x' is not a number"),
        (NumberRange(), "nan", "'nan' is not a finite number"),
        (NumberRange(0, 1), "2", "'2' is not a number from 0 to 1"),
        (NumberRange(min=0.1), "0", "'0' is not a number of at least 0.1"),
        (NumberRange(min=0, min_open=True), "0", "'0' is not a number above 0"),
        (NumberRange(0, 1, max_open=True), "1", "'1' is not a number of at least 0 and below 1"),
        (WholeRange(64, 4096), "10", "'10' is not a whole number from 64 to 4096"),
        (WholeRange(10_000, 128_000_000), "1", "'1' is not a whole number from 10000 to 128000000"),
        (WholeRange(min=0), "1.5", "'1.5' is not a whole number of at least 0"),
    ],
)
def test_limits_of_numbers_are_told_in_words(kind, text, words):
    with pytest.raises(click.BadParameter) as refused:
        kind.convert(text, None, None)
    assert refused.value.message == words
