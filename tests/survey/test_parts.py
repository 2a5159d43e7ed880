from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.errors import DataError
from carmask.formats.labels import write_labels
from carmask.survey.parts import survey_parts


@pytest.fixture
def data(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    rng = np.random.default_rng(5)
    for index, name in enumerate("abcd"):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
        labels = np.zeros((40, 60), np.uint8)
        labels[:10, :30] = 1
        labels[20:30, : 6 * index] = 2
        write_labels(tmp_path / "labels" / f"{name}.png", labels)
    (tmp_path / "classes.txt").write_text("1 hood\n2 door\n")
    return tmp_path


def test_by_hand(data):
    found = survey_parts(data)
    assert found.photos == 4
    assert [(one.name, one.photos) for one in found.counts] == [("background", 4), ("hood", 4), ("door", 3)]
    assert found.counts[1].share == pytest.approx(300 / 2400)
    assert found.counts[2].share == pytest.approx((0 + 60 + 120 + 180) / 4 / 2400)
    assert sum(one.share for one in found.counts) == pytest.approx(1)
    assert found.alike == []


def test_a_photo_that_fails_is_named_and_the_others_are_counted(data):
    Image.open(data / "images" / "a.png").save(data / "images" / "b.png")
    (data / "labels" / "c.png").write_bytes(b"nothing")
    write_labels(data / "labels" / "d.png", np.zeros((4, 6), np.uint8))
    found = survey_parts(data)
    assert found.photos == 2
    reasons = dict(found.failures)
    assert "c.png" in reasons["c"]
    assert "the labels are 6x4, but the photo is 60x40" in reasons["d"]
    [(one, other, alike)] = found.alike
    assert (one, other) == ("a.png", "b.png")
    assert alike == pytest.approx(1)
    for name in "abd":
        (data / "labels" / f"{name}.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of 4 photos could be read"):
        survey_parts(data)
