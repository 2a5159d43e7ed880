"""``vehicles.csv``: a row for each vehicle of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carmask.batch.job import Job, Result
from carmask.batch.names import VEHICLES
from carmask.batch.rules import ChannelRules
from carmask.batch.vehicles import Grouping
from carmask.formats.csv_text import encode_csv
from carmask.images import write_atomically

#: What the columns hold is said in docs/how-to/vehicles-and-profiles.md.
VEHICLE_COLUMNS = (
    *("vehicle", "identifier", "photos", "done", "failed", "doubtful", "again"),
    *("views", "missing_views", "problems", "notes"),
)
#: Views that a vehicle should have, by the names of the column ``view_name``.
VIEWS = ("front", "front left", "left", "rear left", "rear", "rear right", "right", "front right")


@dataclass(frozen=True)
class Vehicle:
    """What became of a vehicle's photos: a row of ``vehicles.csv``.

    Attributes:
        vehicle: its identifier; '' for the photos that have none.
        identifier: ``vin``, ``stock`` or ''.
        photos: how many.
        done: how many have their files in place.
        failed: how many failed.
        doubtful: how many a person should look at.
        again: how many should be taken again, by the checks.
        views: the views that there are, in the order of ``VIEWS``; None if views are not known.
        missing_views: those that should be there and are not; None if views are not known.
        problems: what is wrong with the identifier, and the rules that the vehicle breaks.
        notes: what is remarkable.
    """

    vehicle: str
    identifier: str
    photos: int
    done: int
    failed: int
    doubtful: int
    again: int
    views: tuple[str, ...] | None
    missing_views: tuple[str, ...] | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def describe_vehicles(
    jobs: Iterable[Job],
    results: Mapping[str, Result],
    grouping: Grouping,
    *,
    marked: set[str],
    rules: ChannelRules | None = None,
    wanted: Sequence[str] = VIEWS,
) -> list[Vehicle]:
    """Sum up what became of each vehicle.

    Args:
        jobs: all photos, with their vehicles.
        results: by the jobs' names; photos that were not tried have none.
        grouping: checks the identifiers.
        marked: names of the jobs that a person should look at.
        rules: of the channel.
        wanted: views that a vehicle should have.

    Returns:
        The vehicles by their identifiers; photos without one come last.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.vehicle, []).append(job)
    found = []
    for vehicle in sorted(groups, key=lambda name: (not name, name)):
        mine = groups[vehicle]
        known = [results[job.name] for job in mine if job.name in results]
        done = [result for result in known if result.status == "done"]
        identity = grouping.identity(vehicle)
        problems = [identity.problem] if identity.problem else []
        if rules is not None and vehicle:
            problems += [f"{rules.channel}: {broken}" for broken in rules.broken_by_vehicle(vehicle, len(done))]
        views, missing = _views(done, wanted if vehicle else ())
        found.append(
            Vehicle(
                vehicle,
                identity.kind,
                len(mine),
                len(done),
                sum(result.status == "failed" for result in known),
                sum(job.name in marked for job in mine),
                sum(bool(result.facts.get("take_again")) for result in known),
                views,
                missing,
                tuple(problems),
                (identity.note,) if identity.note else (),
            )
        )
    return found


def write_vehicles(out: Path, vehicles: Iterable[Vehicle]) -> Path:
    """Write ``vehicles.csv``.

    Args:
        out: the folder of the report.
        vehicles: from ``describe_vehicles``.

    Returns:
        Its path.

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(out / VEHICLES, encode_csv(VEHICLE_COLUMNS, map(_cells, vehicles)))
    return out / VEHICLES


def _cells(one: Vehicle) -> list[object]:
    counts = [one.photos, one.done, one.failed, one.doubtful, one.again]
    texts = ["" if text is None else "; ".join(text) for text in (one.views, one.missing_views)]
    return [one.vehicle, one.identifier, *counts, *texts, "; ".join(one.problems), "; ".join(one.notes)]


def _views(done: Iterable[Result], wanted: Sequence[str]) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """The views that there are, and those that are missing; None if no photo says."""
    names = {str(result.facts["view_name"]) for result in done if result.facts.get("view_name")}
    if not names:
        return None, None
    # Of photos that show no whole car, the name is another.
    told = names & {*VIEWS}
    views = [view for view in VIEWS if view in told]
    return tuple(views), tuple(view for view in wanted if view not in told)
