"""All views of one car: found by their names, and what their masks cover together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from carmask.batch.job import Job
from carmask.compositing.turntable import view_of
from carmask.errors import PhotoError, UsageError
from carmask.geometry import Box, Size, union
from carmask.model.network import Network
from carmask.prediction.crops import find_box
from carmask.prediction.predict import open_for
from carmask.prediction.stages import predict_map


def with_series(jobs: Iterable[Job]) -> list[Job]:
    """Tell each job the views of its car, so that all can be placed alike.

    Args:
        jobs: from ``plan_run``.

    Returns:
        The same, in their order; photos whose name has no view, and single views, are left as they are.

    Raises:
        UsageError: if no two photos are views of one car.
    """
    jobs = list(jobs)
    cars: dict[str, list[Path | str]] = {}
    for job in jobs:
        if split := view_of(job.name):
            cars.setdefault(split[0], []).append(job.photo)
    if not any(len(views) > 1 for views in cars.values()):
        raise UsageError(
            f"turntable: no two of {len(jobs)} photos are views of one car; name them CAR_01, CAR_02 … or as a camera "
            "numbers them, or take rule='centre'",
            argument="rule",
        )
    result = []
    for job in jobs:
        split = view_of(job.name)
        views = cars[split[0]] if split else []
        result.append(replace(job, series=tuple(views)) if len(views) > 1 else job)
    return result


class SeriesBox:
    """Finds what the masks of all views of a car cover, once for each car."""

    def __init__(self, network: Network, read: Callable[[Path | str], tuple[bytes, str]]) -> None:
        """Keep what is needed.

        Args:
            network: a loaded model.
            read: reads a photo's file: its content, and anything.
        """
        self._network, self._read = network, read
        self._lock = threading.Lock()
        self._found: tuple[tuple[Path | str, ...], Box | None] = ((), None)

    def find(self, series: tuple[Path | str, ...], size: Size) -> Box | None:
        """The rectangle around all masks.

        Args:
            series: the photos; those that cannot be read are left out, they are reported as photos themselves.
            size: (height, width) of the photo that it is wanted for. Views of other sizes are taken as scaled to it.

        Returns:
            In pixels of that photo; None if there is no series, or no car in it.
        """
        if not series:
            return None
        # One thread looks at all views, the others, which are at other views of the same car, wait for it.
        with self._lock:
            if self._found[0] != series:
                self._found = series, union(self._box(photo) for photo in series)
            box = self._found[1]
        if box is None:
            return None
        return box.scaled(*size)

    def _box(self, photo: Path | str) -> Box | None:
        """What a photo's mask covers, as fractions of its height and width."""
        try:
            reduced = open_for(self._network, photo, self._read(photo)[0])
        except PhotoError:
            return None
        return find_box(predict_map(self._network, reduced), self._network.info)
