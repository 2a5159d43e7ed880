"""YOLO segmentation: a text file for each photo, a line for each object (https://docs.ultralytics.com/datasets/segment/).

A line has the label's number, from 0, and the corners of one polygon in fractions of the width and height. That loses
pixels: an object has one line, so holes and components are joined to it by bridges; and Ultralytics' reader takes 1,000
points of a line, so an outline with more corners is simplified to fewer, by as little as that takes. Corners are
written at the centres of the outermost pixels: whoever rounds them down to whole pixels and fills the polygon with its
edge, as Ultralytics does, gets the mask and the bridges between its components, unless it was simplified.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.classes import CLASSES
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Picture
from carmask.formats.polygons import OUTSIDE, Points, fill_line, trace
from carmask.formats.reading import ReadOptions, Shape, drawn, gathered, photo_size
from carmask.formats.sources import read_text
from carmask.formats.writing import Loaded, WriteOptions
from carmask.geometry import Size
from carmask.images import make_folder, write_atomically

FILES = ("data.yaml", "dataset.yaml", "data.yml")
_NAMED = (*FILES, CLASSES)
IMAGES, LABELS, SPLIT = "images", "labels", "train"
#: Ultralytics keeps all corners of lines that have fewer than this, and takes so many points of any other.
MAX_CORNERS = 1000
_SPLITS = frozenset({"train", "val", "valid", "test", "Train", "Validation"})
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'"
#: White space and comments.
_REST = r"(?:\s|(?<=\s)#[^\n]*+)*+"
#: A line of a list or table, and an element of one in brackets; YAML lets the dashes of a list stand under its key.
_ENTRY = re.compile(rf"(?:\s+(?P<number>\d+)\s*:\s*|\s*-\s+)(?P<name>{_QUOTED}|.+?){_REST}")
_ELEMENT = re.compile(
    rf"{_REST}(?:(?P<number>\d+)\s*:\s*)?(?P<name>{_QUOTED}|[^\s,\[\]{{}}'\"][^,\[\]{{}}\n]*?)?{_REST}(?P<end>[,\]}}])"
)


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read a YOLO data set for segmentation.

    Args:
        path: a folder with ``data.yaml``, or Label Studio's ``classes.txt``, and folders ``labels`` and ``images``, in
            any of the two orders in which they and the splits lie in each other; or ``data.yaml`` itself.
        options: where the photos lie, if elsewhere.

    Raises:
        DataError: if ``data.yaml`` names no labels, or there are no label files.
    """
    file = (
        path if path.is_file() else next((path / name for name in _NAMED if (path / name).is_file()), path / FILES[0])
    )
    root = file.parent
    names = read_names(file)
    photos = options.find(*(folder for folder in sorted(root.rglob(IMAGES)) if folder.is_dir()))
    pairs = _pairs(root, photos, options.photos)
    if not pairs:
        raise DataError(f"{root}: no folder {LABELS} with a file for each photo")
    found = Annotations([], names)
    return gathered([_maker(*pair, names, options) for pair in sorted(pairs, key=lambda pair: pair[0])], found)


def is_folder(path: Path) -> bool:
    """Whether a folder is a YOLO data set: by ``data.yaml``, or ``classes.txt`` with label files."""
    if any((path / name).is_file() for name in FILES):
        return True
    return (path / CLASSES).is_file() and next((path / LABELS).rglob("*.txt"), None) is not None


