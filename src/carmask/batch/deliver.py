"""Hand over the pictures of a run: a copy of each, named by vehicle and view, in the order of a walk around it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from carmask.batch.checks import COPY, NO_CAR, OTHER, SKIPPED
from carmask.batch.decisions import decisions_of
from carmask.batch.manifest import Recorded, read_records
from carmask.batch.names import MANIFEST, STATE
from carmask.batch.naming import Naming
from carmask.batch.outputs import OutputSpec
from carmask.batch.report import read_report
from carmask.batch.runfile import read_run
from carmask.errors import OutputError, UsageError
from carmask.failures import Failure
from carmask.formats.csv_text import encode_csv
from carmask.formats.spreadsheet import read_sheet
from carmask.images import is_file, make_folder, remove_file, remove_leftovers, write_atomically
from carmask.words import counted

#: The list of what was handed over, in its folder.
LIST = "delivery.csv"
COLUMNS = ("vehicle", "number", "view", "view_name", "file", "photo")
#: The default pattern of names.
PATTERN = "{vehicle}_{view:02}"


class Delivery(NamedTuple):
    """What was handed over.

    Attributes:
        files: pictures.
        vehicles: of so many vehicles.
        table: the list of them.
        left_out: photos that are done and have no vehicle.
        rejected: photos that are done, have a vehicle, and were rejected in a review.
        empty: photos that are done and have a vehicle, and in which no car was found.
        kept: photos handed over as they are, since they show no whole car.
        doubtful: photos handed over that are marked for a person to look at, and about which nobody has decided.
        again: photos handed over that should be taken again, by the checks.
        copies: photos handed over that are copies of others.
        failed: photos of the run that could not be cut, of which there is no picture.
        failures: pictures that could not be read, such as those that somebody has moved; the list leaves them out.
        alike: pairs of vehicles whose names differ in upper and lower case alone: perhaps they are one.
    """

    files: int
    vehicles: int
    table: Path
    left_out: int = 0
    rejected: int = 0
    empty: int = 0
    kept: int = 0
    doubtful: int = 0
    again: int = 0
    copies: int = 0
    failed: int = 0
    failures: tuple[Failure, ...] = ()
    alike: tuple[tuple[str, str], ...] = ()


def deliver(out: Path, to: Path, pattern: str = PATTERN) -> Delivery:
    """Copy the pictures of a run that are done, named by vehicle and by the view that was found.

    Left out are photos that somebody has rejected, those in which no car was found, whose pictures are empty, and those
    that the run has skipped, of which there is no picture.

    Args:
        out: output folder of ``cut_folder`` or ``watch_folder``, with photos grouped by vehicle.
        to: folder for the copies and ``delivery.csv``; new, empty, or of an earlier delivery, whose files are replaced.
        pattern: of the names: ``{vehicle}``, ``{view}`` (1 to 16, as it was found), ``{number}`` (1, 2, 3 … in the
            order of the views), ``{name}``. Where no view was found, ``{view}`` is the name. A second picture of
            the same name gets ``-2``; names that differ in case alone are the same, as on Windows and macOS.

    Returns:
        What was handed over.

    Raises:
        UsageError: if there is no such run, its photos have no vehicles, show no car or are all rejected, it writes no
            pictures, or ``to`` has other files.
        InUseError: if a run is going on there.
        OutputError: if something cannot be written, or none of the pictures can be read.
    """
    if not is_file(out / STATE / MANIFEST):
        raise UsageError(f"{out}: no run of carmask has written here")
    naming, spec = Naming(pattern), read_run(out / STATE).task.spec
    if not any(kind.shown for kind in spec.kinds):
        raise UsageError(f"{out}: this run wrote no pictures, only masks or parts")
    before = _earlier(to)
    now = {row["photo"]: row for row in read_report(out).records() if row["photo"]}
    done = [one for one in read_records(out / STATE / MANIFEST) if one.result.photo in now]
    finished = [one for one in done if one.result.status == "done"]
    all_done = [one for one in finished if SKIPPED not in one.result.facts]
    if finished and not all_done:
        raise UsageError(f"{out}: all photos that are done there show no whole car, and were skipped")
    known = [one for one in all_done if one.result.facts.get("vehicle")]
    if not known:
        raise UsageError(
            f"{out}: no photo that is done there has a vehicle; the option 'group' of 'carmask cut' says which one "
            "each shows"
        )
    decisions = decisions_of(out / STATE, {one.name: one.result.digest for one in known})
    wanted = [one for one in known if decisions.get(one.name) != "rejected"]
    if not wanted:
        raise UsageError(
            f"{out}: {counted(len(known), 'photo')} of vehicles, all rejected in the review; there is none to copy"
        )
    done = [one for one in wanted if NO_CAR not in one.result.reason.split("; ")]
    if not done:
        raise UsageError(f"{out}: no car was found in any photo of a vehicle; there is no picture to copy")
    rows = list(_rows(done, spec, naming))
    failures = _copy(rows, out, to, before)
    rows = [(row, source) for row, source in rows if source not in failures]
    said = [now[photo] for photo in dict.fromkeys(row["photo"] for row, _ in rows)]
    return Delivery(
        len(rows),
        len({row["vehicle"] for row, _ in rows}),
        to / LIST,
        left_out=len(all_done) - len(known),
        rejected=len(known) - len(wanted),
        empty=len(wanted) - len(done),
        kept=sum(_is_kept(row) for row in said) if spec.others == "keep" else 0,
        doubtful=sum(row.get("review") == "yes" and not row.get("decision") for row in said),
        again=sum(row.get("take_again") == "yes" for row in said),
        copies=sum(COPY in (row.get("checks") or "") for row in said),
        failed=sum(row.get("status") == "failed" for row in now.values()),
        failures=tuple(failures.values()),
        alike=alike(row["vehicle"] for row, _ in rows),
    )


def _copy(
    rows: Sequence[tuple[dict[str, str], str]], out: Path, to: Path, before: Collection[str]
) -> dict[str, Failure]:
    """Put copies and list in place of an earlier delivery.

    The list is written first, with what will be there and what was: a delivery that ends on the way, however it ends,
    is known for one by the next.

    Returns:
        The pictures that could not be read. They are not in the list, and no earlier copy of that name is left.
    """
    names = {row["file"] for row, _ in rows}
    gone = sorted(set(before) - names)
    make_folder(to)
    table = [[*row.values()] for row, _ in rows]
    write_atomically(to / LIST, encode_csv(COLUMNS, [*table, *(["", "", "", "", name, ""] for name in gone)]))
    folders: dict[Path, list[str]] = {to: [LIST]}
    for name in (*names, *gone):
        folders.setdefault((to / name).parent, []).append(Path(name).name)
    for folder, files in folders.items():
        remove_leftovers(folder, files)
    failures: dict[str, Failure] = {}
    for row, source in rows:
        try:
            content = (out / source).read_bytes()
        except OSError as error:
            failures[source] = Failure(source, f"{out / source}: cannot be read: {error.strerror or error}")
            gone.append(row["file"])
            continue
        make_folder((to / row["file"]).parent)
        write_atomically(to / row["file"], content)
    written = {name.casefold(): name for name in names - {*gone}}
    for name in gone:
        if not _are_one(to / name, to / written.get(name.casefold(), name)):
            remove_file(to / name)
    write_atomically(to / LIST, encode_csv(COLUMNS, ([*row.values()] for row, one in rows if one not in failures)))
    if len(failures) == len(rows):
        first = next(iter(failures.values()))
        raise OutputError(f"{first.reason}; so are all {len(rows)}: run 'carmask cut' again, it makes what is missing")
    return failures


def _are_one(file: Path, other: Path) -> bool:
    """Whether two names that differ in case alone are those of one file, as on Windows and macOS."""
    try:
        return file != other and file.samefile(other)
    except OSError:
        return False


def alike(vehicles: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of vehicles whose names differ in upper and lower case alone.

    Args:
        vehicles: their names.
    """
    first: dict[str, str] = {}
    pairs = [(first.setdefault(name.casefold(), name), name) for name in sorted({*vehicles})]
    return tuple((one, other) for one, other in pairs if one != other)


