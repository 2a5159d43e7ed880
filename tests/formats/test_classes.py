"""Classes of labels: their file, and what they become in a mirror."""

from __future__ import annotations

import numpy as np
import pytest

from carmask.errors import DataError
from carmask.formats.classes import ARRAY_CLASSES, classes_of, mirrored, read_classes, write_classes

DSMLR = (
    "back_bumper", "back_glass", "back_left_door", "back_left_light", "back_right_door", "back_right_light",
    "front_bumper", "front_glass", "front_left_door", "front_left_light", "front_right_door", "front_right_light",
    "hood", "left_mirror", "right_mirror", "tailgate", "trunk", "wheel",
)  # fmt: skip


def test_a_mirror_exchanges_left_and_right_and_nothing_else():
    swap = mirrored(DSMLR)
    names = ("background", *DSMLR)
    assert np.array_equal(swap[swap], np.arange(256))
    for label, name in enumerate(names):
        other = names[swap[label]]
        assert name.replace("left", "x").replace("right", "x") == other.replace("left", "x").replace("right", "x")
        assert (name != other) == ("left" in name or "right" in name)


def test_sides_are_words_in_any_case():
    names = ("Left door", "Right door", "wheel-LEFT", "wheel-RIGHT", "back_left_light", "back_right_light")
    assert mirrored(names)[:7].tolist() == [0, 2, 1, 4, 3, 6, 5]
    with pytest.raises(DataError, match="Left door has no partner Right door"):
        mirrored(("Left door", "right door"))


def test_words_that_contain_left_are_no_sides():
    assert mirrored(("cleft", "Bright spot", "upright")).tolist() == list(range(256))


def test_a_side_without_a_partner_cannot_be_mirrored():
    with pytest.raises(DataError, match="left_mirror has no partner right_mirror"):
        mirrored(("left_mirror", "hood"))


def test_the_file_is_read_as_it_was_written(tmp_path):
    write_classes(tmp_path / "classes.txt", DSMLR)
    assert read_classes(tmp_path / "classes.txt") == classes_of(dict(enumerate(["background", *DSMLR])))


def test_values_of_the_source_s_arrays():
    assert [value for value, _ in ARRAY_CLASSES.values] == list(range(0, 100, 10))
    assert ARRAY_CLASSES.labels_of(np.array([[0, 10, 90]], np.uint8), "a").tolist() == [[0, 1, 9]]
    assert len(ARRAY_CLASSES.names) == 9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\n", "line 1: write a value"),
        ("# parts\n\nhood 1\n", "line 3: write a value"),
        ("256 hood\n", "line 1: write a value"),
        ("1 hood\n1 door\n", "line 2: the value or the name was there before"),
        ("1 hood\n2 hood\n", "line 2: the value or the name"),
        ("0 hood\n1 door\n", "0 is the background"),
        ("0 background\n", "names no part"),
    ],
)
def test_faulty_files_are_named(tmp_path, content, message):
    (tmp_path / "classes.txt").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_classes(tmp_path / "classes.txt")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text(tmp_path):
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a text file"):
        read_classes(tmp_path / "classes.txt")
