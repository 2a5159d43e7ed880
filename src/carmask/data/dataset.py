"""Read a data set, whichever of the three forms it has."""

from __future__ import annotations

from pathlib import Path

from carmask.data.labelled import is_labelled, read_labelled
from carmask.data.parts import is_parts, read_parts
from carmask.data.table import Example, read_examples


def read_data(data: Path) -> tuple[list[Example], tuple[str, ...]]:
    """Read a data set: the challenge's form, parts in COCO's, or photos with pictures of labels.

    Args:
        data: a folder as ``read_examples``, ``read_parts`` or ``read_labelled`` takes it.

    Returns:
        The examples, and the names of the classes: ``car``, or the parts.

    Raises:
        DataError: if it is incomplete.
    """
    if is_labelled(data):
        return list(read_labelled(data)), ("car",)
    if is_parts(data):
        parts, names = read_parts(data)
        return list(parts), names
    return read_examples(data), ("car",)
