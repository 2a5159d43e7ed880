"""labelme: a JSON file beside each photo (https://labelme.io/docs).

Masks are shapes of the type ``mask``: a base64 PNG, and the first and last column and row of the box that it fills.
Polygons, boxes and circles are drawn as labelme's own export draws them, with their outline. Shapes of one label and
``group_id`` are one object. ``imageData`` may hold the photo; it is not read, and written as null. Sizes are those of
the photo as labelme shows it: with its EXIF orientation applied.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.classes import BACKGROUND
from carmask.formats.codecs import placed, tight
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Picture, size_fault
from carmask.formats.polygons import check_polygon
from carmask.formats.reading import ReadOptions, Shape, drawn, gathered, malformed, passed_over, photo_size, score_of
from carmask.formats.sources import check_size, peek, read_json, read_text
from carmask.formats.writing import Loaded, WriteOptions, compact
from carmask.geometry import Size
from carmask.images import encode_mask, make_folder, write_atomically

#: The version of labelme whose files these are; shapes of the type mask came with 5.3.
VERSION = "5.5.0"
#: The list of labels, for ``labelme --labels``.
LIST = "labels.txt"
#: Types of shapes with an area; others are passed over, and said.
_AREAS = frozenset({"mask", "polygon", "rectangle", "circle", "oriented_rectangle", None})


def is_file(beginning: str) -> bool:
    """Whether a JSON text is labelme's, by its beginning."""
    return beginning.startswith("{") and '"shapes"' in beginning and '"samples"' not in beginning


def find(path: Path) -> list[Path]:
    """The files of a folder and those below it, or the file itself."""
    return [path] if path.is_file() else [file for file in sorted(path.rglob("*.json")) if is_file(peek(file))]


