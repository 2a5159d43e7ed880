"""Whether masks come back from a format as they went in: pixels, components and holes of each picture."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from carmask.arrays import Mask
from carmask.formats.csv_text import encode_csv
from carmask.formats.picture import Instance, index_picture, union
from carmask.formats.rle import mask_to_runs
from carmask.geometry import Size
from carmask.images import write_atomically

REPORT = "roundtrip.csv"


class Shape(NamedTuple):
    """How a mask is put together: its 8-connected components, and the 4-connected holes in them."""

    components: int
    holes: int


class Comparison(NamedTuple):
    """One picture, before and after.

    Attributes:
        picture: its name.
        size: (height, width).
        labels: how many labels occur.
        pixels: that are marked, counted once for each label.
        changed: pixels of these that differ, or are marked in addition; counted once for each label.
        before: components and holes of all labels, as they went in.
        after: as they came back.
        turned: whether EXIF turns the photo.
        note: what happened to it, such as that it was written upright.
    """

    picture: str
    size: Size
    labels: int
    pixels: int
    changed: int
    before: Shape
    after: Shape
    turned: bool
    note: str


def shape_of(mask: Mask) -> Shape:
    """Count a mask's components and holes."""
    if not mask.any():
        return Shape(0, 0)
    tree = cv2.findContours(np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[1]
    outer = int(np.count_nonzero(tree[0, :, 3] < 0))
    return Shape(outer, tree.shape[1] - outer)


def layers(instances: Sequence[Instance], size: Size, *, labels: bool, overlaps: bool) -> dict[str, Mask]:
    """The mask of each label, as a format can hold it.

    Args:
        instances: in the order they are drawn.
        size: (height, width).
        labels: whether labels are told apart; else all are one, named ``""``.
        overlaps: whether a pixel may have several labels; else the later one has it.
    """
    if not labels:
        return {"": union(instances, size)} if instances else {}
    names = list(dict.fromkeys(one.label for one in instances))
    if overlaps or len(names) == 1:
        return {name: union([one for one in instances if one.label == name], size) for name in names}
    indices = index_picture(instances, size, names)
    found = {name: indices == index for index, name in enumerate(names, 1)}
    return {name: mask for name, mask in found.items() if mask.any()}


class Summary(NamedTuple):
    """What is kept of a picture to compare it later, in a few hundred bytes."""

    digests: Mapping[str, bytes]
    pixels: int
    shape: Shape


def summarise(masks: Mapping[str, Mask]) -> Summary:
    """Sum up the masks of labels."""
    runs = {name: mask_to_runs(mask) for name, mask in masks.items()}
    shapes = [shape_of(mask) for mask in masks.values()]
    total = Shape(sum(one.components for one in shapes), sum(one.holes for one in shapes))
    digests = {name: hashlib.blake2b(found.tobytes(), digest_size=16).digest() for name, found in runs.items()}
    return Summary(digests, sum(int(found[:, 1].sum()) for found in runs.values()), total)


def changed_pixels(before: Mapping[str, Mask], after: Mapping[str, Mask], size: Size) -> int:
    """How many pixels differ, counted once for each label.

    Args:
        before: masks by label, bool (``*size``); a label that is missing has no pixel.
        after: the same.
        size: (height, width).
    """
    empty = np.zeros(size, np.bool_)
    return sum(
        int(np.count_nonzero(before.get(name, empty) ^ after.get(name, empty))) for name in before.keys() | after.keys()
    )


def write_report(file: Path, rows: Sequence[Comparison]) -> None:
    """Write a row for each picture.

    Raises:
        OutputError: if it cannot be written.
    """
    columns = ["picture", "width", "height", "labels", "pixels", "changed"]
    columns += ["components", "components_after", "holes", "holes_after", "exif_turned", "note"]
    write_atomically(file, encode_csv(columns, map(_cells, rows)))


def _cells(row: Comparison) -> list[object]:
    (height, width), turned = row.size, "yes" if row.turned else ""
    counts = [row.before.components, row.after.components, row.before.holes, row.after.holes]
    return [row.picture, width, height, row.labels, row.pixels, row.changed, *counts, turned, row.note]
