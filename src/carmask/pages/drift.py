"""The page of a drift report: what has moved, week by week, and the photos most worth correcting."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from carmask.drift.detect import Change
from carmask.drift.run import DriftReport
from carmask.drift.select import Choice
from carmask.drift.summary import Summary
from carmask.errors import CarmaskError
from carmask.formats.csv_text import encode_csv
from carmask.images import make_folder, open_reduced, write_atomically
from carmask.pages.charts import boxes
from carmask.pages.html import (
    MAX_PAGE_BYTES,
    Cell,
    Column,
    Html,
    Section,
    box,
    heading,
    join,
    keep_within,
    page,
    picture,
    say,
    table,
    text,
    tiles,
    write_page,
)
from carmask.pages.pictures import smaller
from carmask.prediction.measures import MEASURES
from carmask.words import by_number, counted

#: The page's file, and the tables beside it.
PAGE, CHANGES, PHOTOS = "drift.html", "drift.csv", "drift-photos.csv"
#: Measures that are drawn.
_DRAWN = 8
_WIDTH = 360


def write_drift(out: Path, found: DriftReport, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write ``drift.html``, ``drift.csv`` (what was tested) and ``drift-photos.csv`` (photos to correct).

    Args:
        out: the folder to write to.
        found: from ``compare_runs``.
        progress: called with the number of photos drawn and of all.

    Returns:
        The page.

    Raises:
        OutputError: if they cannot be written.
    """
    make_folder(out)
    write_atomically(out / CHANGES, encode_csv(Change._fields, (map(_rounded, one) for one in found.drift.changes)))
    # The first has none before it, where nothing was corrected yet.
    rows = [
        (one.row.out, one.row.name, one.row.photo, one.row.confidence, _distance(one.distance)) for one in found.choices
    ]
    write_atomically(out / PHOTOS, encode_csv(("out", "name", "photo", "confidence", "distance"), rows))
    return write_page(out / PAGE, drift_page(found, progress=progress))