def _is_kept(row: dict[str, str]) -> bool:
    """Whether a photo that shows no whole car, in a run that keeps such photos, still is as it was."""
    return row.get("view_name") == OTHER and row.get("decision") != "corrected"


def _rows(done: Iterable[Recorded], spec: OutputSpec, naming: Naming) -> Iterable[tuple[dict[str, str], str]]:
    """What ``delivery.csv`` says of each picture, and its file in the output folder, in the order of the views."""
    vehicles: dict[str, list[Recorded]] = {}
    for one in done:
        vehicles.setdefault(str(one.result.facts["vehicle"]), []).append(one)
    kinds = [(at, kind) for at, kind in enumerate(spec.kinds) if kind.shown]
    taken: set[str] = set()
    for vehicle, mine in sorted(vehicles.items()):
        for number, one in enumerate(sorted(mine, key=lambda one: (_view(one) or 99, one.name)), 1):
            view, facts = _view(one), one.result.facts
            for at, _ in kinds:
                source = spec.outputs(one.name)[at]
                suffix = source[len(one.name) :]
                # A number at the end of the photo's name is no view that was found.
                shown = one.name.rpartition("/")[2] if view is None else view
                made = plain = naming.apply(one.name, vehicle, number, shown)
                again = 1
                while (made + suffix).casefold() in taken:
                    again += 1
                    made = f"{plain}-{again}"
                taken.add((made + suffix).casefold())
                values = (vehicle, number, "" if view is None else view, facts.get("view_name") or "", made + suffix)
                texts = (*map(str, values), one.result.photo)
                yield dict(zip(COLUMNS, texts, strict=True)), source


def _view(one: Recorded) -> int | None:
    view = one.result.facts.get("view")
    return int(view) if isinstance(view, int | float) else None


def _earlier(to: Path) -> frozenset[str]:
    """The files of an earlier delivery.

    Raises:
        UsageError: if the folder has files, and none is a list of a delivery; or the list is damaged.
    """
    try:
        if not to.exists() or (to.is_dir() and not any(to.iterdir())):
            return frozenset()
        sheet = read_sheet((to / LIST).read_bytes())
    except OSError as error:
        raise UsageError(f"{to}: it has other files; name a new or empty folder", argument="to") from error
    except ValueError as error:
        raise UsageError(f"{to / LIST}: {error}; name a new or empty folder", argument="to") from error
    if not {"vehicle", "file"} <= {*sheet.header}:
        raise UsageError(f"{to / LIST}: not the list of a delivery; name a new or empty folder", argument="to")
    files = {row.get("file") or "" for row in sheet.records()}
    return frozenset(name for name in files if name and not Path(name).is_absolute() and ".." not in Path(name).parts)