def read_names(file: Path) -> tuple[str, ...]:
    """The labels that ``data.yaml`` names, by number: as a list or a table, on one line or several.

    Label Studio writes ``classes.txt`` instead, with a name on each line.

    Raises:
        DataError: if it names none.
    """
    lines = read_text(file).splitlines()
    if file.name == CLASSES and (listed := tuple(line.strip() for line in lines if line.strip())):
        return listed
    for index, line in enumerate(lines):
        if not line.startswith("names:"):
            continue
        rest = line.removeprefix("names:").split(" #")[0].strip()
        if rest.startswith(("[", "{")):
            names = _in_brackets("\n".join([line, *lines[index + 1 :]]))
        elif rest:
            names = dict(enumerate(part.strip() for part in rest.split(",")))
        else:
            names = {}
            for entry in lines[index + 1 :]:
                if not entry.strip() or entry.lstrip().startswith("#"):
                    continue
                if (match := _ENTRY.fullmatch(entry)) is None:
                    break
                names[_number(match, names)] = _unquoted(match["name"])
        if names and sorted(names) == list(range(len(names))):
            return tuple(names[number] for number in range(len(names)))
    raise DataError(f"{file}: names no labels, numbered from 0 ('names:')")


def _in_brackets(text: str) -> dict[int, str]:
    """The names between the first brackets, on one line or several; none if they do not end."""
    names: dict[int, str] = {}
    place = re.search(r"[\[{]", text)
    element = None if place is None else _ELEMENT.match(text, place.end())
    while element is not None:
        if element["name"]:
            names[_number(element, names)] = _unquoted(element["name"])
        if element["end"] != ",":
            return names
        element = _ELEMENT.match(text, element.end())
    return {}


def _number(match: re.Match[str], names: Mapping[int, str]) -> int:
    return len(names) if match["number"] is None else int(match["number"])


def _unquoted(text: str) -> str:
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text.strip('"')
    return text[1:-1].replace("''", "'") if text.startswith("'") and text.endswith("'") else text


def _pairs(root: Path, photos: Photos, named: Path | None) -> list[tuple[str, Path | None, Path | None]]:
    """Label files and photos by the picture's name without suffix; a photo without a label file has nothing in it.

    A photo lies where its label file does, in ``images`` for ``labels``. Where several splits have one name, the split
    is a part of it.

    Args:
        root: of the data set.
        photos: of the data set.
        named: the folder of photos that the user named, or None.
    """
    placed = {_place(photo, root, IMAGES): photo for photo in photos.all() if photo.is_relative_to(root)}
    texts = {
        text: _place(text, root, LABELS) for folder in _label_folders(root) for text in sorted(folder.rglob("*.txt"))
    }
    own = {text: placed[place] for text, place in texts.items() if place in placed}
    taken = set(own.values())
    for text, place in texts.items():
        if text not in own and (other := photos.find_stem(place)) is not None and other not in taken:
            own[text] = other
    names: list[tuple[str, str, Path | None, Path | None]] = [
        (_stem(text, root, LABELS), place, text, own.get(text)) for text, place in texts.items()
    ]
    taken, lost = set(own.values()), {stem for stem, _, _, photo in names if photo is None}
    for photo in photos.all():
        start = named if named is not None and photo.is_relative_to(named) else root
        if photo not in taken and (stem := _stem(photo, start, IMAGES)) not in lost:
            names.append((stem, _place(photo, start, IMAGES), None, photo))
    count = Counter(stem for stem, *_ in names)
    return [(stem if count[stem] == 1 else place, text, photo) for stem, place, text, photo in names]


def _label_folders(root: Path) -> list[Path]:
    return [folder for folder in sorted(root.rglob(LABELS)) if folder.is_dir()]


def _place(file: Path, start: Path, kind: str) -> str:
    """A file's path without suffix and without the last folder of its kind: ``train/NAME`` in either order."""
    parts = list(file.relative_to(start).with_suffix("").parts)
    if kind in parts[:-1]:
        del parts[len(parts) - 2 - parts[-2::-1].index(kind)]
    return "/".join(parts)


def _stem(file: Path, start: Path, kind: str) -> str:
    """A file's path below the last folder of its kind, without suffix and split."""
    parts = file.relative_to(start).with_suffix("").parts
    inside = parts[len(parts) - 1 - parts[-2::-1].index(kind) :] if kind in parts[:-1] else parts
    return "/".join(inside[1:] if len(inside) > 1 and inside[0] in _SPLITS else inside)


