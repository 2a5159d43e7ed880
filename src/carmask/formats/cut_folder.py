"""The output folder of ``carmask cut`` as pre-annotations: masks, and the confidence of each from ``report.csv``.

Masks are ``NAME_mask.png`` (with ``mask`` or ``layers``), parts ``NAME_parts.png`` with ``classes.txt``; of cut-outs
alone the opacity, from one half on, is the mask. A mask in ``corrections/`` takes the place of the one that was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import NamedTuple

from carmask.errors import DataError
from carmask.formats.classes import CLASSES, Classes, read_classes
from carmask.formats.folders import mask_instance
from carmask.formats.index_png import mask_files
from carmask.formats.labels import read_labels
from carmask.formats.picture import Annotations, Instance, Picture, split_labels
from carmask.formats.reading import ReadOptions, gathered, score_of
from carmask.formats.sources import read_bytes
from carmask.formats.spreadsheet import read_sheet
from carmask.images import mask_size, picture_size, read_layered, read_mask
from carmask.words import by_number, counted

REPORT, CORRECTIONS = "report.csv", "corrections"
_COLUMNS = frozenset({"photo", "status", "confidence", "review"})
#: Opacity, of 255, from which on a pixel of a cut-out is car.
_HALF = 128
#: How the files of a photo end that are no cut-outs.
_KINDS = {"_mask": "mask", "_parts": "parts"}


class _Row(NamedTuple):
    photo: Path
    confidence: float | None


class _Files(NamedTuple):
    """What was written of a photo."""

    mask: Path | None = None
    parts: Path | None = None
    cutout: Path | None = None
    correction: Path | None = None


def is_folder(path: Path) -> bool:
    """Whether a folder is an output folder of ``cut``."""
    return (path / REPORT).is_file() and bool(set(_header(path / REPORT)) >= _COLUMNS)


def _header(file: Path) -> list[str]:
    try:
        return read_sheet(file.read_bytes()).header
    except (OSError, ValueError):
        return []


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read an output folder of ``cut``.

    Args:
        path: the folder.
        options: where the photos lie, if they were moved; what the masks show; whether only those to review are meant.

    Raises:
        DataError: if it has no masks, or ``report.csv`` is not one.
    """
    try:
        rows = read_sheet(read_bytes(path / REPORT)).records()
    except ValueError as error:
        raise DataError(f"{path / REPORT}: {error}") from error
    classes = read_classes(path / CLASSES) if (path / CLASSES).is_file() else None
    written = {name: _Files() for name in options.corrected} | _written(
        path, _ends(rows) | set(options.outputs.values())
    )
    photos = options.find()
    found = Annotations(
        [], (options.label,) if classes is None else classes.names, "carmask", doubtful=options.doubtful
    )
    makers: list[Callable[[], Picture]] = []
    lacking = 0
    for row in rows:
        if row.get("status") != "done" or (options.doubtful and row.get("review") != "yes"):
            continue
        photo = Path(str(row.get("photo")))
        name = options.outputs.get(str(row.get("photo"))) or _name(photo, written)
        if name not in written:
            lacking += 1
            continue
        here = photo if photo.is_file() else photos.find(photo.as_posix())
        line = _Row(here or photo, score_of(row.get("confidence")))
        makers.append(_maker(name, line, here is not None, written[name], classes, options))
    if lacking:
        found.notes.append(
            f"{counted(lacking, 'photo')} of {REPORT} {by_number(lacking, 'has', 'have')} no mask or cut-out in {path}"
        )
    if not (makers or lacking) and options.doubtful:
        raise DataError(f"{path}: no photo is marked for review in {REPORT}: there is nothing to convert")
    if not makers:
        what = "photos to review" if options.doubtful else "masks"
        raise DataError(f"{path}: no {what} in it; cut again with mask")
    return gathered(makers, found)


def _ends(rows: Iterable[Mapping[str, str]]) -> set[str]:
    """All ends of the photos' paths, without suffix: one of them is the name of a photo's outputs."""
    paths = (Path(str(row.get("photo"))).with_suffix("").as_posix().split("/") for row in rows)
    return {"/".join(parts[start:]) for parts in paths for start in range(len(parts))}


def _written(path: Path, photos: Set[str]) -> dict[str, _Files]:
    """What there is of each photo, by the name of its outputs; ``photos`` are all names that one may have."""
    files: dict[str, Path] = {}
    for file in sorted(path.rglob("*.png")) + sorted(path.rglob("*.webp")):
        inner = file.relative_to(path)
        if inner.parts[0] != CORRECTIONS and not any(part.startswith(".") for part in inner.parts):
            files[inner.with_suffix("").as_posix()] = file
    found: dict[str, _Files] = {}
    for stem, file in files.items():
        kind, name = "cutout", stem
        # The cut-out of a photo ``red_mask.jpg`` is no mask of ``red.jpg``; its own mask is ``red_mask_mask.png``.
        own = stem in photos and not any(f"{stem}{suffix}" in files for suffix in _KINDS)
        for suffix, field in _KINDS.items():
            if stem.endswith(suffix) and not own:
                kind, name = field, stem.removesuffix(suffix)
        found[name] = found.get(name, _Files())._replace(**{kind: file})
    if (path / CORRECTIONS).is_dir():
        for name, file in mask_files(path / CORRECTIONS).items():
            found[name] = found.get(name, _Files())._replace(correction=file)
    return {name: files for name, files in found.items() if any(files)}


def _name(photo: Path, written: Mapping[str, _Files]) -> str:
    """The name of a photo's outputs: the longest end of its path, without suffix, that there is one of; or ''."""
    parts = photo.with_suffix("").as_posix().split("/")
    return next((name for start in range(len(parts)) if (name := "/".join(parts[start:])) in written), "")


def _maker(
    name: str, row: _Row, here: bool, files: _Files, classes: Classes | None, options: ReadOptions
) -> Callable[[], Picture]:
    def make() -> Picture:
        photo = row.photo if here else None
        if name in options.corrected and classes is None:  # what was corrected is the whole car
            content, shown = options.corrected[name](), Path(f"{name}_mask.png")
            mask = partial(_corrected, shown, content, options.label)
            return Picture(name + row.photo.suffix, picture_size(shown, content), mask, photo, ())
        file = files.correction or (files.parts if classes is not None else None) or files.mask or files.cutout
        assert file is not None  # those without any were left out
        score = None if file == files.correction else row.confidence
        load: Callable[[], Sequence[Instance]] = partial(mask_instance, file, options.label, score)
        if file == files.parts and classes is not None:
            load = partial(_parts, file, classes, score)
        elif file == files.cutout:
            load = partial(_cutout, file, options.label, score)
        return Picture(name + row.photo.suffix, mask_size(file), load, photo, (file,))

    return make


def _corrected(file: Path, content: bytes, label: str) -> list[Instance]:
    return [Instance(label, read_mask(file, content=content), None)]


def _parts(file: Path, classes: Classes, score: float | None) -> list[Instance]:
    labels = classes.labels_of(read_labels(file), file)
    return [one._replace(score=score) for one in split_labels(labels, classes.names, file)]


def _cutout(file: Path, label: str, score: float | None) -> list[Instance]:
    pixels = read_layered(file)
    if pixels.shape[2] != 4:
        raise DataError(f"{file}: not transparent, so no mask; cut again with mask")
    return [Instance(label, pixels[..., 3] >= _HALF, score)]
