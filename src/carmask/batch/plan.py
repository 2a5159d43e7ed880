"""What a run does: which photos there are, which files are left out and why, and what is written where."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carmask.batch.collisions import without_collisions
from carmask.batch.job import Job, Result
from carmask.batch.names import PROFILE, STATE
from carmask.batch.naming import Naming
from carmask.batch.outputs import OutputSpec
from carmask.batch.overwriting import refuse_losses, refuse_overwriting, refuse_tables
from carmask.batch.own_outputs import OWN_OUTPUT, OwnOutputs
from carmask.batch.storage import Stores, join
from carmask.batch.vehicles import Grouping
from carmask.errors import DataError, UsageError
from carmask.images import SUB_FOLDER, LeftOut, RealPaths, is_folder, is_link, is_there, real_path, search_photos

#: Why a picture is left out that the settings name as background, or to hide number plates.
OF_SETTINGS = "a picture that the settings name, no photo"
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
    own = OwnOutputs(out, state, links)
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
    refuse_overwriting(jobs, links)
    jobs, failed = without_collisions(jobs, folder, refuse=not watched)
    found.failed += failed
    if not watched:
        refuse_losses(jobs, own, links)
    return Plan(jobs, tuple(found.left_out), tuple(found.failed))


def _search(folder: Path, out: Path | str, recursive: bool, own: OwnOutputs, found: _Found, *, watched: bool) -> None:
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