def _maker(
    stem: str, text: Path | None, photo: Path | None, names: Sequence[str], options: ReadOptions
) -> Callable[[], Picture]:
    def make() -> Picture:
        size = photo_size(f"{stem}.jpg", photo, options)
        shapes = [] if text is None else [_shape(text, *line, names, size) for line in enumerate_lines(text)]
        return Picture(stem + (photo.suffix if photo else ".jpg"), size, drawn(shapes, str(text)), photo)

    return make


def enumerate_lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines of a label file that are not blank, with their numbers from 1."""
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if line.strip():
            yield number, line


def _shape(file: Path, number: int, line: str, names: Sequence[str], size: Size) -> Shape:
    where = f"{file}: line {number}"
    words = line.split()
    if len(words) == 5:
        raise DataError(f"{where}: a box, not a polygon")
    if len(words) < 7 or len(words) % 2 == 0:
        told = f"{where}: {len(words)} numbers; a label and x, y of three corners or more are an odd number"
        confident = len(words) > 7 and "; predictions end in a confidence: write them without (save_conf=False)"
        raise DataError(told + (confident or ""))
    try:
        label, *corner = map(float, words)  # some tools write 0.0, which Ultralytics reads
    except ValueError as error:
        raise DataError(f"{where}: not numbers") from error
    if not (label.is_integer() and 0 <= label < len(names)):
        raise DataError(f"{where}: the label {label:g} is none of the {len(names)} that are named")
    corners = np.array(corner).reshape(-1, 2)
    scaled = corners * (size[1], size[0])
    # Written so that NaN fails.
    if not ((scaled >= -OUTSIDE) & (scaled <= np.array([size[1], size[0]]) + OUTSIDE)).all():
        raise DataError(f"{where}: a corner lies outside the picture; they are fractions of its width and height")
    points = np.clip(np.floor(scaled), 0, (size[1] - 1, size[0] - 1)).astype(np.int32)
    return Shape(names[int(label)], partial(fill_line, points, size))


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], _: WriteOptions) -> None:
    """Write ``labels/train/NAME.txt`` and ``data.yaml``.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        names: of the labels.
        _: no option is of effect here.

    Raises:
        OutputError: if it cannot be written.
    """
    number = {name: index for index, name in enumerate(names)}
    make_folder(out / LABELS / SPLIT)
    for picture in pictures:
        lines = [_line(number[one.label], outline(one.mask), picture.size) for one in picture.instances]
        target = out / LABELS / SPLIT / f"{picture.stem}.txt"
        make_folder(target.parent)
        write_atomically(target, "".join(lines).encode())
    write_atomically(out / FILES[0], data_yaml(number).encode())


def outline(mask: Mask) -> Points:
    """The line that an object is written as: ``trace``, simplified if it has too many corners.

    Args:
        mask: bool (height, width), with a pixel.

    Returns:
        int32 (points, 2): columns and rows of pixels; fewer than 1,000.
    """
    line = trace(mask)
    tolerance = 0.5
    while len(line) >= MAX_CORNERS:
        line = cv2.approxPolyDP(line, tolerance, True)[:, 0].astype(np.int32)
        tolerance *= 1.25
    return line


def data_yaml(number: Mapping[str, int]) -> str:
    """The text of ``data.yaml``. One split is training and validation alike: carmask splits by car, not here."""
    lines = ["path: .", f"train: {IMAGES}/{SPLIT}", f"val: {IMAGES}/{SPLIT}", "names:"]
    lines += [f"  {index}: {json.dumps(name, ensure_ascii=False)}" for name, index in number.items()]
    return "\n".join([*lines, ""])


def _line(label: int, points: Points, size: Size) -> str:
    # A pixel's centre: to be rounded down to the pixel, whatever the last digit does.
    fractions = (points + 0.5) / (size[1], size[0])
    digits = len(str(max(size))) + 2
    return f"{label} " + " ".join([f"{value:.{digits}f}" for value in fractions.ravel().tolist()]) + "\n"
