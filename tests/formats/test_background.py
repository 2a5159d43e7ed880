"""Tools that list the background among their labels, and segmentations whose values have no names."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from carmask.data.annotated import has_parts
from carmask.formats.codecs import columns_counts, compress
from carmask.formats.convert import convert
from carmask.formats.fiftyone import pack_array
from carmask.formats.reading import ReadOptions
from carmask.formats.table import WRITABLE, read_annotations
from tests.formats.masks import drawn_mask

MASK = drawn_mask("blobs", (20, 30), 1)


def datumaro(folder, label="body"):
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    Image.new("RGB", (30, 20)).save(folder / "images" / "a.jpg")
    rle = {"counts": compress(columns_counts(MASK)), "size": [20, 30]}
    shape = {"id": 1, "type": "mask", "label_id": 1, "rle": rle}
    labels = {"labels": [{"name": "background"}, {"name": label}]}
    item = {"id": "a", "annotations": [shape], "image": {"path": "a.jpg", "size": [20, 30]}}
    content = {"categories": {"label": labels}, "items": [item]}
    (folder / "annotations" / "default.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("form", WRITABLE)
def test_background_among_the_labels_is_none_of_them(tmp_path, form):
    found = read_annotations(datumaro(tmp_path / "from")).strict()
    assert found.names == ("body",)
    assert not has_parts(found.names)  # the only label is the car
    done = convert(found, tmp_path / "to", form)
    assert (done.faults, done.rows[0].pixels) == ([], MASK.sum())
    assert form == "yolo" or done.changed == 0


def samples(folder, indices):
    folder.mkdir()
    Image.new("RGB", (30, 20)).save(folder / "a.jpg")
    sample = {"filepath": "a.jpg", "ground_truth": {"_cls": "Segmentation", "mask": pack_array(indices)}}
    (folder / "samples.json").write_text(json.dumps({"samples": [sample]}))
    return folder


def test_a_segmentation_s_value_that_is_called_background_is_no_object(tmp_path):
    indices = np.where(MASK, 2, 1).astype(np.uint8)
    folder = samples(tmp_path / "from", indices)
    targets = {"default_mask_targets": {"1": "background", "2": "car"}}
    (folder / "metadata.json").write_text(json.dumps(targets))
    found = read_annotations(folder).strict()
    assert found.names == ("car",)
    assert np.array_equal(found.pictures[0].labels(found.names), MASK)


@pytest.mark.parametrize("form", WRITABLE)
def test_a_segmentation_without_names_shows_what_it_is_said_to(tmp_path, form):
    found = read_annotations(samples(tmp_path / "from", MASK.astype(np.uint8)), ReadOptions(label="vehicle")).strict()
    assert found.names == ("vehicle",)
    done = convert(found, tmp_path / "to", form)
    assert (done.faults, done.names) == ([], ("vehicle",))
