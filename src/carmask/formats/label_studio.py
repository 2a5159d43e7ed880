"""Label Studio: a JSON list of tasks, with annotations and predictions (https://labelstud.io/guide/task_format).

Masks are regions of a ``BrushLabels`` tag (run lengths, see ``label_studio_rle``) or of ``BitmaskLabels`` (a PNG as a
data URL, opaque where the mask is); both are of the whole picture. Polygons, boxes and ellipses are in percent of its
sides. A region with several tags stands there once for each, with the same ``id`` and shape.
Sizes are those of the picture as a browser shows it: with its EXIF orientation applied.

Written are ``tasks.json`` and ``label_config.xml`` for the project's labelling interface. Read is the export "JSON":
the annotation marked as ground truth, else the newest that was not cancelled; the newest prediction where nobody has
annotated.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import quoteattr  # writes only

import numpy as np
from PIL import Image

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats import label_studio_rle
from carmask.formats.labels import palette
from carmask.formats.photos import Photos, address_name
from carmask.formats.picture import Annotations, Instance, Picture, size_fault
from carmask.formats.polygons import box_corners, check_polygon, ellipse_mask, polygon_mask
from carmask.formats.reading import ReadOptions, Shape, drawn, gathered, malformed, passed_over, photo_size, score_of
from carmask.formats.sources import check_size, clean_name, parse_xml, peek, read_json
from carmask.formats.writing import Loaded, WriteOptions, json_list
from carmask.geometry import Size
from carmask.images import encode_stencil, is_photo, make_folder, write_atomically
from carmask.words import by_number, counted

FILE = "tasks.json"
CONFIG = "label_config.xml"
#: Names of the tags in the labelling interface.
_FROM, _TO = "label", "image"
_TAGS = {"brush": "BrushLabels", "bitmask": "BitmaskLabels"}
#: What tells the kind of a region with an area: a key point has a width, and no height.
_AREAS = ("rle", "imageDataURL", "points", "height", "radiusX")
_SHAPE = frozenset({*_AREAS, "x", "y", "width", "radiusY", "rotation"})
_URL = "data:image/png;base64,"


def find(path: Path) -> list[Path]:
    """The exports of a folder: ``tasks.json``, else all JSON files that are lists of tasks; or the file itself."""
    if path.is_file():
        return [path]
    if (path / FILE).is_file():
        return [path / FILE]
    return [file for file in sorted(path.glob("*.json")) if is_tasks(peek(file))]


def is_tasks(beginning: str) -> bool:
    """Whether a JSON text is a list of tasks, or one, by its beginning."""
    listed = beginning.startswith(("[", "{")) and '"data"' in beginning
    return listed and any(f'"{key}"' in beginning for key in ("annotations", "predictions", "completions"))


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read Label Studio's JSON export, or tasks that were made for it.

    Args:
        path: the file, or a folder that has it.
        options: where the photos lie, if elsewhere.

    Raises:
        DataError: if it is not a list of tasks.
    """
    files = find(path)
    if not files:
        raise DataError(f"{path}: no list of Label Studio's tasks in it ({FILE})")
    root = path if path.is_dir() else path.parent
    configured = read_config(root / CONFIG) if (root / CONFIG).is_file() else ()
    photos = options.find(root / "images", root)
    found = Annotations([], ())
    tasks = _Tasks(photos, options, frozenset(configured))
    makers: list[Callable[[], Picture]] = []
    for file in files:
        content = read_json(file)
        listed = content if isinstance(content, list) else [content]
        makers += [tasks.maker(file, number, task) for number, task in enumerate(listed, 1)]
    gathered(makers, found)
    found.names = tuple(configured) or tuple(tasks.labels)
    if tasks.predicted:
        found.model = tasks.model or "predictions"
        annotated = f"{counted(tasks.annotated, 'picture')} {by_number(tasks.annotated, 'is', 'are')} annotated"
        found.notes.append(f"{annotated}; of {tasks.predicted} the predictions were read")
    found.notes += [passed_over(count, "region", f"of kind {kind}") for kind, count in tasks.skipped.items()]
    return found


def read_config(file: Path) -> tuple[str, ...]:
    """The labels of a labelling interface.

    Raises:
        DataError: if it is not XML.
    """
    names: dict[str, None] = {}

    def start(tag: str, fields: Mapping[str, str]) -> None:
        if tag == "Label" and fields.get("value"):
            names.setdefault(fields["value"])

    parse_xml(file, start)
    return tuple(names)


class _Region(NamedTuple):
    label: str
    fields: Mapping[str, Any]
    score: float | None


