"""What errors of libraries become in one line."""

from __future__ import annotations

import pytest

from carmask.errors import OutputError, PhotoError
from carmask.failures import describe_failure, disk_errors, first_line, in_one_line, last_line


@pytest.mark.parametrize(
    ("error", "first", "last"),
    [
        (ValueError("bad header\nplease report this"), "bad header", "please report this"),
        (RuntimeError("\n\nTraceback\n  ...\nno space\n"), "Traceback", "no space"),
        (TimeoutError(), "TimeoutError", "TimeoutError"),
        (OSError("  \n"), "OSError", "OSError"),
    ],
)
def test_an_error_that_says_much_or_nothing(error, first, last):
    assert first_line(error) == first
    assert last_line(error) == last


def test_characters_that_are_not_seen():
    assert in_one_line(ValueError("a\n b\x1b[2J\u2028c")) == "a b?[2J c"


def test_a_failure_names_what_failed_once():
    assert describe_failure("car_01", PhotoError("train/car_01.jpg: not an image")).reason == (
        "train/car_01.jpg: not an image"
    )
    assert describe_failure("car_01", PhotoError("car_012: not an image")).reason == "car_01: car_012: not an image"
    assert describe_failure("car_01", KeyError()).reason == "car_01: unexpected KeyError"


def test_what_the_disk_refuses_names_a_file(tmp_path):
    with pytest.raises(OutputError, match=r"there: cannot be read or written: TimeoutError"), disk_errors("there"):
        raise TimeoutError
    with pytest.raises(OutputError, match=r"a\.txt: cannot be read or written: No such file"), disk_errors(tmp_path):
        (tmp_path / "a.txt").read_bytes()
