"""Write ``scores.csv``: a row for each photo, scored or failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from carmask.data.table import CarInfo, car_and_view
from carmask.evaluation import metrics
from carmask.evaluation.scoring import Score
from carmask.failures import Failure
from carmask.formats.csv_text import encode_csv
from carmask.images import make_folder, write_atomically

SCORES = "scores.csv"
_BEFORE = ("image", "car", "view")
_AFTER = ("confidence", "true_area", "predicted_area", "seconds")


def write_scores(
    out: Path, scores: Sequence[Score], metadata: Mapping[str, CarInfo], failures: Sequence[Failure] = ()
) -> Path:
    """Write ``scores.csv``.

    Its columns: the photo's name, car and view; each of ``metrics.METRICS``; confidence, areas and seconds; the car's
    year, make and model; ``failure``, the reason why a photo has no scores.

    Args:
        out: folder to write to; made if it is missing.
        scores: a row for each.
        metadata: year, make and model by car; the columns stay empty for cars that are not in it.
        failures: photos that could not be scored; their rows come last.

    Returns:
        The file.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out)
    names = tuple(metrics.METRICS)
    # A float is written as the shortest text that reads back as the same float.
    rows: list[list[object]] = []
    for score in scores:
        values = [
            *(getattr(score, name) for name in _BEFORE),
            *(score.metrics[name] for name in names),
            *(getattr(score, name) for name in _AFTER),
        ]
        rows.append([*values, *_known(metadata, score.car), ""])
    for failure in failures:
        car, view = car_and_view(failure.name)
        empty = [""] * (len(names) + len(_AFTER))
        rows.append([failure.name, car, view, *empty, *_known(metadata, car), failure.reason])
    header = [*_BEFORE, *names, *_AFTER, "year", "make", "model", "failure"]
    write_atomically(out / SCORES, encode_csv(header, rows))
    return out / SCORES


def _known(metadata: Mapping[str, CarInfo], car: str) -> list[str]:
    info = metadata.get(car)
    return [info.year, info.make, info.model] if info else ["", "", ""]
