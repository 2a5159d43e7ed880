"""What the readers of all formats share: where photos are looked for, and shapes that are drawn when asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from carmask.arrays import Mask
from carmask.errors import CarmaskError, DataError, PhotoError
from carmask.formats.classes import BACKGROUND
from carmask.formats.photos import Photos
from carmask.formats.picture import CAR, Annotations, Instance, Picture, stem_of
from carmask.geometry import Size
from carmask.images import mask_size, picture_size
from carmask.words import by_number, counted


@dataclass(frozen=True)
class ReadOptions:
    """What a source may not say of itself.

    Attributes:
        photos: a folder with the photos, if they do not lie with the annotations.
        size: (height, width) of all pictures, where neither the annotations nor photos tell it.
        sizes: of single pictures, by their name without suffix, where that is so.
        label: what the masks of formats without labels show.
        doubtful: of an output folder of ``cut``, only what is marked for review.
        outputs: of such a folder, names of the outputs by the photo as its table names it; of photos that are not
            among them, outputs are looked for under the photo's own name.
        corrected: of such a folder, masks that were corrected by hand, by the name of the outputs: each loads a PNG.
    """

    photos: Path | None = None
    size: Size | None = None
    sizes: Mapping[str, Size] = field(default_factory=dict)
    label: str = CAR
    doubtful: bool = False
    outputs: Mapping[str, str] = field(default_factory=dict)
    corrected: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)

    def find(self, *folders: Path) -> Photos:
        """The photos of the folder named by the user, and of these, in this order."""
        return Photos([*([self.photos] if self.photos else []), *folders])


class Shape(NamedTuple):
    """An instance before it is drawn.

    Attributes:
        label: what it is.
        draw: makes the mask; raises DataError.
        score: of the model that made it, or None.
    """

    label: str
    draw: Callable[[], Mask]
    score: float | None = None


def drawn(shapes: Sequence[Shape], where: str) -> Callable[[], list[Instance]]:
    """Shapes that are drawn when asked for: a ``Picture.load``.

    A shape whose label is the background takes its pixels from those before it.

    Args:
        shapes: in the order they are drawn.
        where: what they come from, for messages.
    """
    return partial(_drawn, tuple(shapes), where)


def is_drawn(load: partial[object]) -> bool:
    """Whether a ``Picture.load`` is one of ``drawn``, whose first argument are the shapes."""
    return load.func is _drawn


def _drawn(shapes: Sequence[Shape], where: str) -> list[Instance]:
    found: list[Instance] = []
    for number, shape in enumerate(shapes, 1):
        try:
            mask = shape.draw()
        except CarmaskError as error:
            raise DataError(f"{where}: shape {number} ({shape.label}): {error}") from error
        if shape.label in BACKGROUND:
            found = [one._replace(mask=one.mask & ~mask) for one in found]
        else:
            found.append(Instance(shape.label, mask, shape.score))
    return found


@contextmanager
def malformed(where: str) -> Iterator[None]:
    """Turn what Python says of a file that has not the fields of its format into a DataError.

    Args:
        where: the file, and what in it.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        what = "a field is missing:" if isinstance(error, KeyError) else f"{type(error).__name__}:"
        raise DataError(f"{where}: not as the format has it: {what} {error}") from error


def score_of(value: object) -> float | None:
    """A score as files have it, 0 to 1; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        return None
    return float(value)


def photo_size(name: str, photo: Path | None, options: ReadOptions) -> Size:
    """The size of a picture whose annotations do not tell it.

    Raises:
        DataError: if there is no photo, and no size was named.
        PhotoError: if the photo cannot be read.
    """
    if photo is not None:
        return picture_size(photo)
    if found := options.sizes.get(stem_of(name), options.size):
        return found
    raise DataError(f"{name}: its size is not known: name a folder with the photos, or the size of all pictures")


def file_size(file: Path, photo: Path | None) -> Size:
    """The size of a picture whose masks are a file of their own.

    A file that cannot be read fails when its masks are asked for, like any other picture; so the photo's size will do.

    Raises:
        PhotoError: if neither the file nor a photo can be read.
    """
    try:
        return mask_size(file)
    except PhotoError:
        if photo is None:
            raise
        return picture_size(photo)


def passed_over(count: int, noun: str, which: str) -> str:
    """A note of what was not read: ``2 shapes of the type point were passed over``.

    Args:
        count: how many, 1 or more.
        noun: what they are, in the singular.
        which: what tells them from those that are read.
    """
    return f"{counted(count, noun)} {which} {by_number(count, 'was', 'were')} passed over"


def without_mask(found: Annotations, photos: Photos) -> tuple[Path, ...]:
    """The photos that no picture has."""
    taken = {picture.photo for picture in found.pictures}
    return tuple(photo for photo in photos.all() if photo not in taken)


def gathered(makers: Iterable[Callable[[], Picture]], annotations: Annotations) -> Annotations:
    """Collect pictures; those that cannot be read become faults, and names that are there twice are refused.

    Of one name may be several if their photos lie in different folders, such as those of two subsets: their folders, as
    far as these differ, become part of the name. A photo that was found for several pictures, since those of others are
    missing, is that of the one whose name its path ends with.

    Args:
        makers: each makes a picture, or raises CarmaskError.
        annotations: they are added to it.

    Returns:
        ``annotations``.
    """
    made: list[Picture] = []
    for make in makers:
        try:
            made.append(make())
        except CarmaskError as error:
            annotations.faults.append(str(error))
    stems: dict[str, str] = {}
    for picture in _own_photos(_told_apart(made), annotations.notes):
        if picture.stem in stems:
            before = stems[picture.stem]
            told = (
                "is there twice" if before == picture.name else f"and {before} differ in their suffix only; rename one"
            )
            annotations.faults.append(f"{picture.name} {told}")
            continue
        stems[picture.stem] = picture.name
        annotations.pictures.append(picture)
    return annotations


def _told_apart(pictures: Sequence[Picture]) -> list[Picture]:
    """Pictures of one name and of different photos get the folders of these, as far as they differ, before it."""
    photos: dict[str, list[Path]] = {}
    for picture in pictures:
        if picture.photo is not None:
            photos.setdefault(picture.stem, []).append(picture.photo)
    tops = {
        stem: Path(os.path.commonpath(several))
        for stem, several in photos.items()
        if 1 < len(several) == len({*several})
    }
    return [
        replace(picture, name=picture.photo.relative_to(tops[picture.stem]).as_posix())
        if picture.photo is not None and picture.stem in tops
        else picture
        for picture in pictures
    ]


def _own_photos(pictures: Sequence[Picture], notes: list[str]) -> list[Picture]:
    """Take photos from pictures that have one of another picture's; each is noted."""
    owners: dict[Path, list[Picture]] = {}
    for picture in pictures:
        if picture.photo is not None:
            owners.setdefault(picture.photo, []).append(picture)
    found = []
    for picture in pictures:
        rivals = {one.stem: one for one in owners.get(picture.photo, ())} if picture.photo is not None else {}
        if picture.photo is not None and len(rivals) > 1:
            path = f"/{stem_of(picture.photo.as_posix())}"
            fitting = [stem for stem in rivals if path.endswith(f"/{stem}")]
            if picture.stem != max(fitting, key=len, default=""):
                others = ", ".join(one.name for one in rivals.values() if one is not picture)
                notes.append(f"{picture.name}: its photo is missing; {picture.photo} is that of {others}")
                picture = replace(picture, photo=None)
        found.append(picture)
    return found
