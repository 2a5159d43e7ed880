"""Pascal VOC segmentation, and CVAT's "Segmentation mask 1.1": PNG pictures whose colours are labels and objects.

``SegmentationClass`` has the labels, ``SegmentationObject`` the objects, ``labelmap.txt`` the colours of the labels
(``name:red,green,blue:parts:actions`` a line), ``ImageSets/Segmentation/default.txt`` the names. Colours are those of
VOC's development kit, and so is 255, the void: pixels that are neither. Without ``labelmap.txt`` the labels are VOC's
own if the data set has its lists, else all labels are the car. http://host.robots.ox.ac.uk/pascal/VOC/voc2012/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.errors import DataError, PhotoError
from carmask.formats.classes import BACKGROUND
from carmask.formats.labels import occurring
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Instance, Picture, index_picture, size_fault
from carmask.formats.reading import ReadOptions, file_size, gathered, photo_size
from carmask.formats.sources import clean_name, read_text
from carmask.formats.writing import Loaded, WriteOptions
from carmask.geometry import Size
from carmask.images import encode_indexed, make_folder, write_atomically

CLASSES, OBJECTS, LABELMAP, SETS = "SegmentationClass", "SegmentationObject", "labelmap.txt", "ImageSets/Segmentation"
#: The index of pixels that are neither a label nor background.
VOID = 255
#: VOC's own labels, in data sets without ``labelmap.txt``.
VOC_NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
#: A list that only VOC's own data have.
_VOC_LIST = Path("ImageSets", "Main", "aeroplane_train.txt")
#: The label of each colour; None where all colours are one.
_Colours = Mapping[int, int] | None


@cache
def colours(count: int = 256) -> NDArray[np.uint8]:
    """VOC's colours of indices: the bits of the index, three at a time, from the highest of each channel downwards.

    Returns:
        uint8 (count, 3), RGB.
    """
    indices = np.arange(count)
    found = np.zeros((count, 3), np.int64)
    for place in range(8):
        for channel in range(3):
            found[:, channel] |= (indices >> (3 * place + channel) & 1) << (7 - place)
    return found.astype(np.uint8)


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read a VOC data set, or a segmentation mask export of CVAT.

    Args:
        path: a folder with ``SegmentationClass``.
        options: where the photos lie, if elsewhere.

    Raises:
        DataError: if it has no masks, or ``labelmap.txt`` is not one.
    """
    folder = path / CLASSES
    names: tuple[str, ...] = (options.label,)
    table: dict[int, int] | None = None
    if (path / LABELMAP).is_file():
        names, table = read_labelmap(path / LABELMAP)
    elif (path / _VOC_LIST).is_file():
        names = VOC_NAMES
        table = {_key(*colours()[index].tolist()): index for index in range(len(names) + 1)}
    files = _pngs(folder)
    objects = _pngs(path / OBJECTS)
    stems = dict.fromkeys(files)
    for listing in sorted((path / SETS).glob("*.txt")):
        # Not splitlines: names of files may hold what Unicode takes for the end of a line, such as U+2028.
        lines = read_text(listing).replace("\r\n", "\n").split("\n")
        stems |= dict.fromkeys(line if line in files else line.strip() for line in lines if line.strip())
    if not stems:
        raise DataError(f"{path}: no pictures in {CLASSES} or {SETS}")
    photos = options.find(path / "JPEGImages", path / "images")
    found = Annotations([], names)
    makers = [_maker(path, stem, (files.get(stem), objects.get(stem)), names, table, photos, options) for stem in stems]
    return gathered(makers, found)


def _pngs(folder: Path) -> dict[str, Path]:
    """The PNG files of a folder and those below it, by their path without suffix."""
    return {
        file.relative_to(folder).with_suffix("").as_posix(): file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() == ".png"
    }