def is_folder(path: Path) -> bool:
    """Whether the first JSON file of a folder, or else of the folders below it, is labelme's."""
    first = min(path.glob("*.json"), default=None) or min(path.rglob("*.json"), default=None)
    return first is not None and is_file(peek(first))


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read labelme's files.

    Args:
        path: a folder, or one file.
        options: where the photos lie, if elsewhere.

    Raises:
        DataError: if there are none.
    """
    files = find(path)
    if not files:
        raise DataError(f"{path}: no JSON file of labelme in it")
    root = path if path.is_dir() else path.parent
    photos = options.find(root, root.parent / "images", root.parent / "img")
    found = Annotations([], ())
    names: dict[str, None] = {}
    skipped: dict[str, int] = {}
    gathered([_maker(file, root, photos, options, names, skipped) for file in files], found)
    listed = read_label_list(root / LIST) if (root / LIST).is_file() else ()
    found.names = tuple(dict.fromkeys([*listed, *names]))
    found.notes += [passed_over(count, "shape", f"of the type {kind}") for kind, count in skipped.items()]
    if any(one.photo is None for one in found.pictures):
        found.notes.append("photos that only stand in imageData are not read; export them, or name their folder")
    return found


def read_label_list(file: Path) -> tuple[str, ...]:
    """The labels of a list as ``labelme --labels`` takes it, a line each, without background and ``__ignore__``."""
    lines = [line.strip() for line in read_text(file).splitlines()]
    return tuple(line for line in lines if line and line not in BACKGROUND and line != "__ignore__")


def _maker(
    file: Path, root: Path, photos: Photos, options: ReadOptions, names: dict[str, None], skipped: dict[str, int]
) -> Callable[[], Picture]:
    def make() -> Picture:
        content = read_json(file)
        with malformed(str(file)):
            # Often a path of another system, which leads out of the folder: the file's name counts.
            told = str(content.get("imagePath") or file.stem).replace("\\", "/").rpartition("/")[2]
            inner = file.relative_to(root).parent.as_posix()
            photo = photos.find(told if inner == "." else f"{inner}/{told}")
            suffix = Path(photo.name if photo else told).suffix or ".jpg"
            name = file.relative_to(root).with_suffix("").as_posix() + suffix
            sides = content.get("imageHeight"), content.get("imageWidth")
            size = check_size(*sides, str(file)) if all(sides) else photo_size(name, photo, options)
            shapes = _shapes(file, content["shapes"], size, skipped)
            for one in shapes:
                if one.label not in BACKGROUND:
                    names.setdefault(one.label)
        return Picture(name, size, drawn(shapes, str(file)), photo)

    return make


def _shapes(file: Path, given: Iterable[Mapping[str, Any]], size: Size, skipped: dict[str, int]) -> list[Shape]:
    found: dict[object, list[Shape]] = {}
    for number, one in enumerate(given, 1):
        kind = one.get("shape_type")
        if kind not in _AREAS:
            skipped[str(kind)] = skipped.get(str(kind), 0) + 1
            continue
        try:
            draw = _drawing(kind or "polygon", one, size)
        except DataError as error:
            raise DataError(f"{file}: shape {number} ({one['label']}): {error}") from error
        flagged = score_of((one.get("flags") or {}).get("score"))
        score = score_of(one.get("score")) if flagged is None else flagged
        group = one.get("group_id")
        key = number if group is None else (str(one["label"]), str(group))
        found.setdefault(key, []).append(Shape(str(one["label"]), draw, score))
    return [shapes[0] if len(shapes) == 1 else _together(shapes) for shapes in found.values()]


def _together(shapes: Sequence[Shape]) -> Shape:
    return Shape(shapes[0].label, partial(_union, tuple(shapes)), shapes[0].score)


def _union(shapes: Sequence[Shape]) -> Mask:
    mask = shapes[0].draw()
    for one in shapes[1:]:
        mask = mask | one.draw()
    return mask


def _drawing(kind: str, one: Mapping[str, Any], size: Size) -> Callable[[], Mask]:
    points = [(float(x), float(y)) for x, y in one["points"]]
    if kind == "mask":
        (left, top), (right, bottom) = ((int(x), int(y)) for x, y in points)
        text = one["mask"]
        if not isinstance(text, str):
            raise DataError("a shape of the type mask without its PNG")
        return partial(_png_mask, text, (left, top), (bottom - top + 1, right - left + 1), size)
    if kind == "circle":
        (cx, cy), (px, py) = points
        radius = float(np.hypot(px - cx, py - cy))
        # Its two points lie in the picture; round the one that is its centre it may reach far beyond.
        check_polygon([cx, cy, px, py, cx, cy], size)
        box = [cx - radius, cy - radius, cx + radius, cy + radius]
        return partial(_painted, size, "ellipse", box)
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        corners = [(min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))]
        check_polygon([x0, y0, x1, y0, x1, y1], size)
        return partial(_painted, size, "rectangle", corners)
    if kind == "oriented_rectangle" and len(points) > 2:  # turned at an edge, its corners lie far outside
        if not np.isfinite(points).all():
            raise DataError("a rectangle's corners are not all numbers")
    else:
        check_polygon([value for point in points for value in point], size)
    return partial(_painted, size, "polygon", points)


def _painted(size: Size, kind: Literal["ellipse", "rectangle", "polygon"], points: Any) -> Mask:
    image = Image.new("L", (size[1], size[0]))
    getattr(ImageDraw.Draw(image), kind)(points, outline=1, fill=1)
    return np.asarray(image) > 0


def _png_mask(text: str, place: tuple[int, int], inner: Size, size: Size) -> Mask:
    return placed(_png(text, inner), *place, size)


def _png(text: str, size: Size) -> Mask:
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            if image.size[::-1] != size:
                raise DataError(f"{size_fault(image.size[::-1], size)} of its points")
            return np.asarray(image.convert("L")) > 0
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        raise DataError(f"the mask is no PNG in base64: {error}") from error


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], _: WriteOptions) -> None:
    """Write ``NAME.json`` beside each photo, and ``labels.txt``.

    Args:
        out: the folder.
        pictures: taken one at a time.
        names: of the labels, in the order in which they get their numbers.
        _: no option is of effect here.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out)
    write_atomically(out / LIST, "".join(f"{name}\n" for name in names).encode())
    for picture in pictures:
        height, width = picture.size
        shapes = [_shape(index, one.label, one.mask, one.score) for index, one in enumerate(picture.instances, 1)]
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": picture.name.rpartition("/")[2],
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        target = out / f"{picture.stem}.json"
        make_folder(target.parent)
        write_atomically(target, (compact(content) + "\n").encode("utf-8", "surrogateescape"))


def _shape(index: int, label: str, mask: Mask, score: float | None) -> dict[str, Any]:
    crop = tight(mask)
    bottom, right = crop.top + crop.size[0] - 1, crop.left + crop.size[1] - 1
    return {
        "label": label,
        "points": [[crop.left, crop.top], [right, bottom]],
        "group_id": index,
        "description": "",
        "shape_type": "mask",
        "flags": {},
        "mask": base64.b64encode(encode_mask(np.ascontiguousarray(mask[crop.where]))).decode("ascii"),
    } | ({} if score is None else {"score": round(score, 6)})
