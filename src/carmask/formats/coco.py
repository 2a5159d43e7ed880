"""COCO: one JSON file with images, categories and annotations (https://cocodataset.org/#format-data).

Written are compressed run lengths with ``iscrowd`` 0: polygons lose holes, and tools leave crowds out of training and
scores. Read are run lengths, plain and compressed, and polygons. What is a name for the file depends on the tool:
``annotations/instances_default.json`` (CVAT, Datumaro), ``result.json`` (Label Studio), ``annotations.json``, and
``parts.json`` of rendered data sets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.classes import BACKGROUND
from carmask.formats.codecs import check_counts, columns_counts, compress, compressed_mask, decompress, tight
from carmask.formats.photos import Photos
from carmask.formats.picture import MAX_LABELS, Annotations, Instance, Picture, size_fault
from carmask.formats.polygons import check_polygon, polygons_mask
from carmask.formats.reading import ReadOptions, Shape, drawn, gathered, malformed, photo_size, score_of
from carmask.formats.sources import check_size, clean_name, read_json, unique
from carmask.formats.writing import Loaded, WriteOptions, compact, json_list
from carmask.geometry import Size
from carmask.images import make_folder

WRITTEN = "annotations/instances_default.json"
#: Names of the file in a folder, the likeliest first.
NAMES = ("annotations.json", "result.json", "parts.json", "_annotations.coco.json", "coco.json")


def find(path: Path) -> list[Path]:
    """The annotation files of a data set: the one named, or those that a folder has."""
    if path.is_file():
        return [path]
    several = sorted((path / "annotations").glob("instances_*.json"))
    return several or [path / name for name in NAMES if (path / name).is_file()][:1]


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read a COCO data set.

    Args:
        path: its file, or a folder that has it.
        options: where the photos lie, if elsewhere.

    Raises:
        DataError: if a file is not COCO's, or there are no labels, too many, or two of one name.
    """
    files = find(path)
    if not files:
        raise DataError(f"{path}: no COCO file in it ({', '.join((WRITTEN, *NAMES))})")
    root = path if path.is_dir() else path.parent
    if root.name == "annotations":
        root = root.parent
    photos = options.find(root / "images", root / "train", root)
    found = Annotations([], ())
    makers: list[Callable[[], Picture]] = []
    for file in files:
        content = read_json(file)
        with malformed(f"{file}: COCO annotations"):
            makers += _pictures(file, content, photos, options, found)
    if not found.names or len(found.names) > MAX_LABELS:
        raise DataError(f"{files[0]}: {len(found.names)} labels; there must be 1 to {MAX_LABELS}")
    return gathered(makers, found)


def _pictures(
    file: Path, content: Mapping[str, Any], photos: Photos, options: ReadOptions, found: Annotations
) -> Iterator[Callable[[], Picture]]:
    unique((str(one["id"]) for one in content["categories"]), "category", file)
    names = {str(one["id"]): str(one["name"]) for one in _labels(content)}
    unique(names.values(), "category's name", file)
    found.names = tuple(dict.fromkeys([*found.names, *(name for name in names.values() if name not in BACKGROUND)]))
    unique((str(one["id"]) for one in content["images"]), "image", file)
    ids = [str(one["id"]) for one in content["annotations"] if "id" in one]
    if len(set(ids)) < len(ids):
        told = f"{file.name}: {len(ids) - len(set(ids))} annotations have the number of another one"
        found.notes.append(f"{told}; all were read, but pycocotools takes the last of each number only")
    if dict(content.get("info") or {}).get("contributor") == "Label Studio":
        found.notes.append(f"{file.name}: Label Studio's COCO export has no holes; its JSON export has")
    of_image: dict[str, list[Mapping[str, Any]]] = {str(one["id"]): [] for one in content["images"]}
    for number, annotation in enumerate(content["annotations"], 1):
        image = str(annotation["image_id"])
        if image not in of_image:
            raise DataError(
                f"{file}: annotation {annotation.get('id', number)} of image {image}: there is no image of this number"
            )
        of_image[image].append(annotation)
    for image in content["images"]:
        yield _maker(file, image, of_image[str(image["id"])], names, photos, options)


