"""Write a source in another format, read it back, and say what changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from carmask.errors import CarmaskError, DataError, OutputError, UnknownNameError
from carmask.formats.car_labels import only_cars
from carmask.formats.photos import PhotoMode, place_photo
from carmask.formats.picture import Annotations, Picture, size_fault, stem_of, union
from carmask.formats.reading import ReadOptions
from carmask.formats.roundtrip import (
    REPORT,
    Comparison,
    Shape,
    Summary,
    changed_pixels,
    layers,
    summarise,
    write_report,
)
from carmask.formats.table import FORMATS, WRITABLE, Format, read_annotations
from carmask.formats.writing import Loaded, WriteOptions
from carmask.images import make_folder, picture_size
from carmask.words import by_number, counted

Progress = Callable[[str, int, int], None]


@dataclass
class Conversion:
    """What ``convert`` did.

    Attributes:
        format: the name of the format.
        names: of the labels.
        pictures: how many were written.
        rows: a comparison for each picture that was written and read back.
        faults: a line for each picture that was not, and why.
        notes: what else should be known, a line each.
        report: the file with a row for each picture; None if nothing was read back.
    """

    format: str
    names: tuple[str, ...]
    pictures: int = 0
    rows: list[Comparison] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    report: Path | None = None

    @property
    def changed(self) -> int:
        """Pixels that changed, in all pictures."""
        return sum(row.changed for row in self.rows)


@dataclass
class _Written:
    """What is remembered of a picture between writing and reading it back."""

    picture: Picture
    summary: Summary
    turned: bool
    note: str


def convert(
    source: Annotations,
    out: Path,
    name: str,
    *,
    options: WriteOptions | None = None,
    photos: PhotoMode = "copy",
    check: bool = True,
    progress: Progress | None = None,
) -> Conversion:
    """Write annotations in a format.

    A picture that cannot be read, or does not fit its photo, is left out and said; the others are written.

    Args:
        source: what to write.
        out: a new folder, or an empty one.
        name: of the format, one of ``WRITABLE``.
        options: what the format can be told; the model is the source's if none is named.
        photos: whether to copy the photos, to make hard links, or to leave them out.
        check: read everything back and compare.
        progress: called with what is done, the number of pictures done, and of all.

    Returns:
        What was written, and what changed.

    Raises:
        UnknownNameError: if no format that is written has the name.
        OutputError: if ``out`` is not empty, or cannot be written; what was written is removed then.
        DataError: if there is no picture that can be written.
    """
    if name not in WRITABLE:
        raise UnknownNameError(f"no format {name!r} is written; there are {', '.join(WRITABLE)}")
    form = FORMATS[name]
    others = source.names
    if not form.labels:
        source = only_cars(source)
    others = tuple(one for one in others if one not in source.names)
    done = Conversion(name, source.names, faults=list(source.faults), notes=list(source.notes))
    options = options or WriteOptions()
    options = options if options.model else replace(options, model=source.model)
    if source.bare:
        done.notes.append(
            f"{counted(len(source.bare), 'photo')} {by_number(len(source.bare), 'has', 'have')} no mask, and "
            f"{by_number(len(source.bare), 'was', 'were')} left out: {source.bare[0].name} …"
        )
    if others:
        done.notes.append(f"{name} has no labels: {', '.join(source.names)} is kept, {', '.join(others)} left out")
    if not form.labels and len(source.names) > 1:
        done.notes.append(f"{name} has no labels: {len(source.names)} become one")
    written: dict[str, _Written] = {}
    with _new_folder(out):
        assert form.write is not None  # it is in WRITABLE
        pictures = _load(source, out, form, photos, written, done, progress)
        form.write(out, pictures, source.names or ("car",), options)
        if not written:
            first = f": {done.faults[0]}" if done.faults else ""
            raise DataError(f"none of {len(source.pictures) + len(source.faults)} pictures can be written{first}")
        done.pictures = len(written)
        if check:
            _read_back(out, form, name, written, done, progress)
    return done


@contextmanager
def _new_folder(out: Path) -> Iterator[None]:
    """Make a folder, or take an empty one; it is left as it was found if what is done in it fails.

    Raises:
        OutputError: if it is not empty, or cannot be made.
    """
    try:
        existed = out.exists()
        taken = existed and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise OutputError(f"{out}: the folder cannot be read: {error.strerror or error}") from error
    if taken:
        raise OutputError(f"{out}: not an empty folder; name a new one")
    try:
        make_folder(out)
        yield
    except BaseException:
        for one in out.iterdir() if out.is_dir() else ():
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        if not existed and out.is_dir():
            out.rmdir()
        raise


def _load(
    source: Annotations,
    out: Path,
    form: Format,
    photos: PhotoMode,
    written: dict[str, _Written],
    done: Conversion,
    progress: Progress | None,
) -> Iterator[Loaded]:
    total, turned, absent = len(source.pictures), 0, 0
    for number, picture in enumerate(source.pictures, 1):
        try:
            loaded, kept = _loaded(picture, out, form, photos)
        except OutputError:
            raise
        except CarmaskError as error:
            done.faults.append(str(error))
        else:
            turned += kept.turned
            absent += picture.photo is None
            written[stem_of(loaded.name)] = kept
            yield loaded
        if progress is not None:
            progress("writing", number, total)
    if turned:
        how = (
            f"{by_number(turned, 'was', 'were')} written upright"
            if form.upright and photos != "none"
            else f"{by_number(turned, 'stays as it is', 'stay as they are')}; sizes are the turned ones"
        )
        done.notes.append(f"{counted(turned, 'photo')} that EXIF turns {how}")
    if absent and photos != "none":
        done.notes.append(
            f"{counted(absent, 'picture')} {by_number(absent, 'has', 'have')} no photo here: of "
            f"{by_number(absent, 'it', 'them')} only masks were written"
        )


def _loaded(picture: Picture, out: Path, form: Format, mode: PhotoMode) -> tuple[Loaded, _Written]:
    instances = picture.instances()
    name = picture.name.replace("\\", "_")
    if form.unwritable is not None and (found := form.unwritable.search(name)):
        raise DataError(f"{picture.name!r}: this format's names cannot hold {found[0]!r}; rename the file")
    notes = [] if name == picture.name else [f"named {name}"]
    path, turned = None, False
    if picture.photo is not None:
        size = picture_size(picture.photo)
        if size != picture.size:
            raise DataError(f"{picture.name}: {size_fault(picture.size, size)}")
        path = f"{form.photos}/{name}".lstrip("/")
        turned = place_photo(picture.photo, out / path, mode, upright=form.upright)
        if turned:
            notes.append("written upright" if form.upright and mode != "none" else "turned size")
    if not form.overlaps and sum(int(np.count_nonzero(one.mask)) for one in instances) > int(
        np.count_nonzero(union(instances, picture.size))
    ):
        notes.append("where instances overlap, the later one is kept")
    masks = layers(instances, picture.size, labels=form.labels, overlaps=form.overlaps)
    kept = _Written(picture, summarise(masks), turned, "; ".join(notes))
    return Loaded(name, picture.size, instances, path), kept


def _read_back(
    out: Path,
    form: Format,
    name: str,
    written: Mapping[str, _Written],
    done: Conversion,
    progress: Progress | None,
) -> None:
    options = ReadOptions(sizes={stem: one.picture.size for stem, one in written.items()})
    back = read_annotations(out, options, name)
    found = {stem_of(picture.name): picture for picture in back.pictures}
    for number, (key, kept) in enumerate(written.items(), 1):
        done.rows.append(_compare(kept, found.get(key), form))
        if progress is not None:
            progress("reading back", number, len(written))
    done.faults += [f"read back: {fault}" for fault in back.faults]
    done.report = out / REPORT
    write_report(done.report, done.rows)


def _compare(kept: _Written, back: Picture | None, form: Format) -> Comparison:
    picture, before = kept.picture, kept.summary
    count = len(before.digests)
    if back is None:
        note = "; ".join(filter(None, [kept.note, "not read back"]))
        pixels = before.pixels
        return Comparison(
            picture.name, picture.size, count, pixels, pixels, before.shape, Shape(0, 0), kept.turned, note
        )
    masks = layers(back.instances(), back.size, labels=form.labels, overlaps=form.overlaps)
    after = summarise(masks)
    changed, note = 0, kept.note
    if back.size != picture.size:
        changed, note = before.pixels, "; ".join(filter(None, [note, size_fault(back.size, picture.size)]))
    elif after.digests != before.digests:
        original = layers(picture.instances(), picture.size, labels=form.labels, overlaps=form.overlaps)
        changed = changed_pixels(original, masks, picture.size)
    return Comparison(
        picture.name, picture.size, count, before.pixels, changed, before.shape, after.shape, kept.turned, note
    )
