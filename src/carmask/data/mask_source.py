"""True masks by the photo's name, whichever form they are kept in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.data.annotated import example_names
from carmask.data.layouts import detect_layout
from carmask.data.table import Example
from carmask.errors import DataError, RLEError
from carmask.formats import folders
from carmask.formats.car_labels import only_cars
from carmask.formats.listing import file_stem, find_masks
from carmask.formats.picture import Picture
from carmask.formats.rle import check_runs, mask_to_runs, parse_runs, runs_to_mask
from carmask.formats.rle_table import RleRow, find_mask_table, is_table, read_rle_table
from carmask.formats.table import detected, read_annotations
from carmask.geometry import Size
from carmask.images import read_mask, search_photos

#: (height, width) of every photo of the challenge.
CARVANA_SIZE: Size = (1280, 1918)

Runs = NDArray[np.int64]
#: Layouts whose masks have a folder of their own, other than the challenge's.
_WITH_MASKS_APART = frozenset({"folders"})


class ExampleMasks:
    """True masks of examples, by the photo's name."""

    def __init__(self, examples: Iterable[Example]) -> None:
        """Keep them.

        Args:
            examples: from ``read_data``.
        """
        self._examples = {one.name: one for one in examples}

    @property
    def names(self) -> list[str]:
        """The photos' names, in the order of the examples."""
        return list(self._examples)

    def has(self, name: str) -> bool:
        """Whether there is an example of this name."""
        return name in self._examples

    def mask(self, name: str, size: Size) -> Mask:  # noqa: ARG002  # an example has its own
        """The true mask of a photo; see ``Truth.mask``."""
        return self._examples[name].read_mask()


class Truth:
    """True masks as runs, by the photo's stem: a CSV, a folder of mask files, or annotations in any format."""

    def __init__(self, source: Path, mask_threshold: int | None = None, *, frame: Size = CARVANA_SIZE) -> None:
        """Open it.

        Args:
            source: a CSV ``img,rle_mask``, plain or compressed, a folder of masks, a data set whose masks are files or
                this CSV, or what ``read_annotations`` takes.
            mask_threshold: for grey, anti-aliased and JPEG masks, see ``read_mask``.
            frame: (height, width) in which a CSV is written.

        Raises:
            DataError: if it is none of these, cannot be read, holds no masks, or a CSV has two rows for an image.
        """
        self._files: Mapping[str, Path] = {}
        self._rows: Mapping[str, RleRow] = {}
        self._pictures: Mapping[str, Picture] = {}
        self._names: list[str] = []
        self._source, self._threshold, self._frame = source, mask_threshold, frame
        if source.is_dir() and not (source / "train_masks").is_dir():
            self._source = find_mask_table(source) or source
        if _is_annotated(self._source):
            self._annotations = only_cars(read_annotations(source).strict())
            pictures = self._annotations.pictures
            self._pictures = dict(zip(example_names(pictures), pictures, strict=True))
            # Tools write folders before the names, such as images/, that the photos' own folder has not.
            plain = {file_stem(picture.name): picture for picture in pictures}
            if len(plain) == len(pictures):
                self._names, self._pictures = list(plain), self._pictures | plain
        elif self._source.is_file():
            self._rows = read_rle_table(self._source).by_stem()
        elif (source / "train_masks").is_dir():
            self._files = find_masks(source / "train_masks")
        elif detect_layout(source) in _WITH_MASKS_APART:
            self._files = _masks_apart(source)
        else:
            self._files = find_masks(source)
        if not self.names:
            raise DataError(f"{source}: holds no masks")

    @property
    def names(self) -> list[str]:
        """Names of the photos whose truth is known, in the source's order; without folders, if that is enough."""
        return self._names or list(self._pictures or self._rows or self._files)

    def has(self, name: str) -> bool:
        """Whether there is a mask of the photo of this name: without its folders, or as examples are called."""
        return self._has(name) or name in self._rows

    def runs(self, name: str) -> tuple[Runs, Size]:
        """The runs of a photo's true mask, and the frame they are in: the mask file's, or the one given for a CSV.

        Raises:
            DataError: if there is no mask of this photo.
            PhotoError: if the mask file cannot be read.
            RLEError: if the text is malformed; the message names the line.
        """
        if self._has(name):
            mask = self._read(name)
            return mask_to_runs(mask), (mask.shape[0], mask.shape[1])
        return self._decoded(name, self._frame), self._frame

    def mask(self, name: str, size: Size) -> Mask:
        """The true mask of a photo.

        Args:
            name: the photo's stem.
            size: (height, width) of the frame that a CSV is written in; a mask file has its own.

        Returns:
            bool (height, width).

        Raises:
            DataError: if there is no mask of this photo.
            PhotoError: if the mask file cannot be read.
            RLEError: if the text is malformed; the message names the line.
        """
        if self._has(name):
            return self._read(name)
        return runs_to_mask(self._decoded(name, size), *size)

    def _has(self, name: str) -> bool:
        return name in self._files or name in self._pictures

    def _read(self, name: str) -> Mask:
        if name in self._pictures:
            return self._pictures[name].mask()
        return read_mask(self._files[name], self._threshold)

    def _decoded(self, name: str, size: Size) -> Runs:
        row = self._rows.get(name)
        if row is None:
            raise DataError(f"{self._source}: has no mask of {name}")
        try:
            return check_runs(parse_runs(row.text), *size)
        except RLEError as error:
            raise RLEError(f"{self._source}: line {row.line}: {name}: {error}") from error


def _masks_apart(source: Path) -> Mapping[str, Path]:
    """The masks of a folder that has photos in another one; two photos of one stem are no matter."""
    photos, masks = folders.find(source)
    stems = () if photos is None else {file_stem(path) for path in search_photos(photos).photos}
    return find_masks(masks or source, stems)


def _is_annotated(source: Path) -> bool:
    """Whether a source is in a format of annotation tools, rather than a CSV or files of masks."""
    if source.is_file():
        return not is_table(source)
    return source.is_dir() and detected(source) not in {None, "carvana", "folders", "cut"}
