"""``carmask watch``."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from carmask.cli.batches import complain_of
from carmask.cli.command import Command, option
from carmask.cli.messages import complain, counted
from carmask.cli.options import RUN, device_option, model_option, out_option, profile_option, timeout_option
from carmask.cli.types import PATH, NumberRange
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.batch.job import Result
    from carmask.batch.vehicle_report import Vehicle
    from carmask.model.runtime import Device


@click.command(
    "watch",
    cls=Command,
    examples=(
        "carmask watch incoming/ --out out/ --profile showroom",
        "carmask watch incoming/ --out out/ --profile white --quiet-time 600",
        "carmask watch incoming/ --out out/ --stop-after 60",
    ),
)
@click.argument("folder", type=PATH, metavar="IN", help="The folder in which photos arrive; sub-folders too.")
@out_option("DIR", "Folder for the results.")
@profile_option
@model_option
@option(
    "--group",
    metavar="folder|name|TABLE",
    help="Which vehicle a photo shows, as with 'carmask cut'.  [default: what the profile says]",
)
@option(
    "--name",
    metavar="PATTERN",
    help="Pattern of the results' names, as with 'carmask cut', but without {number}.  [default: what the profile "
    "says]",
)
@option(
    "--settle",
    type=NumberRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    section=RUN,
    help="Take a file as whole if it has not changed for so long, and has its end.",
)
@option(
    "--quiet-time",
    "quiet",
    arguments=["quiet"],
    type=NumberRange(min=0.1),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    section=RUN,
    help="Finish a vehicle if nothing was added to it for so long. A file without its end is taken then, too.",
)
@option(
    "--stop-after",
    type=NumberRange(min=0.1),
    metavar="SECONDS",
    section=RUN,
    help="End if nothing arrived for so long and everything is done.  [default: go on until Ctrl-C]",
)
@device_option
@timeout_option
def watch(
    folder: Path,
    out: Path,
    profile: str | None,
    model: str,
    group: str | None,  # noqa: ARG001  # read by find_settings, as the next one
    name: str | None,  # noqa: ARG001
    settle: float,
    quiet: float,
    stop_after: float | None,
    device: Device,
    timeout: float,
) -> None:
    """Cut photos as they arrive in a folder.

    Writes what 'carmask cut IN --recursive' writes with the same profile: results, report.csv, vehicles.csv. Either
    goes on where the other was. Prints a line for each photo and each vehicle that is finished. Files that are still
    being copied are waited for. Where the profile places all views of a vehicle alike, its pictures are made when they
    arrive, and once more, with all its views, when it is finished.

    Ctrl-C and SIGTERM end it: the photos under way are finished. What is wrong with vehicles, and how many photos have
    none, is said at the end. The same command goes on from there, also after it was killed.
    """
    from carmask.batch.watch import WatchEvents, WatchTimes, watch_folder
    from carmask.cli.in_force import find_settings

    found = find_settings(click.get_current_context(), profile, [str(folder)])
    if found.line:
        print(found.line, flush=True)
    try:
        with _stopping() as stop:
            made = watch_folder(
                folder,
                out,
                found.spec,
                model=model,
                device=device,
                timeout=timeout,
                group=found.group,
                name=found.profile.name,
                checks=found.profile.check_settings(),
                times=WatchTimes(settle=settle, quiet=quiet, stop_after=stop_after),
                stop=stop,
                events=WatchEvents(
                    ready=lambda: print(f"watching {folder}; Ctrl-C ends it", flush=True),
                    photo=_photo,
                    vehicle=_vehicle,
                    trouble=_trouble,
                ),
            )
    except UsageError as error:
        raise found.blame(error) from error
    rest = f", {made.waiting} waiting for the next time" if made.waiting else ""
    print(f"stopped: {counted(made.photos, 'photo')} worked on, {made.failed} failed{rest}")
    problems = complain_of(made.vehicles, out / "report.csv")
    if made.failed or problems:
        raise click.exceptions.Exit(1)


@contextmanager
def _stopping() -> Iterator[Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C interrupts at once."""
    stop = Event()

    def end(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])
        with suppress(RuntimeError):  # it came while a line was being written: a second one cannot be, within it
            print("stopping: finishing the photos under way", flush=True)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _photo(result: Result) -> None:
    if result.status == "failed":
        complain(result.reason)
    else:
        remark = f": {result.reason}" if result.reason else ""
        print(f"done {result.photo}{remark}", flush=True)


def _vehicle(vehicle: Vehicle) -> None:
    parts = [f"{vehicle.done} of {counted(vehicle.photos, 'photo')} done"]
    if vehicle.doubtful:
        parts.append(f"{vehicle.doubtful} to review")
    if vehicle.again:
        parts.append(f"{vehicle.again} to take again")
    if vehicle.missing_views:
        parts.append(f"missing: {', '.join(vehicle.missing_views)}")
    print(f"finished {vehicle.vehicle}: {'; '.join([*parts, *vehicle.problems])}", flush=True)


def _trouble(text: str) -> None:
    complain(f"{text}; waiting" if text else "going on")