class _Tasks:
    """Reads tasks, and remembers what they have in common."""

    def __init__(self, photos: Photos, options: ReadOptions, configured: frozenset[str]) -> None:
        self._photos = photos
        self._options = options
        self._configured = configured
        self.labels: dict[str, None] = {}
        self.skipped: dict[str, int] = {}
        self.annotated = self.predicted = 0
        self.model = ""

    def maker(self, file: Path, number: int, task: Any) -> Callable[[], Picture]:
        def make() -> Picture:
            where = f"{file}: task {task.get('id', number) if isinstance(task, dict) else number}"
            with malformed(where):
                return self._picture(where, task)

        return make

    def _picture(self, where: str, task: Any) -> Picture:
        if not isinstance(task, dict):
            raise DataError(f"{where}: not a task")
        if "result" in task and isinstance(
            task.get("task"), dict
        ):  # as its storages write: an annotation with its task
            task = task["task"] | {"annotations": [task]}
        if "data" not in task:
            raise DataError(f"{where}: has no 'data'; export as JSON, not as JSON-MIN")
        data = task["data"]
        address = _address(data, where)
        own = _own_name(data)
        photo = self._photos.find(own or address)
        name = clean_name(own or (photo.name if photo else address_name(address)), where)
        where = f"{where} ({name})"
        regions = list(self._regions(task, where))
        size = self._size(regions, data, name, photo, where)
        shapes = [_shape(one, size, f"{where}: shape {number} ({one.label})") for number, one in enumerate(regions, 1)]
        return Picture(name, size, drawn(shapes, where), photo)

    def _regions(self, task: Mapping[str, Any], where: str) -> Iterator[_Region]:
        chosen, score = self._chosen(task)
        labels: dict[str, str] = {}
        results = [one for one in chosen.get("result") or [] if "value" in one]
        for one in results:
            for key, value in one["value"].items():
                if key.endswith("labels") and value:
                    labels[str(one.get("id", id(one)))] = str(value[0])
        read: dict[str, dict[str, Any]] = {}
        for one in results:
            value = one["value"]
            kind = next((key for key in _AREAS if key in value), None)
            if kind is None:
                if any(not key.endswith("labels") for key in value):
                    self.skipped[str(one.get("type"))] = self.skipped.get(str(one.get("type")), 0) + 1
                continue
            shape = {key: part for key, part in value.items() if key in _SHAPE}
            if "id" in one and read.setdefault(str(one["id"]), shape) is not shape and read[str(one["id"])] == shape:
                continue  # the same region, with another tag
            label = labels.get(str(one.get("id", id(one))), self._options.label)
            if self._configured and label not in self._configured:
                known = ", ".join(sorted(self._configured))
                raise DataError(f"{where}: the label {label!r} is not among those of {CONFIG} ({known})")
            if one.get("image_rotation"):
                turned = one["image_rotation"]
                raise DataError(f"{where}: turned by {turned} degrees in Label Studio; turn the photo itself instead")
            self.labels.setdefault(label)
            yield _Region(label, one, score_of(one.get("score", score)))

    def _chosen(self, task: Mapping[str, Any]) -> tuple[Mapping[str, Any], object]:
        """The annotation or prediction to read, and the score that holds for all its regions."""
        done = [one for one in task.get("annotations") or task.get("completions") or [] if not one.get("was_cancelled")]
        if done:
            self.annotated += 1
            best = max(done, key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at") or "")))
            # A person's work has no score, even where it began with a prediction.
            return {**best, "result": [{**one, "score": None} for one in best.get("result") or []]}, None
        made = task.get("predictions") or []
        if not made or not isinstance(made[-1], dict):
            return {}, None
        self.predicted += 1
        best = max(made, key=lambda one: str(one.get("updated_at") or ""))
        self.model = str(best.get("model_version") or self.model)
        return best, best.get("score")

    def _size(
        self, regions: Sequence[_Region], data: Mapping[str, Any], name: str, photo: Path | None, where: str
    ) -> Size:
        sizes = {check_size(one.fields["original_height"], one.fields["original_width"], where) for one in regions}
        if len(sizes) > 1:
            raise DataError(f"{where}: its regions are of pictures of several sizes")
        if sizes:
            return sizes.pop()
        if "height" in data and "width" in data:
            return check_size(data["height"], data["width"], where)
        return photo_size(name, photo, self._options)


def _own_name(data: Mapping[str, Any]) -> str | None:
    """The picture's name as ``write`` adds it to a task; people have columns called so for other things."""
    name = data.get("name")
    return name if isinstance(name, str) and is_photo(name) else None


def _address(data: Mapping[str, Any], where: str) -> str:
    texts = {key: value for key, value in data.items() if isinstance(value, str) and key != "name"}
    for key in ("image", "img", "photo"):
        if key in texts:
            return texts[key]
    if not texts and "name" not in data:
        raise DataError(f"{where}: names no picture")
    return next(iter(texts.values()), str(data.get("name")))


def _shape(region: _Region, size: Size, where: str) -> Shape:
    try:
        draw = _drawing(region.fields["value"], size)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    return Shape(region.label, draw, region.score)


def _drawing(value: Mapping[str, Any], size: Size) -> Callable[[], Mask]:
    if "rle" in value:
        # Numbers up to 255: kept as bytes, an eighth of the memory of a list.
        return partial(label_studio_rle.decode, bytes(value["rle"]), size)
    if "imageDataURL" in value:
        return partial(_bitmap, value["imageDataURL"], size)
    height, width = size
    if "points" in value:
        corners = [part for x, y in value["points"] for part in (x * width / 100, y * height / 100)]
        return partial(polygon_mask, check_polygon(corners, size), size)
    x, y = value["x"] * width / 100, value["y"] * height / 100
    angle = value.get("rotation") or 0.0
    if "radiusX" in value:
        radii = value["radiusX"] * width / 100, value["radiusY"] * height / 100
        return partial(ellipse_mask, (x, y), radii, size, angle=angle)
    # Label Studio rotates a box about the corner that it gives.
    end = x + value["width"] * width / 100, y + value["height"] * height / 100
    return partial(polygon_mask, box_corners((x, y), end, size, angle=angle, about=(x, y)), size)


def _bitmap(url: str, size: Size) -> Mask:
    try:
        content = base64.b64decode(url.partition(",")[2], validate=True)
        with Image.open(io.BytesIO(content)) as image:
            if image.size[::-1] != size:
                raise DataError(size_fault(image.size[::-1], size))
            if image.has_transparency_data:
                return np.asarray(image.convert("RGBA"))[..., 3] > 0
            # Without opacity it is a picture of the mask: bright on dark.
            return np.asarray(image.convert("L")) > 0
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        raise DataError(f"the bitmap is no PNG in a data URL: {error}") from error


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], options: WriteOptions) -> None:
    """Write ``tasks.json`` and ``label_config.xml``.

    Args:
        out: the folder.
        pictures: taken one at a time.
        names: of the labels.
        options: whether they are predictions, and of which model; brush or bitmask; the photos' address.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out)
    write_atomically(out / CONFIG, config(names, options).encode())
    with json_list(out / FILE, "[", ["\n]\n"]) as tasks:
        for picture in pictures:
            tasks.append(_task(tasks.count + 1, picture, options))


def config(names: Sequence[str], options: WriteOptions) -> str:
    """The labelling interface of a project: what its settings take under "Code"."""
    tag = _TAGS[options.tag]
    lines = ["<View>", f'  <Image name="{_TO}" value="$image" zoom="true" zoomControl="true"/>']
    lines.append(f'  <{tag} name="{_FROM}" toName="{_TO}">')
    for index, name in enumerate(names):
        red, green, blue = palette()[index % 255 + 1]
        lines.append(f'    <Label value={quoteattr(name)} background="#{red:02x}{green:02x}{blue:02x}"/>')
    return "\n".join([*lines, f"  </{tag}>", "</View>", ""])


def _task(number: int, picture: Loaded, options: WriteOptions) -> dict[str, Any]:
    height, width = picture.size
    regions = [_region(f"{number:06d}-{index:03d}", one, options) for index, one in enumerate(picture.instances)]
    address = options.address + quote(picture.photo or picture.name, errors="surrogateescape")
    data = {"image": address, "name": picture.name, "width": width, "height": height}
    if not options.model:
        return {"id": number, "data": data, "annotations": [{"result": regions}]}
    prediction: dict[str, Any] = {"model_version": options.model, "result": regions}
    scores = [one.score for one in picture.instances if one.score is not None]
    if scores:
        prediction["score"] = round(min(scores), 6)
    return {"id": number, "data": data, "predictions": [prediction]}


def _region(index: str, one: Instance, options: WriteOptions) -> dict[str, Any]:
    height, width = one.mask.shape
    if options.tag == "brush":
        value: dict[str, Any] = {"format": "rle", "rle": list(label_studio_rle.encode(one.mask))}
    else:
        value = {"imageDataURL": _URL + base64.b64encode(encode_stencil(one.mask)).decode("ascii")}
    kind = _TAGS[options.tag].lower()
    value[kind] = [one.label]
    fields = {
        "id": index,
        "from_name": _FROM,
        "to_name": _TO,
        "type": kind,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
    }
    return fields if one.score is None else fields | {"score": round(one.score, 6)}
