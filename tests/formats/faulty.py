"""What the tests of faulty input share: small files of formats, and how faults are looked at."""

from __future__ import annotations

import json

import pytest

from carmask.errors import DataError
from carmask.formats.codecs import columns_counts, compress
from carmask.formats.reading import ReadOptions
from carmask.formats.table import read_annotations
from tests.formats.masks import drawn_mask

MASK = drawn_mask("blobs", (20, 30), 1)
RLE = {"size": [20, 30], "counts": compress(columns_counts(MASK))}


def coco(**changes):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 20, "width": 30}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": RLE, "iscrowd": 0}],
    }
    return json.dumps(content | changes)


def annotation(**changes):
    return [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": RLE} | changes]


def image(**changes):
    return {"id": 1, "file_name": "a.jpg", "height": 20, "width": 30} | changes


def read(tmp_path, name, text, **options):
    """Faults as one error; what was read else."""
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_annotations(file, ReadOptions(**options)).strict()


def decoded(tmp_path, name, text):
    return [picture.instances() for picture in read(tmp_path, name, text).pictures]


def refused(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message) as caught:
        decoded(tmp_path, name, text)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value) or "a.jpg" in str(caught.value)


def cvat(shape, name="a.jpg", size=(20, 30), labels=("car",), head=""):
    meta = "".join(f"<label><name>{one}</name></label>" for one in labels)
    return (
        f'<?xml version="1.0"?>{head}<annotations><meta><task><labels>{meta}</labels></task></meta>'
        f'<image id="0" name="{name}" width="{size[1]}" height="{size[0]}">{shape}</image></annotations>'
    )


def cvat_mask(rle="2, 4", left=0, top=0, width=3, height=2, label="car"):
    return f'<mask label="{label}" rle="{rle}" left="{left}" top="{top}" width="{width}" height="{height}"></mask>'
