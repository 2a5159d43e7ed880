"""What ``carmask evaluate`` writes: the scores of each photo as CSV, and the page about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from carmask.evaluation.score_table import write_scores
from carmask.evaluation.scoring import Examined
from carmask.pages import comparison, scores
from carmask.pages.html import write_page
from carmask.pages.subject import Subject
from carmask.pages.worst import worst_cases


def write_results(
    out: Path,
    names: Sequence[str],
    subject: Subject,
    results: Sequence[Sequence[Examined]],
    *,
    worst: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the scores as CSV and as a page: of one model, or of two side by side.

    Args:
        out: folder to write to; made if it is missing.
        names: of the models.
        subject: the photos, scored and failed.
        results: for each model, one result for each example.
        worst: how many of the worst photos to show; of two models, those on which they differ most.
        progress: called with the number of these done and of all.

    Returns:
        The page.

    Raises:
        OutputError: if something cannot be written.
    """
    if len(results) == 1:
        write_scores(out, [one.score for one in results[0]], subject.metadata, subject.failures)
        cases = worst_cases(subject, results[0], worst, progress=progress)
        return write_page(out / scores.PAGE, scores.scores_page(names[0], subject, results[0], cases))
    for letter, result in zip("AB", results, strict=True):
        write_scores(out / letter, [one.score for one in result], subject.metadata, subject.failures)
    pair = results[0], results[1]
    document = comparison.compare_page((names[0], names[1]), subject, pair, count=worst, progress=progress)
    return write_page(out / comparison.PAGE, document)
