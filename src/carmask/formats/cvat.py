"""CVAT for images 1.1: one XML file (https://docs.cvat.ai/docs/manual/advanced/xml_format/).

A mask has run lengths row by row inside its tight box, beginning with the background; boxes count from 0. Shapes are
drawn in the order of ``z_order``. Written are masks; read are masks, polygons, boxes and ellipses. Boxes and ellipses
may be rotated about their centres, clockwise as one sees it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr  # writes only

import numpy as np

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.codecs import box_counts, box_mask, check_counts, check_crop
from carmask.formats.labels import palette
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Picture
from carmask.formats.polygons import box_corners, check_polygon, ellipse_mask, polygon_mask
from carmask.formats.reading import ReadOptions, Shape, drawn, gathered, malformed, passed_over, score_of
from carmask.formats.sources import check_size, clean_name, parse_xml, peek
from carmask.formats.writing import Loaded, WriteOptions
from carmask.geometry import Size
from carmask.images import make_folder, replacing, write_atomically

FILE = "annotations.xml"
#: For the "Raw" tab of CVAT's label editor.
LABELS = "labels.json"
#: The attribute that keeps a model's score.
CONFIDENCE = "confidence"
#: Shapes with an area; others are passed over, and said.
_AREAS = frozenset({"mask", "polygon", "box", "ellipse"})
_LINES = frozenset({"polyline", "points", "cuboid", "skeleton"})
_ORDER, _SCORE = "z_order", "score"


class _Image(NamedTuple):
    """An ``<image>`` as it stands in the file: its attributes, and those of its shapes with their kind."""

    fields: Mapping[str, str]
    shapes: list[tuple[str, dict[str, str]]]


class _Parser:
    """Collects images and labels while expat reads the file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.images: list[_Image] = []
        self.labels: list[str] = []
        self.skipped = 0
        self.tracks = False
        self._path: list[str] = []
        self._text = ""
        self._attribute = ""

    def parse(self) -> None:
        parse_xml(self.file, self._start, self._end, self._characters)

    def _start(self, tag: str, fields: dict[str, str]) -> None:
        self._path.append(tag)
        self._text = ""
        if tag == "image":
            self.images.append(_Image(fields, []))
        elif tag == "track":
            self.tracks = True
        elif tag == "attribute" and "image" in self._path:
            self._attribute = fields.get("name", "")
        elif "image" in self._path and tag in _AREAS:
            self.images[-1].shapes.append((tag, fields))
        elif "image" in self._path and tag in _LINES:
            self.skipped += 1

    def _end(self, tag: str) -> None:
        self._path.pop()
        if tag == "name" and self._path[-1:] == ["label"]:
            self.labels.append(self._text.strip())
        elif tag == "attribute" and self._attribute == CONFIDENCE and self._path and self._path[-1] in _AREAS:
            self.images[-1].shapes[-1][1][_SCORE] = self._text
        self._text = ""

    def _characters(self, text: str) -> None:
        self._text += text


