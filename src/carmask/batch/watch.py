"""Watch a folder: photos are cut as they arrive, by what cuts a folder, and vehicles are finished when it is quiet."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from carmask.batch.arrivals import Arrivals
from carmask.batch.engines.engine import TIMEOUT, Engine
from carmask.batch.engines.start import start_engine
from carmask.batch.job import Job, Result
from carmask.batch.manifest import read_records
from carmask.batch.names import MANIFEST, STATE
from carmask.batch.naming import Naming
from carmask.batch.outputs import OutputSpec
from carmask.batch.overwriting import refuse_tables
from carmask.batch.plan import Plan, plan_run
from carmask.batch.process import PhotoTask
from carmask.batch.report import Review, default_review
from carmask.batch.run import CutRun, CutSummary
from carmask.batch.storage import Stores
from carmask.batch.vehicle_report import Vehicle
from carmask.batch.vehicles import Grouping
from carmask.compositing.placement import SERIES_RULES
from carmask.errors import DataError, InUseError, UsageError
from carmask.images import is_folder, is_there, real_path, search_photos
from carmask.model.file import fixed_name
from carmask.model.runtime import DEFAULT_MODEL, Device
from carmask.prediction.checks import CheckSettings

#: Seconds between two looks at the folder, and between two questions whether to stop.
_POLL, _ASK = 1.0, 0.1


@dataclass(frozen=True)
class WatchTimes:
    """How long a watch waits, in seconds.

    Attributes:
        settle: a file that has not changed for so long is whole, if it has its end.
        quiet: a vehicle to which nothing was added for so long is finished.
        stop_after: the watch ends if nothing arrived for so long and everything is done; None to go on until it is
            stopped.
        poll: between two looks at the folder.
    """

    settle: float = 2.0
    quiet: float = 120.0
    stop_after: float | None = None
    poll: float = _POLL

    def check(self) -> None:
        """Refuse times that cannot be kept.

        Raises:
            UsageError: if one is not positive.
        """
        for name in ("settle", "quiet", "stop_after", "poll"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{value:g}: give seconds, more than 0", argument=name)


@dataclass(frozen=True)
class WatchEvents:
    """What a watch tells while it goes on; each is called in the thread that watches.

    Attributes:
        ready: when the network is loaded and the watch begins.
        photo: after each photo that was worked on.
        vehicle: when a vehicle is finished.
        trouble: what keeps the watch from going on for now, in words; '' when it is over.
    """

    ready: Callable[[], None] = lambda: None
    photo: Callable[[Result], None] = lambda _: None
    vehicle: Callable[[Vehicle], None] = lambda _: None
    trouble: Callable[[str], None] = lambda _: None


@dataclass
class WatchSummary:
    """How a watch ended.

    Attributes:
        photos: worked on in this watch; one that changed, or whose vehicle did, counts each time.
        failed: photos that failed and were not done since.
        waiting: photos that arrived and were not worked on any more; the next watch does.
        vehicles: what became of each, where photos are grouped, as of the last round of work.
    """

    photos: int = 0
    failed: int = 0
    waiting: int = 0
    vehicles: tuple[Vehicle, ...] = ()


def watch_folder(
    folder: str | Path,
    out: str | Path,
    spec: OutputSpec | None = None,
    *,
    model: str | Path = DEFAULT_MODEL,
    device: Device = "cpu",
    review: Review | None = None,
    timeout: float = TIMEOUT,
    group: str | Grouping | None = None,
    name: str | None = None,
    checks: CheckSettings | None = None,
    times: WatchTimes | None = None,
    stop: Event | None = None,
    events: WatchEvents | None = None,
) -> WatchSummary:
    """Cut photos as they arrive in a folder and its sub-folders, until it is stopped.

    The results, the manifest and the reports are those of ``cut_folder`` with ``recursive=True``, and either goes on
    where the other was: nothing is done twice, nothing is lost, however it ended. Between two rounds of work the output
    folder is free for others, such as a review. Where all views of a vehicle are placed alike, its pictures are made
    when they arrive and, if views were added since, once more when the vehicle is finished.

    Args:
        folder: must exist; it may be empty.
        out: output folder; may lie in ``folder``, and may not be it.
        spec: what to make of each photo; transparent cut-outs by default.
        model: a model file, or the name of a shipped model.
        device: ``cpu``, ``cuda`` or ``tensorrt``.
        review: which photos are marked for a person to look at; by default those below the model's own confidence.
        timeout: seconds that a photo may take.
        group: which vehicle each photo shows, as ``cut_folder`` takes it.
        checks: which checks of photos are made, and their limits; by default all.
        name: pattern of the outputs' names; not with ``{number}``, which is only known of a whole vehicle.
        times: how long to wait for what.
        stop: set to end the watch, also by a signal's handler: photos under way are finished and recorded.
        events: what to call.

    Returns:
        How it ended.

    Raises:
        UsageError: if the request cannot be served as it was put: nothing was written.
        InUseError: if another process is writing to the output folder when the watch begins.
        ModelError: if there is no such model, or its file is damaged.
        OutputError: if nothing more can be written. What was finished is safe; the same call goes on from there.
    """
    folder, out, spec, times = Path(folder), Path(out), spec or OutputSpec(), times or WatchTimes()
    spec.check()
    times.check()
    if not is_folder(folder):
        raise UsageError(f"{folder}: there is no such folder")
    if real_path(out) == real_path(folder):
        raise UsageError(f"{out}: this is the folder that is watched; name another one", argument="out")
    naming = None if name is None else Naming(name)
    if isinstance(group, str):
        group = Grouping.parse(group)
    refuse_tables(out, group)
    if naming is not None and "number" in naming.fields:
        raise UsageError(
            f"{name}: numbers within a vehicle are known when it is whole: give name='{{vehicle}}_{{name}}' or another "
            "without {number}, and number the pictures with 'carmask deliver'",
            argument="name",
        )
    if group is None and spec.style.placing.rule in SERIES_RULES:
        raise UsageError(
            f"{spec.style.placing.rule} needs to know which photos show one vehicle: give group=…", argument="rule"
        )
    task = PhotoTask(fixed_name(model), spec, device, storage=Stores(), facts=True)
    run = CutRun(out, task, review or default_review(model), group, checks or CheckSettings())
    with start_engine(task, timeout=timeout) as engine:
        return _Watch(folder, out, run, naming, times, stop or Event(), events or WatchEvents(), engine).go()


class _Stoppable:
    """An engine that takes no more photos once the watch is to stop; those under way are finished."""

    def __init__(self, engine: Engine, stop: Event) -> None:
        self._engine, self._stop = engine, stop

    def __enter__(self) -> _Stoppable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._engine.close()

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        return self._engine.map(itertools.takewhile(lambda _: not self._stop.is_set(), jobs))


@dataclass
class _Watch:
    folder: Path
    out: Path
    run: CutRun
    naming: Naming | None
    times: WatchTimes
    stop: Event
    events: WatchEvents
    engine: Engine
    made: WatchSummary = field(default_factory=WatchSummary)
    closed: dict[str, float] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    #: What is none after all, such as results of another run that lie in the folder.
    no_photos: set[Path] = field(default_factory=set)
    settings: frozenset[Path] = field(init=False)

    def __post_init__(self) -> None:
        self.settings = frozenset(map(real_path, self.run.task.spec.files))

    def go(self) -> WatchSummary:
        manifest = self.out / STATE / MANIFEST
        records = read_records(manifest) if is_there(manifest) else []
        done = [one.result for one in records if one.result.status == "done"]
        known = {Path(result.photo).absolute(): result.stamp for result in done}
        arrivals = Arrivals(self.times.settle, self.times.quiet, known)
        active, first = time.monotonic(), True
        self.events.ready()
        while not self.stop.is_set():
            now = time.monotonic()
            if self._look(arrivals, now):
                worked = self._round(arrivals, now, first=first)
                first = first and not worked
                active = max(time.monotonic() if worked else active, arrivals.last_change(arrivals.photos))
            if self._idle(arrivals, time.monotonic() - active):
                break
            _pause(self.stop, self.times.poll)
        self.made.waiting = arrivals.waiting
        return self.made

    def _idle(self, arrivals: Arrivals, seconds: float) -> bool:
        """Whether everything is done, and nothing came for as long as the watch is to wait."""
        enough = self.times.stop_after is not None and seconds >= self.times.stop_after
        return enough and not arrivals.waiting and not self._due(arrivals, float("inf"))

    def _look(self, arrivals: Arrivals, now: float) -> bool:
        try:
            found = search_photos(self.folder, recursive=True, skip=self.out)
        except DataError as error:  # a network drive may come back
            self._say("folder", str(error))
            return False
        self._say("folder", "")
        named = self.settings
        photos = (photo for photo in found.photos if photo not in self.no_photos)
        arrivals.update((photo for photo in photos if not named or real_path(photo) not in named), now)
        return True

    def _round(self, arrivals: Arrivals, now: float, *, first: bool) -> bool:
        """Work on what is new, and finish vehicles to which nothing was added; whether there was anything to do."""
        fresh = arrivals.fresh(now)
        due = self._due(arrivals, now)
        if not (fresh or due):
            return False
        try:
            plan = plan_run(
                [self.folder],
                self.out,
                self.run.task.spec,
                recursive=True,
                grouping=self.run.grouping,
                naming=self.naming,
                ready=lambda photo: arrivals.settled(photo, now),
                watched=True,
            )
            self.no_photos |= fresh & {one.path for one in plan.left_out}
            summary = self._work(plan, arrivals, fresh, due)
        except InUseError as error:
            if first:
                raise
            self._say("output", str(error))  # a review is saving, or another run goes on: the next round does it
            return False
        except DataError as error:  # the folder has gone since it was looked at
            self._say("folder", str(error))
            return False
        self._say("output", "")
        self.made.vehicles = summary.vehicles
        if not self.stop.is_set():
            for vehicle in summary.vehicles:
                if vehicle.vehicle in due:
                    self.closed[vehicle.vehicle] = due[vehicle.vehicle]
                    self.events.vehicle(vehicle)
        return True

    def _work(self, plan: Plan, arrivals: Arrivals, fresh: frozenset[Path], due: dict[str, float]) -> CutSummary:
        """Work on the new photos and on all of the vehicles that are to be finished; the reports have all."""
        plan = self.run.prepare(plan)
        # Where pictures do not depend on the other views, a vehicle's are finished as they are.
        again = due if self.run.task.spec.style.placing.rule in SERIES_RULES else {}

        def progress(result: Result, _done: int, _total: int) -> None:
            arrivals.worked_on([Path(result.photo)])
            if result.status == "done":
                self.failing.discard(result.photo)
            else:
                self.failing.add(result.photo)
            self.made.failed = len(self.failing)
            if result.kept or (result.status == "failed" and result.reason in self.told):
                return
            self.told.add(result.reason)
            self.made.photos += 1
            self.events.photo(result)

        return self.run.work(
            plan,
            _Stoppable(self.engine, self.stop),
            only=lambda job: job.photo in fresh or job.vehicle in again,
            keep_log=True,
            progress=progress,
        )

    def _due(self, arrivals: Arrivals, now: float) -> dict[str, float]:
        """Vehicles to which nothing was added for long enough, with the time of their last change."""
        grouping = self.run.grouping
        if grouping is None:
            return {}
        vehicles: dict[str, list[Path]] = {}
        for photo in arrivals.photos:
            name = photo.relative_to(self.folder).with_suffix("").as_posix()
            vehicles.setdefault(grouping.vehicle(photo, name, loose=True), []).append(photo)
        changes = {vehicle: arrivals.last_change(photos) for vehicle, photos in vehicles.items() if vehicle}
        return {
            vehicle: change
            for vehicle, change in changes.items()
            if now - change >= self.times.quiet and self.closed.get(vehicle) != change
        }

    def _say(self, where: str, trouble: str) -> None:
        if trouble != self.troubles.get(where, ""):
            self.troubles[where] = trouble
            self.events.trouble(trouble)


def _pause(stop: Event, seconds: float) -> None:
    """Wait, unless it is to stop.

    Not ``stop.wait``, which holds the event's lock when it begins and ends: the handler of a signal that comes then
    sets the event in the same thread, and would wait for that lock for ever.
    """
    end = time.monotonic() + seconds
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _ASK))
