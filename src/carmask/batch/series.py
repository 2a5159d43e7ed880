"""All views of one car: found by their names, and what their masks cover together."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from carmask.arrays import Photo
from carmask.batch.job import Job
from carmask.batch.storage import stamp_of
from carmask.compositing.placement import Rule
from carmask.compositing.turntable import view_of
from carmask.errors import CarmaskError, UsageError
from carmask.geometry import Box, Size, union
from carmask.model.network import Network
from carmask.prediction.crops import find_box
from carmask.prediction.measures import thumbnail
from carmask.prediction.predict import open_for
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.stages import predict_map
from carmask.words import counted

#: Cars whose views are kept: threads work on views that follow each other.
_KEPT_CARS = 3
#: A car that comes nearer to the photo's edge than this, in parts of its side, may go on beyond it.
_EDGE = 0.004


def with_series(jobs: Iterable[Job], rule: Rule = "turntable", *, grouped: bool = False) -> list[Job]:
    """Tell each job the views of its car, so that all can be placed alike.

    Args:
        jobs: from ``plan_run``.
        rule: ``turntable`` or ``vehicle``.
        grouped: the views of a car are the photos of its vehicle; else the photos' names say it.

    Returns:
        The same, in their order; photos that belong to no car, and single views, are left as they are.

    Raises:
        UsageError: if photos are not grouped and no two are views of one car.
    """
    jobs = list(jobs)
    if grouped:
        return _with_vehicles(jobs)
    cars: dict[str, list[Path | str]] = {}
    for job in jobs:
        if split := view_of(job.name):
            cars.setdefault(split[0], []).append(job.photo)
    if not any(len(views) > 1 for views in cars.values()):
        raise UsageError(
            f"{rule}: no two of {counted(len(jobs), 'photo')} are views of one car; name them CAR_01, CAR_02 "
            "… or as a camera numbers them, say which vehicle a photo shows with group=…, or take rule='centre'",
            argument="rule",
        )
    result = []
    for job in jobs:
        split = view_of(job.name)
        views = cars[split[0]] if split else []
        result.append(replace(job, series=tuple(views)) if len(views) > 1 else job)
    return result


def _with_vehicles(jobs: list[Job]) -> list[Job]:
    vehicles: dict[str, list[Path | str]] = {}
    for job in jobs:
        vehicles.setdefault(job.vehicle, []).append(job.photo)
    return [
        replace(job, series=tuple(vehicles[job.vehicle])) if job.vehicle and len(vehicles[job.vehicle]) > 1 else job
        for job in jobs
    ]


def series_stamp(series: Iterable[Path | str]) -> str:
    """What changes when one of the views does, by the file system; '' without a series, or for views in a store."""
    stamps = []
    for view in series:
        if not isinstance(view, Path):
            return ""
        try:
            stamps.append(stamp_of(view.stat()))
        except OSError:
            stamps.append("missing")
    return hashlib.sha256(" ".join(sorted(stamps)).encode()).hexdigest()[:16] if stamps else ""


class _Views:
    """The views of one car: each is predicted by the thread that comes first, and kept for the others."""

    def __init__(self, series: tuple[Path | str, ...]) -> None:
        self.waiting = list(series)
        self.found: dict[Path | str, Future[_View | None]] = {photo: Future() for photo in series}


class _View(NamedTuple):
    digest: str
    probability_map: ProbabilityMap
    small: Photo
    box: Box | None

    @property
    def shape(self) -> tuple[float, float] | None:
        """Height and width of the car in pixels of the photo; None without a car."""
        if self.box is None:
            return None
        height, width = self.probability_map.crop.photo
        return (self.box.bottom - self.box.top) * height, (self.box.right - self.box.left) * width

    @property
    def cut_off(self) -> bool:
        """Whether the photo ends before the car does."""
        return self.box is not None and (min(self.box[:2]) < _EDGE or max(self.box[2:]) > 1 - _EDGE)


class SeriesBox:
    """Finds what the masks of all views of a car cover; each view is predicted once, for this and its own picture."""

    def __init__(self, network: Network, read: Callable[[Path | str], tuple[bytes, str]]) -> None:
        """Keep what is needed.

        Args:
            network: a loaded model.
            read: reads a photo's file: its content, and anything.
        """
        self._network, self._read = network, read
        self._lock = threading.Lock()
        self._cars: OrderedDict[tuple[str, tuple[Path | str, ...]], _Views] = OrderedDict()
        self._digests: dict[tuple[Path | str, str], str] = {}

    def digest(self, series: tuple[Path | str, ...]) -> str:
        """What is known of the contents of all views: another text if one is replaced, added or taken away.

        Args:
            series: the photos; their order does not matter.

        Returns:
            16 characters; '' without a series.
        """
        if not series:
            return ""
        known = sorted(self._content(photo) for photo in series)
        return hashlib.sha256(" ".join(known).encode()).hexdigest()[:16]

    def _content(self, photo: Path | str) -> str:
        key = photo, series_stamp([photo])
        if key not in self._digests:
            try:
                self._digests[key] = hashlib.sha256(self._read(photo)[0]).hexdigest()
            except CarmaskError:
                return "unreadable"
        return self._digests[key]

    def find(self, series: tuple[Path | str, ...], size: Size, rule: Rule = "turntable") -> Box | None:
        """What the views share: the rectangle around all masks, or the shape of the widest.

        Args:
            series: the photos; those that cannot be read are left out, they are reported as photos themselves.
            size: (height, width) of the photo that it is wanted for. Views of other sizes are taken as scaled to it.
            rule: ``turntable``, or ``vehicle``: a rectangle of the shape of the widest view, at no place in particular.
                Views that the photo cuts off do not count, if there are others.

        Returns:
            In pixels of that photo; None if there is no series, or no car in it.
        """
        if not series:
            return None
        views = [one.result() for one in self._predicted(series).found.values()]
        if rule == "vehicle":
            known = [view for view in views if view is not None and view.shape is not None]
            shapes = [view.shape for view in known if not view.cut_off] or [view.shape for view in known]
            widest = max((wide / high for high, wide in filter(None, shapes)), default=None)
            return None if widest is None else Box(0, 0, size[0], size[0] * widest)
        box = union(None if view is None else view.box for view in views)
        return None if box is None else box.scaled(*size)

    def prediction(
        self, series: tuple[Path | str, ...], photo: Path | str, digest: str
    ) -> tuple[ProbabilityMap, Photo] | None:
        """The probabilities of one of the views.

        Args:
            series: the views of its car; empty if it has no others.
            photo: the view.
            digest: SHA-256 of its file.

        Returns:
            Them, and the picture that the photo is measured on; None if it is in no series, or its file is not the one
            that was read for the series.
        """
        if photo not in series:
            return None
        view = self._predicted(series).found[photo].result()
        return (view.probability_map, view.small) if view is not None and view.digest == digest else None

    def _predicted(self, series: tuple[Path | str, ...]) -> _Views:
        """Predict the views that no other thread has begun with."""
        stamp = series_stamp(series)
        with self._lock:
            key = stamp, series
            views = self._cars.setdefault(key, _Views(series))
            self._cars.move_to_end(key)
            if len(self._cars) > _KEPT_CARS:
                self._cars.popitem(last=False)
        while True:
            with self._lock:
                if not views.waiting:
                    return views
                photo = views.waiting.pop(0)
            view = None
            try:
                view = self._predict(photo)
            finally:
                views.found[photo].set_result(view)

    def _predict(self, photo: Path | str) -> _View | None:
        try:
            content = self._read(photo)[0]
            reduced = open_for(self._network, photo, content)
            found = predict_map(self._network, reduced)
        except Exception:  # noqa: BLE001  # the photo's own job fails with the reason
            return None
        digest = hashlib.sha256(content).hexdigest()
        return _View(digest, found, thumbnail(reduced), find_box(found, self._network.info))