def read_labelmap(file: Path) -> tuple[tuple[str, ...], dict[int, int]]:
    """Read ``labelmap.txt``.

    Returns:
        The labels without the background, and the label of each colour (red * 65536 + green * 256 + blue), counted
        from 1; 0 for background.

    Raises:
        DataError: if a line is not a label and its colour, or something is there twice.
    """
    names: list[str] = []
    table: dict[int, int] = {}
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not line.strip():
            continue
        name, _, rest = line.partition(":")
        parts = rest.partition(":")[0].split(",")
        try:
            red, green, blue = (int(part) for part in parts)
        except ValueError as error:
            if line.startswith("#"):  # a comment; a label may begin so, too
                continue
            raise DataError(f"{file}: line {number}: not 'name:red,green,blue::'") from error
        if name in names or _key(red, green, blue) in table:
            raise DataError(f"{file}: line {number}: the label or its colour was there before")
        if name.strip() not in BACKGROUND:
            names.append(name.strip())
        table[_key(red, green, blue)] = 0 if name.strip() in BACKGROUND else len(names)
    if not names:
        raise DataError(f"{file}: names no label")
    if len(names) >= VOID:
        raise DataError(f"{file}: {len(names)} labels; there may be up to {VOID - 1}")
    return tuple(names), table


def _key(red: int, green: int, blue: int) -> int:
    return red << 16 | green << 8 | blue


def _maker(
    path: Path,
    stem: str,
    files: tuple[Path | None, Path | None],
    names: Sequence[str],
    table: _Colours,
    photos: Photos,
    options: ReadOptions,
) -> Callable[[], Picture]:
    def make() -> Picture:
        clean_name(stem, str(path / SETS))
        photo = photos.find_stem(stem)
        suffix = photo.suffix if photo else ".jpg"
        classes, objects = files
        # One that is listed and has no masks is a picture without anything in it.
        size = file_size(classes, photo) if classes is not None else photo_size(f"{stem}.jpg", photo, options)

        load = partial(_instances, classes, objects, names, table, size)
        return Picture(stem + suffix, size, load, photo, tuple(one for one in files if one is not None))

    return make


def _instances(
    classes: Path | None, objects: Path | None, names: Sequence[str], table: _Colours, size: Size
) -> list[Instance]:
    if classes is None:
        return []
    labels = _labels(classes, table, names)
    if objects is None:
        return [Instance(names[label - 1], labels == label) for label in _present(labels)]
    numbers = _indices(objects)[0]
    if numbers.shape != size:
        raise DataError(f"{objects}: {size_fault(numbers.shape, size)}")
    found = []
    for number in _present(numbers):
        mask = numbers == number
        label = int(np.bincount(labels[mask], minlength=1).argmax())
        if label:
            found.append(Instance(names[label - 1], mask))
    return found


def _present(indices: NDArray[np.uint8]) -> list[int]:
    """The values that occur, without background and void."""
    return [value for value in occurring(indices) if 0 < value < VOID]


def _labels(file: Path, table: _Colours, names: Sequence[str]) -> NDArray[np.uint8]:
    indices, palette = _indices(file)
    void = _key(*colours()[VOID].tolist())
    translate = np.zeros(256, np.uint8)
    for index in occurring(indices):
        key = _key(*palette[index].tolist())
        if table is None:
            translate[index] = index not in {0, VOID} and key != void
        elif key in table:
            translate[index] = table[key]
        elif key == _key(index, index, index) and (lost := _key(*colours()[index].tolist())) in table:
            translate[index] = table[lost]  # VOC's number of this colour: the picture has lost its palette
        elif key not in {0, void} and index != VOID:
            raise DataError(f"{file}: {_no_label(palette[index].tolist(), table, names)}")
    return translate[indices]


def _no_label(colour: Sequence[int], table: Mapping[int, int], names: Sequence[str]) -> str:
    """Say that a colour is no label's, which ones are, and what to do."""
    shown = ",".join(map(str, colour))
    known = [f"{names[label - 1]} is {key >> 16},{key >> 8 & 255},{key & 255}" for key, label in table.items() if label]
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    which = "; the picture is grey, and its values are perhaps numbers of labels" if len({*colour}) == 1 else ""
    return (
        f"the colour {shown} is no label's ({', '.join(known[:3])}{more}){which}; give the label this colour in "
        f"{LABELMAP}: {names[0]}:{shown}::"
    )


