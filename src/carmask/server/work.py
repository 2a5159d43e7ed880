"""What the server asks of its worker processes: they decode photos, run the network, edit masks, render.

Photos are decoded here and nowhere else: a file that crashes a decoder costs one request.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from carmask.arrays import Mask, Photo
from carmask.batch.job import Job
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoCutter
from carmask.batch.storage import LocalStorage
from carmask.compositing.background import Background
from carmask.errors import CarmaskError, PhotoError
from carmask.geometry import Size
from carmask.images import (
    MIN_SIDE,
    decode,
    encode_mask,
    encode_picture,
    encode_png,
    open_photo,
    open_reduced,
    picture_size,
    read_layered,
)
from carmask.memory import keep_memory
from carmask.model.file import find_model
from carmask.model.network import Network
from carmask.model.runtime import Device, load_model
from carmask.prediction.plates import PlateNetwork
from carmask.prediction.predict import Prediction, open_for, predict_reduced, reduce_for
from carmask.prediction.view import ViewNetwork
from carmask.review import edits, runs
from carmask.review.snapping import snap
from carmask.server.requests import (
    Cut,
    CutPhoto,
    Decode,
    Edit,
    Predict,
    PredictedPhoto,
    Preview,
    Render,
    Request,
    Response,
    SpecWithFile,
    Thumbnail,
)
from carmask.server.shown import media_type
from carmask.server.signatures import suffix_of

#: Formats that are decoded for a client; Pillow knows many more.
_ACCEPTED = frozenset({"JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF"})
#: How a photo that a client sent is called in errors.
SENT = "photo"
#: Photos and predictions that are kept, so that an edit does not decode again.
_KEPT = 3
#: Quality of pictures made for the page.
_QUALITY = 92


@dataclass(frozen=True)
class WorkTask:
    """The function before its network is loaded: small and picklable.

    Attributes:
        model: a model file or name.
        device: where the network runs.
        streams: photos predicted at the same time, each on one core; None: one, on all cores.
    """

    model: str
    device: Device = "cpu"
    streams: int | None = 1

    def load(self) -> Callable[[Request], Response]:
        """Load the network.

        Returns:
            The function. It returns errors as values; what it raises is a bug.

        Raises:
            ModelError: if there is no such model, or its file is damaged.
            DeviceError: if the device is not available.
        """
        warnings.filterwarnings("ignore", module="PIL")
        cv2.setNumThreads(1)
        keep_memory(large=False)
        return Worker(load_model(self.model, device=self.device, streams=self.streams), self)


def _thumbnail(request: Thumbnail) -> bytes:
    picture = Image.fromarray(read_layered(request.output))
    picture.thumbnail((request.side, request.side), Image.Resampling.BOX)  # colours are weighted with alpha
    return encode_picture(np.asarray(picture), format="webp", quality=80)


class _Memory:
    """Storage of one photo that a client sent."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.written: list[bytes] = []

    def read(self, photo: Path | str) -> tuple[bytes, str]:  # noqa: ARG002
        return self._content, ""

    def write(self, output: Path | str, content: bytes) -> None:  # noqa: ARG002
        self.written.append(content)

    def remove(self, output: Path | str) -> None:  # noqa: ARG002
        self.written.clear()


