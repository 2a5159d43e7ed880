"""What the photos of a period are like, in distributions and rates: kept as JSON, a reference for later periods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carmask.batch.measured import MadeWith, Measured, vehicles
from carmask.drift.statistics import effective_size
from carmask.errors import DataError
from carmask.images import write_atomically
from carmask.prediction.measures import MEASURES

#: Values that a file keeps of each measure: all, or so many quantiles.
KEPT = 401
#: What a reference is called, after the name of its model.
SUFFIX = ".reference.json"

_FROZEN = ConfigDict(extra="forbid", frozen=True)

#: Shares of the photos, by name: what they are, for the reader.
RATES = {
    "failed": "photos that could not be cut",
    "no_car": "photos in which no car was found",
    "review": "photos marked for review",
    "corrected": "masks corrected, of those that a person has decided on",
}


class Distribution(BaseModel):
    """How a measure is distributed.

    Attributes:
        values: sorted; all of them, or ``KEPT`` quantiles.
        photos: how many were measured.
        effective: how many independent ones they are worth: photos of one car are alike.
    """

    model_config = _FROZEN

    values: tuple[float, ...] = Field(min_length=1)
    photos: int
    effective: float

    @property
    def median(self) -> float:
        """The value in the middle."""
        return float(np.median(self.values))

    @property
    def spread(self) -> float:
        """Half the distance of the quantiles between which two thirds of the values lie: a robust deviation."""
        low, high = np.quantile(self.values, (0.16, 0.84))
        return float(high - low) / 2


class Rate(BaseModel):
    """How many photos have a property.

    Attributes:
        count: those that have it.
        photos: of how many.
        effective: how many independent ones they are worth.
    """

    model_config = _FROZEN

    count: int
    photos: int = Field(gt=0)
    effective: float

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.count / self.photos


class Summary(BaseModel):
    """The photos of a period.

    Attributes:
        format: version of this file.
        about: what they are, for the reader.
        model: name of the model that they were cut with.
        model_version: its version.
        model_sha256: its file's.
        photos: how many.
        vehicles: how many cars, as their names say.
        measures: distributions by name, see ``carmask.prediction.measures``.
        rates: by name, see ``RATES``.
    """

    model_config = _FROZEN

    format: int = 1
    about: str
    model: str
    model_version: str
    model_sha256: str
    photos: int
    vehicles: int
    measures: dict[str, Distribution]
    rates: dict[str, Rate]

    @property
    def made_with(self) -> MadeWith:
        """The model that they were cut with."""
        return MadeWith(self.model, self.model_version, self.model_sha256)


def summarise(rows: Sequence[Measured], *, about: str) -> Summary:
    """Describe the photos of a period.

    Args:
        rows: cut with one model; at least one.
        about: what they are, for the reader.

    Returns:
        Their distributions and rates.

    Raises:
        DataError: if nothing was measured on any of them.
    """
    done = [row for row in rows if row.measures]
    if not done:
        raise DataError(
            f"{about}: nothing was measured on these photos: an earlier version cut them, or all failed; cut them "
            "again with restart=True"
        )
    cars = {(row.out, row.name): car for row, car in zip(rows, vehicles(rows), strict=True)}
    measures = {}
    for name in MEASURES:
        there = [row for row in done if name in row.measures]
        if there:
            values = [row.measures[name] for row in there]
            effective = effective_size(values, [cars[row.out, row.name] for row in there])
            measures[name] = Distribution(values=tuple(sorted(values)), photos=len(values), effective=effective)
    decided = [row for row in rows if row.decision]
    groups: dict[str, list[tuple[Measured, bool | None]]] = {
        "failed": [(row, not row.done) for row in rows],
        "no_car": [(row, "confidence" not in row.measures) for row in done],
        "review": [(row, row.review) for row in done if row.review is not None],
        "corrected": [(row, row.decision == "corrected") for row in decided],
    }
    model = done[0].model
    return Summary(
        about=about,
        model=model.name,
        model_version=model.version,
        model_sha256=model.digest,
        photos=len(rows),
        vehicles=len({*cars.values()}),
        measures=measures,
        rates={
            name: _rate([mark for _, mark in pairs], [cars[row.out, row.name] for row, _ in pairs])
            for name, pairs in groups.items()
            if pairs
        },
    )


def _rate(marks: Sequence[bool | None], cars: Sequence[str]) -> Rate:
    values = [float(bool(mark)) for mark in marks]
    return Rate(count=int(sum(values)), photos=len(values), effective=effective_size(values, cars))


def save_summary(file: Path, summary: Summary) -> None:
    """Write a summary as JSON; of more than ``KEPT`` values it keeps quantiles.

    Raises:
        OutputError: if it cannot be written.
    """
    measures = {name: one.model_copy(update={"values": _thin(one.values)}) for name, one in summary.measures.items()}
    rates = {name: one.model_copy(update={"effective": round(one.effective, 1)}) for name, one in summary.rates.items()}
    measures = {name: one.model_copy(update={"effective": round(one.effective, 1)}) for name, one in measures.items()}
    # Names of folders need not be UTF-8, JSON must be.
    about = summary.about.encode(errors="replace").decode()
    kept = summary.model_copy(update={"about": about, "measures": measures, "rates": rates})
    write_atomically(file, kept.model_dump_json(indent=None).replace('"measures"', '\n"measures"').encode() + b"\n")


def load_summary(file: Path) -> Summary:
    """Read what ``save_summary`` wrote.

    Raises:
        DataError: if it cannot be read, or is something else.
    """
    try:
        return Summary.model_validate_json(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise DataError(f"{file}: not a reference that 'carmask drift' has saved") from error


def _thin(values: Sequence[float]) -> tuple[float, ...]:
    if len(values) <= KEPT:
        return tuple(values)
    return tuple(round(float(value), 4) for value in np.quantile(values, np.linspace(0, 1, KEPT)))
