"""What is done with one photo, wherever it runs: in a local process or on any machine of a cluster."""

from __future__ import annotations

import errno
import hashlib
import math
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from carmask.arrays import Mask, Photo
from carmask.batch.checks import NO_CAR, SKIPPED, facts_of
from carmask.batch.job import Job, Result, is_corrected, split_digest
from carmask.batch.outputs import OutputSpec
from carmask.batch.photo import CutPhoto
from carmask.batch.series import SeriesBox, series_stamp
from carmask.batch.storage import LocalStorage, Storage
from carmask.batch.turns import turn, waited
from carmask.errors import CarmaskError, OutputError, PhotoError, UsageError
from carmask.formats.rle import rle_encode
from carmask.geometry import box_of
from carmask.images import PhotoFile, ReducedPhoto, open_photo, picture_size, read_mask
from carmask.memory import keep_memory, release_memory
from carmask.model.info import ModelInfo
from carmask.model.network import Network
from carmask.model.runtime import Device, load_model
from carmask.prediction.corrected import with_mask, without_car
from carmask.prediction.facts import PhotoFacts, find_facts
from carmask.prediction.measures import measure_photo, thumbnail, to_text
from carmask.prediction.parts import PartsPrediction, glass_classes, predict_parts
from carmask.prediction.plates import PlateNetwork, describe_plates, find_plates
from carmask.prediction.predict import Prediction, finish_prediction, open_for, predict_reduced, reduce_for
from carmask.prediction.view import ViewNetwork

#: Photos of more pixels are worked on one at a time, so that memory stays bounded whatever the photos are.
LARGE = 24_000_000
#: The note of a photo that is not the one that was corrected.
REPLACED = "another photo than was corrected: the correction was not used"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_LARGE_PHOTO = threading.Lock()


@dataclass(frozen=True)
class PhotoTask:
    """The per-photo function, before its network is loaded: small, picklable, the same everywhere.

    Attributes:
        model: a model file or name.
        spec: what to make of each photo.
        device: where the network runs.
        threads: photos worked on at the same time.
        storage: where photos and results are.
        facts: find out the view, and measure what checks need.
    """

    model: str
    spec: OutputSpec
    device: Device = "cpu"
    threads: int = 1
    storage: Storage = field(default_factory=LocalStorage)
    facts: bool = False

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
        keep_memory(large=False)
        network = load_model(self.model, device=self.device, streams=self.threads)
        if self.spec.parts and not network.info.parts:
            raise UsageError(f"{self.model} tells no parts apart; name a model=… that does", argument="parts")
        refuse_glass(network.info, self.spec)
        views = ViewNetwork(streams=self.threads) if self.facts or self.spec.others != "cut" else None
        plates = None if self.spec.plate is None else PlateNetwork(streams=self.threads)
        return PhotoCutter(network, self.spec, self.storage, views, plates)


def refuse_glass(info: ModelInfo, spec: OutputSpec) -> None:
    """Refuse to make windows clear without a model that tells where they are.

    Raises:
        UsageError: if that is wanted.
    """
    if spec.style.glass is not None and not glass_classes(info):
        raise UsageError(
            f"it needs a model that labels windows; {info.name} tells {', '.join(info.classes)} only: leave it out",
            argument="glass",
        )


