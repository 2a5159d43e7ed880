"""The page about a data set: what it holds, and what is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from carmask.pages import charts
from carmask.pages.contact import contact_sheet
from carmask.pages.html import (
    MAX_PAGE_BYTES,
    Cell,
    Column,
    Html,
    Section,
    box,
    findable,
    heading,
    join,
    keep_within,
    page,
    picture,
    say,
    table,
    tiles,
)
from carmask.pages.subject import car_title
from carmask.pages.survey_charts import colour_charts, mask_charts, mean, number, swatch
from carmask.survey.facts import Facts
from carmask.survey.problems import REMARKS, VIEWS, count_problems
from carmask.survey.survey import Survey
from carmask.words import counted

#: The name of the page in its folder.
PAGE = "explore.html"
TITLE = "Data set"
#: Rows of problems that the page lists; the command prints how many there are of each kind.
MAX_PROBLEMS = 2000


def explore_page(found: Survey, source: str) -> Html:
    """Show a survey as a page.

    Args:
        found: from ``survey``.
        source: the data set's name.

    Returns:
        A whole HTML document of at most 20 MB; sheets that would not fit are left out, and the page says so.
    """
    cars = found.cars
    kinds = "; ".join(f"{kind}: {number:,}" for kind, number in count_problems(found.problems))
    sections = [
        Section("overview", "Overview", "", _overview(found, cars)),
        Section("problems", "Problems", kinds, _problems(found)),
    ]
    if found.metadata:
        told = "Cars of this data set, joined with metadata.csv."
        sections.append(Section("cars", "Cars by year, make and model", told, _makes(found, cars)))
    sections += [
        Section("masks", "Masks by view", "", mask_charts(found)),
        Section(
            "colours",
            "Colours of car and background",
            "Where car and background have similar colours, the contour is hard to find. Colour difference is the "
            "distance of the two mean colours in CIE L*a*b*; differences below about 2 are not visible.",
            colour_charts(found),
        ),
        Section(
            "all-cars", "All cars", "Means over the photos of each car. Click a heading to sort.", _cars(found, cars)
        ),
    ]
    lead = (
        f"{counted(len(found.facts), 'photo', thousands=True)} of "
        f"{counted(len(cars), 'car', thousands=True)} in {source}, and everything that is wrong with them."
    )
    ordered = sorted(found.sheets.items(), key=lambda item: car_title(found.metadata, item[0]))
    made = [
        picture(
            contact_sheet(views),
            f"{car_title(found.metadata, car)} · {car}" if car in found.metadata else car,
            quality=72,
        )
        for car, views in ordered
    ]
    kept, note = keep_within(MAX_PAGE_BYTES, page(TITLE, lead, sections), made)
    if made:
        grid = Html(f'<div class="grid" style="--cell:370px">{join(kept)}</div>')
        told = f"{len(kept)} of {counted(len(cars), 'car')}, with the true contour in pink.{note}"
        sections.append(Section("sheets", "Contact sheets", told, findable(grid, len(kept))))
    return page(TITLE, lead, sections)


def _overview(found: Survey, cars: Sequence[str]) -> Html:
    sizes = Counter(one.size for one in found.facts).most_common(1)
    areas = [one.area for one in found.facts]
    size = f"{sizes[0][0][1]}×{sizes[0][0][0]}" if sizes else "–"
    makes = {info.make for car in cars if (info := found.metadata.get(car))}
    wrong = sum(problem.kind not in REMARKS for problem in found.problems)
    return tiles(
        [
            (f"{found.photos:,}", "photos"),
            (f"{len(cars):,}", "cars"),
            *([(f"{len(makes)}", "makes")] if found.metadata else []),
            (size, "pixels, most photos"),
            (f"{100 * np.mean(areas):.1f}\u00a0%" if areas else "–", "of a photo is car, on average"),
            (f"{100 * min(areas):.0f}–{100 * max(areas):.0f}\u00a0%" if areas else "–", "smallest and largest mask"),
            (f"{wrong:,}", "problems, listed below"),
        ]
    )


def _problems(found: Survey) -> Html:
    checks = (
        "Checked: photos without mask, masks without photo, unreadable files, sizes that differ, masks that are not "
        "binary, that are empty or full, or perhaps inverted; photos or masks that are equal pixel by pixel; cars with "
        f"fewer than {VIEWS} views; cars that metadata.csv does not hold. Noted, but not wrong: masks that touch the "
        "edge of the photo."
    )
    wrong = [problem for problem in found.problems if problem.kind not in REMARKS]
    verdict = counted(len(wrong), "problem", thousands=True) if wrong else "No problems"
    parts = [box("card bad" if wrong else "card good", heading(verdict), say(checks))]
    if found.problems:
        rows = [(problem.kind, problem.where, problem.what) for problem in found.problems[:MAX_PROBLEMS]]
        parts.append(table((Column("kind"), Column("where"), Column("what", wide=True)), rows, find=True))
    if len(found.problems) > MAX_PROBLEMS:
        parts.append(say(f"{len(found.problems) - MAX_PROBLEMS:,} more are not listed."))
    return box("stack", *parts)


def _makes(found: Survey, cars: Sequence[str]) -> Html:
    known = [info for car in cars if (info := found.metadata.get(car))]
    years = Counter(info.year for info in known)
    makes = Counter(info.make for info in known).most_common()
    models: dict[tuple[str, str], list[str]] = defaultdict(list)
    for info in known:
        models[info.make, info.model].append(info.year)
    by_model = box(
        "card",
        heading(f"By make and model: {counted(len(models), 'model')}"),
        table(
            (Column("make"), Column("model"), Column("cars", number=True), Column("years", wide=True)),
            [
                (make, model, len(of), ", ".join(sorted(set(of))))
                for (make, model), of in sorted(models.items(), key=lambda item: (-len(item[1]), item[0]))
            ],
            find=True,
        ),
    )
    by_year = box("card", heading("By year"), charts.bars(sorted(years), [years[year] for year in sorted(years)]))
    by_make = box("card", heading("By make"), charts.bars([make for make, _ in makes], [n for _, n in makes]))
    return box("columns", box("stack", by_year, by_model), by_make)


def _cars(found: Survey, cars: Sequence[str]) -> Html:
    by_car: dict[str, list[Facts]] = defaultdict(list)
    for one in found.facts:
        by_car[one.car].append(one)
    rows: list[Sequence[Cell | str | int | Html]] = []
    for car in cars:
        info, of = found.metadata.get(car), by_car[car]
        known = ((info.year, info.make, info.model) if info else ("", "", "")) if found.metadata else ()
        colour = [mean([one.car_colour[channel] for one in of]) for channel in range(3)]
        rows.append(
            (
                car,
                *known,
                len(of),
                number(mean([100 * one.area for one in of]), 2),
                number(mean([one.contour for one in of]), 0),
                number(mean([one.car_brightness for one in of]), 0),
                number(mean([one.difference for one in of]), 1),
                swatch(colour),
            )
        )
    model = map(Column, ("year", "make", "model") if found.metadata else ())
    columns = (
        Column("car"), *model, Column("photos", number=True), Column("mask area, %", number=True),
        Column("contour length, px", number=True),
        Column("brightness, 0–255", number=True), Column("colour difference", number=True), Column("colour"),
    )  # fmt: skip
    return table(columns, rows, find=True)
