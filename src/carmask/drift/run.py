"""Compare the photos of output folders with earlier ones: gather them, find their reference, choose what to correct."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from carmask.batch.measured import MadeWith, Measured, read_measured
from carmask.drift.detect import LEVEL, Drift, detect_drift
from carmask.drift.select import PHOTOS, Choice, choose_photos
from carmask.drift.summary import SUFFIX, Summary, load_summary, save_summary, summarise
from carmask.errors import DataError, UsageError
from carmask.images import is_folder, is_there, real_path
from carmask.model.installed import list_models
from carmask.words import by_number, counted

#: In place of a reference: the same folders' photos from before.
EARLIER = "earlier"


@dataclass(frozen=True)
class DriftReport:
    """What ``compare_runs`` found.

    Attributes:
        drift: what has moved.
        choices: photos worth correcting, the best first.
        weeks: the compared photos by the week they were cut in, as ``2026-W48``, the earliest first.
        left_out: photos that were left out, and why, for the reader; empty for none.
    """

    drift: Drift
    choices: tuple[Choice, ...]
    weeks: tuple[tuple[str, Summary], ...]
    left_out: str


def compare_runs(
    outs: Sequence[Path],
    *,
    against: str | Path | None = None,
    since: date | None = None,
    level: float = LEVEL,
    count: int = PHOTOS,
) -> DriftReport:
    """Find out whether the photos of output folders are unlike a reference, and which of them to correct.

    Args:
        outs: output folders of ``cut``, compared together.
        against: the reference: an output folder, a file of ``save_reference``, or ``"earlier"``, the photos of the same
            folders cut before ``since``; None for the photos that the model was calibrated on.
        since: compare only photos cut on this day (UTC) or later.
        level: the probability of any false alarm.
        count: how many photos to choose.

    Returns:
        What was found.

    Raises:
        UsageError: if a folder is none of ``cut``, there is nothing to compare with, or there are too few photos.
        DataError: if nothing was measured on the photos, or the reference is damaged.
        OutputError: if a folder's files cannot be read.
    """
    rows, before = _gather(outs, since)
    rows, left_out = _of_one_model(rows)
    period = summarise(rows, about=_about(outs))
    if against == EARLIER:
        if since is None:
            raise UsageError("earlier photos are those before a day: give since=…", argument="against")
        if not before:
            raise UsageError(f"no photo was cut before {since}", argument="since")
        reference = summarise(_of_one_model(before)[0], about=f"{_about(outs)} before {since}")
    else:
        reference = find_reference(against, period.made_with)
    drift = detect_drift(period, reference, level=level)
    return DriftReport(drift, tuple(choose_photos(rows, reference, count=count)), tuple(_by_week(rows)), left_out)


def save_reference(outs: Sequence[Path], file: Path, *, since: date | None = None, about: str = "") -> Summary:
    """Keep what the photos of output folders are like, as a reference for later ones.

    Args:
        outs: output folders of ``cut``.
        file: to write, JSON: distributions and rates, nothing of any one photo.
        since: only photos cut on this day (UTC) or later.
        about: what they are, for the reader; the folders' names by default.

    Returns:
        What was kept.

    Raises:
        UsageError: if a folder is none of ``cut``, or the file's name does not end in .json.
        DataError: if nothing was measured on the photos.
        OutputError: if a folder's files cannot be read, or the file cannot be written.
    """
    if file.suffix.lower() != ".json":
        raise UsageError(f"{file}: a reference is JSON; give it a name that ends in .json", argument="save")
    rows, _ = _of_one_model(_gather(outs, since)[0])
    summary = summarise(rows, about=about or _about(outs))
    save_summary(file, summary)
    return summary


def find_reference(against: str | Path | None, model: MadeWith) -> Summary:
    """The reference that is asked for, or that of the model: a file beside it.

    Raises:
        UsageError: if there is none.
        DataError: if it is damaged, or nothing was measured there.
    """
    if against is not None:
        path = Path(against)
        if is_folder(path):
            return summarise(_of_one_model(read_measured(path))[0], about=_about([path]))
        if not is_there(path):
            raise UsageError(
                f"{against}: neither a reference file nor an output folder of 'carmask cut'", argument="against"
            )
        return load_summary(path)
    for one in list_models():
        file = reference_path(one.path)
        if one.digest == model.digest and file.is_file():
            return load_summary(file)
    raise UsageError(
        f"nothing is known of the photos that {model} was calibrated on: give against=…, an output folder of earlier "
        "photos or a file that save=… wrote"
    )


def reference_path(model: Path) -> Path:
    """Where the reference of a model file is: beside it."""
    return model.with_name(f"{model.stem}{SUFFIX}")


def _gather(outs: Sequence[Path], since: date | None) -> tuple[list[Measured], list[Measured]]:
    """The photos cut since a day, and those from before."""
    if not outs:
        raise UsageError("no output folder is given", argument="outs")
    rows = [row for out in dict.fromkeys(real_path(path) for path in outs) for row in read_measured(out)]
    if not rows:
        raise UsageError(f"{_about(outs)}: no photo was cut there")
    if since is None:
        return rows, []
    start = since.isoformat()
    later = [row for row in rows if row.finished >= start]
    if not later:
        raise UsageError(f"no photo was cut since {since}", argument="since")
    return later, [row for row in rows if row.finished < start]


def _of_one_model(rows: Sequence[Measured]) -> tuple[list[Measured], str]:
    """Those cut with the model that most were cut with, and what is to be said of the others."""
    counts = Counter(row.model for row in rows)
    if not counts:
        raise DataError("no photo was cut there")
    chosen, most = counts.most_common(1)[0]
    rest = len(rows) - most
    said = (
        f"{counted(rest, 'photo')} that {by_number(rest, 'was', 'were')} cut with another model than {chosen} "
        f"{by_number(rest, 'is', 'are')} left out"
        if rest
        else ""
    )
    return [row for row in rows if row.model == chosen], said


def _by_week(rows: Sequence[Measured]) -> list[tuple[str, Summary]]:
    weeks: dict[str, list[Measured]] = {}
    for row in rows:
        year, week, _ = datetime.fromisoformat(row.finished).astimezone(UTC).isocalendar()
        weeks.setdefault(f"{year}-W{week:02}", []).append(row)
    return [
        (name, summarise(weeks[name], about=name)) for name in sorted(weeks) if any(row.measures for row in weeks[name])
    ]


def _about(outs: Sequence[Path]) -> str:
    names = [real_path(path).name for path in outs]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
