"""The calibration page: how far a model's confidence can be relied on, by kind of scene."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from carmask.evaluation.calibration import GOOD, POOR, STRANGE, STUDIO, Case, estimate
from carmask.evaluation.reliability import SceneReliability, check_calibration, coverage
from carmask.model.calibration import Calibration
from carmask.pages.charts import scatter
from carmask.pages.html import Cell, Column, Html, Section, box, heading, page, say, table, tiles, write_page

PAGE = "confidence.html"


def write_confidence(out: Path, name: str, calibration: Calibration, cases: Sequence[Case]) -> Path:
    """Write ``confidence.html``.

    Args:
        out: folder to write to; made if it is missing.
        name: of the model.
        calibration: fitted to other cars than the cases show.
        cases: photos and hard scenes with their true scores.

    Returns:
        The file.

    Raises:
        DataError: if there is no studio photo among the cases.
        OutputError: if it cannot be written.
    """
    trust = check_calibration(calibration, cases)
    usual = [case for case in cases if case.kind == STUDIO]
    figures = [
        (f"{trust.captured:.0%}", "of the worst tenth by Dice are among the fifth of lowest confidence"),
        (f"{trust.within_two:.0%}", "of contour errors are within a factor of two of the expected error"),
        (f"{calibration.review_below:g}", "confidence below which a photo is marked for review"),
        (f"{trust.photos}", "studio photos of cars that it was not fitted to"),
    ]
    sections = [
        Section("figures", "Overview", "The figures of the first two tiles are of studio photos.", tiles(figures)),
        Section(
            "scenes",
            "By kind of scene",
            f"Reviewed: the share of photos with review=yes. Of photos with a Dice below {POOR} it should be high, of "
            f"those above {GOOD} low. The last kinds are scenes that do not show one whole car; they should all be "
            "reviewed.",
            _kinds(trust.kinds),
        ),
        Section(
            "dice",
            "Confidence and Dice",
            "A dot is a photo; on the dashed line both numbers are equal.",
            box("columns", _points(calibration, cases), _losses(calibration, usual)),
        ),
        Section(
            "review",
            "Error left after review",
            "A person corrects the studio photos of lowest confidence first, perfectly.",
            _coverage(calibration, usual),
        ),
        Section(
            "contour",
            "Expected and true contour error",
            "In pixels of the network's input, as powers of two: one step is a factor of two.",
            box("columns", _errors(calibration, [case for case in cases if case.kind not in STRANGE])),
        ),
    ]
    lead = (
        f"Confidence of {name}, fitted to {calibration.data}. It was fitted to half of the cars; these are the others."
    )
    return write_page(out / PAGE, page(f"Confidence of {name}", lead, sections))


def _points(calibration: Calibration, cases: Sequence[Case]) -> Html:
    points = [(estimate(calibration, case).confidence, case.dice, f"{case.kind}: {case.name}") for case in cases]
    chart = scatter(points, across="confidence", up="Dice", diagonal=True)
    return box("card", heading("All photos and scenes"), chart, say("Below the line the confidence is too high."))


def _losses(calibration: Calibration, cases: Sequence[Case]) -> Html:
    points = []
    for case in cases:
        expected = estimate(calibration, case).confidence
        points.append((float(np.log2(1.0001 - expected)), float(np.log2(1.0001 - case.dice)), case.name))
    chart = scatter(points, across="log2(1 - confidence)", up="log2(1 - Dice)", diagonal=True)
    note = say("One step is a factor of two in 1 - Dice. Above the line the confidence is too high.")
    return box("card", heading("Studio photos, logarithmic"), chart, note)


def _coverage(calibration: Calibration, cases: Sequence[Case]) -> Html:
    dice = [case.dice for case in cases]
    confidence = [estimate(calibration, case).confidence for case in cases]
    points = [(x, 1000 * y, f"by confidence: {y:.5f} left") for x, y in coverage(confidence, dice)]
    points += [(x, 1000 * y, f"by true Dice: {y:.5f} left") for x, y in coverage(dice, dice)]
    chart = scatter(points, across="share of photos corrected", up="mean 1 - Dice that is left, thousandths")
    note = say("Upper curve: lowest confidence first. Lower curve: lowest true Dice first, the best order there is.")
    return box("columns", box("card", chart, note))


def _errors(calibration: Calibration, cases: Sequence[Case]) -> Html:
    points = []
    for case in cases:
        expected = estimate(calibration, case).error
        if np.isfinite(expected) and case.error > 0:
            points.append((float(np.log2(expected)), float(np.log2(case.error)), f"{case.kind}: {case.name}"))
    chart = scatter(points, across="log2(expected error)", up="log2(true error)", diagonal=True)
    return box("card", chart, say("Photos that show one whole car."))


def _kinds(kinds: Mapping[str, SceneReliability]) -> Html:
    columns = [
        Column("scene"), Column("photos", number=True), Column("mean Dice", number=True),
        Column("median confidence", number=True), Column("reviewed", number=True),
        Column(f"of Dice < {POOR}: reviewed", number=True), Column(f"of Dice > {GOOD}: reviewed", number=True),
    ]  # fmt: skip
    rows = [
        (kind, one.photos, one.dice, one.confidence, _share(one.reviewed, one.photos),
         _share(one.poor_reviewed, one.poor), _share(one.good_reviewed, one.good))
        for kind, one in kinds.items()
    ]  # fmt: skip
    return box("whole", table(columns, rows))


def _share(share: float, photos: int) -> Cell:
    return Cell("–", "") if math.isnan(share) else Cell(f"{share:.0%} of {photos}", share)