class Worker:
    """Answers requests, one at a time."""

    def __init__(self, network: Network, task: WorkTask) -> None:
        """Keep what all requests share.

        Args:
            network: the model.
            task: how it was loaded, for further models.
        """
        self._path = find_model(task.model)
        self._networks = {self._path: network}
        self._task, self._storage = task, LocalStorage()
        self._cutters: OrderedDict[str, PhotoCutter] = OrderedDict()
        self._photos: OrderedDict[str, Photo] = OrderedDict()
        self._specs: OrderedDict[Path, OutputSpec] = OrderedDict()
        self._views: ViewNetwork | None = None
        self._plates: PlateNetwork | None = None

    def __call__(self, request: Request) -> Response:
        """Do what a request asks for."""
        try:
            match request:
                case Predict():
                    return self._predict(request)
                case Preview():
                    return self._preview(request)
                case Thumbnail():
                    return _thumbnail(request)
                case Edit():
                    return self._edit(request)
                case Render():
                    return self._cutter(request)(request.job)
                case Cut():
                    return self._cut(request)
                case Decode():
                    check_content(request.content, request.pixels)
                    return open_photo(SENT, request.content)
        except CarmaskError as error:
            return error
        except MemoryError:
            return PhotoError("too large for this machine's memory")

    def _cut(self, request: Cut) -> CutPhoto | PhotoError:
        check_content(request.content, request.pixels)
        size = picture_size(SENT, request.content)
        storage = _Memory(request.content)
        spec = request.spec
        if request.most is not None and size[0] * size[1] > request.most and spec.style.placing.size is None:
            scale = math.sqrt(request.most / (size[0] * size[1]))
            frame = (max(MIN_SIDE, int(size[0] * scale)), max(MIN_SIDE, int(size[1] * scale)))
            if spec.style.placing.crop is None:
                placing = replace(spec.style.placing, size=frame)
                spec = replace(spec, style=replace(spec.style, placing=placing))
        job = Job(SENT, SENT, tuple(spec.outputs(SENT)))
        views = self._view_network(spec, facts=request.facts)
        result = PhotoCutter(self._networks[self._path], spec, storage, views, self._plate_network(spec))(job)
        if result.status == "failed":
            return PhotoError(result.reason)
        return CutPhoto(result, tuple(storage.written), size)

    def _cutter(self, request: Render) -> PhotoCutter:
        """Kept from one photo to the next: it knows where the views of a car are placed."""
        spec = self._spec(request.spec) if isinstance(request.spec, SpecWithFile) else request.spec
        model = self._model(request.model)
        key = f"{model} {spec.settings()}"
        if key not in self._cutters:
            networks = self._network(model), self._view_network(spec), self._plate_network(spec)
            self._cutters[key] = PhotoCutter(networks[0], spec, self._storage, *networks[1:])
            while len(self._cutters) > _KEPT:
                self._cutters.popitem(last=False)
        self._cutters.move_to_end(key)
        return self._cutters[key]

    def _spec(self, file: SpecWithFile) -> OutputSpec:
        if file.pixels not in self._specs:
            pixels = np.load(file.pixels, allow_pickle=False)
            background = Background(pixels, fit=file.fit, icc_profile=file.icc_profile)
            self._specs[file.pixels] = replace(file.spec, background=background)
            while len(self._specs) > _KEPT:
                self._specs.popitem(last=False)
        self._specs.move_to_end(file.pixels)
        return self._specs[file.pixels]

    def _predict(self, request: Predict) -> PredictedPhoto:
        content, _ = self._storage.read(request.photo)
        network = self._network(self._model(request.model))
        if request.whole:
            reduced = reduce_for(network, open_photo(request.photo, content))
        else:
            reduced = open_for(network, request.photo, content)
        found = predict_reduced(network, reduced)
        size = found.mask.shape[0], found.mask.shape[1]
        return PredictedPhoto(
            size,
            hashlib.sha256(content).hexdigest(),
            media_type(content),
            runs.to_bytes(found.mask),
            encode_mask(found.mask),
            uncertain(found),
            found.confidence,
            None if math.isnan(found.error) else found.error,
        )

    def _preview(self, request: Preview) -> bytes:
        content, _ = self._storage.read(request.photo)
        if request.side is None:
            photo = open_photo(request.photo, content)
            return encode_picture(photo.pixels, photo.icc_profile, format="jpg", quality=_QUALITY)
        side = request.side

        def needed(size: Size) -> Size:
            scale = side / max(size)
            return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

        reduced = open_reduced(request.photo, needed, content)
        height, width = needed(reduced.size)
        small = cv2.resize(reduced.pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return encode_picture(small, format="jpg", quality=80)

    def _edit(self, request: Edit) -> bytes:
        mask = runs.from_bytes(request.mask, request.size)
        stroke = np.array(request.stroke, np.float64).reshape(-1, 2)
        return runs.to_bytes(self._edited(request, mask, stroke))

    def _edited(self, request: Edit, mask: Mask, stroke: edits.Stroke) -> Mask:
        match request.tool:
            case "snap":
                photo = self._photo(request.photo)
                if photo.shape[:2] != mask.shape:
                    raise PhotoError("this photo has been replaced since it was opened; open it again")
                return snap(photo, mask, stroke, request.radius)
            case "smooth":
                return edits.smooth(mask, stroke if len(stroke) else None, request.radius)
            case "fill":
                return edits.fill_hole(mask, stroke[0].tolist())
            case "remove":
                return edits.remove_component(mask, stroke[0].tolist())

    def _photo(self, path: Path) -> Photo:
        content, stamp = self._storage.read(path)
        key = f"{path} {stamp}"
        if key not in self._photos:
            self._photos[key] = open_photo(path, content).pixels
            while len(self._photos) > _KEPT:
                self._photos.popitem(last=False)
        self._photos.move_to_end(key)
        return self._photos[key]

    def _view_network(self, spec: OutputSpec, *, facts: bool = False) -> ViewNetwork | None:
        """The network of the views, loaded once, if they are asked for or decide what becomes of a photo."""
        if not facts and spec.others == "cut":
            return None
        if self._views is None:
            self._views = ViewNetwork(streams=self._task.streams or 1)
        return self._views

    def _plate_network(self, spec: OutputSpec) -> PlateNetwork | None:
        """The network that finds number plates, loaded once, if they are to be hidden."""
        if spec.plate is None:
            return None
        if self._plates is None:
            self._plates = PlateNetwork(streams=self._task.streams or 1)
        return self._plates

    def _model(self, model: str | None) -> Path:
        return self._path if model is None else find_model(model)

    def _network(self, model: Path) -> Network:
        if model not in self._networks:
            self._networks[model] = load_model(model, device=self._task.device, streams=self._task.streams)
        return self._networks[model]


def uncertain(found: Prediction) -> bytes:
    """Where a network is uncertain.

    Args:
        found: its prediction.

    Returns:
        PNG, RGBA, at the network's resolution: orange, opaque where the probability is one half, transparent where it
        is 0 or 1.
    """
    probability = found.probability_map.whole()
    opacity = np.clip(4 * probability * (1 - probability) * 255, 0, 255).astype(np.uint8)
    opacity[opacity < 24] = 0
    colour = np.zeros((*opacity.shape, 4), np.uint8)
    colour[...] = (255, 140, 0, 0)
    colour[..., 3] = opacity
    return encode_png(colour)


def check_content(content: bytes, pixels: int) -> None:
    """Refuse what is not a photo by its content, whatever the client says that it is; nothing is decoded.

    Args:
        content: what is in the file.
        pixels: the most that are accepted.

    Raises:
        PhotoError: if its format is none that is accepted, or it is too large.
    """
    suffix_of(content)

    def use(image: Image.Image) -> tuple[str, int, int]:
        return image.format or "", image.width, image.height

    form, width, height = decode(SENT, use, content)
    if form not in _ACCEPTED:
        raise PhotoError(f"{SENT}: not a picture in a format that is accepted")
    if width * height > pixels:
        raise PhotoError(
            f"{SENT}: {width}x{height} is {width * height / 1e6:.2f} megapixels; at most {pixels / 1e6:g} are "
            "accepted, make it smaller"
        )
