"""What every format is read into and written from: pictures with labelled masks.

A picture has a name, a size and instances; an instance has a label, a boolean mask of the picture's size and, if a
model made it, a score. Masks are decoded when they are asked for, one picture at a time: a data set of any length
needs the memory of one picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.classes import BACKGROUND
from carmask.formats.labels import occurring
from carmask.geometry import Size

#: What the instances of formats without labels are called.
CAR = "car"
#: An index picture has one byte a pixel.
MAX_LABELS = 255


def stem_of(name: str) -> str:
    """A picture's name without its suffix, folders included: what formats of mask files keep of it."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + (file.rpartition(".")[0] or file)


class Instance(NamedTuple):
    """One object, or one part of it.

    Attributes:
        label: what it is.
        mask: bool (height, width), of the picture's size.
        score: 0 to 1, how sure the model was that made it; None if a person drew it.
    """

    label: str
    mask: Mask
    score: float | None = None


@dataclass(frozen=True)
class Picture:
    """A picture and what is marked in it.

    Attributes:
        name: its file name, with folders between ``/``, as the annotations give it.
        size: (height, width) of the masks: of the picture as it is shown, upright.
        load: decodes the instances, in the order they are drawn; raises CarmaskError. It can be pickled, so that other
            processes can decode pictures: a function of a module with its arguments, bound by ``functools.partial``.
        photo: the picture's file, if it was found.
        files: those that the masks are read from when they are asked for; none if they are in memory.
    """

    name: str
    size: Size
    load: Callable[[], Sequence[Instance]] = field(repr=False)
    photo: Path | None = None
    files: tuple[Path, ...] = ()

    @property
    def stem(self) -> str:
        """The name without its suffix, folders included."""
        return stem_of(self.name)

    def instances(self) -> list[Instance]:
        """Decode the instances that have a pixel, without those of a label called background.

        Raises:
            DataError: if one cannot be decoded, or is not of the picture's size.
            PhotoError: if a mask's file cannot be read.
        """
        found = list(self.load())
        for one in found:
            if one.mask.shape != self.size:
                raise DataError(f"{self.name}: {size_fault(one.mask.shape, self.size)}")
        return [one for one in found if one.label not in BACKGROUND and one.mask.any()]

    def mask(self) -> Mask:
        """All instances together: bool (height, width)."""
        return union(self.instances(), self.size)

    def labels(self, names: Sequence[str]) -> NDArray[np.uint8]:
        """The instances as an index picture, later ones on top.

        Args:
            names: of the labels from 1.

        Returns:
            uint8 (height, width): 0 background, else the label's place in ``names`` from 1.
        """
        return index_picture(self.instances(), self.size, names)


@dataclass
class Annotations:
    """Pictures with what is marked in them, as read from one source.

    Attributes:
        pictures: in the source's order.
        names: of the labels, in the order that gives them numbers from 1.
        model: name of the model that made the masks; empty if people did.
        notes: what a reader should know that is no fault, a line each.
        faults: what is wrong with single pictures, which ``pictures`` lacks, a line each.
        doubtful: only pictures that were marked for review are among them.
        bare: photos without a mask, in formats that have a file for each.
        held: kept for as long as the pictures are, such as a folder that goes away with it.
    """

    pictures: list[Picture]
    names: tuple[str, ...]
    model: str = ""
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    doubtful: bool = False
    bare: tuple[Path, ...] = ()
    held: object = None

    def strict(self) -> Annotations:
        """Return this, unless a picture is faulty.

        Raises:
            DataError: the first fault, and how many there are.
        """
        if self.faults:
            more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
            raise DataError(self.faults[0] + more)
        return self


def from_masks(
    masks: Iterable[tuple[str, Size, Mask, float | None]],
    *,
    label: str = CAR,
    model: str = "",
    photos: Callable[[str], Path | None] | None = None,
) -> Annotations:
    """Annotations from masks at hand: one car in each picture.

    Args:
        masks: name of the picture's file, its (height, width), the mask, bool (height, width), and the score, 0 to 1,
            or None for a mask drawn by a person.
        label: what the masks show.
        model: name of the model that made them; empty if people did.
        photos: finds the photo of a name.

    Returns:
        The annotations; the masks are kept as packed bits, eight pixels a byte.

    Raises:
        DataError: if a mask has not the size given with it.
    """
    pictures = []
    for name, size, mask, score in masks:
        if mask.shape != size:
            raise DataError(f"{name}: {size_fault(mask.shape, size)}")
        packed = np.packbits(mask)
        photo = None if photos is None else photos(name)
        pictures.append(Picture(name, size, partial(_unpacked, packed, size, label, score), photo))
    return Annotations(pictures, (label,), model)


def _unpacked(packed: NDArray[np.uint8], size: Size, label: str, score: float | None) -> list[Instance]:
    bits = np.unpackbits(packed, count=size[0] * size[1]).view(np.bool_)
    return [Instance(label, bits.reshape(size), score)]


def union(instances: Iterable[Instance], size: Size) -> Mask:
    """All instances together: bool (height, width), the caller's own."""
    found = np.zeros(size, np.bool_)
    for one in instances:
        found |= one.mask
    return found


def index_picture(instances: Iterable[Instance], size: Size, names: Sequence[str]) -> NDArray[np.uint8]:
    """Draw instances into an index picture, later ones on top.

    Args:
        instances: their labels are among ``names``.
        size: (height, width).
        names: of the labels from 1.

    Returns:
        uint8 (height, width): 0 background, else the label's place in ``names`` from 1.

    Raises:
        DataError: if there are more labels than a byte has values.
    """
    if len(names) > MAX_LABELS:
        raise DataError(f"{len(names)} labels; an index picture has room for {MAX_LABELS}")
    number = {name: index for index, name in enumerate(names, 1)}
    found = np.zeros(size, np.uint8)
    for one in instances:
        found[one.mask] = number[one.label]
    return found


def split_labels(labels: NDArray[np.uint8], names: Sequence[str], where: Path | str) -> list[Instance]:
    """The instances of an index picture: one for each label that occurs.

    Args:
        labels: uint8 (height, width): 0 background, else a label's place in ``names`` from 1.
        names: of the labels from 1.
        where: what the picture comes from, for messages.

    Raises:
        DataError: if a value has no name.
    """
    present = occurring(labels)
    beyond = [value for value in present if value > len(names)]
    if beyond:
        raise DataError(f"{where}: the value {beyond[0]} has no label; there are {len(names)}: {', '.join(names)}")
    return [Instance(names[value - 1], labels == value) for value in present if value]


def size_fault(found: Sequence[int], expected: Size) -> str:
    """Say that a mask has another size than its picture, and the likely reason.

    Args:
        found: (height, width) of the mask.
        expected: of the picture.
    """
    told = f"the mask is {found[1]}x{found[0]}, but the picture is {expected[1]}x{expected[0]}"
    if tuple(found) == (expected[1], expected[0]):
        return f"{told}: its sides are exchanged, likely by a tool that ignores the photo's EXIF orientation"
    return told