def find(path: Path) -> Path:
    """The annotation file of a folder, which some programs call otherwise; or the file itself."""
    if not path.is_dir() or (path / FILE).is_file():
        return path if path.is_file() else path / FILE
    others = [file for file in sorted(path.glob("*.xml")) if "<annotations>" in peek(file, 1024)]
    return others[0] if len(others) == 1 else path / FILE


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read CVAT's annotations of images.

    Args:
        path: ``annotations.xml``, or a folder that has it.
        options: where the photos lie, if elsewhere.

    Raises:
        DataError: if it is not CVAT's XML, of images, with labels.
    """
    file = find(path)
    parser = _Parser(file)
    parser.parse()
    if parser.tracks or not (parser.images or parser.labels):
        raise DataError(f"{file}: not 'CVAT for images 1.1'; export in that format, not for video")
    names = tuple(dict.fromkeys(parser.labels))
    if not names:
        raise DataError(f"{file}: its <meta> names no labels")
    found = Annotations([], names)
    if parser.skipped:
        found.notes.append(f"{file.name}: {passed_over(parser.skipped, 'shape', 'without an area (lines, points)')}")
    photos = options.find(file.parent / "images", file.parent)
    return gathered([_maker(file, image, frozenset(names), photos) for image in parser.images], found)


def _maker(file: Path, image: _Image, names: frozenset[str], photos: Photos) -> Callable[[], Picture]:
    def make() -> Picture:
        name = clean_name(image.fields.get("name"), str(file))
        where = f"{file}: image {name}"
        with malformed(where):
            size = check_size(image.fields["height"], image.fields["width"], where)
            ordered = sorted(image.shapes, key=lambda shape: int(shape[1].get(_ORDER, 0)))
            shapes = list(_shapes(where, ordered, names, size))
        photo = photos.find(image.fields["name"], image.fields.get("subset", ""))
        return Picture(name, size, drawn(shapes, where), photo)

    return make


def _shapes(
    where: str, shapes: Iterable[tuple[str, dict[str, str]]], names: frozenset[str], size: Size
) -> Iterator[Shape]:
    for number, (kind, fields) in enumerate(shapes, 1):
        here = f"{where}: shape {number} ({kind})"
        label = fields.get("label", "")
        if label not in names:
            raise DataError(f"{here}: the label {label!r} is not among those of <meta> ({', '.join(sorted(names))})")
        try:
            draw = _drawing(kind, fields, size)
        except DataError as error:
            raise DataError(f"{here}: {error}") from error
        yield Shape(label, draw, score_of(fields.get(_SCORE)))


def _drawing(kind: str, fields: Mapping[str, str], size: Size) -> Callable[[], Mask]:
    if kind == "mask":
        top, left, height, width = (int(fields[name]) for name in ("top", "left", "height", "width"))
        crop = check_crop(left, top, width, height, size)
        try:
            written = np.array(fields["rle"].split(","), dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise DataError("the run lengths are not a list of whole numbers") from error
        counts = check_counts(written, (height, width))
        return partial(box_mask, crop, counts)
    if kind == "polygon":
        corners = check_polygon([float(part) for pair in fields["points"].split(";") for part in pair.split(",")], size)
        return partial(polygon_mask, corners, size)
    angle = float(fields.get("rotation", 0))
    if kind == "box":
        x0, y0, x1, y1 = (float(fields[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        centre = (x0 + x1) / 2, (y0 + y1) / 2
        return partial(polygon_mask, box_corners((x0, y0), (x1, y1), size, angle=angle, about=centre), size)
    cx, cy, rx, ry = (float(fields[name]) for name in ("cx", "cy", "rx", "ry"))
    return partial(ellipse_mask, (cx, cy), (rx, ry), size, angle=angle)


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], options: WriteOptions) -> None:
    """Write ``annotations.xml``, and ``labels.json`` to make a CVAT task with.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        names: of the labels.
        options: whether they are predictions; their scores become an attribute of each mask.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out)
    body = out / f".{FILE}.part"
    count = 0
    source = "auto" if options.model else "manual"
    with replacing(body) as stream:
        for picture in pictures:
            stream.write("".join(_image(count, picture, source)).encode())
            count += 1
    try:
        with replacing(out / FILE) as stream, body.open("rb") as images:
            stream.write(_meta(count, names, scores=bool(options.model)).encode())
            while block := images.read(2**20):
                stream.write(block)
            stream.write(b"</annotations>\n")
    finally:
        body.unlink(missing_ok=True)
    write_atomically(out / LABELS, (json.dumps(_labels(names, scores=bool(options.model)), indent=1) + "\n").encode())


def _colour(index: int) -> str:
    red, green, blue = palette()[index % 255 + 1]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _labels(names: Sequence[str], *, scores: bool) -> list[dict[str, object]]:
    attribute = {"name": CONFIDENCE, "mutable": False, "input_type": "text", "default_value": "", "values": [""]}
    attributes = [attribute] if scores else []
    return [
        {"name": name, "color": _colour(index), "type": "any", "attributes": attributes}
        for index, name in enumerate(names)
    ]


def _meta(count: int, names: Sequence[str], *, scores: bool) -> str:
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>", "  <meta>"]
    lines += ["    <task>", "      <name>carmask</name>", f"      <size>{count}</size>"]
    lines += ["      <mode>annotation</mode>", "      <labels>"]
    for index, name in enumerate(names):
        lines += ["        <label>", f"          <name>{escape(name)}</name>"]
        lines += [f"          <color>{_colour(index)}</color>", "          <type>any</type>", "          <attributes>"]
        if scores:
            lines += ["            <attribute>", f"              <name>{CONFIDENCE}</name>"]
            lines += ["              <mutable>False</mutable>", "              <input_type>text</input_type>"]
            lines += ["              <default_value></default_value>", "              <values></values>"]
            lines += ["            </attribute>"]
        lines += ["          </attributes>", "        </label>"]
    lines += ["      </labels>", "    </task>", "  </meta>", ""]
    return "\n".join(lines)


def _image(index: int, picture: Loaded, source: str) -> Iterator[str]:
    height, width = picture.size
    yield f'  <image id="{index}" name={quoteattr(picture.name)} width="{width}" height="{height}">\n'
    for order, one in enumerate(picture.instances):
        crop, counts = box_counts(one.mask)
        yield f'    <mask label={quoteattr(one.label)} source="{source}" occluded="0" rle="'
        yield ", ".join(map(str, counts.tolist()))
        yield f'" left="{crop.left}" top="{crop.top}" width="{crop.size[1]}" height="{crop.size[0]}" z_order="{order}">'
        if one.score is not None:
            yield f'\n      <attribute name="{CONFIDENCE}">{one.score:.6g}</attribute>\n    '
        yield "</mask>\n"
    yield "  </image>\n"
