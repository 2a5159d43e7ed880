"""Read a data set, whichever layout it has."""

from __future__ import annotations

from pathlib import Path

from carmask.data.layouts import DataSet, read_layout


def read_data(data: Path, *, layout: str | None = None, mask_threshold: int | None = None) -> DataSet:
    """Read a data set.

    Args:
        data: a folder in one of the ``LAYOUTS``.
        layout: the name of its layout; found out if it is None.
        mask_threshold: for grey, anti-aliased and JPEG masks: values from this one up are car, 1 to 255.

    Returns:
        The examples, and the names of the classes: ``car``, or the parts.

    Raises:
        UnknownNameError: if no layout has this name.
        DataError: if it is incomplete, or has none of the layouts; the message shows those that are known.
    """
    return read_layout(data, layout, mask_threshold)
