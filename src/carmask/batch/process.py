"""What is done with one photo, wherever it runs: in a local process or on any machine of a cluster."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from carmask.batch.series import SeriesBox
from carmask.compositing.background import Background
from carmask.compositing.style import Layers, RenderStyle, make_layers, render
from carmask.data.labels import encode_labels, paint
from carmask.errors import CarmaskError, OutputError, PhotoError, UsageError
from carmask.images import (
    Format,
    PhotoFile,
    encode_mask,
    encode_picture,
    make_folder,
    open_photo,
    picture_size,
    write_atomically,
)
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.model.runtime import Device, load_model
from carmask.prediction.parts import PartsPrediction, glass_classes, predict_parts
from carmask.prediction.predict import Prediction, open_for, predict_reduced
from carmask.rle import rle_encode

#: Photos of more pixels are worked on one at a time, so that memory stays bounded whatever the photos are.
LARGE = 24_000_000
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_LARGE_PHOTO = threading.Lock()


@dataclass(frozen=True)
class OutputSpec:
    """What to make of each photo.

    The mask, the car on a background, or, if neither nor ``runs``, a transparent cut-out.

    Attributes:
        mask: write the mask.
        background: write the car in front of this.
        format: of cut-outs and pictures; masks and layers are PNG.
        runs: keep the mask's run-length text in the result.
        parts: write the parts' labels, and the photo with them in colour.
        quality: 1 to 100, of ``webp`` and ``jpg``; None for what serves well.
        layers: write the layers of the picture, too: mask, alpha, foreground, and the shadow if there is one.
        look: how the car stands in the picture.
    """

    mask: bool = False
    background: Background | None = None
    format: Format = "png"
    runs: bool = False
    parts: bool = False
    quality: int | None = None
    layers: bool = False
    look: RenderStyle = field(default_factory=RenderStyle)

    @property
    def picture(self) -> bool:
        """Whether more than a mask is wanted: a cut-out, or a picture with a background."""
        return self.background is not None or self.layers or not (self.mask or self.runs or self.parts)

    def check(self) -> None:
        """Refuse wishes that exclude each other.

        Raises:
            UsageError: if they do, or a number is out of range.
        """
        self.look.check()
        if not self.picture and self.look != RenderStyle():
            raise UsageError("--mask or --parts alone writes no picture that these options change; add --background")
        if self.picture and self.background is None:
            if self.format == "jpg":
                raise UsageError("--format jpg: JPEG has no transparency; give a --background, or take png or webp")
            if self.look.match:
                raise UsageError("--match takes on the light of a background; give --background")
        if self.look.match and self.background is not None and self.background.own:
            raise UsageError("--match: the photo's own surroundings have its light already")
        if self.quality is not None and self.format == "png":
            raise UsageError("--quality is for webp and jpg; png keeps every value")

    def outputs(self, name: str) -> list[str]:
        """The files, relative to the output folder, of the photo with this relative name (without suffix)."""
        files = [f"{name}_mask.png"] * (self.mask or self.layers)
        files += [f"{name}_parts.png", f"{name}_overlay.{self.format}"] * self.parts
        if self.layers:
            files += [f"{name}_alpha.png", f"{name}_foreground.png"]
            files += [f"{name}_shadow.png"] * (self.look.shadow != "none")
        return files + [f"{name}.{self.format}"] * self.picture

    def settings(self) -> dict[str, object]:
        """All that decides what the files hold, besides model and photo, as JSON can hold it."""
        background = None if self.background is None else self.background.digest()
        settings: dict[str, object] = {
            "mask": self.mask,
            "background": background,
            "format": self.format,
            "runs": self.runs,
        }
        if self.picture:  # masks are what they always were
            settings |= {"quality": self.quality, "layers": self.layers, "look": self.look.settings()}
        # Named only where wanted: what was done before there were parts is not done again.
        return settings | ({"parts": True} if self.parts else {})


@dataclass(frozen=True)
class Job:
    """One photo to cut.

    Attributes:
        photo: its file; a text with ``://`` where a cluster's storage has it.
        name: its path relative to the folder it was found in, without suffix, with ``/``.
        outputs: files to write.
        known: the SHA-256 of the content that the outputs on disk were made of; empty to make them in any case.
        series: all views of the car, this one too, where they are to be placed alike.
    """

    photo: Path | str
    name: str
    outputs: tuple[Path | str, ...]
    known: str = ""
    series: tuple[Path | str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What became of a photo: a row of ``report.csv``, and what the manifest keeps beyond that.

    Attributes:
        photo: the photo's path as it was given or found.
        status: ``done`` or ``failed``.
        reason: why it failed, or what is remarkable.
        confidence: 0 to 1, how far the mask can be trusted; None if it failed.
        area: fraction of the photo that is car; None if it failed.
        seconds: spent on it, waiting for other photos not counted.
        digest: SHA-256 of the photo's file; empty if it could not be read.
        stamp: what the file system said of the photo's file when it was read; empty if it says nothing.
        written: bytes of all outputs.
        runs: run-length text, if it was wanted.
        unchanged: the photo's content was that of the job's ``known``; nothing was done, only ``stamp`` is new.
        kept: from an earlier run.
        error: expected distance of the contour from the true one, in pixels; None if it is not known.
        full: it failed because nothing more can be written there, this photo or another.
    """

    photo: str
    status: Literal["done", "failed"]
    reason: str = ""
    confidence: float | None = None
    area: float | None = None
    seconds: float = 0.0
    digest: str = ""
    stamp: str = ""
    written: int = 0
    runs: str | None = field(default=None, repr=False)
    unchanged: bool = False
    kept: bool = False
    error: float | None = None
    full: bool = False


