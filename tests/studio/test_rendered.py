"""The small set in tests/rendered, made by: carmask render --cars 1 --size 120x80 --seed 3 --hard antenna --parts."""

import csv
from pathlib import Path

import numpy as np

from carmask.data.parts import read_parts
from carmask.data.table import read_examples
from carmask.formats.labels import read_labels
from carmask.formats.rle import rle_decode
from carmask.images import read_photo
from carmask.studio.parts import PARTS
from carmask.studio.renderset import draw_session

HOME = Path(__file__).parents[1] / "rendered"


def test_parts_partition_the_masks_of_all_views():
    runs = {row["img"]: row["rle_mask"] for row in csv.DictReader((HOME / "train_masks.csv").open())}
    examples = read_examples(HOME)
    assert [one.view for one in examples] == list(range(1, 17))
    seen = set()
    for one in examples:
        labels = read_labels(HOME / "parts" / f"{one.name}.png")
        assert np.array_equal(labels > 0, one.read_mask())
        assert np.array_equal(rle_decode(runs[one.photo.name], 80, 120), one.read_mask())
        assert read_photo(one.photo).shape == (80, 120, 3)
        assert 0.08 < one.read_mask().mean() < 0.35
        seen |= {PARTS[label - 1] for label in np.unique(labels[labels > 0])}
    assert {"wheel", "front_glass", "back_glass", "front_left_door", "front_right_door", "antenna"} <= seen


def test_left_and_right_are_the_drivers():
    name = read_examples(HOME)[0].car
    left = read_labels(HOME / "parts" / f"{name}_05.png")  # the front points to the picture's left
    right = read_labels(HOME / "parts" / f"{name}_13.png")
    door, other = PARTS.index("front_left_door") + 1, PARTS.index("front_right_door") + 1
    assert (left == door).sum() > 50 > (left == other).sum()
    assert (right == other).sum() > 50 > (right == door).sum()


def test_the_coco_file_says_what_the_pictures_say():
    examples, names = read_parts(HOME)
    assert names == tuple(PARTS)
    assert len(examples) == len(read_examples(HOME))
    for one in examples:
        assert np.array_equal(one.read_labels(), read_labels(HOME / "parts" / f"{one.name}.png"))


def test_the_seed_still_gives_this_car():
    assert draw_session(3, 0, ("antenna",)).name == read_examples(HOME)[0].car
