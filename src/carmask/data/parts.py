"""Car parts: photos whose truth tells the parts of the car, in any format with labels.

The DSMLR Car Parts data set is published as COCO (Pasupa et al. 2021, https://doi.org/10.1007/s40747-021-00397-8).
What ``carmask render --parts`` wrote is read as well: ``train/`` and ``parts.json``. Arrays of the source are made into
index PNG files by ``carmask convert``.
"""

from __future__ import annotations

from pathlib import Path

from carmask.data.annotated import PartsExample, has_parts, parts, with_bare
from carmask.errors import DataError
from carmask.formats import coco, index_png
from carmask.formats.labels import Labels
from carmask.formats.table import FORMATS, detected, read_annotations
from carmask.images import picture_size


def parts_format(data: Path, layout: str | None = None) -> str | None:
    """The format in which a path may tell parts: one with labels; None if there is none.

    Args:
        data: a file or folder.
        layout: the name of its layout, see ``data.layouts``; found out if it is None.
    """
    if layout not in {None, "parts"}:
        return layout if layout in FORMATS and FORMATS[layout].labels else None
    name = detected(data)
    if name == "carvana" and coco.find(data):
        name = "coco"
    return None if name is None or not FORMATS[name].labels or index_png.is_unnamed(data) else name


def part_names(data: Path, layout: str | None = None) -> tuple[str, ...]:
    """The names of the parts that a path tells: several labels, none called car. Empty if it tells no parts.

    Args:
        data: a file or folder.
        layout: the name of its layout; found out if it is None.
    """
    name = parts_format(data, layout)
    names = () if name is None else read_annotations(data, name=name).names
    return names if has_parts(names) else ()


def is_parts(data: Path, layout: str | None = None) -> bool:
    """Whether a path is a data set of parts, see ``part_names``."""
    return bool(part_names(data, layout))


def read_parts(
    data: Path, *, complete: bool = True, layout: str | None = None
) -> tuple[list[PartsExample], tuple[str, ...]]:
    """Read a data set of parts.

    Args:
        data: a file or folder in any format with labels; one that was rendered with parts has them in ``parts.json``.
        complete: refuse photos without labels; without it they are examples whose labels cannot be read.
        layout: the name of its layout; found out if it is None.

    Returns:
        The examples, sorted by name, and the names of the parts: label n is the n-th, counted from 1. A photo whose
        name is ``<car>_<view>`` belongs to that car; others are cars of their own.

    Raises:
        DataError: if a file is missing or is not what it should be; the message names the first fault.
        PhotoError: if a picture of labels cannot be read.
    """
    name = parts_format(data, layout)
    if name is None:
        raise DataError(
            f"{data}: not a data set of parts, with annotations.json, labels/ and classes.txt, or another file"
        )
    if name == "arrays":  # photos of the examples are files
        raise DataError(f"{data}: arrays; 'carmask convert' makes pictures of them first, in the format index-png")
    annotations = read_annotations(data, name=name)
    return parts(annotations if complete else with_bare(annotations), data), annotations.names


def read_checked(example: PartsExample) -> Labels:
    """Read an example's labels and hold them against the photo's size.

    Raises:
        DataError: if the sizes differ, or a value has no class.
        PhotoError: if the photo or the labels cannot be read.
    """
    labels, (height, width) = example.read_labels(), picture_size(example.photo)
    if labels.shape != (height, width):
        raise DataError(
            f"{example.name}: the labels are {labels.shape[1]}x{labels.shape[0]}, but the photo is {width}x{height}"
        )
    return labels
