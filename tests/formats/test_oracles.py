"""What is written, read by the tools' own libraries: they need another numpy, so they run in a Python of their own.

CARMASK_ORACLES names it (with label-studio-sdk, datumaro, cvat-sdk and datasets), CARMASK_FIFTYONE one with fiftyone;
see oracles.py.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from carmask.formats.convert import convert
from carmask.formats.picture import Annotations, Instance, from_masks
from carmask.formats.polygons import trace
from carmask.formats.roundtrip import layers, shape_of
from carmask.formats.table import FORMATS, read_annotations
from carmask.formats.writing import WriteOptions
from carmask.formats.yolo import MAX_CORNERS
from tests.formats.masks import KINDS, annotations_of, drawn_mask
from tests.formats.oracles import digest

SCRIPT = Path(__file__).with_name("oracles.py")


def asked(variable: str, *words: object) -> dict:
    """What an oracle says."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"set {variable} to a Python that has the libraries (tests/formats/oracles.py)")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("photos")


@pytest.fixture(scope="module")
def source(photos) -> Annotations:
    """Masks of every kind with two labels each; no pixel has both."""
    named, sizes = {}, {}
    for number, kind in enumerate(KINDS):
        mask = drawn_mask(kind, (43, 61), number)
        left = np.zeros_like(mask)
        left[:, :30] = True
        name = f"{kind.replace(' ', '_')}.png"
        Image.new("RGB", (61, 43)).save(photos / name)
        named[name] = [Instance("front door", mask & left), Instance("wheel", mask & ~left)]
        sizes[name] = mask.shape
    found = annotations_of(named, sizes, ("front door", "wheel"))
    return Annotations([_with_photo(one, photos) for one in found.pictures], found.names)


def _with_photo(picture, photos):
    return replace(picture, photo=photos / picture.name)


def expected(source: Annotations, *, overlaps: bool = True) -> dict:
    return {
        picture.stem: {
            name: digest(mask)
            for name, mask in layers(picture.instances(), picture.size, labels=True, overlaps=overlaps).items()
        }
        for picture in source.pictures
    }


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("cvat", "cvat"), ("coco", "coco"), ("datumaro", "datumaro"), ("voc", "voc_instance_segmentation")],
)
def test_datumaro_reads_what_is_written(source, tmp_path, name, theirs):
    done = convert(source, tmp_path / "out", name)
    assert not done.faults
    done.report.unlink()
    found = asked("CARMASK_ORACLES", "read", theirs, tmp_path / "out")
    wanted = expected(source)
    assert found.keys() >= {stem for stem, masks in wanted.items() if masks}
    assert {stem: masks for stem, masks in found.items() if masks} == {s: masks for s, masks in wanted.items() if masks}


@pytest.mark.parametrize("model", ["", "default 4"])
def test_label_studio_s_sdk_decodes_and_accepts_what_is_written(source, tmp_path, model):
    convert(source, tmp_path / "out", "label-studio", options=WriteOptions(model))
    found = asked("CARMASK_ORACLES", "read", "label-studio", tmp_path / "out")
    assert found == expected(source)


def test_hugging_face_s_datasets_read_what_is_written(source, tmp_path):
    convert(source, tmp_path / "out", "huggingface")
    found = asked("CARMASK_ORACLES", "read", "huggingface", tmp_path / "out")
    assert found == expected(source)


def test_fiftyone_reads_what_is_written(source, tmp_path):
    convert(source, tmp_path / "out", "fiftyone")
    found = asked("CARMASK_FIFTYONE", "read", "fiftyone", tmp_path / "out")
    assert found == {stem: {"instances": masks, "segmentation": masks} for stem, masks in expected(source).items()}


@pytest.mark.parametrize("name", ["cvat", "coco", "datumaro", "voc"])
def test_what_datumaro_writes_is_read(source, tmp_path, name):
    """Through its own exporters, from what was written as Datumaro's."""
    convert(source, tmp_path / "in", "datumaro", check=False)
    asked("CARMASK_ORACLES", "write", name, tmp_path / "in", tmp_path / "out")
    found = read_annotations(tmp_path / "out", name=name).strict()
    wanted = expected(source)
    for picture in found.pictures:
        masks = layers(picture.instances(), picture.size, labels=True, overlaps=FORMATS[name].overlaps)
        assert {label: digest(mask) for label, mask in masks.items()} == wanted[picture.stem], picture.name
    assert {picture.stem for picture in found.pictures} == set(wanted)


def ultralytics_mask(line: str, size: tuple[int, int]) -> tuple[str, np.ndarray]:
    """A line as its page and its reader have it: fractions of the sides, cut to whole numbers, filled with the edge."""
    words = line.split()
    corners = np.array(words[1:], np.float32).reshape(-1, 2) * np.array(size[::-1], np.float32)
    drawn = np.zeros(size, np.uint8)
    cv2.fillPoly(drawn, [corners.astype(np.int32)], 1)
    return words[0], drawn > 0


def test_yolo_as_its_own_reader_reads_it(tmp_path):
    """Outlines that need no simplification: the mask, and bridges where it has several components."""
    size = (30, 41)
    masks = {
        f"{kind.replace(' ', '')}.jpg": drawn_mask(kind, size, 4)
        for kind in ("noise", "blobs", "frame", "full", "one pixel")
    }
    assert all(len(trace(mask)) < MAX_CORNERS for mask in masks.values())
    assert shape_of(masks["noise.jpg"]).components > 1
    source = from_masks([(name, size, mask, None) for name, mask in masks.items()])
    convert(source, tmp_path / "out", "yolo", check=False)
    for name, mask in masks.items():
        text = (tmp_path / "out" / "labels" / "train" / name).with_suffix(".txt").read_text()
        (line,) = text.splitlines()
        label, drawn = ultralytics_mask(line, size)
        assert label == "0"
        assert (drawn >= mask).all()
        if shape_of(mask).components == 1:
            assert np.array_equal(drawn, mask), name
