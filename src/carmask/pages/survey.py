"""A page that shows what is in a data set."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import cv2
import numpy as np

from carmask.arrays import Photo
from carmask.pages import charts
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
    page,
    picture,
    say,
    table,
    text,
    tiles,
)
from carmask.survey.survey import REMARKS, SMALL, VIEWS, Facts, Survey

#: The name of the page in its folder.
PAGE = "explore.html"
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
    sections = [
        Section("overview", "Overview", "", _overview(found, cars)),
        Section(
            "problems",
            "Anything wrong?",
            "; ".join(f"{kind}: {number:,}" for kind, number in count_problems(found)),
            _problems(found),
        ),
    ]
    if found.metadata:
        sections.append(
            Section(
                "cars",
                "Cars by year, make and model",
                "Cars of this data set, joined with metadata.csv.",
                _makes(found, cars),
            )
        )
    sections += [
        Section(
            "masks",
            "Masks by view",
            f"The turntable stops at {VIEWS} views. What a mask looks like depends on the view more than on the car.",
            _masks(found),
        ),
        Section(
            "colours",
            "Cars against their background",
            "Where a car has the colour of what is behind it, its contour is hard to see. Colour difference is the "
            "distance of the two mean colours in CIE L*a*b*; about 2 is the least that an eye can tell apart.",
            _colours(found),
        ),
        Section(
            "all-cars", "All cars", "Means over the views of each car. Click a heading to sort.", _cars(found, cars)
        ),
    ]
    lead = (
        f"{len(found.facts):,} photos of {len(cars):,} cars in {source}: what they are, how they differ, what is wrong."
    )
    before = page("The data", lead, sections)
    sheets, left_out = _sheets(found, MAX_PAGE_BYTES - len(before.encode()) - 200_000)
    note = f" {left_out} more would have made the page too large." if left_out else ""
    sections.append(
        Section(
            "sheets",
            f"Sheets of {VIEWS} views",
            f"{len(found.sheets) - left_out} of {len(cars)} cars, with the true contour in pink.{note}",
            sheets,
        )
    )
    return page("The data", lead, sections)


def count_problems(found: Survey) -> list[tuple[str, int]]:
    """How many problems there are of each kind, the most frequent first."""
    return Counter(problem.kind for problem in found.problems).most_common()


def _overview(found: Survey, cars: Sequence[str]) -> Html:
    sizes = Counter(one.size for one in found.facts).most_common(1)
    areas = [one.area for one in found.facts]
    size = f"{sizes[0][0][1]}×{sizes[0][0][0]}" if sizes else "–"
    return tiles(
        [
            (f"{found.photos:,}", "photos"),
            (f"{len(cars):,}", "cars"),
            *(
                [(f"{len({info.make for car in cars if (info := found.metadata.get(car))})}", "makes")]
                if found.metadata
                else []
            ),
            (size, "pixels, most photos"),
            (f"{100 * np.mean(areas):.1f}\u00a0%" if areas else "–", "of a photo is car, on average"),
            (f"{100 * min(areas):.0f}–{100 * max(areas):.0f}\u00a0%" if areas else "–", "smallest and largest mask"),
            (f"{sum(problem.kind not in REMARKS for problem in found.problems):,}", "things wrong, see below"),
        ]
    )


def _problems(found: Survey) -> Html:
    looked = (
        "Looked for: photos without mask and masks without photo, unreadable files, sizes that differ, masks that are "
        "not binary, empty masks, pictures that are the same pixel by pixel, cars with "
        f"fewer than {VIEWS} views, cars that metadata.csv does not know. Worth knowing, not wrong: masks that touch "
        "the edge of the photo."
    )
    wrong = [problem for problem in found.problems if problem.kind not in REMARKS]
    verdict = f"{len(wrong):,} things are wrong." if wrong else "Nothing is wrong."
    parts = [box("card bad" if wrong else "card good", heading(verdict), say(looked))]
    if found.problems:
        rows = [(problem.kind, problem.where, problem.what) for problem in found.problems[:MAX_PROBLEMS]]
        parts.append(table((Column("what"), Column("where"), Column("why", wide=True)), rows, find=True))
    if len(found.problems) > MAX_PROBLEMS:
        parts.append(say(f"{len(found.problems) - MAX_PROBLEMS:,} more are not listed."))
    return box("stack", *parts)


def _makes(found: Survey, cars: Sequence[str]) -> Html:
    known = [info for car in cars if (info := found.metadata.get(car))]
    years = Counter(info.year for info in known)
    makes = Counter(info.make for info in known)
    models: dict[tuple[str, str], list[str]] = defaultdict(list)
    for info in known:
        models[info.make, info.model].append(info.year)
    ordered = makes.most_common()
    by_model = box(
        "card",
        heading(f"By make and model: {len(models)} models"),
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
    by_make = box("card", heading("By make"), charts.bars([make for make, _ in ordered], [n for _, n in ordered]))
    return box("columns", box("stack", by_year, by_model), by_make)


def _masks(found: Survey) -> Html:
    views = sorted(found.mean_masks)
    by_view = {view: [one for one in found.facts if one.view == view] for view in views}
    labels = {view: f"{view:02d}" if view else "?" for view in views}
    area = charts.boxes([(labels[v], [100 * one.area for one in by_view[v]]) for v in views], name="view", digits=0)
    length = charts.boxes(
        [(labels[v], [float(one.contour) for one in by_view[v]]) for v in views], name="view", digits=0
    )
    means = [
        picture(
            _heat(found.mean_masks[view]),
            f"mean mask of view {labels[view]}, {len(by_view[view])} photos",
            shown=f"view {labels[view]}",
        )
        for view in views
    ]
    key = say("White: car in every photo. Black: in none. In between, as warm as it is often.")
    grid = Html(f'<div class="grid eight">{join(means)}</div>')
    return box(
        "stack",
        box(
            "columns",
            box("card", heading("Mask area, % of the photo"), area),
            box("card", heading("Boundary length, pixels of the contour"), length),
        ),
        box("card", heading("Mean mask"), key, grid),
    )


def _colours(found: Survey) -> Html:
    lit = [one for one in found.facts if not np.isnan(one.difference)]
    by_car: dict[str, list[Facts]] = defaultdict(list)
    for one in lit:
        by_car[one.car].append(one)
    points = []
    for car, of in by_car.items():
        x, y = float(np.mean([o.background_brightness for o in of])), float(np.mean([o.car_brightness for o in of]))
        points.append((x, y, f"{_title(found, car)}: car {y:.0f}, background {x:.0f}"))
    differences = [one.difference for one in lit]
    top = 10.0 * max(1, int(np.ceil(max(differences, default=10.0) / 10)))
    edges = [float(v) for v in np.linspace(0, top, 31)]
    hard = sorted(lit, key=lambda one: one.difference)[:200]
    rows = [
        (
            one.name,
            _title(found, one.car),
            _number(one.difference, 1),
            _swatch(one.car_colour),
            _swatch(one.background_colour),
        )
        for one in hard
    ]
    columns = (
        Column("photo"), Column("car"), Column("difference", number=True), Column("car's colour"),
        Column("background's"),
    )  # fmt: skip
    return box(
        "stack",
        box(
            "columns",
            box(
                "card",
                heading("Brightness, 0 to 255: a dot is a car"),
                charts.scatter(points, across="background", up="car"),
            ),
            box(
                "card",
                heading("Colour difference of car and background, photos"),
                charts.histogram(differences, edges=edges, name="difference in CIE L*a*b*", digits=0),
            ),
        ),
        box("card", heading(f"The {len(hard)} photos with the least difference"), table(columns, rows, find=True)),
    )


def _cars(found: Survey, cars: Sequence[str]) -> Html:
    by_car: dict[str, list[Facts]] = defaultdict(list)
    for one in found.facts:
        by_car[one.car].append(one)
    rows = []
    for car in cars:
        info, of = found.metadata.get(car), by_car[car]
        red, green, blue = (
            float(np.nanmean([o.car_colour[i] for o in of])) if any(o.area for o in of) else 0.0 for i in range(3)
        )
        rows.append(
            (
                car,
                info.year if info else "",
                info.make if info else "",
                info.model if info else "",
                len(of),
                _number(float(np.mean([100 * o.area for o in of])), 2),
                _number(float(np.mean([o.contour for o in of])), 0),
                _number(float(np.mean([o.car_brightness for o in of])), 0),
                _number(float(np.mean([o.difference for o in of])), 1),
                _swatch((red, green, blue)),
            )
        )
    columns = (
        Column("car"), Column("year"), Column("make"), Column("model"), Column("views", number=True),
        Column("area %", number=True), Column("contour px", number=True), Column("brightness", number=True),
        Column("difference", number=True), Column("colour"),
    )  # fmt: skip
    return table(columns, rows, find=True)


def _sheets(found: Survey, room: int) -> tuple[Html, int]:
    """Sheets until the page is full, and how many had to be left out."""
    made: list[Html] = []
    for car, views in sorted(found.sheets.items(), key=lambda item: _title(found, item[0])):
        sheet = picture(contact_sheet(views), f"{_title(found, car)} · {car}", quality=72)
        room -= len(sheet.encode())
        if room < 0:
            break
        made.append(sheet)
    grid = Html(f'<div class="grid" style="--cell:370px">{join(made)}</div>')
    return findable(grid, len(made)), len(found.sheets) - len(made)


def contact_sheet(views: dict[int, Photo]) -> Photo:
    """Put small photos of the views of a car on one sheet, four in a row.

    Args:
        views: by view, uint8 (``*SMALL``, 3).

    Returns:
        uint8 (height, width, 3), RGB; the place of a view that is missing is grey.
    """
    height, width = SMALL
    numbers = range(1, max([VIEWS, *views]) + 1) if set(views) != {0} else [0]
    rows = -(-len(numbers) // 4)
    sheet = np.full((rows * height, min(4, len(numbers)) * width, 3), 128, np.uint8)
    for place, view in enumerate(numbers):
        if view in views:
            row, column = divmod(place, 4)
            sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = views[view]
    return sheet


def _heat(fraction: np.ndarray) -> Photo:
    coloured = cv2.applyColorMap((255 * fraction).round().astype(np.uint8), cv2.COLORMAP_HOT)
    return np.ascontiguousarray(coloured[..., ::-1], np.uint8)


def _title(found: Survey, car: str) -> str:
    info = found.metadata.get(car)
    return " ".join(part for part in (info.make, info.model, info.year) if part) if info else car


def _number(value: float, digits: int) -> Cell:
    return Cell(f"{value:,.{digits}f}", value)


def _swatch(colour: Sequence[float]) -> Html:
    red, green, blue = (0 if np.isnan(v) else round(v) for v in colour)
    return Html(
        f'<i style="display:inline-block;width:2.6em;height:1em;border-radius:3px;vertical-align:-.12em;'
        f'background:rgb({red},{green},{blue})"></i> {text(f"#{red:02x}{green:02x}{blue:02x}")}'
    )
