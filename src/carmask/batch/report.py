"""``report.csv``: a row for each photo, with a mark on those that a person should look at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from carmask.batch.checks import Results
from carmask.batch.job import Job, Result
from carmask.batch.manifest import Manifest
from carmask.batch.names import REPORT
from carmask.batch.own_outputs import OWN_OUTPUT
from carmask.batch.plan import Plan
from carmask.errors import OutputError, UsageError, check_number
from carmask.formats.csv_text import encode_csv
from carmask.formats.spreadsheet import Sheet, read_sheet
from carmask.images import write_atomically
from carmask.model.file import find_model, read_info

REPORT_COLUMNS = (
    *("photo", "status", "reason", "confidence", "area", "seconds", "expected_error_px"),
    *("review", "decision"),
)
#: Facts of a photo (``Result.facts``) in the order of their columns, after the fixed ones; a column stands in the
#: report if any photo has the fact. Facts that are not listed here follow by name.
FACT_COLUMNS = ("vehicle", "view", "view_name", "view_confidence", "checks", "take_again", "plate")
#: Confidence below which a person should look, for models that are not calibrated.
REVIEW_BELOW = 0.98


@dataclass(frozen=True)
class Review:
    """Which photos a person should look at: a share of them, or all below a confidence.

    Attributes:
        below: those whose confidence, 0 to 1, is lower.
        budget: this fraction of all, 0 to 1, instead: the least certain ones, rounded up.
    """

    below: float
    budget: float | None = None

    def check(self) -> None:
        """Refuse limits that are no fractions.

        Raises:
            UsageError: if one is none.
        """
        for name in ("below", "budget"):
            value = getattr(self, name)
            if value is None and name == "budget":
                continue
            check_number(value, name)
            if not 0 <= value <= 1:  # also of NaN
                raise UsageError(f"{value!r}: give 0 to 1", argument=name)

    def choose(self, confidences: Mapping[str, float]) -> set[str]:
        """Choose from photos with their confidence, by name."""
        if self.budget is None:
            return {name for name, confidence in confidences.items() if confidence < self.below}
        count = math.ceil(self.budget * len(confidences) - 1e-9)
        return set(sorted(confidences, key=lambda name: (confidences[name], name))[:count])


def default_review(model: str | Path) -> Review:
    """Those below the confidence that the model's calibration names.

    Raises:
        ModelError: if there is no such model, or its file is damaged.
    """
    calibration = read_info(find_model(model)).calibration
    return Review(REVIEW_BELOW if calibration is None else calibration.review_below)


def write_report(
    out: Path,
    plan: Plan,
    manifest: Manifest,
    *,
    review: Review | None = None,
    decisions: Mapping[str, str] | None = None,
    checked: Results | None = None,
) -> Path:
    """Write ``report.csv``: a row for each photo that was tried, in the order of the jobs, then the other files.

    Status is ``done``, ``failed`` or, for files in the searched folders that are not worked on, ``left out``.

    Args:
        out: the output folder.
        plan: from ``plan_run``.
        manifest: has their results.
        review: which photos are marked for a person to look at; without it the column says so of none.
        decisions: what a person decided, by the jobs' names: ``accepted``, ``corrected`` or ``rejected``.
        checked: name and result of each job, in their order, from ``with_checks``; by default those of the manifest.

    Returns:
        Its path.

    Raises:
        OutputError: if it cannot be written.
    """
    marked = set() if review is None else to_review(plan.jobs, manifest, review)
    found = [(job.name, manifest.result(job.name)) for job in plan.jobs] if checked is None else checked
    results = [(name, _with_vehicle(result, job)) for job, (name, result) in zip(plan.jobs, found, strict=True)]
    results += [("", result) for result in plan.failed]
    facts = fact_columns(result for _, result in results if result is not None)
    rows: list[list[object]] = []
    for name, result in results:
        if result is None:
            continue
        confidence = "" if result.confidence is None else f"{result.confidence:.4f}"
        area = "" if result.area is None else f"{result.area:.4f}"
        error = "" if result.error is None else f"{result.error:.2f}"
        mark = "yes" if name in marked else ""
        known = [result.photo, result.status, result.reason, confidence, area, f"{result.seconds:.3f}"]
        further = ["" if result.facts.get(fact) is None else result.facts[fact] for fact in facts]
        rows.append([*known, error, mark, (decisions or {}).get(name, ""), *further])
    empty = [""] * (len(REPORT_COLUMNS) + len(facts) - 3)
    rows += ([one.path, "left out", one.reason, *empty] for one in plan.left_out if one.reason != OWN_OUTPUT)
    write_atomically(out / REPORT, encode_csv([*REPORT_COLUMNS, *facts], rows))
    return out / REPORT


def read_report(out: Path) -> Sheet:
    """Read ``report.csv``, as written or as a spreadsheet has saved it.

    Args:
        out: the folder that it is in.

    Returns:
        The table; it has a column ``photo``.

    Raises:
        OutputError: if the file cannot be read.
        UsageError: if it is no report any more.
    """
    file = out / REPORT
    try:
        sheet = read_sheet(file.read_bytes())
    except OSError as error:
        raise OutputError(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{file}: {error}; the same cut again writes the report anew") from error
    if "photo" not in sheet.header:
        raise UsageError(f"{file}: it has no column 'photo' any more; the same cut again writes the report anew")
    return sheet


def _with_vehicle(result: Result | None, job: Job) -> Result | None:
    """The vehicle as this run has it: an earlier one may have grouped photos in another way."""
    if result is None or not (job.vehicle or "vehicle" in result.facts):
        return result
    return replace(result, facts={**result.facts, "vehicle": job.vehicle})


def fact_columns(results: Iterable[Result]) -> list[str]:
    """The facts that any of the photos has, in the order of their columns."""
    found = {fact for result in results for fact in result.facts if not fact.startswith("_")}
    return [*(fact for fact in FACT_COLUMNS if fact in found), *sorted(found - {*FACT_COLUMNS})]


def to_review(jobs: Iterable[Job], manifest: Manifest, review: Review) -> set[str]:
    """Which photos a person should look at, those that failed aside.

    Args:
        jobs: from ``plan_run``.
        manifest: has their results.
        review: by what.

    Returns:
        Names of jobs.
    """
    results = ((job.name, manifest.result(job.name)) for job in jobs)
    return review.choose({n: r.confidence for n, r in results if r is not None and r.confidence is not None})
