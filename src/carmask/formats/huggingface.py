"""Hugging Face's image folder: ``metadata.jsonl`` has a line for each photo that names it and its mask.

https://huggingface.co/docs/datasets/image_dataset: fields whose names end in ``file_name`` become columns of pictures,
here ``image`` and ``mask``. The mask is an index PNG; ``labels`` names its values from 1.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from carmask.errors import DataError
from carmask.formats.csv_text import csv_rows
from carmask.formats.labels import palette, read_labels
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Instance, Picture, index_picture, split_labels
from carmask.formats.reading import ReadOptions, file_size, gathered, malformed, score_of
from carmask.formats.sources import clean_name, read_text
from carmask.formats.writing import Loaded, WriteOptions, compact
from carmask.images import encode_indexed, make_folder, read_mask, replacing, write_atomically

FILE, TABLE = "metadata.jsonl", "metadata.csv"
IMAGES, MASKS = "images", "masks"
_SUFFIX = "file_name"
#: Words in the name of a field that holds a mask.
_WORDS = ("mask", "label", "segment", "annotation")


def find(path: Path) -> list[Path]:
    """The metadata of a folder, or of its splits; or the file itself."""
    if path.is_file():
        return [path]
    here = [path / name for name in (FILE, TABLE) if (path / name).is_file()]
    return here[:1] or sorted(file for name in (FILE, TABLE) for file in path.glob(f"*/{name}"))


def mask_field(row: Mapping[str, Any]) -> str | None:
    """The field of a row that names its mask."""
    fields = [key for key in row if key.endswith(_SUFFIX)]
    return next((key for key in fields if any(word in key for word in _WORDS)), None)


def is_folder(path: Path) -> bool:
    """Whether a folder has metadata that name masks."""
    with_rows = ((file, next(iter(_rows(file)), {})) for file in find(path))
    try:
        return any(mask_field(row) for _, row in with_rows)
    except DataError:
        return False


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read an image folder with masks.

    Args:
        path: the folder, or its metadata.
        options: what masks without labels show.

    Raises:
        DataError: if the metadata are not a row a photo that names a photo and a mask.
    """
    found = Annotations([], ())
    makers: list[Callable[[], Picture]] = []
    names: dict[str, None] = {}
    for file in find(path):
        photos = options.find(file.parent)
        for number, row in enumerate(_rows(file), 1):
            with malformed(f"{file}: line {number}"):
                names |= dict.fromkeys(_labels(row))
            makers.append(_maker(file, number, row, names, photos, options))
    if not makers:
        raise DataError(f"{path}: no {FILE} with rows in it")
    gathered(makers, found)
    found.names = tuple(names) or (options.label,)
    return found


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    text = read_text(file)
    if file.name == TABLE:
        try:
            header, *rows = [row.cells for row in csv_rows(io.StringIO(text, newline="")) if row.cells] or [[]]
        except csv.Error as error:
            raise DataError(f"{file}: damaged, or not a CSV text file ({error})") from error
        yield from (dict(zip(header, row, strict=False)) for row in rows)
        return
    # Not splitlines: JSON may hold what Unicode takes for the end of a line, such as U+2028 in a file's name.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{file}: line {number}: not JSON: {error}") from error
            except RecursionError as error:
                raise DataError(f"{file}: line {number}: JSON nested too deeply") from error
            if not isinstance(row, dict):
                raise DataError(f"{file}: line {number}: not a row of fields")
            yield row


def _labels(row: Mapping[str, Any]) -> list[str]:
    value = row.get("labels")
    return [str(name) for name in value] if isinstance(value, list) else []


def _maker(
    file: Path, number: int, row: Mapping[str, Any], names: Mapping[str, None], photos: Photos, options: ReadOptions
) -> Callable[[], Picture]:
    def make() -> Picture:
        where = f"{file}: line {number}"
        field = mask_field(row)
        if field is None or not row.get(field):
            raise DataError(f"{where}: names no mask (a field such as 'mask_file_name')")
        told = next((row[key] for key in (_SUFFIX, f"image_{_SUFFIX}") if row.get(key)), None)
        path = clean_name(told, where)
        mask = file.parent / clean_name(row[field], where)
        labels, score = _labels(row), score_of(row.get("score"))
        name = path.removeprefix(f"{IMAGES}/")
        load = partial(_instances, mask, labels if names else None, options.label, score)
        photo = photos.find(path)
        return Picture(name, file_size(mask, photo), load, photo, (mask,))

    return make


def _instances(mask: Path, labels: Sequence[str] | None, label: str, score: float | None) -> list[Instance]:
    if labels is None:
        return [Instance(label, read_mask(mask), score)]
    return [one._replace(score=score) for one in split_labels(read_labels(mask), labels, mask)]


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], options: WriteOptions) -> None:
    """Write ``metadata.jsonl`` and ``masks/``.

    Args:
        out: the folder.
        pictures: taken one at a time.
        names: of the labels from 1.
        options: whether they are predictions: rows have a score then.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out / MASKS)
    with replacing(out / FILE) as stream:
        for picture in pictures:
            mask = f"{MASKS}/{picture.stem}.png"
            make_folder((out / mask).parent)
            indices = index_picture(picture.instances, picture.size, names)
            write_atomically(out / mask, encode_indexed(indices, palette()))
            row: dict[str, Any] = {_SUFFIX: f"{IMAGES}/{picture.name}", f"mask_{_SUFFIX}": mask, "labels": list(names)}
            if options.model:
                scores = [one.score for one in picture.instances if one.score is not None]
                row["score"] = round(min(scores), 6) if scores else None
            stream.write((compact(row) + "\n").encode())
