"""The page with the scores of one model."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from carmask.evaluation import metrics
from carmask.evaluation.error_breakdown import add_up
from carmask.evaluation.scoring import Examined, Score
from carmask.evaluation.summary import Summary, summarise
from carmask.pages import charts
from carmask.pages.errors import breakdown_charts
from carmask.pages.html import (
    MAX_PAGE_BYTES,
    Cell,
    Column,
    Html,
    Section,
    box,
    heading,
    keep_within,
    page,
    say,
    table,
    tiles,
)
from carmask.pages.subject import MAX_ROWS, Subject, failure_sections, rows_note
from carmask.pages.worst import Case, worst_section
from carmask.words import by_number, counted

PAGE = "scores.html"


def scores_page(name: str, subject: Subject, results: Sequence[Examined], cases: Sequence[Case]) -> Html:
    """Show the scores of one model.

    Args:
        name: of the model.
        subject: the photos.
        results: one for each of its examples.
        cases: the worst of them, from ``worst_cases``.

    Returns:
        A whole HTML document of at most 20 MB: cases that would not fit are left out, and the page says so.
    """
    scores = [one.score for one in results]
    summary = summarise(scores)
    errors = add_up([one.errors for one in results])
    sections = [
        *failure_sections(subject.failures),
        Section("overview", "Overview", "Each photo is scored at its own size.", _overview(summary, scores)),
        Section("distribution", "Distribution of Dice", "", _distribution(scores)),
        Section(
            "errors",
            "Error breakdown",
            f"{counted(errors.wrong, 'wrong pixel', thousands=True)} in "
            f"{counted(summary.images, 'photo', thousands=True)}. Red: extra pixels, predicted but not true. "
            "Blue: missed pixels.",
            breakdown_charts(errors, summary.dice.mean),
        ),
    ]
    rest = [
        Section("by-car", "By view, make and car", "", _groups(subject, scores)),
        Section("all-photos", "All photos", rows_note(len(scores)), _all(subject, scores, cases)),
    ]
    photos = (
        f"{counted(summary.images, 'photo', thousands=True)} of "
        f"{counted(summary.cars, 'car', thousands=True)} in {subject.source}"
    )
    lead = f"{name} on {photos}: mean Dice {summary.dice.mean:.6f}, computed as in the Carvana challenge."
    kept, note = keep_within(MAX_PAGE_BYTES, page("Scores", lead, [*sections, *rest]), [case.shown for case in cases])
    worst = Section(
        "worst",
        f"The {counted(len(kept), 'worst photo')}",
        "Each cluster of wrong pixels is attributed to a cause by the rules below, measured on the photo. Large: the "
        f"part with the main error, at native size. Click a picture to enlarge it.{note}",
        worst_section(cases[: len(kept)], errors.wrong),
    )
    return page("Scores", lead, [*sections, worst, *rest])


def _overview(summary: Summary, scores: Sequence[Score]) -> Html:
    dice, seconds = summary.dice, [score.seconds for score in scores]
    figures = [
        (f"{dice.mean:.4f}", "mean Dice"),
        (f"{dice.median:.4f}", "median Dice"),
        (f"{dice.tail:.4f}", "5th percentile of Dice"),
        (f"{dice.worst:.4f}", f"lowest Dice: {dice.worst_image}"),
        (f"{1000 * float(np.median(seconds)):.0f}\u00a0ms", "median time of a prediction"),
    ]
    columns = (
        Column("metric"), Column("mean", number=True), Column("median", number=True), Column("worst 5 %", number=True),
        Column("worst", number=True), Column("worst photo"), Column("better"), Column("what it measures", wide=True),
    )  # fmt: skip
    rows: list[Sequence[Cell | str]] = []
    for metric in metrics.METRICS.values():
        found = summary.metrics[metric.name]
        values = (found.mean, found.median, found.tail, found.worst)
        rows.append(
            (
                metric.heading,
                *(Cell(metric.shown(value), value) for value in values),
                found.worst_image,
                metric.direction,
                metric.description,
            )
        )
    note = say("Worst 5 %: the value that 5 % of the photos are worse than.")
    return box("stack", tiles(figures), box("whole", table(columns, rows)), note)


def _distribution(scores: Sequence[Score]) -> Html:
    values = [score.dice for score in scores]
    # From a round number below the 1st percentile: a single failure must not squeeze all else into one bar.
    low = max(0.0, math.floor(100 * float(np.percentile(values, 1))) / 100 - 0.005)
    edges = [float(edge) for edge in np.linspace(low, 1, 41)]
    below = sum(value < low for value in values)
    note = (
        say(
            f"{below} of {counted(len(values), 'photo')} {by_number(below, 'is', 'are')} below {low:.3f} and "
            "counted in the first bar."
        )
        if below
        else Html("")
    )
    parts = [box("card", heading("Photos by Dice"), charts.histogram(values, edges=edges, name="Dice", digits=3), note)]
    known = [score for score in scores if not math.isnan(score.confidence)]
    if known:
        points = [(s.confidence, s.dice, f"{s.image}: confidence {s.confidence:.4f}, Dice {s.dice:.4f}") for s in known]
        note = say("A dot is a photo. On the line, the model's confidence equals the Dice; below it, it is too high.")
        chart = charts.scatter(points, across="confidence", up="Dice", diagonal=True)
        parts.append(box("card", heading("Confidence and Dice"), chart, note))
    return box("columns", *parts)


def _groups(subject: Subject, scores: Sequence[Score]) -> Html:
    views = sorted({score.view for score in scores})
    per_view = [(f"{view:02d}" if view else "?", [s.dice for s in scores if s.view == view]) for view in views]
    by_make: dict[str, list[Score]] = defaultdict(list)
    by_car: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        by_car[score.car].append(score)
        info = subject.metadata.get(score.car)
        by_make[info.make if info else "unknown"].append(score)
    numbers = ("cars", "photos", "mean Dice", "lowest", "contour error, px")
    columns = [Column(name, number=True) for name in numbers]
    make_rows = [(make, len({s.car for s in of}), len(of), *_figures(of)) for make, of in _worst_first(by_make)]
    car_rows: list[Sequence[Cell | str | int | float]] = [
        (car, *subject.model_cells(car), len(of), *_figures(of)) for car, of in _worst_first(by_car)
    ]
    of_car = (Column("car"), *subject.model_columns, *columns[1:])
    cards = [box("card", heading("By car"), table(of_car, car_rows, find=True))]
    if subject.metadata:
        cards.insert(0, box("card", heading("By make"), table((Column("make"), *columns), make_rows)))
    by_view = box("card", heading("Dice by view"), charts.boxes(per_view, name="view"))
    return box("stack", box("columns", by_view, *cards))


def _worst_first(groups: dict[str, list[Score]]) -> list[tuple[str, list[Score]]]:
    return sorted(groups.items(), key=lambda item: float(np.mean([score.dice for score in item[1]])))


def _figures(scores: Sequence[Score]) -> tuple[float, float, Cell]:
    values = [score.dice for score in scores]
    error = float(np.mean([score.metrics["contour_error"] for score in scores]))
    return float(np.mean(values)), min(values), Cell(f"{error:.2f}", error)


def _all(subject: Subject, scores: Sequence[Score], cases: Sequence[Case]) -> Html:
    causes = {scores[case.place].image: case.tags for case in cases}
    rows = [
        (
            s.image,
            *subject.model_cells(s.car),
            s.view or "",
            *(Cell(one.shown(s.metrics[one.name]), s.metrics[one.name]) for one in metrics.METRICS.values()),
            s.confidence,
            ", ".join(causes.get(s.image, ())),
        )
        for s in sorted(scores, key=lambda s: s.dice)[:MAX_ROWS]
    ]
    numbers = ("view", *(metric.heading for metric in metrics.METRICS.values()), "confidence")
    measured = [Column(name, number=True) for name in numbers]
    columns = (Column("photo"), *subject.model_columns, *measured, Column("causes"))
    return table(columns, rows, find=True)