class Storage(Protocol):
    """Where photos are read from and results are written to."""

    def read(self, photo: Path | str) -> tuple[bytes, str]:
        """Read a file whole.

        Returns:
            Its content and its stamp, which changes when the content does.

        Raises:
            PhotoError: if it cannot be read.
        """

    def write(self, output: Path | str, content: bytes) -> None:
        """Write a file whole or not at all, and the folders it lies in.

        Raises:
            OutputError: if it cannot be written.
        """


class LocalStorage:
    """The file system, with everything that is mounted in it."""

    def read(self, photo: Path | str) -> tuple[bytes, str]:
        """Read a file whole; see ``Storage``."""
        try:
            with Path(photo).open("rb") as stream:
                return stream.read(), stamp_of(os.fstat(stream.fileno()))
        except FileNotFoundError as error:
            raise PhotoError(f"{photo}: there is no such file") from error
        except IsADirectoryError as error:
            raise PhotoError(f"{photo}: this is a folder, not a photo") from error
        except OSError as error:
            raise PhotoError(f"{photo}: cannot be read: {error.strerror or error}") from error

    def write(self, output: Path | str, content: bytes) -> None:
        """Write a file whole or not at all; see ``Storage``."""
        path = Path(output)
        make_folder(path.parent)
        write_atomically(path, content)


