"""Photos with pictures of labels: ``photos/NAME.*`` and ``labels/NAME.png`` of the same size.

A label picture has one channel; 0 is background and every other value a part of the car. Here they count as one: car.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from carmask.arrays import Mask
from carmask.data.table import Example, car_and_view, find_masks, find_photos
from carmask.errors import DataError, PhotoError
from carmask.images import decode, stored_values


@dataclass(frozen=True)
class LabelledExample(Example):
    """A photo whose truth is a picture of labels."""

    def read_mask(self) -> Mask:
        """Read the labels; all above 0 are car.

        Returns:
            bool (height, width).

        Raises:
            PhotoError: if the file cannot be read, or has several channels.
        """
        assert self.mask is not None
        # Of a palette the indices count, not the colours.
        labels = decode(self.mask, stored_values)
        if labels.ndim != 2:
            raise PhotoError(f"{self.mask}: a picture of labels has one channel, this one has {labels.shape[-1]}")
        return labels > 0


def is_labelled(data: Path) -> bool:
    """Whether a folder is such a data set."""
    return (data / "photos").is_dir() and (data / "labels").is_dir()


def read_labelled(data: Path) -> list[LabelledExample]:
    """Pair photos with their labels.

    Args:
        data: a folder with ``photos/`` and ``labels/``.

    Returns:
        One example for each photo, sorted by name; a name of the form ``<car>_<view>`` says which car it is, any other
        is its own car.

    Raises:
        DataError: if a folder is empty, or a photo has no labels.
    """
    photos, labels = find_photos(data / "photos"), find_masks(data / "labels")
    lacking = [name for name in photos if name not in labels]
    if lacking:
        raise DataError(f"{data}: {len(lacking)} of {len(photos)} photos have no labels, the first is {lacking[0]}")
    return [LabelledExample(name, photo, labels[name], None, *car_and_view(name)) for name, photo in photos.items()]
