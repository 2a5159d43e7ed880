"""Photos with annotations in any format, as examples to train on and to score with."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from carmask.arrays import Mask
from carmask.data.table import Example, car_and_view
from carmask.errors import DataError
from carmask.formats.car_labels import CAR_LABELS, only_cars
from carmask.formats.content import digest_picture
from carmask.formats.labels import Labels
from carmask.formats.listing import composed
from carmask.formats.picture import Annotations, Instance, Picture
from carmask.words import by_number, counted

#: Folders that say nothing of the photos in them, in lower case: what tools call that of the photos, and subsets.
_USUAL = frozenset(
    {"images", "image", "imgs", "img", "photos", "jpegimages", "data", "train", "val", "valid", "validation", "test"}
    | {"default"}
)


@dataclass(frozen=True)
class AnnotatedExample(Example):
    """A photo whose true mask is one of a format of annotation tools.

    Attributes:
        picture: the photo's annotations.
    """

    picture: Picture = field(kw_only=True)

    def read_mask(self) -> Mask:
        """All that is marked, together: bool (height, width).

        Raises:
            DataError: if it cannot be decoded.
            PhotoError: if a mask's file cannot be read.
        """
        return self.picture.mask()

    def fingerprint(self) -> str:
        """What changes when the annotations do: a digest of them, and of the times of the files that hold them."""
        digest = hashlib.sha256(pickle.dumps((self.picture.size, self.picture.load)))
        for file in self.picture.files:
            digest.update(f"{file}:{file.stat().st_mtime_ns}".encode("utf-8", "surrogateescape"))
        return f"{super().fingerprint()}{digest.hexdigest()}"

    def digest(self) -> str:
        """See ``Example.digest``; the annotations are not drawn for it."""
        return f"{digest_picture(self.picture)}{'' if self.threshold is None else f':{self.threshold}'}"


@dataclass(frozen=True)
class PartsExample(AnnotatedExample):
    """A photo whose truth tells the parts of the car.

    Attributes:
        names: of the parts: label n is the n-th, counted from 1.
    """

    names: tuple[str, ...] = field(kw_only=True)

    def read_labels(self) -> Labels:
        """Draw the parts, later ones on top.

        Returns:
            uint8 (height, width): 0 background, else the number of the part, from 1.

        Raises:
            DataError: if they cannot be decoded, or a value is no class.
            PhotoError: if a picture of labels cannot be read.
        """
        return self.picture.labels(self.names)

    def fingerprint(self) -> str:
        """See ``AnnotatedExample.fingerprint``; the names' order counts as well."""
        return f"{super().fingerprint()}:{self.names}"


def as_examples(annotations: Annotations, source: Path) -> tuple[list[AnnotatedExample], tuple[str, ...]]:
    """Examples of whole cars, or of parts.

    A label called car, or the only one, is the car, and other labels are none. Of several labels of which none is
    called so each is a part.

    Args:
        annotations: of photos that are all there.
        source: what they were read from, for messages.

    Returns:
        The examples, sorted by name, and the names of the classes: ``car``, or the parts.

    Raises:
        DataError: if a picture is faulty or has no photo, or a photo no mask.
    """
    if has_parts(annotations.names):
        return [*parts(annotations, source)], annotations.names
    return whole_cars(only_cars(annotations), source), ("car",)


def has_parts(names: Sequence[str]) -> bool:
    """Whether labels are parts of a car: there are several, and none is called car."""
    return len(names) > 1 and not any(name.lower() in CAR_LABELS for name in names)


def with_bare(annotations: Annotations) -> Annotations:
    """Annotations in which photos without a mask are pictures, too: of these the mask cannot be read."""
    bare = [Picture(photo.name, (0, 0), partial(_nothing, photo.stem), photo) for photo in annotations.bare]
    return replace(annotations, pictures=[*annotations.pictures, *bare], bare=())


def _nothing(name: str) -> list[Instance]:
    raise DataError(f"{name}: the data set has no mask of this photo")


def whole_cars(annotations: Annotations, source: Path) -> list[AnnotatedExample]:
    """Examples whose mask is all that is marked.

    Args:
        annotations: of photos that are all there.
        source: what they were read from, for messages.

    Returns:
        One for each picture, sorted by name; a name of the form ``<car>_<view>`` says which car it is, any other is its
        own car.

    Raises:
        DataError: if a picture is faulty or has no photo, or a photo no mask.
    """
    return [
        AnnotatedExample(name, photo, None, None, *car_and_view(name), picture=picture)
        for name, photo, picture in _paired(annotations, source)
    ]


def parts(annotations: Annotations, source: Path) -> list[PartsExample]:
    """Examples that tell the parts; see ``whole_cars``."""
    return [
        PartsExample(name, photo, None, None, *car_and_view(name), picture=picture, names=annotations.names)
        for name, photo, picture in _paired(annotations, source)
    ]


def _paired(annotations: Annotations, source: Path) -> list[tuple[str, Path, Picture]]:
    pictures = annotations.strict().pictures
    lacking = [picture.name for picture in pictures if picture.photo is None]
    if lacking:
        raise DataError(
            f"{source}: {len(lacking)} of {counted(len(pictures), 'annotated picture')} "
            f"{by_number(len(lacking), 'has', 'have')} no photo, the first is {lacking[0]}; "
            "put the photos beside it, or bring both together with 'carmask convert'"
        )
    if bare := annotations.bare:
        photos = len(pictures) + len(bare)
        raise DataError(
            f"{source}: {len(bare)} of {counted(photos, 'photo')} {by_number(len(bare), 'has', 'have')} no "
            f"mask, the first is {bare[0].stem}"
        )
    named = zip(example_names(pictures), pictures, strict=True)
    found = [(name, picture.photo, picture) for name, picture in named if picture.photo is not None]
    names: dict[str, Picture] = {}
    for name, _, picture in found:
        if (other := names.setdefault(name, picture)) is not picture:
            raise DataError(f"{source}: {other.name} and {picture.name} would both be called {name}; rename one")
    return sorted(found, key=lambda one: one[0])


def example_names(pictures: Sequence[Picture]) -> list[str]:
    """What the examples of these pictures are called: their names become those of files, of caches, scores and pages.

    Tools write folders before the names, such as ``images/train/``, which the same photos elsewhere have not: these are
    left off where the names still differ. What another folder is called, such as a car, stays part of the name.

    Args:
        pictures: of one source.

    Returns:
        A name for each, without suffix, ``_`` in place of ``/``.
    """
    whole = [picture.stem.split("/") for picture in pictures]
    short = [_without_usual(parts) for parts in whole]
    distinct = len({tuple(parts) for parts in short}) == len({tuple(parts) for parts in whole})
    return [composed("_".join(parts)) for parts in (short if distinct else whole)]


def _without_usual(parts: list[str]) -> list[str]:
    first = next((index for index, part in enumerate(parts[:-1]) if part.lower() not in _USUAL), len(parts) - 1)
    return parts[first:]