def _rounded(value: object) -> object:
    """Six figures of a number: what a spreadsheet can show."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _distance(distance: float) -> float | None:
    return round(distance, 3) if math.isfinite(distance) else None


def drift_page(found: DriftReport, *, progress: Callable[[int, int], None] | None = None) -> Html:
    """Show what a comparison found.

    Args:
        found: from ``compare_runs``.
        progress: called with the number of photos drawn and of all.

    Returns:
        A whole HTML document of at most 20 MB.
    """
    drift = found.drift
    moved, tested = len(drift.moved), len(drift.changes)
    verdict = f"{moved or 'None'} of {tested} measures and rates {by_number(moved or 1, 'has', 'have')} moved."
    lead = f"{drift.period.about}, compared with {drift.reference.about}. {verdict}"
    sections = [
        _overview(found),
        Section(
            "moved",
            "What has moved",
            "Distance: the largest distance between the two distribution functions, or the difference of two rates. "
            "Independent: how many photos the period's are worth, since photos of one car are alike. p: the "
            "probability of such a distance by chance, corrected for the number of tests (Holm).",
            join([_changes(drift.changes), *_charts(found)]),
        ),
    ]
    if len(found.weeks) > 1:
        sections.append(Section("weeks", "Week by week", "Medians and rates of the weeks.", _weeks(found.weeks)))
    cards = _cards(found.choices, progress)
    title = f"The {counted(len(cards), 'photo')} most worth correcting" if cards else "Photos to correct"
    kept, note = keep_within(MAX_PAGE_BYTES, page("Drift", lead, sections), cards)
    body = box("grid", *kept) if kept else box("card good", heading("No photo was chosen."))
    sections.append(
        Section(
            "photos",
            title,
            "Chosen one after another: uncertain, and unlike the photos that were corrected or chosen before. Unusual: "
            "how many of the reference's deviations a measure lies above or below its median. 'carmask review' mends "
            f"their masks.{note}",
            body,
        )
    )
    return page("Drift", lead, sections)


def _overview(found: DriftReport) -> Section:
    drift, moved = found.drift, len(found.drift.moved)
    figures = [
        (f"{moved}", f"of {len(drift.changes)} measures and rates {by_number(moved, 'has', 'have')} moved"),
        (f"{drift.period.photos:,}", f"{_photos(drift.period)} compared"),
        (f"{drift.reference.photos:,}", f"{_photos(drift.reference)} in the reference"),
        (f"{drift.level:g}", "probability of a false alarm, all tests together"),
    ]
    notes = [found.left_out] if found.left_out else []
    notes += [f"Not tested: {one}." for one in drift.untested]
    body = join([tiles(figures), *map(say, notes)])
    return Section("overview", "Overview", f"Cut with {drift.period.made_with}.", body)


def _photos(one: Summary) -> str:
    cars = counted(one.vehicles, "car", thousands=True)
    return f"{by_number(one.photos, 'photo', 'photos')} of {cars}"


def _changes(changes: Sequence[Change]) -> Html:
    columns = (
        Column("what", wide=True), Column("reference", number=True), Column("now", number=True),
        Column("distance", number=True), Column("independent", number=True), Column("p", number=True), Column("moved"),
    )  # fmt: skip
    rows = [
        (
            one.title, Cell(f"{one.before:.3g}", one.before), Cell(f"{one.now:.3g}", one.now),
            Cell(f"{one.distance:.2f}", one.distance), Cell(f"{one.photos:.0f}", one.photos),
            Cell(f"{one.adjusted:.2g}", one.adjusted), Html("<b>yes</b>") if one.moved else "no",
        )
        for one in changes
    ]  # fmt: skip
    return box("whole", table(columns, rows))


def _charts(found: DriftReport) -> list[Html]:
    period, reference = found.drift.period, found.drift.reference
    drawn = [one for one in found.drift.moved if one.name in MEASURES][:_DRAWN]
    if not drawn:
        return []
    cards = [
        box(
            "card",
            heading(one.title),
            boxes(
                [
                    ("reference", reference.measures[one.name].values),
                    ("now", period.measures[one.name].values),
                ],
                name="",
                digits=2,
            ),
        )
        for one in drawn
    ]
    return [
        say("Median, quartiles, 5th and 95th percentiles; circles are the smallest and largest."),
        box("columns", *cards),
    ]


def _weeks(weeks: Sequence[tuple[str, Summary]]) -> Html:
    shown = ("light", "background_light", "background_b", "area", "shape", "confidence")
    columns = [Column("week"), Column("photos", number=True), Column("cars", number=True)]
    columns += [Column(MEASURES[name].title.partition(",")[0].partition(":")[0], number=True) for name in shown]
    columns += [Column("failed", number=True), Column("to review", number=True), Column("corrected", number=True)]
    rows: list[tuple[Cell | str | int, ...]] = []
    for name, one in weeks:
        medians = [one.measures[key].median if key in one.measures else float("nan") for key in shown]
        rates = [
            one.rates[key].share if key in one.rates else float("nan") for key in ("failed", "review", "corrected")
        ]
        rows.append(
            (
                name,
                one.photos,
                one.vehicles,
                *(Cell(f"{value:.3g}", value) for value in medians),
                *(Cell(f"{value:.1%}", value) for value in rates),
            )
        )
    return table(columns, rows)


def _cards(choices: Sequence[Choice], progress: Callable[[int, int], None] | None) -> list[Html]:
    cards = []
    for number, one in enumerate(choices, 1):
        cards.append(_card(number, one))
        if progress is not None:
            progress(number, len(choices))
    return cards


def _card(number: int, choice: Choice) -> Html:
    row = choice.row
    try:
        pixels = smaller(open_reduced(row.photo, lambda size: (size[0] * _WIDTH // size[1], _WIDTH)).pixels, _WIDTH)
        shown = picture(pixels, str(row.photo), shown="")
    except CarmaskError as error:
        shown = say(f"Cannot be shown: {error}")
    unusual = "; ".join(f"{_short(title)} {deviation:+.1f}" for title, deviation in choice.unusual)
    head = Html(f'<div class="head"><span class="rank">{number}</span><b>{text(row.name)}</b></div>')
    return box("card", head, shown, say(f"Confidence {row.confidence:.3f}. Unusual: {unusual}."))


def _short(title: str) -> str:
    """A measure's title without what it is computed as, in brackets or after the last comma."""
    return re.sub(r" \(.*?\)|, (mean|standard deviation of) .*|, logarithm$|, from the \w+$", "", title)
