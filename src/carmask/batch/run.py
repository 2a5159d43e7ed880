"""Cut many photos: nothing twice, nothing lost, a bad photo never stopping the rest."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from carmask.batch.checks import Results, count_findings, with_checks
from carmask.batch.corrections import Corrections, with_corrections
from carmask.batch.decisions import decisions_of
from carmask.batch.engines.engine import TIMEOUT, Engine
from carmask.batch.engines.start import EngineName, start_engine
from carmask.batch.error_log import keep_traceback
from carmask.batch.job import Job, Result
from carmask.batch.kept import in_place, job_stamp, of_earlier_runs, same_make
from carmask.batch.manifest import Manifest, describe
from carmask.batch.names import ERROR_LOG, MANIFEST, REPORT, STATE, VEHICLES
from carmask.batch.naming import Naming
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import Plan, plan_run
from carmask.batch.process import PhotoTask
from carmask.batch.renamed import carry_decisions, forget_other_names
from carmask.batch.report import Review, default_review, to_review, write_report
from carmask.batch.runfile import OWN_FILES, write_run
from carmask.batch.series import with_series
from carmask.batch.storage import Stores, local_only, location, need_state
from carmask.batch.vehicle_report import Vehicle, describe_vehicles, write_vehicles
from carmask.batch.vehicles import Grouping
from carmask.compositing.placement import SERIES_RULES
from carmask.errors import OutputError
from carmask.formats.classes import CLASSES, write_classes
from carmask.images import LeftOut, make_folder, remove_file, remove_leftovers, write_atomically
from carmask.model.file import find_model, fixed_name, read_info
from carmask.model.runtime import DEFAULT_MODEL, Device
from carmask.prediction.checks import CheckSettings

# What is logged goes where the application says, and nowhere else: the report has the reasons in any case.
logging.getLogger("carmask").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class CutSummary:
    """How a run ended.

    Attributes:
        done: photos whose files are in place, those of earlier runs too.
        failed: photos and folders that could not be worked on; the report has the reasons.
        to_review: photos that a person should look at: ``review`` is ``yes`` in the report.
        left_out: files and folders that were found and are not worked on, with the reason.
        report: ``report.csv``.
        vehicles: what became of each vehicle, where photos are grouped: the rows of ``vehicles.csv``.
        decided: how many of those to review a person has decided about.
        earlier: files that earlier runs wrote there, of other photos or with other options; they are as they were.
        again: photos that should be taken again: ``take_again`` is ``yes`` in the report.
        not_whole: photos that show no whole car: ``view_name`` is ``other`` in the report.
    """

    done: int
    failed: int
    to_review: int
    left_out: tuple[LeftOut, ...]
    report: Path
    vehicles: tuple[Vehicle, ...] = ()
    decided: int = 0
    earlier: tuple[Path, ...] = ()
    again: int = 0
    not_whole: int = 0


def cut_folder(
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    spec: OutputSpec | None = None,
    *,
    model: str | Path = DEFAULT_MODEL,
    device: Device = "cpu",
    recursive: bool = False,
    review: Review | None = None,
    engine: EngineName = "local",
    address: str | None = None,
    timeout: float = TIMEOUT,
    restart: bool = False,
    discard_corrections: bool = False,
    state: str | Path | None = None,
    group: str | Grouping | None = None,
    name: str | None = None,
    checks: CheckSettings | None = None,
    progress: Callable[[Result, int, int], None] | None = None,
) -> CutSummary:
    """Cut the cars out of photos, and write the results and ``report.csv``, and ``vehicles.csv`` if they are grouped.

    A photo that cannot be read, or that crashes a decoder, costs only itself. If the run was interrupted, the same call
    goes on where it was; photos that have changed since are done again. The work is done in processes of its own.

    Args:
        paths: photos, and folders whose photos are meant; locations with ``://`` are read by ``ray`` only.
        out: output folder; made if it is missing.
        spec: what to make of each photo; transparent cut-outs by default.
        model: a model file, or the name of a shipped model.
        device: ``cpu``, ``cuda`` or ``tensorrt``.
        recursive: search sub-folders too; their structure is kept in the output.
        review: which photos are marked for a person to look at; by default those below the model's own confidence.
        engine: ``local``, all cores of this machine, or ``ray``, a cluster.
        address: the cluster's, ``HOST:PORT``; None starts Ray on this machine.
        timeout: seconds that a photo may take.
        restart: do everything again, also what is done; masks that were corrected by hand are kept.
        discard_corrections: take back all corrections by hand of this output folder; earlier revisions are kept.
        state: local folder for manifest and report, where ``out`` is in a store.
        group: which vehicle each photo shows: ``folder``, ``name``, or the path of a table; None for none.
        name: pattern of the outputs' names; the default is ``{vehicle}/{name}`` where photos are grouped.
        checks: which checks of photos are made, and their limits; by default all.
        progress: called after each photo with its result, the number done and the number of all.

    Returns:
        How it ended.

    Raises:
        UsageError: if the request cannot be served as it was put: nothing was written.
        ModelError: if there is no such model, or its file is damaged.
        OutputError: if nothing more can be written. What was finished is safe; the same call goes on from there.
    """
    spec = spec or OutputSpec()
    spec.check()
    several = list(paths) if isinstance(paths, Iterable) and not isinstance(paths, str | bytes) else [paths]
    places, target = [location(path) for path in several], location(out)
    if engine == "local":
        local_only([*places, target])
    folder = need_state(target, None if state is None else Path(state))
    naming = None if name is None else Naming(name)
    group = Grouping.parse(group) if isinstance(group, str) else group
    plan = plan_run(places, target, spec, recursive=recursive, state=folder, grouping=group, naming=naming)
    task = PhotoTask(fixed_name(model), spec, device, storage=Stores(), facts=True)
    run = CutRun(folder, task, review or default_review(model), group, checks or CheckSettings())
    with start_engine(task, engine, address=address, timeout=timeout) as worker:
        # Not before: it takes corrections back, and a device may be missing.
        plan = run.prepare(plan, discard_corrections=discard_corrections)
        return run.work(plan, worker, restart=restart, progress=progress)


@dataclass(frozen=True)
class CutRun:
    """What is done with the photos of a plan, each time that there is one.

    Attributes:
        folder: local, for manifest and reports.
        task: what is done with each photo.
        review: which photos are marked for a person to look at.
        grouping: which vehicle a photo shows; None to make no difference.
        checks: which checks of photos are made, and their limits.
    """

    folder: Path
    task: PhotoTask
    review: Review
    grouping: Grouping | None = None
    checks: CheckSettings = field(default_factory=CheckSettings)

    def prepare(self, plan: Plan, *, discard_corrections: bool = False) -> Plan:
        """Tell each job the views of its car, where these are placed alike, and its corrected mask.

        Raises:
            UsageError: if no two photos are views of one car, and they must be; InUseError if a run is going on.
        """
        rule = self.task.spec.style.placing.rule
        if rule in SERIES_RULES:
            plan = replace(plan, jobs=tuple(with_series(plan.jobs, rule, grouped=self.grouping is not None)))
        if (store := Corrections.of(self.folder / STATE)) is not None:
            with store:
                if discard_corrections:
                    store.discard()
                carry_decisions(plan.jobs, store, self.folder / STATE / MANIFEST)
                plan = replace(plan, jobs=tuple(with_corrections(plan.jobs, store)))
        return plan

    def work(
        self,
        plan: Plan,
        engine: Engine,
        *,
        only: Callable[[Job], bool] | None = None,
        restart: bool = False,
        keep_log: bool = False,
        progress: Callable[[Result, int, int], None] | None = None,
    ) -> CutSummary:
        """Work on photos, and write the reports.

        Args:
            plan: from ``prepare``.
            engine: does the work; it is closed if the work does not come to its end.
            only: which of the photos are worked on; the reports have all that were ever tried.
            restart: do everything again.
            keep_log: add to the tracebacks of an earlier run.
            progress: called after each photo with its result, the number done and the number of all.

        Returns:
            How it ended.

        Raises:
            InUseError: if another process is writing to the folder.
            OutputError: if nothing more can be written.
        """
        jobs = [job for job in plan.jobs if only is None or only(job)]
        total, done, failed, ended = len(jobs) + len(plan.failed), 0, 0, False
        with open_run(self.folder, plan.jobs, self.task, restart=restart, keep_log=keep_log) as manifest:
            if self.task.spec.parts:
                write_classes(self.folder / CLASSES, read_info(find_model(self.task.model)).classes)
            results = run_jobs(jobs, manifest, engine, error_log=self.folder / ERROR_LOG)
            try:
                for result in chain(plan.failed, results):
                    done += result.status == "done"
                    failed += result.status == "failed"
                    if progress is not None:
                        progress(result, done + failed, total)
                ended = True
            finally:
                if not ended:
                    engine.close()  # nothing is written any more when the folder is tidied
                known = with_checks([(job.name, manifest.result(job.name)) for job in plan.jobs], self.checks)
                decided = decisions_of(
                    self.folder / STATE, {name: one.digest for name, one in known if one is not None}
                )
                report = write_report(self.folder, plan, manifest, review=self.review, decisions=decided, checked=known)
                vehicles = self._vehicles(plan, manifest, known)
            marked = to_review(plan.jobs, manifest, self.review)
            looked_at = len(marked & decided.keys())
            earlier = () if only is not None else of_earlier_runs(self.folder, plan.jobs, manifest)
            counts = count_findings(known)
            return CutSummary(done, failed, len(marked), plan.left_out, report, vehicles, looked_at, earlier, *counts)

    def _vehicles(self, plan: Plan, manifest: Manifest, known: Results) -> tuple[Vehicle, ...]:
        if self.grouping is None:
            return ()
        vehicles = describe_vehicles(
            plan.jobs,
            {name: result for name, result in known if result is not None},
            self.grouping,
            marked=to_review(plan.jobs, manifest, self.review),
            rules=self.task.spec.rules,
        )
        write_vehicles(self.folder, vehicles)
        return tuple(vehicles)


@contextlib.contextmanager
def open_run(
    out: Path, jobs: Sequence[Job], task: PhotoTask, *, restart: bool = False, keep_log: bool = False
) -> Iterator[Manifest]:
    """Make the output folder ready, for this process alone.

    Args:
        out: made if it is missing; where results go to a store, the local folder for manifest and report.
        jobs: from ``plan_run``. What a killed run left half-written beside their outputs is removed.
        task: what will be done.
        restart: forget what earlier runs have done.
        keep_log: leave the tracebacks of an earlier run.

    Yields:
        The manifest.

    Raises:
        OutputError: if it cannot be written to.
        UsageError: if another process is writing to it.
    """
    make_folder(out)
    make_folder(out / STATE)
    if not keep_log:
        remove_file(out / ERROR_LOG)
    outputs = [output for job in jobs for output in job.outputs if isinstance(output, Path)]
    names: dict[Path, list[str]] = {out: [REPORT, VEHICLES, CLASSES], out / STATE: [*OWN_FILES]}
    for output in outputs:
        names.setdefault(output.parent, []).append(output.name)
    with open_manifest(out / STATE / MANIFEST, task, len(jobs), restart=restart) as manifest:
        # Each name is asked for: a listing would not do where the file system takes CAR.png and car.png for one.
        manifest.claim(output for output in outputs if not os.path.lexists(output))
        try:
            _tidy(names)
            write_run(out / STATE, task)
            forget_other_names(jobs, manifest)
            yield manifest
        finally:
            with contextlib.suppress(OutputError):  # of a full disk, which was said
                manifest.withdraw(output for output in outputs if not os.path.lexists(output))
            _tidy(names)


@contextlib.contextmanager
def open_manifest(file: Path, task: PhotoTask, photos: int, *, restart: bool = False) -> Iterator[Manifest]:
    """Open a manifest, with enough of the disk set aside to write down how a run ended that filled it.

    Args:
        file: the manifest.
        task: what will be done.
        photos: how many.
        restart: forget what earlier runs have done.

    Yields:
        The manifest.

    Raises:
        OutputError: if it cannot be written.
        UsageError: if another process has it open.
    """
    probe = file.with_name(f"{file.name}-probe")
    try:
        probe.write_bytes(b"carmask")  # says why it fails, which SQLite does not
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{probe}: cannot be written: {error.strerror or error}") from error
    with Manifest(file, describe(task)) as manifest:
        if restart:
            manifest.forget(name for name, _, _ in manifest.photos())
        reserve = _reserve(manifest)
        remove_leftovers(file.parent, [reserve.name])
        try:
            write_atomically(reserve, bytes(65536 + 256 * photos))
            yield manifest
        finally:
            with contextlib.suppress(OSError):  # the disk may have become read-only, which was said by then
                reserve.unlink(missing_ok=True)


def run_jobs(
    jobs: Iterable[Job], manifest: Manifest, engine: Engine, *, error_log: Path | None = None
) -> Iterator[Result]:
    """Work on photos; those that an earlier run has done, and that are as they were, are passed over.

    Args:
        jobs: from ``plan_run``.
        manifest: from ``open_run`` or ``open_manifest``.
        engine: does the work; it is closed early if the disk is full.
        error_log: gets the tracebacks of errors that carmask did not expect; they are logged in any case.

    Yields:
        One result for each job once its files are in place and its record is written, in the order they finish.

    Raises:
        OutputError: if the disk is full. All that was yielded is recorded; the same call goes on from there.
    """
    todo = []
    for job in jobs:
        kept = manifest.done(job.name)
        if kept is not None and in_place(job, kept) and same_make(job, kept):
            if kept.stamp and kept.stamp == job_stamp(job) and kept.photo == str(job.photo):
                yield kept
                continue
            # It may have been touched or moved: what it holds decides.
            job = replace(job, known=kept.digest)
        todo.append(job)
    for job, result in engine.map(todo):
        if result.unchanged:
            manifest.restamp(job.name, result.photo, result.stamp)
            kept = manifest.done(job.name)
            assert kept is not None  # it was there a moment ago, and nobody else has the manifest open
            yield kept
            continue
        if result.traceback:
            result = keep_traceback(result, error_log)
        if full := result.full:
            _make_room(manifest, engine)
        try:
            manifest.record(job.name, result, job.outputs if result.status == "done" else ())
        except OutputError:
            _make_room(manifest, engine)
            manifest.record(job.name, result, job.outputs if result.status == "done" else ())
            full = True
        yield result
        if full:
            raise OutputError(
                "stopped: nothing more can be written there; what was finished is safe, and the same command goes on "
                "from here once there is room"
            )


def _reserve(manifest: Manifest) -> Path:
    return manifest.file.with_name(f"{manifest.file.name}-reserve")


def _tidy(names: Mapping[Path, list[str]]) -> None:
    for folder, files in names.items():
        remove_leftovers(folder, files)


def _make_room(manifest: Manifest, engine: Engine) -> None:
    """Free what was set aside, for the last records and the report alone: whatever is under way is dropped first."""
    engine.close()
    with contextlib.suppress(OSError):  # of a disk that has become read-only nothing is freed
        _reserve(manifest).unlink(missing_ok=True)
