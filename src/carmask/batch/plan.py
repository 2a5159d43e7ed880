"""What a run does: which photos there are, which files are left out and why, and what is written where."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carmask.batch.job import Job, Result
from carmask.batch.manifest import read_records, recorded_outputs
from carmask.batch.names import ERROR_LOG, MANIFEST, PROFILE, REPORT, STATE, VEHICLES
from carmask.batch.naming import Naming
from carmask.batch.outputs import OutputSpec
from carmask.batch.storage import Stores, join
from carmask.batch.vehicles import Grouping
from carmask.errors import DataError, UsageError
from carmask.formats.classes import CLASSES
from carmask.images import SUB_FOLDER, LeftOut, RealPaths, is_folder, is_link, is_there, real_path, search_photos

#: Why a photo is left out that an earlier run wrote. Such files have no row in the report.
OWN_OUTPUT = "written by an earlier run"
#: Why a picture is left out that the settings name as background, or to hide number plates.
OF_SETTINGS = "a picture that the settings name, no photo"
#: How the tables of runs begin, as written and as spreadsheets save them.
_REPORT_HEADER, _VEHICLES_HEADER = (
    re.compile(rb'(\xef\xbb\xbf)?"?%s"?[,;\t]"?%s' % words)
    for words in ((b"photo", b"status"), (b"vehicle", b"identifier"))
)
#: If this part of the photos would have names of others, it is what was asked for that is wrong.
_MANY = 0.1
#: What lies in a folder of photos and belongs to carmask.
_UNMENTIONED = {STATE, PROFILE}


@dataclass(frozen=True)
class Plan:
    """Everything that was found, before anything is written.

    Attributes:
        jobs: one for each photo, in the order of the paths, sorted within folders.
        left_out: everything else in the folders that were searched.
        failed: what may hold photos and cannot be read, such as a folder.
    """

    jobs: tuple[Job, ...]
    left_out: tuple[LeftOut, ...] = ()
    failed: tuple[Result, ...] = ()


@dataclass
class _Found:
    ready: Callable[[Path], bool]
    settings: frozenset[Path] = frozenset()
    photos: dict[Path | str, str] = field(default_factory=dict)
    loose: set[Path | str] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)
    failed: list[Result] = field(default_factory=list)


def plan_run(
    paths: Sequence[Path | str],
    out: Path | str,
    spec: OutputSpec,
    *,
    recursive: bool = False,
    state: Path | None = None,
    grouping: Grouping | None = None,
    naming: Naming | None = None,
    ready: Callable[[Path], bool] | None = None,
    watched: bool = False,
) -> Plan:
    """Find the photos and decide where each result goes, before anything is written.

    Files that an earlier run has written are never taken for photos: each output folder's manifest lists them. Nor are,
    among the photos of a folder, the pictures that ``spec`` names. If two photos would write the same file, that which
    an earlier run has done keeps its name, else the first; the other one is a failure. If that would be so of a tenth
    of the photos, and not by their suffixes alone, it is the names that were asked for, and nothing is done.

    Args:
        paths: photos, and folders whose photos are meant; texts are locations in stores.
        out: output folder; it is not searched if it lies in one of the folders.
        spec: what to write.
        recursive: search sub-folders too; their structure is kept in the output.
        state: the local folder of manifest and report, where ``out`` is in a store; else ``out``.
        grouping: which vehicle each photo shows; None to make no difference.
        naming: how outputs are called; by default as the photos, in a folder for each vehicle if they are grouped.
        ready: which of the photos in the folders are taken; the others are passed over without mention.
        watched: a folder may have no photos, and that it is gone is no fault of the request.

    Returns:
        What to do.

    Raises:
        UsageError: if a path does not exist, a folder has no photos, many photos would have the same name, a photo, a
            file beside the photos or a table that no run has written would be overwritten, or another process is
            writing to an output folder that was found.
        DataError: if a folder that is watched is gone.
    """
    tables = () if grouping is None or grouping.file is None else (grouping.file,)
    found = _Found(ready or (lambda _: True), frozenset(real_path(file) for file in (*spec.files, *tables)))
    folder = out if isinstance(out, Path) else state
    refuse_tables(folder, grouping)
    links = RealPaths()
    own = _OwnOutputs(out, state, links)
    for path in paths:
        if isinstance(path, str):
            photos = Stores().find(path, recursive=recursive)
            found.photos.update((photo, name) for photo, name in photos.items() if not own.in_store(photo))
        elif watched or is_folder(path):
            _search(path, out, recursive, own, found, watched=watched)
        elif not (is_there(path) or os.path.lexists(path)):  # a link that leads nowhere fails by itself
            raise UsageError(f"{path}: there is no such photo or folder")
        elif own.of_this_run(path):
            found.left_out.append(LeftOut(path, OWN_OUTPUT))
        else:
            found.photos[path] = path.stem
    jobs = tuple(
        Job(photo, name, tuple(join(out, file) for file in spec.outputs(name)), vehicle=vehicle)
        for photo, name, vehicle in _named(_distinct(found.photos, links), found.loose, grouping, naming)
    )
    _refuse_overwriting(jobs, links)
    jobs, failed = _without_collisions(jobs, folder, refuse=not watched)
    found.failed += failed
    if not watched:
        _refuse_losses(jobs, own, links)
    return Plan(jobs, tuple(found.left_out), tuple(found.failed))


def refuse_tables(folder: Path | None, grouping: Grouping | None) -> None:
    """Refuse to write a run's tables over others.

    Args:
        folder: where they go; None for nowhere.
        grouping: a table that says which vehicle a photo shows is never written over.

    Raises:
        UsageError: if a table there is the one of the grouping, or another that no run has written.
    """
    if folder is None:
        return
    if grouping is not None and grouping.file is not None:
        table = real_path(grouping.file)
        if table in {real_path(folder / REPORT), real_path(folder / VEHICLES)}:
            raise UsageError(
                f"{grouping.file}: it would be overwritten with the run's own {table.name}; rename it, or name another "
                "folder with out=…",
                argument="group",
            )
    if is_there(folder / STATE / MANIFEST):
        return
    for name, header in ((REPORT, _REPORT_HEADER), *([] if grouping is None else [(VEHICLES, _VEHICLES_HEADER)])):
        try:
            with (folder / name).open("rb") as stream:
                begins = stream.read(40)
        except OSError:  # it is missing; if it is no file, writing it says so
            continue
        if begins and not header.match(begins):
            raise UsageError(
                f"{folder / name}: this table was not written by carmask, and would be overwritten; rename it, or name "
                "another folder with out=…"
            )


class _OwnOutputs:
    """The files that runs have written, as the manifests of the folders say in which they lie."""

    def __init__(self, out: Path | str, state: Path | None, links: RealPaths) -> None:
        self.links = links
        self._known: dict[Path, frozenset[Path]] = {}
        self._above: dict[Path, tuple[frozenset[Path], ...]] = {}
        self._out = out
        self._this = self._of(real_path(out)) if isinstance(out, Path) else frozenset()
        # Of a run that writes to a store the manifest is elsewhere, and names whole locations.
        self._stored = frozenset(recorded_outputs(state / STATE / MANIFEST)) if isinstance(out, str) and state else ()

    def of_this_run(self, file: Path) -> bool:
        """Whether earlier runs with the same output folder have written a file."""
        return self.links.entry(file) in self._this

    def in_store(self, photo: str) -> bool:
        """Whether runs have written an object of a store, or it lies where this one writes."""
        return photo in self._stored or (isinstance(self._out, str) and photo.startswith(f"{self._out}/"))

    def holds(self, file: Path) -> bool:
        """Whether runs have written a file, by the manifests in the folders above it."""
        path = self.links.entry(file)
        folder = path.parent
        if folder not in self._above:
            known = (self._this, *map(self._of, (folder, *folder.parents)))
            self._above[folder] = tuple(files for files in known if files)
        return any(path in files for files in self._above[folder])

    def _of(self, place: Path) -> frozenset[Path]:
        if place not in self._known:
            manifest = place / STATE / MANIFEST
            there = is_there(manifest)
            files = recorded_outputs(manifest) if there else ()
            written = [REPORT, VEHICLES, CLASSES, ERROR_LOG] if there else []
            self._known[place] = frozenset(place / file for file in (*files, *written))
        return self._known[place]


def _search(folder: Path, out: Path | str, recursive: bool, own: _OwnOutputs, found: _Found, *, watched: bool) -> None:
    """Sort everything in a folder into photos, files that are left out, and what cannot be read."""
    try:
        photos, left_out = search_photos(folder, recursive=recursive, skip=Path(out))
    except DataError as error:
        if watched:
            raise
        raise UsageError(str(error)) from error
    named = {photo for photo in photos if own.links.of(photo) in found.settings} if found.settings else set()
    kept = [photo for photo in photos if photo not in named and not own.holds(photo)]
    written = [LeftOut(path, OF_SETTINGS if path in named else OWN_OUTPUT) for path in {*photos} - {*kept}]
    others = [one for one in left_out if not (one.path.name in _UNMENTIONED or own.holds(one.path))]
    others = [one for one in others if own.links.of(one.path) not in found.settings]
    if not (kept or watched):
        reasons = sorted({one.reason for one in (*others, *written)})
        raise UsageError(
            f"{folder}: no photos in this folder{'; what is there: ' * bool(reasons)}{', '.join(reasons)}"
            f"{'; give recursive=True to search it' * (SUB_FOLDER in reasons)}"
        )
    names = {photo: photo.relative_to(folder).with_suffix("").as_posix() for photo in kept}
    # A sub-folder may come to a folder that is watched at any time, and what was decided is to hold.
    if watched or any("/" in name for name in names.values()):
        found.loose.update(photo for photo, name in names.items() if "/" not in name)
    found.photos.update((photo, name) for photo, name in names.items() if found.ready(photo))
    found.left_out += [one for one in others if not one.failed] + sorted(written)
    found.failed += [Result(str(one.path), "failed", f"{one.path}: {one.reason}") for one in others if one.failed]


def _distinct(found: Mapping[Path | str, str], links: RealPaths) -> dict[Path | str, str]:
    """Drop photos that were named twice, once by themselves and once by their folder."""
    kept: dict[Path | str, tuple[Path | str, str]] = {}
    for photo, name in found.items():
        same: Path | str = photo
        if isinstance(photo, Path):
            same = photo.absolute() if is_link(photo) else links.entry(photo)
        kept.setdefault(same, (photo, name))
    return dict(kept.values())


def _named(
    photos: Mapping[Path | str, str], loose: Collection[Path | str], grouping: Grouping | None, naming: Naming | None
) -> Iterator[tuple[Path | str, str, str]]:
    """Each photo with the name of its outputs and its vehicle."""
    if grouping is None and naming is None:
        yield from ((photo, name, "") for photo, name in photos.items())
        return
    naming = naming or Naming("{vehicle}/{name}")
    vehicles = dict.fromkeys(photos, "")
    if grouping is not None:
        vehicles = {photo: grouping.vehicle(photo, name, loose=photo in loose) for photo, name in photos.items()}
    numbers: Counter[str] = Counter()
    places = {}
    for photo in sorted(photos, key=lambda one: (photos[one], str(one))):
        numbers[vehicles[photo]] += 1
        places[photo] = numbers[vehicles[photo]]
    for photo, name in photos.items():
        yield photo, naming.apply(name, vehicles[photo], places[photo]), vehicles[photo]


def _without_collisions(
    jobs: tuple[Job, ...], folder: Path | None, *, refuse: bool
) -> tuple[tuple[Job, ...], list[Result]]:
    """The jobs whose outputs are their own, and what is said of the others; ``folder`` has the manifest.

    Raises:
        UsageError: if ``refuse``, and many names are equal by what was asked for: a pattern, or several folders.
    """
    counts = Counter(output for job in jobs for output in job.outputs)
    if len(counts) == counts.total():
        return jobs, []
    there = folder is not None and is_there(folder / STATE / MANIFEST)
    records = read_records(folder / STATE / MANIFEST) if folder is not None and there else []
    owners = {_place(one.result.photo) for one in records if one.result.status == "done"}
    taken: dict[Path | str, Path | str] = {}
    lost: dict[Path | str, Result] = {}
    asked: list[tuple[Path | str, Job]] = []
    for job in sorted(jobs, key=lambda one: _place(one.photo) not in owners):
        other = next((taken[output] for output in job.outputs if output in taken), None)
        if other is None:
            taken.update((output, job.photo) for output in job.outputs)
            continue
        reason = f"{job.photo}: {other} has the same name in the output folder; rename one of them"
        lost[job.photo] = Result(str(job.photo), "failed", reason)
        if str(job.photo).rpartition(".")[0] != str(other).rpartition(".")[0]:
            asked.append((other, job))
    if refuse and len(asked) >= _MANY * len(jobs):
        first, second = asked[0]
        more = f" (and {len(asked) - 1} more such pairs)" if len(asked) > 1 else ""
        apart = next(one.vehicle for one in jobs if one.photo == first) != second.vehicle
        pattern = "{vehicle}/{name}" if apart else "{vehicle}/{number:03}"
        raise UsageError(
            f"{first} and {second.photo} would have the same name in the output folder{more}; cut folders one by one, "
            f"or give a pattern of names that tells them apart, such as name='{pattern}'"
        )
    return tuple(job for job in jobs if job.photo not in lost), list(lost.values())


def _place(photo: Path | str) -> Path | str:
    """Where a photo is, however it was named."""
    return str(photo) if "://" in str(photo) else Path(photo).absolute()


def _refuse_overwriting(jobs: Sequence[Job], links: RealPaths) -> None:
    def same(file: Path | str) -> Path | str:
        return links.of(file) if isinstance(file, Path) else file

    photos = {same(job.photo) for job in jobs}
    for job in jobs:
        for output in job.outputs:
            if same(output) in photos:
                raise UsageError(f"{output}: this photo would be overwritten; name another folder with out=…")


def _refuse_losses(jobs: Sequence[Job], own: _OwnOutputs, links: RealPaths) -> None:
    """Refuse to write over what lies beside the photos: it may be all that there is of another one."""
    beside = {links.folder(job.photo) for job in jobs if isinstance(job.photo, Path)}
    for job in jobs:
        for output in job.outputs:
            if isinstance(output, Path) and links.folder(output) in beside and os.path.lexists(output):
                if output.is_dir() or own.holds(output):
                    continue
                raise UsageError(
                    f"{output}: this file lies beside the photos, and no run has written it: it would be overwritten; "
                    "name another folder with out=…"
                )