class PhotoCutter:
    """The per-photo function."""

    def __init__(
        self,
        network: Network,
        spec: OutputSpec,
        storage: Storage,
        views: ViewNetwork | None = None,
        plates: PlateNetwork | None = None,
    ) -> None:
        """Keep what all photos share.

        Args:
            network: a loaded model.
            spec: what to make of each photo.
            storage: where photos and results are.
            views: finds the view; without it no facts are found.
            plates: finds number plates; loaded here if ``spec`` hides them and none is given.
        """
        self._network, self._spec, self._storage = network, spec, storage
        # Never without it: what is drawn would show the plates that were to be hidden.
        self._plates = PlateNetwork() if plates is None and spec.plate is not None else plates
        self._views = views
        self._series = SeriesBox(network, storage.read)

    def __call__(self, job: Job) -> Result:
        """Read a photo, find the car, and write what is wanted.

        Args:
            job: the photo.

        Returns:
            What became of it.
        """
        started = time.perf_counter() - waited()
        result = Result(str(job.photo), "failed")
        try:
            views = series_stamp(job.series)  # before they are read: a later change makes another one
            content, stamp = self._storage.read(job.photo)
            digest = job.made_of(hashlib.sha256(content).hexdigest(), self._series.digest(job.series))
            result = replace(result, digest=digest, stamp=f"{stamp} {views}" if stamp and views else stamp)
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
        except Exception as error:  # noqa: BLE001  # whatever one photo raises, the others go on
            said = " ".join(str(error).split())
            reason = f"{job.photo}: unexpected {type(error).__name__}{': ' * bool(said)}{said}"
            result = replace(result, reason=reason, traceback=traceback.format_exc())
        return replace(result, seconds=time.perf_counter() - waited() - started)

    def _cut(self, job: Job, content: bytes, result: Result) -> Result:
        height, width = picture_size(job.photo, content)
        large = height * width > LARGE
        with turn(_LARGE_PHOTO) if large else nullcontext():
            return self._cut_photo(job, content, result, large=large)

    def _cut_photo(self, job: Job, content: bytes, result: Result, *, large: bool) -> Result:
        spec, corrected = self._spec, is_corrected(result.digest)
        # What is drawn from the photo's own pixels needs it at its own size: then it is decoded once, and reduced.
        whole = open_photo(job.photo, content, keep=spec.keep_metadata) if spec.picture or spec.parts else None
        # The photo's own hash: a corrected one's says what the correction is, too.
        digest = split_digest(result.digest)[0]
        found, parts, small, reduced = self._predict(job, content, whole, digest, large=large)
        measured = to_text(measure_photo(small, found))
        notes = [REPLACED] if job.correction is not None and not corrected else []
        if job.correction is not None and corrected:
            mask = read_mask(job.photo, content=job.correction)
            found = with_mask(found, mask, self._network.info.threshold)
        seen = self._facts(reduced, found)
        facts: dict[str, str | float | None] = {"vehicle": job.vehicle} if job.vehicle else {}
        if seen is not None:
            facts = {**facts, **facts_of(seen)}
        whole = self._hide_plates(whole, reduced, found, facts)
        kept = seen is not None and not seen.whole and not corrected and spec.others != "cut"
        if kept and spec.others == "skip":
            facts[SKIPPED] = "yes"
            for output in job.outputs:  # what a run with other options has written of it
                self._storage.remove(output)
            return replace(result, status="done", reason="no whole car: skipped", facts=facts, measures=measured)
        if kept:
            found, parts = without_car(found), None
            notes.append("no whole car: kept as it is")
        cut = self._to_render(job, whole, found, parts, kept=kept)
        del whole  # ``cut`` lets go of it when it has no more use for it
        written = self._write(job, cut)
        notes += _remarks(cut.note, job, spec) if found.area or kept else [NO_CAR]
        return replace(
            result,
            status="done",
            reason="; ".join(notes),
            confidence=found.confidence,
            area=found.area,
            error=None if math.isnan(found.error) else found.error,
            written=written,
            runs=rle_encode(found.mask) if spec.runs else None,
            facts=facts,
            measures=measured,
            box=_box(found.mask),
        )

    def _to_render(
        self, job: Job, whole: PhotoFile | None, found: Prediction, parts: PartsPrediction | None, *, kept: bool
    ) -> CutPhoto:
        spec = self._spec
        return CutPhoto(
            whole,
            found,
            threshold=self._network.info.threshold,
            style=spec.style,
            background=spec.background,
            labels=None if parts is None else parts.labels,
            glass=None if parts is None else parts.glass,
            series=lambda size: self._series.find(job.series, size, spec.style.placing.rule),
            kept=kept,
        )

    def _write(self, job: Job, cut: CutPhoto) -> int:
        """Make and write the outputs; how many bytes they have.

        Raises:
            OutputError: if one cannot be written.
            PhotoError: if a picture breaks a rule of the channel.
        """
        files = self._spec.encode(cut)
        for output, file in zip(job.outputs, files, strict=True):
            self._storage.write(output, file)
        self._keep_rules(job)
        return sum(len(file) for file in files)

    def _facts(self, photo: ReducedPhoto | None, found: Prediction) -> PhotoFacts | None:
        """What else is found on the photo, if it is wanted."""
        if self._views is None or photo is None:
            return None
        return find_facts(self._views, photo, found.probability_map, self._network.info.threshold)

    def _hide_plates(
        self,
        whole: PhotoFile | None,
        photo: ReducedPhoto | None,
        found: Prediction,
        facts: dict[str, str | float | None],
    ) -> PhotoFile | None:
        """The photo with its plates hidden, if that is wanted; ``facts`` get what was found of them."""
        cover = self._spec.plate
        if cover is None or self._plates is None or whole is None or photo is None:
            return whole
        plates = find_plates(self._plates, photo, found.probability_map, self._network.info.threshold)
        facts["plate"] = describe_plates(plates)
        corners = [one.corners for one in plates]
        return whole._replace(pixels=cover.hide(whole.pixels, corners, icc_profile=whole.icc_profile))

    def _keep_rules(self, job: Job) -> None:
        """Check the written pictures against the channel's rules; none is left in place if one breaks a rule.

        Raises:
            PhotoError: if a rule is broken.
        """
        rules = self._spec.rules
        if rules is None:
            return
        for kind, output in zip(self._spec.kinds, job.outputs, strict=True):
            broken = rules.broken_by(self._storage.read(output)[0]) if kind.shown else []
            if broken:
                for written in job.outputs:
                    self._storage.remove(written)
                raise PhotoError(f"{job.photo}: breaks a rule of {rules.channel}: {'; '.join(broken)}")

    def _predict(
        self, job: Job, content: bytes, whole: PhotoFile | None, digest: str, *, large: bool
    ) -> tuple[Prediction, PartsPrediction | None, Photo, ReducedPhoto | None]:
        """The car, its parts if they are wanted, the picture that the photo is measured on, and the photo if needed."""
        wants_parts = self._spec.parts or self._spec.style.glass is not None
        if not wants_parts and job.series:
            view = self._series.prediction(job.series, job.photo, digest)
            if view is not None:
                prob_map, small = view
                looked_at = self._views is not None or self._plates is not None
                reduced = reduce_for(self._network, whole) if whole is not None and looked_at else None
                return finish_prediction(prob_map, self._network.info), None, small, reduced
        reduced = open_for(self._network, job.photo, content) if whole is None else reduce_for(self._network, whole)
        if large:
            release_memory()
        if not wants_parts:
            return predict_reduced(self._network, reduced), None, thumbnail(reduced), reduced
        parts = predict_parts(self._network, reduced)
        return parts.car, parts, thumbnail(reduced), reduced


def _remarks(note: str, job: Job, spec: OutputSpec) -> list[str]:
    alone = spec.style.placing.rule == "turntable" and not job.series
    return [note] * bool(note) + ["no other view of this car: placed by itself"] * alone


def _box(mask: Mask) -> tuple[int, int, int, int] | None:
    box = box_of(mask)
    return None if box is None else (int(box.left), int(box.top), int(box.right), int(box.bottom))
