"""The photos with the lowest Dice, shown with what is wrong in each and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from carmask.arrays import Mask, Photo
from carmask.errors import CarmaskError
from carmask.evaluation.error_attribution import Attribution, attribute_errors
from carmask.evaluation.error_rules import RULES, Tag
from carmask.evaluation.scoring import Examined, Score, load_pair
from carmask.formats.rle import runs_to_mask
from carmask.pages.html import Column, Html, box, heading, picture, say, table, text
from carmask.pages.pictures import as_picture, difference, outlines, smaller, window
from carmask.pages.subject import Subject

#: Width of the small pictures.
_SMALL = 420


class Case(NamedTuple):
    """One of the worst photos.

    Attributes:
        place: where it stands in the list of examples.
        tags: the causes of its wrong pixels, the main one first.
        shown: its card.
    """

    place: int
    tags: tuple[Tag, ...]
    shown: Html


def worst_cases(
    subject: Subject, results: Sequence[Examined], count: int, *, progress: Callable[[int, int], None] | None = None
) -> list[Case]:
    """Show the photos with the lowest Dice, and attribute their wrong pixels to causes.

    Args:
        subject: the photos.
        results: one for each of its examples.
        count: how many.
        progress: called with the number done and the number of all.

    Returns:
        The worst first; photos without a wrong pixel are not among them. A photo that cannot be read any more has a
        card that says so.
    """
    order = sorted(range(len(results)), key=lambda i: results[i].score.dice)[:count]
    cases = []
    for rank, index in enumerate(order, 1):
        if results[index].errors.wrong:
            cases.append(_case(rank, index, subject, results[index]))
        if progress is not None:
            progress(rank, len(order))
    return cases


def worst_section(cases: Sequence[Case], wrong: int) -> Html:
    """The rules with the number of photos that each applies to, then the cards.

    Args:
        cases: those that the page shows.
        wrong: how many pixels are wrong in all photos.

    Returns:
        The section.
    """
    if not wrong:
        return box("card good", heading("No pixel is wrong."))
    main = Counter(case.tags[0] for case in cases if case.tags)
    every = Counter(tag for case in cases for tag in case.tags)
    rows = [
        (tag, main[tag], every[tag], rule)
        for tag, rule in sorted(RULES, key=lambda rule: (-main[rule[0]], -every[rule[0]]))
    ]
    columns = (
        Column("cause"), Column("main cause of", number=True), Column("photos", number=True), Column("rule", wide=True),
    )  # fmt: skip
    rules = box("card", heading("Causes, and the rule for each"), table(columns, rows))
    return box("stack", rules, *(case.shown for case in cases))


def _case(rank: int, place: int, subject: Subject, one: Examined) -> Case:
    score, title = one.score, subject.title(one.score.car)
    try:
        photo, truth = load_pair(subject.examples[place])
    except CarmaskError as error:
        return Case(place, (), box("card", _head(rank, score, title, ()), say(f"Cannot be shown: {error}")))
    prediction = runs_to_mask(one.runs, *truth.shape)
    found = attribute_errors(photo, prediction, truth)
    card = box("card", _head(rank, score, title, found.tags), *_pictures(score, found, photo, prediction, truth))
    return Case(place, found.tags, card)


def _head(rank: int, score: Score, title: str, tags: Sequence[Tag]) -> Html:
    contour = f"contour error {score.metrics['contour_error']:.1f} px, HD95 {score.metrics['hd95']:.0f} px"
    marks = "".join(f'<span class="tag{" first" if i == 0 else ""}">{text(tag)}</span> ' for i, tag in enumerate(tags))
    return Html(
        f'<div class="head"><span class="rank">{rank}</span><b>{text(score.image)}</b>'
        f'<span class="score">Dice {score.dice:.4f}</span>'
        f'<span class="meta">{text(title)}, {contour}</span>{marks}</div>'
    )


def _pictures(score: Score, found: Attribution, photo: Photo, prediction: Mask, truth: Mask) -> list[Html]:
    rows, columns = window(found, prediction, truth)
    marked = difference(photo, prediction, truth)
    part = f"{score.image}, rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop}, native size"
    large = [
        picture(photo[rows, columns], f"photo: {part}", shown="photo, native size"),
        picture(marked[rows, columns], f"difference: {part}", shown="difference, native size: red extra, blue missed"),
    ]
    outlined, both = smaller(outlines(photo, prediction, truth), _SMALL), "outlines: truth green, prediction pink"
    small = [
        picture(outlined, f"{score.image}: {both}", shown=both),
        picture(smaller(marked, _SMALL), f"{score.image}: red extra, blue missed", shown="difference, whole photo"),
        picture(smaller(as_picture(truth), _SMALL), f"{score.image}: true mask", shown="true mask", quality=60),
        picture(
            smaller(as_picture(prediction), _SMALL),
            f"{score.image}: predicted mask",
            shown="predicted mask",
            quality=60,
        ),
    ]
    lines = [
        f"<li><b>{text(', '.join(cluster.tags))}</b>: {text(cluster.evidence)} "
        f"({100 * cluster.pixels / found.wrong:.0f} %)</li>"
        for cluster in found.clusters[:4]
    ]
    lines.append(
        f"<li>roughness of the contour: {found.rim:,} of {found.wrong:,} wrong pixels "
        f"({100 * found.rim / found.wrong:.0f} %)</li>"
    )
    return [box("case", *large), box("four", *small), Html(f'<ul class="evidence">{"".join(lines)}</ul>')]
