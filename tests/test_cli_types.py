"""Values of options: whatever is typed is read as meant, or refused in words."""

from __future__ import annotations

import math
import string
from pathlib import Path

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carmask.cli.types import EXTRA_FOLDER, LOCATION, PATH, PERCENT, SIZE, NumberRange
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
    for kind in (SIZE, PERCENT, EXTRA_FOLDER, NumberRange(), NumberRange(0, 1)):
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


def test_numbers_are_finite():
    for text in ("nan", "inf", "-inf"):
        with pytest.raises(click.BadParameter, match=r"finite|range"):
            NumberRange(0, 1).convert(text, None, None)
