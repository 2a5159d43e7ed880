"""Every command that takes data reads every format: its examples, its parts, its survey, its true masks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from carmask.data.layouts import read_data
from carmask.data.mask_source import Truth
from carmask.data.parts import is_parts, read_parts
from carmask.data.table import read_examples
from carmask.formats.convert import convert
from carmask.formats.rle import mask_to_runs
from carmask.formats.table import FORMATS, WRITABLE, read_annotations
from carmask.survey.survey import survey
from carmask.training.dataset.cache import _fingerprint
from tests.conftest import REPOSITORY

RENDERED = REPOSITORY / "tests" / "rendered"
#: Formats in which the rendered masks come back exactly: each is one component.
EVERY = [name for name in WRITABLE if FORMATS[name].exact]


def written(out, name, form):
    convert(read_annotations(RENDERED, name=form), out, name, check=False)
    return out


@pytest.mark.parametrize("name", EVERY)
def test_whole_cars(name, tmp_path):
    data = written(tmp_path / "out", name, "carvana")
    examples, classes = read_data(data)
    assert classes == ("car",)
    assert not is_parts(data)
    for before, after in zip(read_examples(RENDERED), examples, strict=True):
        assert (after.name, after.car, after.view) == (before.name, before.car, before.view)
        assert np.array_equal(after.read_mask(), before.read_mask())
    # Training sends examples to other processes, and knows photos it has decoded before.
    again = pickle.loads(pickle.dumps(examples[0]))
    assert np.array_equal(again.read_mask(), examples[0].read_mask())
    assert _fingerprint(examples) == _fingerprint(read_data(data)[0])
    truth = Truth(data)
    assert sorted(truth.names) == [one.name for one in examples]
    runs, size = truth.runs(examples[3].name)
    mask = examples[3].read_mask()
    assert np.array_equal(runs, mask_to_runs(mask))
    assert size == mask.shape or name == "carvana"  # a CSV has Carvana's frame
    found = survey(data, sheets=0)
    assert (len(found.facts), found.problems) == (16, survey(RENDERED, sheets=0).problems)


@pytest.mark.parametrize("name", [name for name in EVERY if FORMATS[name].labels])
def test_parts(name, tmp_path):
    data = written(tmp_path / "out", name, "coco")
    assert is_parts(data)
    examples, classes = read_data(data)
    theirs, names = read_parts(RENDERED)
    assert classes == names
    for before, after in zip(theirs, examples, strict=True):
        assert np.array_equal(after.read_labels(), before.read_labels())
    digest = _fingerprint(examples)
    assert digest == _fingerprint(read_data(data)[0])
    assert digest != _fingerprint(theirs)


def test_a_file_by_itself_is_data_as_well(tmp_path):
    data = written(tmp_path / "out", "cvat", "carvana")
    assert len(read_data(data / "annotations.xml")[0]) == 16
    data = written(tmp_path / "tasks", "label-studio", "carvana")
    assert len(read_data(data / "tasks.json")[0]) == 16


def test_changed_masks_are_decoded_again(tmp_path):
    data = written(tmp_path / "out", "folders", "carvana")
    before = _fingerprint(read_data(data)[0])
    mask = next((data / "masks").iterdir())
    mask.touch()
    assert _fingerprint(read_data(data)[0]) != before