def _are_indices(greys: NDArray[np.uint8]) -> bool:
    """Whether greys are VOC's own numbers, and perhaps void; not those of a mask with soft edges, or of 0 and 255."""
    labels = {*occurring(greys)} - {0, VOID}
    return bool(labels) and max(labels) <= len(VOC_NAMES)


def _indices(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The indices of a picture's colours, and the colours: of a palette as they are; else numbered as they occur.

    Void stays 255, black stays 0. So do those of greys that are VOC's indices without their palette; white among
    other greys is a label.
    """
    try:
        with Image.open(file) as image:
            if image.mode == "P":
                palette = np.zeros((256, 3), np.uint8)
                given = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)
                palette[: len(given)] = given
                return np.asarray(image, np.uint8), palette
            if image.mode == "L" and _are_indices(indices := np.asarray(image, np.uint8)):
                return indices, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
            pixels = np.asarray(image.convert("RGB")).astype(np.int32)
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"{file}: cannot be read as a picture of colours: {error}") from error
    keys = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    void = _key(*colours()[VOID].tolist())
    # Where the colour changes all colours show, in a hundredth of the pixels.
    flat = keys.ravel()
    changes = np.append(flat[:1], flat[1:][flat[1:] != flat[:-1]])
    found = [key for key in np.unique(changes).tolist() if key not in {0, void}]
    if len(found) >= VOID:
        raise DataError(f"{file}: {len(found)} colours; a picture of labels has fewer than {VOID}")
    palette = np.zeros((256, 3), np.uint8)
    palette[VOID] = colours()[VOID]
    indices = np.zeros(keys.shape, np.uint8)
    indices[keys == void] = VOID
    for index, key in enumerate(found, 1):
        indices[keys == key] = index
        palette[index] = (key >> 16, key >> 8 & 255, key & 255)
    return indices, palette


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], _: WriteOptions) -> None:
    """Write ``SegmentationClass``, ``SegmentationObject``, ``labelmap.txt`` and the list of names.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        names: of the labels from 1.
        _: no option is of effect here.

    Raises:
        DataError: if there are more labels, or objects in a picture, than 254, or a label does not fit on a line.
        OutputError: if it cannot be written.
    """
    if len(names) >= VOID:
        raise DataError(f"{len(names)} labels; VOC has room for {VOID - 1}")
    make_folder(out / SETS)
    lines = ["# label:color_rgb:parts:actions"]
    for name, (red, green, blue) in zip(["background", *names], colours().tolist(), strict=False):
        if ":" in name or name != name.strip() or len(name.splitlines()) > 1:
            raise DataError(f"the label {name!r} does not fit on a line of {LABELMAP}; give it another name")
        lines.append(f"{name}:{red},{green},{blue}::")
    write_atomically(out / LABELMAP, ("\n".join(lines) + "\n").encode())
    stems = []
    for picture in pictures:
        stems.append(picture.stem)
        count = len(picture.instances)
        if count >= VOID:
            raise DataError(f"{picture.name}: {count} objects; VOC has room for {VOID - 1}")
        numbered = [one._replace(label=str(number)) for number, one in enumerate(picture.instances, 1)]
        indices = {
            CLASSES: index_picture(picture.instances, picture.size, names),
            OBJECTS: index_picture(numbered, picture.size, [one.label for one in numbered]),
        }
        for folder, found in indices.items():
            target = out / folder / f"{picture.stem}.png"
            make_folder(target.parent)
            write_atomically(target, encode_indexed(found, colours()))
    write_atomically(out / SETS / "default.txt", "".join(f"{stem}\n" for stem in stems).encode())
