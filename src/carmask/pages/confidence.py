"""A page that shows how far a model's confidence can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from carmask.evaluation.calibration import STRANGE, STUDIO, Case, check_calibration, coverage, judge_case
from carmask.model.calibration import Calibration
from carmask.pages.charts import scatter
from carmask.pages.html import Column, Html, Section, join, page, say, table, tiles, write_page

PAGE = "confidence.html"


def write_confidence(out: Path, name: str, calibration: Calibration, cases: Sequence[Case]) -> Path:
    """Write ``confidence.html``.

    Args:
        out: folder to write to; made if it is missing.
        name: the model's.
        calibration: fitted to other cars than the cases show.
        cases: photos and hard scenes with their true scores.

    Returns:
        The file.

    Raises:
        DataError: if there is no photo of the model's trade among the cases.
        OutputError: if it cannot be written.
    """
    trust = check_calibration(calibration, cases)
    usual = [case for case in cases if case.kind == STUDIO]
    sections = [
        Section(
            "sure",
            "Confidence and Dice",
            "Each point is a photo: how sure the model was, and how good its mask is. On the line both are the same; "
            "right of it, in the first picture, the model was too sure.",
            join([_points(calibration, cases), _losses(calibration, usual)]),
        ),
        Section(
            "look",
            "What looking brings",
            "A person looks at the least certain photos first and makes them perfect. Across: the share looked at; up: "
            "what is still lost, mean 1 - Dice in thousandths. The lower curve is that of one who knows the truth.",
            _coverage(calibration, usual),
        ),
        Section(
            "error",
            "Expected and true contour error",
            "In pixels of the network's input, as powers of two: 1 up is twice as far off.",
            _errors(calibration, [case for case in cases if case.kind not in STRANGE]),
        ),
        Section("scenes", "Scenes", "What it makes of photos that it was not made for.", _kinds(trust.kinds)),
    ]
    figures = [
        (f"{trust.captured:.0%}", "of the worst tenth among the least certain fifth"),
        (f"{trust.within_two:.0%}", "of contour errors within a factor of two"),
        (f"{trust.photos}", "photos of cars not fitted to"),
    ]
    lead = f"Confidence of {name}, fitted to {calibration.data}; half of the cars decided, these are the others."
    first = Section("figures", "In short", "", tiles(figures))
    return write_page(out / PAGE, page(f"Confidence of {name}", lead, [first, *sections]))


def _points(calibration: Calibration, cases: Sequence[Case]) -> Html:
    points = [(judge_case(calibration, case).confidence, case.dice, f"{case.kind}: {case.name}") for case in cases]
    return join([say("All photos and scenes."), scatter(points, across="confidence", up="Dice", diagonal=True)])


def _losses(calibration: Calibration, cases: Sequence[Case]) -> Html:
    points = []
    for case in cases:
        sure = judge_case(calibration, case).confidence
        points.append((float(np.log2(1.0001 - case.dice)), float(np.log2(1.0001 - sure)), case.name))
    title = "Photos like those it was made for, as powers of two of 1 - Dice: 1 to the right is twice as much lost."
    return join([say(title), scatter(points, across="true", up="expected", diagonal=True)])


def _coverage(calibration: Calibration, cases: Sequence[Case]) -> Html:
    dice = [case.dice for case in cases]
    sure = [judge_case(calibration, case).confidence for case in cases]
    points = [(x, 1000 * y, "by confidence") for x, y in coverage(sure, dice)]
    points += [(x, 1000 * y, "by true Dice") for x, y in coverage(dice, dice)]
    return scatter(points, across="looked at", up="lost, thousandths")


def _errors(calibration: Calibration, cases: Sequence[Case]) -> Html:
    points = []
    for case in cases:
        expected = judge_case(calibration, case).error
        if np.isfinite(expected) and case.error > 0:
            points.append((float(np.log2(expected)), float(np.log2(case.error)), f"{case.kind}: {case.name}"))
    return scatter(points, across="expected", up="true", diagonal=True)


def _kinds(kinds: dict[str, tuple[int, float, float, float]]) -> Html:
    columns = [Column("scene"), Column("photos"), Column("mean Dice"), Column("median confidence"), Column("marked")]
    rows = [(kind, n, f"{d:.4f}", f"{c:.4f}", f"{m:.0%}") for kind, (n, d, c, m) in kinds.items()]
    return table(columns, rows)
