"""FiftyOne: ``samples.json`` and ``metadata.json`` with ``data/`` (https://docs.voxel51.com/, "FiftyOneDataset").

Written is the form without a version, which FiftyOne reads as ``FiftyOneDataset`` in every release: a sample for each
photo with ``Detections``, each with its box, in fractions of the sides, and the mask inside it, and a ``Segmentation``
with a grey PNG of label numbers. Read is also what FiftyOne exports today. Masks are NumPy's ``.npy``,
zlib-compressed, in base64.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.codecs import placed, tight
from carmask.formats.labels import read_labels
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Instance, Picture, index_picture, size_fault
from carmask.formats.reading import ReadOptions, Shape, drawn, gathered, malformed, photo_size, score_of
from carmask.formats.sources import check_size, clean_name, read_json
from carmask.formats.writing import Loaded, WriteOptions, compact, json_list
from carmask.geometry import Size
from carmask.images import encode_png, make_folder, write_atomically

SAMPLES, METADATA, DATA = "samples.json", "metadata.json", "data"
#: Fields of a sample.
TRUTH, PREDICTIONS, SEGMENTATION = "ground_truth", "predictions", "segmentation"
#: A larger array is refused before it is unpacked.
_MAX_ARRAY = 2**30
_Targets = Mapping[int, str]


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read a FiftyOne data set.

    Args:
        path: its folder, or ``samples.json``.
        options: where the photos lie, if elsewhere.

    Raises:
        DataError: if it is not FiftyOne's, or has no masks.
    """
    file = path / SAMPLES if path.is_dir() else path
    root = file.parent
    content = read_json(file)
    metadata = read_json(root / METADATA) if (root / METADATA).is_file() else {}
    photos = options.find(root / DATA, root)
    found = Annotations([], ())
    with malformed(f"{file}: FiftyOne samples"):
        samples = content["samples"]
        field = _field(samples)
        if field is None:
            raise DataError(f"{file}: no field has detections with masks, or segmentations")
        targets = _mask_targets(field, metadata)
        names = _names(samples, field, metadata, targets)
    found.names = names or (options.label,)
    targets = targets or dict(enumerate(names, 1))
    gathered([_maker(file, sample, field, targets, photos, options) for sample in samples], found)
    if field == PREDICTIONS:
        found.model = str((metadata.get("info") or {}).get("model") or "predictions")
    return found


def _field(samples: Sequence[Mapping[str, Any]]) -> str | None:
    """The field to read: detections rather than segmentations, truth rather than predictions."""
    kinds: dict[str, str] = {}
    for sample in samples:
        for key, value in sample.items():
            if isinstance(value, dict) and value.get("_cls") in {"Detections", "Segmentation"}:
                kinds.setdefault(key, value["_cls"])
    order = sorted(kinds, key=lambda key: (kinds[key] != "Detections", key != TRUTH, key != PREDICTIONS, key))
    return order[0] if order else None


def _mask_targets(field: str, metadata: Mapping[str, Any]) -> dict[int, str]:
    """What the values of a segmentation mean, without the background; empty if it is not said."""
    told = (metadata.get("mask_targets") or {}).get(field) or metadata.get("default_mask_targets") or {}
    return {int(key): str(told[key]) for key in sorted(told, key=int) if int(key)}


def _names(
    samples: Sequence[Mapping[str, Any]], field: str, metadata: Mapping[str, Any], targets: _Targets
) -> tuple[str, ...]:
    listed = (metadata.get("classes") or {}).get(field) or metadata.get("default_classes") or []
    names = dict.fromkeys([str(name) for name in listed])
    if not names or any((sample.get(field) or {}).get("_cls") == "Segmentation" for sample in samples):
        names |= dict.fromkeys(targets.values())
    for sample in samples:
        for one in (sample.get(field) or {}).get("detections") or []:
            names.setdefault(str(one["label"]))
    return tuple(names)


def _maker(
    file: Path, sample: Mapping[str, Any], field: str, targets: _Targets, photos: Photos, options: ReadOptions
) -> Callable[[], Picture]:
    def make() -> Picture:
        where = f"{file}: sample {sample.get('filepath')}"
        with malformed(where):
            photo = photos.find(sample["filepath"])
            name = _name(sample["filepath"], photo, where)
            told = sample.get("metadata") or {}
            sides = told.get("height"), told.get("width")
            size = check_size(*sides, where) if all(sides) else photo_size(name, photo, options)
            value = sample.get(field) or {}
            if value.get("_cls") == "Segmentation":
                load = partial(_segmentation, file, value, targets, size, options.label)
                files = () if value.get("mask") is not None else (_mask_file(file, value),)
                return Picture(name, size, load, photo, files)
            shapes = [_detection(where, one, size) for one in value.get("detections") or []]
        return Picture(name, size, drawn(shapes, where), photo)

    return make


def _name(filepath: str, photo: Path | None, where: str) -> str:
    parts = filepath.replace("\\", "/").split("/")
    if DATA in parts:
        return clean_name("/".join(parts[len(parts) - parts[::-1].index(DATA) :]), where)
    return clean_name(photo.name if photo else parts[-1], where)


