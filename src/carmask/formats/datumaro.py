"""Datumaro: a JSON file for each subset (https://open-edge-platform.github.io/datumaro/, "Datumaro" format 1.0).

Masks are COCO's compressed run lengths; shapes are drawn in the order of ``z_order``. The subset is ``default``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.codecs import check_counts, columns_counts, compress, compressed_mask, decompress
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Picture, size_fault
from carmask.formats.polygons import check_polygon, polygon_mask
from carmask.formats.reading import ReadOptions, Shape, drawn, gathered, malformed, passed_over, photo_size, score_of
from carmask.formats.sources import check_size, clean_name, read_json, unique
from carmask.formats.voc import colours
from carmask.formats.writing import Loaded, WriteOptions, compact, json_list
from carmask.geometry import Size
from carmask.images import make_folder

WRITTEN = "annotations/default.json"
#: Types of annotations that are read, and those that have no shape; others are passed over, and said.
_AREAS, _TEXTS = frozenset({"mask", "polygon"}), frozenset({"label", "caption"})
_CATEGORIES = re.compile(r'"categories"\s*:\s*\{')
#: Datumaro's number for images among its kinds of media.
_IMAGE = 2


def find(path: Path) -> list[Path]:
    """The files of a data set's subsets, or the file itself."""
    return [path] if path.is_file() else sorted((path / "annotations").glob("*.json"))


def is_file(beginning: str) -> bool:
    """Whether a JSON text is Datumaro's, by its beginning: its categories are a table, where COCO's are a list.

    CVAT's own Datumaro writes neither ``dm_format_version`` nor ``infos``.
    """
    return beginning.startswith("{") and _CATEGORIES.search(beginning) is not None


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read a Datumaro data set.

    Args:
        path: its folder, or one of its files.
        options: where the photos lie, if elsewhere.

    Raises:
        DataError: if a file is not Datumaro's.
    """
    files = find(path)
    if not files:
        raise DataError(f"{path}: no {WRITTEN} in it")
    root = path if path.is_dir() else path.parent.parent
    photos = options.find(root / "images")
    found = Annotations([], ())
    skipped: dict[str, int] = {}
    makers: list[Callable[[], Picture]] = []
    for file in files:
        content = read_json(file)
        with malformed(f"{file}: Datumaro annotations"):
            names = [str(one["name"]) for one in content["categories"]["label"]["labels"]]
            unique(names, "label", file)
            unique((item["id"] for item in content["items"]), "item", file)
            makers += [_maker(file, item, names, photos, options, skipped) for item in content["items"]]
        found.names = tuple(dict.fromkeys([*found.names, *names]))
    gathered(makers, found)
    found.notes += [passed_over(count, "annotation", f"of the type {kind}") for kind, count in skipped.items()]
    return found


def _maker(
    file: Path,
    item: Mapping[str, Any],
    names: Sequence[str],
    photos: Photos,
    options: ReadOptions,
    skipped: dict[str, int],
) -> Callable[[], Picture]:
    def make() -> Picture:
        where = f"{file}: item {item['id']}"
        with malformed(where):
            image = item.get("image") or {}
            told = image.get("path") or str(item["id"])
            photo = photos.find(told, file.stem) or photos.find(str(item["id"]), file.stem)
            name = clean_name(told, where) if image.get("path") else photo.name if photo else f"{item['id']}.jpg"
            size = (
                check_size(image["size"][0], image["size"][1], where)
                if image.get("size")
                else photo_size(name, photo, options)
            )
            ordered = sorted(item.get("annotations") or [], key=lambda one: int(one.get("z_order") or 0))
            for kind in (one["type"] for one in ordered if one["type"] not in {*_AREAS, *_TEXTS}):
                skipped[kind] = skipped.get(kind, 0) + 1
            shapes = [_shape(where, one, names, size) for one in ordered if one["type"] in _AREAS]
        return Picture(name, size, drawn(shapes, where), photo)

    return make


def _shape(where: str, one: Mapping[str, Any], names: Sequence[str], size: Size) -> Shape:
    label = one.get("label_id")
    if not isinstance(label, int) or not 0 <= label < len(names):
        raise DataError(f"{where}: the label {label} is not among the {len(names)} labels")
    try:
        draw = _drawing(one, size)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    return Shape(names[label], draw, score_of((one.get("attributes") or {}).get("score")))


def _drawing(one: Mapping[str, Any], size: Size) -> Callable[[], Mask]:
    if one["type"] == "polygon":
        return partial(polygon_mask, check_polygon(one["points"], size), size)
    inner, counts = tuple(one["rle"]["size"]), one["rle"]["counts"]
    if inner != size:
        raise DataError(size_fault(inner, size))
    check_counts(decompress(counts), size)
    return partial(compressed_mask, counts, size)


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], _: WriteOptions) -> None:
    """Write ``annotations/default.json``.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        names: of the labels.
        _: no option is of effect here.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out / "annotations")
    labels = [{"name": name, "parent": "", "attributes": []} for name in names]
    table = [
        {"label_id": index, "r": red, "g": green, "b": blue}
        for index, (red, green, blue) in enumerate(colours(len(names) + 1)[1:].tolist())
    ]
    categories = {
        "label": {"labels": labels, "label_groups": [], "attributes": []},
        "mask": {"colormap": table},
    }
    head = {"dm_format_version": "1.0", "media_type": _IMAGE, "infos": {}, "categories": categories}
    with json_list(out / WRITTEN, compact(head)[:-1] + ',"items":[', ["\n]}\n"]) as items:
        count = 0
        for picture in pictures:
            items.append(_item(picture, count, {name: index for index, name in enumerate(names)}))
            count += len(picture.instances)


def _item(picture: Loaded, before: int, number: Mapping[str, int]) -> dict[str, Any]:
    annotations = [
        {
            "id": before + index,
            "type": "mask",
            "attributes": {} if one.score is None else {"score": round(one.score, 6)},
            "group": index,
            "label_id": number[one.label],
            "rle": {"counts": compress(columns_counts(one.mask)), "size": list(picture.size)},
            "z_order": index,
        }
        for index, one in enumerate(picture.instances, 1)
    ]
    image = {"path": picture.name, "size": list(picture.size)}
    return {"id": picture.stem, "annotations": annotations, "image": image}
