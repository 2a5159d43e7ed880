"""How photos and masks may lie in the folders of a data set; the layout is found by itself, or named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from carmask.data.annotated import as_examples, with_bare
from carmask.data.parts import read_parts
from carmask.data.table import Example, car_and_view, read_examples, require_masks
from carmask.errors import DataError, UnknownNameError
from carmask.formats import folders, index_png
from carmask.formats.listing import composed, file_stem, find_masks, find_photos, photo_stem
from carmask.formats.table import FORMATS, read_annotations
from carmask.images import is_there, list_folder, search_photos

#: The examples, and the names of the classes: ``car``, or parts.
DataSet = tuple[list[Example], tuple[str, ...]]
_CAR = ("car",)
#: Where a photo and its mask have one name, the mask is the one that loses nothing.
_LOSSLESS = frozenset({".png", ".gif", ".bmp", ".tif", ".tiff"})
#: Sub-folders that a refusal looks into.
_LOOKED_INTO = 50


class Pairs(NamedTuple):
    """The photos of a data set and their masks, by the photo's name.

    Attributes:
        photos: the photos' files.
        masks: the masks' files; some may be missing, or have no photo.
    """

    photos: Mapping[str, Path]
    masks: Mapping[str, Path]


@dataclass(frozen=True)
class Layout:
    """One way in which photos and masks lie in folders.

    Attributes:
        shape: what it looks like, for people.
        detect: whether a folder looks so.
        read: reads a folder that does, and is told whether each photo must have a mask.
        pair: lists its photos and masks, complete or not; None where masks are not files of their own.
    """

    shape: str
    detect: Callable[[Path], bool]
    read: Callable[[Path, bool], DataSet]
    pair: Callable[[Path], Pairs] | None = None


def find_layout(data: Path, layout: str | None = None) -> str:
    """Find out how a data set lies in its folder. Quick: no picture is opened.

    Args:
        data: the folder.
        layout: the name of a layout, if it is not to be found out.

    Returns:
        The name of the layout.

    Raises:
        UnknownNameError: if no layout has this name.
        DataError: if there is no such folder, or it has none of the layouts; the message shows those that are known.
    """
    if layout is not None and layout not in LAYOUTS:
        raise UnknownNameError(f"there is no layout {layout!r}; there are {', '.join(LAYOUTS)}")
    if not is_there(data, DataError):
        raise DataError(f"{data}: there is no such folder")
    if layout is not None:
        return layout
    found = detect_layout(data)
    if found is not None:
        return found
    known = "; ".join(f"{name}: {one.shape}" for name, one in LAYOUTS.items())
    listed = list_folder(data) if data.is_dir() else ()
    inner = [path for path in listed if path.is_dir() and not path.name.startswith(".")]
    hint = next((f"; {path} is laid out so ({name})" for path, name in _each_detected(inner[:_LOOKED_INTO])), "")
    raise DataError(f"{data}: photos and masks are not laid out in a way that is known{hint}. Known are {known}")


def read_data(
    data: Path, *, layout: str | None = None, mask_threshold: int | None = None, complete: bool = True
) -> DataSet:
    """Read a data set, whichever layout it has.

    Args:
        data: the folder.
        layout: the name of its layout; found out if it is None.
        mask_threshold: for grey, anti-aliased and JPEG masks: values from this one up are car, 1 to 255.
        complete: refuse photos without a mask; without it they are examples whose mask cannot be read.

    Returns:
        The examples, sorted by name, and the names of the classes: ``car``, or the parts.

    Raises:
        UnknownNameError: if no layout has this name.
        DataError: if it is incomplete, or has none of the layouts; the message shows those that are known.
    """
    examples, names = LAYOUTS[find_layout(data, layout)].read(data, complete)
    if mask_threshold is not None:
        examples = [replace(example, threshold=mask_threshold) for example in examples]
    return examples, names


def list_pairs(data: Path, layout: str | None = None) -> Pairs | None:
    """The photos and masks of a data set, complete or not; None where its masks are not files of their own.

    Raises:
        UnknownNameError: if no layout has this name.
        DataError: if a folder is missing or empty.
    """
    pair = LAYOUTS[find_layout(data, layout)].pair
    return None if pair is None else pair(data)


def detect_layout(data: Path) -> str | None:
    """The layout of a folder; None if it has none that is known, or is missing."""
    return next((name for name, one in LAYOUTS.items() if one.detect(data)), None)


def _each_detected(folders: list[Path]) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        name = detect_layout(folder)
        if name is not None:
            yield folder, name


def _read_pairs(pair: Callable[[Path], Pairs]) -> Callable[[Path, bool], DataSet]:
    """Reads a layout in which photos and masks are files."""

    def read(data: Path, complete: bool) -> DataSet:
        photos, masks = pair(data)
        if complete:
            require_masks(data, list(photos), masks)
        examples = [Example(name, photos[name], masks.get(name), None, *car_and_view(name)) for name in photos]
        return examples, _CAR

    return read


def _is_carvana(data: Path) -> bool:
    return (data / "train").is_dir() and any(data.glob("train_masks*"))


def _pair_folders(data: Path) -> Pairs:
    photos, masks = folders.find(data)
    if photos is None or masks is None:
        raise DataError(f"{data}: has not both a folder images/ (or imgs/) and a folder masks/")
    found = find_photos(photos)
    return Pairs(found, find_masks(masks, found))


def _pair_files(data: Path) -> Pairs:
    by_stem: dict[str, list[Path]] = defaultdict(list)
    masks: dict[str, Path] = {}
    for path in search_photos(data).photos:
        if photo_stem(path) == path.stem:
            by_stem[file_stem(path)].append(path)
        elif (other := masks.setdefault(composed(photo_stem(path)), path)) is not path:
            raise DataError(f"{data}: {other.name} and {path.name} are masks of one photo; keep one of them")
    photos: dict[str, Path] = {}
    for stem, paths in by_stem.items():
        lossless = [path for path in paths if path.suffix.lower() in _LOSSLESS]
        if len(paths) == 2 and len(lossless) == 1 and stem not in masks:
            masks[stem] = lossless[0]
            paths.remove(lossless[0])
        if len(paths) > 1:
            raise DataError(f"{data}: {paths[0].name} and {paths[1].name} are both {stem}; keep one of them")
        photos[stem] = paths[0]
    if not photos:
        raise DataError(f"{data}: no photos in this folder")
    return Pairs(photos, masks)


def _are_pairs(data: Path) -> bool:
    try:
        photos, masks = _pair_files(data)
    except DataError:
        return False
    return any(name in masks for name in photos)


def _read_carvana(data: Path, complete: bool) -> DataSet:
    return read_examples(data, complete=complete), _CAR


def _read_parts(data: Path, complete: bool) -> DataSet:
    parts, names = read_parts(data, complete=complete)
    return list(parts), names


def _has_parts(data: Path) -> bool:
    return (data / "annotations.json").is_file() or (
        (data / index_png.LABELS).is_dir() and not index_png.is_unnamed(data) and not FORMATS["yolo"].detect(data)
    )


def _read_format(name: str) -> Callable[[Path, bool], DataSet]:
    """Reads a format of annotation tools."""

    def read(data: Path, complete: bool) -> DataSet:
        annotations = read_annotations(data, name=name)
        examples, names = as_examples(annotations if complete else with_bare(annotations), data)
        return list(examples), names

    return read


def _of_format(name: str) -> Layout:
    return Layout(FORMATS[name].title, FORMATS[name].detect, _read_format(name))


#: The layouts by name, in the order in which a folder is held against them.
LAYOUTS: Mapping[str, Layout] = {
    "labelled": Layout(
        "photos/ and labels/ (index PNG, all above 0 is car)", index_png.is_unnamed, _read_format("index-png")
    ),
    "parts": Layout("images/ with annotations.json, or with labels/ and classes.txt", _has_parts, _read_parts),
    "carvana": Layout(
        "train/CAR_VIEW.jpg with train_masks/CAR_VIEW_mask.gif or train_masks.csv", _is_carvana, _read_carvana
    ),
    "folders": Layout(
        "images/NAME.jpg (or imgs/) with masks/NAME.png",
        lambda data: None not in folders.find(data) and not FORMATS["huggingface"].detect(data),
        _read_pairs(_pair_folders),
        _pair_folders,
    ),
    "voc": Layout("JPEGImages/ with SegmentationClass/", FORMATS["voc"].detect, _read_format("voc")),
    "pairs": Layout(
        "NAME.jpg with NAME_mask.png or NAME.png in one folder", _are_pairs, _read_pairs(_pair_files), _pair_files
    ),
} | {
    name: _of_format(name)
    for name in ("coco", "cvat", "datumaro", "fiftyone", "huggingface", "label-studio", "labelme", "yolo")
}