def _labels(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The categories that are labels, without headings over others that nothing is labelled with.

    Roboflow writes one first, called after the project: ``car`` over the doors and hoods of a project of that name.
    """
    used = {str(one.get("category_id")) for one in content["annotations"]}
    above = [(one["id"], one.get("supercategory")) for one in content["categories"]]
    return [
        one
        for one in content["categories"]
        if str(one["id"]) in used or not any(name == one["name"] and inner != one["id"] for inner, name in above)
    ]


def _maker(
    file: Path,
    image: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    photos: Photos,
    options: ReadOptions,
) -> Callable[[], Picture]:
    def make() -> Picture:
        with malformed(f"{file}: image {image['id']}"):
            photo = photos.find(str(image["file_name"]), file.stem.removeprefix("instances_"))
            name = _name(image["file_name"], photo, file)
            height, width = image.get("height"), image.get("width")
            where = f"{file}: image {image['id']} ({name})"
            size = check_size(height, width, where) if height and width else photo_size(name, photo, options)
            return Picture(name, size, drawn(list(_shapes(file, annotations, names, size)), where), photo)

    return make


def _name(told: object, photo: Path | None, file: Path) -> str:
    """A picture's name; of a path into the folders of the tool that wrote it, as Label Studio's, its photo's."""
    try:
        return clean_name(told, str(file))
    except DataError:
        if photo is None:
            raise
        return photo.name


def _shapes(
    file: Path, annotations: Iterable[Mapping[str, Any]], names: Mapping[str, str], size: Size
) -> Iterator[Shape]:
    for number, annotation in enumerate(annotations, 1):
        where = f"{file}: annotation {annotation.get('id', number)} of image {annotation['image_id']}"
        category = str(annotation["category_id"])
        if category not in names:
            raise DataError(f"{where}: category {category} is not among the categories ({', '.join(names)})")
        given = annotation.get("segmentation")
        if given is None or given == []:
            raise DataError(f"{where}: a box without a segmentation")
        try:
            # Some tools write lists as text.
            draw = _drawing(json.loads(given) if isinstance(given, str) else given, size)
        except (DataError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise DataError(f"{where}: {error}") from error
        yield Shape(names[category], draw, score_of(annotation.get("score")))


def _drawing(given: Any, size: Size) -> Callable[[], Mask]:
    if isinstance(given, dict):
        inner = given.get("size")
        if inner is not None and tuple(inner) != size:
            raise DataError(size_fault(tuple(inner), size))
        if (written := given.get("counts")) is None:
            raise DataError("run lengths without 'counts'")
        counts = check_counts(decompress(written) if isinstance(written, str) else written, size)
        kept = compress(counts)  # a fifth of the memory
        return partial(compressed_mask, kept, size)
    if not isinstance(given, list):
        raise DataError("a segmentation is a list of polygons, or run lengths with their size")
    polygons = [check_polygon(polygon, size) for polygon in given]
    return partial(polygons_mask, polygons, size)


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], _: WriteOptions) -> None:
    """Write ``annotations/instances_default.json``.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        names: of the labels from 1.
        _: no option is of effect here.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out / "annotations")
    write_file(out / WRITTEN, pictures, names)


def write_file(file: Path, pictures: Iterable[Loaded], names: Sequence[str]) -> None:
    """Write one COCO file.

    Args:
        file: where to; its folder must exist.
        pictures: taken one at a time.
        names: of the labels from 1, which are the categories' numbers.

    Raises:
        OutputError: if it cannot be written.
    """
    number = {name: index for index, name in enumerate(names, 1)}
    categories = [{"id": index, "name": name, "supercategory": ""} for name, index in number.items()]
    images: list[dict[str, Any]] = []

    def rest() -> Iterator[str]:
        yield '],\n"images":[' + ",\n".join(map(compact, images)) + "]}\n"

    before = f'{{"info":{{"description":"carmask"}},"licenses":[],"categories":{compact(categories)},\n"annotations":['
    with json_list(file, before, rest()) as annotations:
        for picture in pictures:
            height, width = picture.size
            images.append({"id": len(images) + 1, "file_name": picture.name, "height": height, "width": width})
            for one in picture.instances:
                fields = _annotation(annotations.count + 1, len(images), number[one.label], one)
                annotations.append(fields)


def _annotation(index: int, image: int, category: int, one: Instance) -> dict[str, Any]:
    crop = tight(one.mask)
    counts = columns_counts(one.mask)
    fields: dict[str, Any] = {
        "id": index,
        "image_id": image,
        "category_id": category,
        "segmentation": {"size": list(one.mask.shape), "counts": compress(counts)},
        "area": int(counts[1::2].sum()),
        "bbox": [crop.left, crop.top, crop.size[1], crop.size[0]],
        "iscrowd": 0,
    }
    return fields if one.score is None else fields | {"score": round(one.score, 6)}