def _detection(where: str, one: Mapping[str, Any], size: Size) -> Shape:
    left, top, width, height = (float(value) for value in one["bounding_box"])
    written = one.get("mask")
    if written is None:
        raise DataError(f"{where}: a detection without a mask in the file (a box, or a mask of its own path)")
    place = round(left * size[1]), round(top * size[0])
    draw = partial(_placed, written, place, (round(height * size[0]), round(width * size[1])), size)
    return Shape(str(one["label"]), draw, score_of(one.get("confidence")))


def _placed(written: Any, place: tuple[int, int], expected: Size, size: Size) -> Mask:
    inside = unpack_array(written)
    if inside.ndim != 2:
        raise DataError(f"a mask of the shape {inside.shape}")
    # Boxes that people draw do not end at whole pixels.
    if any(abs(have - want) > 1 for have, want in zip(inside.shape, expected, strict=True)):
        raise DataError(f"{size_fault(inside.shape, expected)} of its box")
    return placed(inside > 0, *place, size)


def _segmentation(file: Path, value: Mapping[str, Any], targets: _Targets, size: Size, label: str) -> list[Instance]:
    inside = value.get("mask")
    indices = unpack_array(inside) if inside is not None else read_labels(_mask_file(file, value))
    if indices.shape != size:
        raise DataError(f"{file}: {size_fault(indices.shape, size)}")
    present = [number for number in np.unique(indices).tolist() if number]
    names = targets or dict.fromkeys(present, label)
    unknown = [number for number in present if number not in names]
    if unknown:
        raise DataError(f"{file}: the value {unknown[0]} is none of the mask targets")
    return [Instance(names[number], indices == number) for number in present]


def _mask_file(file: Path, value: Mapping[str, Any]) -> Path:
    """Where the mask of a segmentation lies that is a file of its own."""
    return file.parent / clean_name(value["mask_path"].removeprefix(f"{file.parent}/"), str(file))


def pack_array(array: NDArray[Any]) -> str:
    """An array as FiftyOne writes it in JSON: NumPy's own file (``.npy``), compressed by zlib, in Base64.

    Args:
        array: of any shape; bool, or whole numbers.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return base64.b64encode(zlib.compress(buffer.getvalue(), 1)).decode("ascii")


def unpack_array(written: Any) -> NDArray[Any]:
    """An array from FiftyOne's JSON, of any of its releases.

    Args:
        written: the text that ``pack_array`` gives, or ``{"$binary": {"base64": ...}}``, as databases write it.

    Returns:
        bool, or whole numbers, of any shape: whoever needs two dimensions checks it.

    Raises:
        DataError: if it is none, or larger than 1 GB.
    """
    try:
        text = written["$binary"]["base64"] if isinstance(written, dict) else written
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(text, validate=True), _MAX_ARRAY)
        if unpacker.unconsumed_tail:
            raise DataError("an array of more than 1 GB")
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, TypeError, EOFError, LookupError, zlib.error) as error:
        raise DataError(f"the mask is no array as FiftyOne writes them: {error}") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "biu":
        raise DataError("the mask is no array of whole numbers")
    return found


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], options: WriteOptions) -> None:
    """Write ``samples.json``, ``metadata.json`` and ``fields/segmentation``.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        names: of the labels from 1.
        options: whether they are predictions, and of which model.

    Raises:
        OutputError: if it cannot be written.
    """
    field = PREDICTIONS if options.model else TRUTH
    make_folder(out / "fields" / SEGMENTATION)
    targets = {str(index): name for index, name in enumerate(names, 1)}
    metadata: dict[str, Any] = {"media_type": "image", "info": {"model": options.model} if options.model else {}}
    metadata |= {"classes": {field: list(names)}, "mask_targets": {SEGMENTATION: targets}}
    write_atomically(out / METADATA, (compact(metadata) + "\n").encode())
    with json_list(out / SAMPLES, '{"samples":[', ["\n]}\n"]) as samples:
        for picture in pictures:
            indices = index_picture(picture.instances, picture.size, names)
            path = f"fields/{SEGMENTATION}/{picture.stem}.png"
            make_folder((out / path).parent)
            # In grey: of a palette FiftyOne takes the colours.
            write_atomically(out / path, encode_png(indices))
            height, width = picture.size
            samples.append(
                {
                    "filepath": f"{DATA}/{picture.name}",
                    "tags": [],
                    "metadata": {"_cls": "ImageMetadata", "width": width, "height": height},
                    field: {"_cls": "Detections", "detections": list(_detections(picture))},
                    SEGMENTATION: {"_cls": "Segmentation", "mask_path": path},
                }
            )


def _detections(picture: Loaded) -> Iterator[dict[str, Any]]:
    height, width = picture.size
    for one in picture.instances:
        crop = tight(one.mask)
        box = [crop.left / width, crop.top / height, crop.size[1] / width, crop.size[0] / height]
        fields = {
            "_cls": "Detection",
            "label": one.label,
            "bounding_box": box,
            "mask": pack_array(np.ascontiguousarray(one.mask[crop.where])),
        }
        yield fields if one.score is None else fields | {"confidence": round(one.score, 6)}
