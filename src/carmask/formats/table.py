"""The formats by name, and which one a path is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from carmask.errors import DataError, UnknownNameError
from carmask.formats import (
    arrays,
    carvana,
    coco,
    cut_folder,
    cvat,
    datumaro,
    fiftyone,
    folders,
    huggingface,
    index_png,
    label_studio,
    labelme,
    voc,
    yolo,
)
from carmask.formats.classes import BACKGROUND
from carmask.formats.picture import Annotations
from carmask.formats.reading import ReadOptions
from carmask.formats.rle_table import is_table
from carmask.formats.sources import peek, unpack
from carmask.formats.writing import Loaded, WriteOptions
from carmask.images import is_there, search_photos

#: Suffixes that masks have.
_LOSSLESS = frozenset({".png", ".gif", ".bmp", ".tif", ".tiff"})

#: What stands for bytes that are no UTF-8 in names of files.
_NO_UTF8 = re.compile("[\ud800-\udfff]")

Reader: TypeAlias = Callable[[Path, ReadOptions], Annotations]
Writer: TypeAlias = Callable[[Path, Iterable[Loaded], Sequence[str], WriteOptions], None]


@dataclass(frozen=True)
class Format:
    """One form that masks are kept in.

    Attributes:
        title: what people call it.
        read: reads a path of this form.
        detect: whether a path is of this form.
        write: writes it; None if it is only read.
        photos: the folder in the output that photos go to.
        labels: whether it tells labels apart.
        overlaps: whether pixels may belong to several instances.
        exact: whether masks come back pixel by pixel.
        upright: whether tools for it pass over EXIF orientation, so that photos are written upright; else they stay as
            they are, and the size is the turned one.
        unwritable: characters of pictures' names that it cannot hold.
    """

    title: str
    read: Reader
    detect: Callable[[Path], bool]
    write: Writer | None = None
    photos: str = "images"
    labels: bool = True
    overlaps: bool = True
    exact: bool = True
    upright: bool = False
    unwritable: re.Pattern[str] | None = None


def _json(path: Path, test: Callable[[str], bool]) -> bool:
    return path.is_file() and path.suffix.lower() == ".json" and test(peek(path))


def _is_coco(path: Path) -> bool:
    others = (label_studio.is_tasks, labelme.is_file, datumaro.is_file, lambda text: '"samples"' in text)
    if path.is_file():
        # The lists may stand in any order, and be long.
        return _json(path, lambda text: text.startswith("{") and not any(is_other(text) for is_other in others))
    return any(not datumaro.is_file(peek(file)) for file in coco.find(path))


def _is_voc(path: Path) -> bool:
    return (path / voc.CLASSES).is_dir()


def _is_yolo(path: Path) -> bool:
    return path.name in yolo.FILES if path.is_file() else yolo.is_folder(path)


def _is_masks(path: Path) -> bool:
    if folders.find(path)[1] is not None:
        return True
    if not path.is_dir():
        return False
    # Masks by themselves: pictures of lossless formats only, so no photos.
    suffixes = {file.suffix.lower() for file in search_photos(path, recursive=True).photos}
    return bool(suffixes) and suffixes <= _LOSSLESS


#: What can be read and written, in the order in which a path is held against them: sure signs first.
FORMATS: Mapping[str, Format] = {
    "cut": Format("output folder of 'carmask cut'", cut_folder.read, cut_folder.is_folder),
    "carvana": Format(
        "Carvana: train/ and train_masks(.csv), or a CSV",
        carvana.read,
        carvana.is_source,
        carvana.write,
        photos=carvana.PHOTOS,
        labels=False,
        upright=True,
        unwritable=_NO_UTF8,
    ),
    "voc": Format(
        "Pascal VOC, CVAT Segmentation mask 1.1",
        voc.read,
        _is_voc,
        voc.write,
        photos="JPEGImages",
        overlaps=False,
        upright=True,
        unwritable=re.compile("[\n\r\ud800-\udfff]"),
    ),
    "cvat": Format(
        "CVAT for images 1.1",
        cvat.read,
        lambda path: cvat.find(path).is_file() and cvat.find(path).suffix.lower() == ".xml",
        cvat.write,
        unwritable=re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"),  # of XML 1.0
    ),
    "fiftyone": Format(
        "FiftyOne",
        fiftyone.read,
        lambda path: (path / fiftyone.SAMPLES).is_file() or _json(path, lambda text: '"samples"' in text),
        fiftyone.write,
        photos=fiftyone.DATA,
    ),
    "datumaro": Format(
        "Datumaro",
        datumaro.read,
        lambda path: any(datumaro.is_file(peek(file)) for file in datumaro.find(path) if file.suffix == ".json"),
        datumaro.write,
        photos="images/default",
        upright=True,
    ),
    "arrays": Format("arrays of the car parts' source", arrays.read, lambda path: bool(arrays.find(path))),
    "coco": Format("COCO", coco.read, _is_coco, coco.write, upright=True),
    "label-studio": Format(
        "Label Studio",
        label_studio.read,
        lambda path: (
            _json(path, label_studio.is_tasks) if path.is_file() else path.is_dir() and bool(label_studio.find(path))
        ),
        label_studio.write,
    ),
    "yolo": Format("YOLO segmentation", yolo.read, _is_yolo, yolo.write, photos="images/train", exact=False),
    "huggingface": Format(
        "Hugging Face image folder", huggingface.read, huggingface.is_folder, huggingface.write, overlaps=False
    ),
    "labelme": Format(
        "labelme",
        labelme.read,
        lambda path: _json(path, labelme.is_file) if path.is_file() else labelme.is_folder(path),
        labelme.write,
        photos="",
    ),
    "index-png": Format(
        "index PNG: images/, labels/, classes.txt",
        index_png.read,
        lambda path: (path / index_png.LABELS).is_dir(),
        index_png.write,
        overlaps=False,
        upright=True,
    ),
    "folders": Format("images/ and masks/", folders.read, _is_masks, folders.write, labels=False, upright=True),
}
#: Names of those that can be written.
WRITABLE = tuple(sorted(name for name, one in FORMATS.items() if one.write is not None))


def detected(path: Path) -> str | None:
    """The name of the format that a path is in; None if it is in none of them."""
    return next((name for name, one in FORMATS.items() if one.detect(path)), None)


def detect(path: Path) -> str:
    """The name of the format that a path is in.

    Raises:
        DataError: if it does not exist, or is in none of them.
    """
    if not is_there(path, DataError):
        raise DataError(f"{path}: there is no such file or folder")
    name = detected(path)
    if name is not None:
        return name
    known = "; ".join(f"{name} ({one.title})" for name, one in FORMATS.items())
    raise DataError(f"{path}: in no format that is known: {known}")


def read_annotations(path: Path, options: ReadOptions | None = None, name: str | None = None) -> Annotations:
    """Read a source, whichever format it is in; a ZIP file is unpacked into a temporary folder.

    Args:
        path: a file or folder.
        options: what it may not say of itself.
        name: of the format, if it is not to be found out.

    Returns:
        The annotations; single pictures that are faulty are in ``faults``.

    Raises:
        DataError: if it cannot be read as a whole.
        UnknownNameError: if no format has the name.
    """
    if name is not None and name not in FORMATS:
        raise UnknownNameError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    held = None
    if path.is_file() and path.suffix.lower() == ".zip" and not is_table(path):
        path, held = unpack(path)
        inner = [one for one in path.iterdir() if not one.name.startswith((".", "__MACOSX"))]
        path = inner[0] if len(inner) == 1 and inner[0].is_dir() and inner[0].name not in {"images"} else path
    found = FORMATS[name or detect(path)].read(path, options or ReadOptions())
    found.held = held or found.held
    # Datumaro, CVAT and Label Studio may list it among their labels; what it marks is no object.
    found.names = tuple(label for label in found.names if label not in BACKGROUND)
    return found