def stamp_of(status: os.stat_result) -> str:
    """What changes when a file is written to: its size, and two clocks, of which one cannot be set by a user."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


@dataclass(frozen=True)
class PhotoTask:
    """The per-photo function, before its network is loaded: small, picklable, the same everywhere.

    Attributes:
        model: a model file or name.
        wanted: what to make of each photo.
        device: where the network runs.
        threads: photos worked on at the same time.
        storage: where photos and results are.
    """

    model: str
    wanted: OutputSpec
    device: Device = "cpu"
    threads: int = 1
    storage: Storage = field(default_factory=LocalStorage)

    def load(self) -> Callable[[Job], Result]:
        """Load the network.

        Returns:
            The function. It returns failures of a photo as results; what it raises is a bug.

        Raises:
            ModelError: if there is no such model, or its file is damaged.
            DeviceError: if the device is not available.
            UsageError: if parts are wanted of a model that does not tell them apart, or windows clear.
        """
        import cv2

        # Pillow warns of odd metadata in photos that it reads without fault; what it cannot read is an error anyway.
        warnings.filterwarnings("ignore", module="PIL")
        # Photos are worked on side by side; threads within one would only get in each other's way.
        cv2.setNumThreads(1)
        network = load_model(self.model, device=self.device, streams=self.threads)
        if self.wanted.parts and not network.info.parts:
            raise UsageError(f"--parts: {self.model} knows no parts; name a model of parts with --model FILE")
        refuse_glass(network.info, self.wanted)
        return PhotoCutter(network, self.wanted, self.storage)


def refuse_glass(info: ModelInfo, wanted: OutputSpec) -> None:
    """Refuse to make windows clear without a model that tells where they are.

    Raises:
        UsageError: if that is wanted.
    """
    if wanted.look.glass is not None and not glass_classes(info):
        raise UsageError(
            f"--glass needs a model that labels windows; {info.name} tells {', '.join(info.classes)} only: leave it out"
        )


class PhotoCutter:
    """The per-photo function."""

    def __init__(self, network: Network, wanted: OutputSpec, storage: Storage) -> None:
        """Keep what all photos share.

        Args:
            network: a loaded model.
            wanted: what to make of each photo.
            storage: where photos and results are.
        """
        self._network, self._wanted, self._storage = network, wanted, storage
        self._series = SeriesBox(network, storage.read)

    def __call__(self, job: Job) -> Result:
        """Read a photo, find the car, and write what is wanted.

        Args:
            job: the photo.

        Returns:
            What became of it.
        """
        started = time.perf_counter()
        result = Result(str(job.photo), "failed")
        try:
            content, stamp = self._storage.read(job.photo)
            result = replace(result, digest=hashlib.sha256(content).hexdigest(), stamp=stamp)
            if result.digest == job.known:
                return replace(result, status="done", unchanged=True)
            result = self._cut(job, content, result)
        except OutputError as error:
            full = isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL
            result = replace(result, reason=str(error), full=full)
        except CarmaskError as error:
            result = replace(result, reason=str(error))
        except MemoryError:
            result = replace(result, reason=f"{job.photo}: too large for this machine's memory")
        return replace(result, seconds=time.perf_counter() - started)

    def _cut(self, job: Job, content: bytes, result: Result) -> Result:
        height, width = picture_size(job.photo, content)
        with _LARGE_PHOTO if height * width > LARGE else nullcontext():
            reduced, parts = open_for(self._network, job.photo, content), None
            if self._wanted.parts or self._wanted.look.glass is not None:
                parts = predict_parts(self._network, reduced)
            found = predict_reduced(self._network, reduced) if parts is None else parts.car
            files, note = self._files(job, content, found, parts)
            for output, file in zip(job.outputs, files, strict=True):
                self._storage.write(output, file)
        return replace(
            result,
            status="done",
            reason=note if found.area else "no car found",
            confidence=found.confidence,
            area=found.area,
            error=None if math.isnan(found.error) else found.error,
            written=sum(len(file) for file in files),
            runs=rle_encode(found.mask) if self._wanted.runs else None,
        )

    def _files(
        self, job: Job, content: bytes, found: Prediction, parts: PartsPrediction | None
    ) -> tuple[list[bytes], str]:
        """The files' contents, and what is remarkable."""
        wanted, mask = self._wanted, found.mask
        files = [encode_mask(mask)] if wanted.mask or wanted.layers else []
        if not (wanted.picture or wanted.parts):
            return files, ""
        photo, threshold = open_photo(job.photo, content), self._network.info.threshold
        if wanted.parts and parts is not None:
            painted = paint(photo.pixels, parts.labels)
            overlay = encode_picture(painted, photo.icc_profile, format=wanted.format, quality=wanted.quality)
            files += [encode_labels(parts.labels), overlay]
        if not wanted.picture:
            return files, ""
        glass = None if parts is None else parts.glass
        layers = make_layers(
            photo.pixels, mask, found.probability_map.whole(), wanted.look, threshold=threshold, glass=glass
        )
        if wanted.layers:
            files += layer_files(layers, photo, with_shadow=wanted.look.shadow != "none")
        picture = render(
            layers,
            photo.pixels,
            mask,
            wanted.look,
            wanted.background,
            icc_profile=photo.icc_profile,
            series=self._series.find(job.series, (mask.shape[0], mask.shape[1])),
        )
        files.append(
            encode_picture(picture, photo.icc_profile, format=wanted.format, quality=wanted.quality, exif=photo.exif)
        )
        return files, layers.note


def layer_files(layers: Layers, photo: PhotoFile, *, with_shadow: bool) -> list[bytes]:
    """The layers as PNG files, for an editor: alpha in grey, the car's colours, and the shadow, black on nothing."""
    colours = layers.foreground.copy()
    colours[layers.alpha == 0] = 0
    files = [encode_picture(layers.alpha), encode_picture(colours, photo.icc_profile, exif=photo.exif)]
    if with_shadow:
        dark = np.zeros_like(layers.alpha) if layers.shadow is None else layers.shadow
        files.append(encode_picture(np.dstack([np.zeros_like(dark), dark])))
    return files
