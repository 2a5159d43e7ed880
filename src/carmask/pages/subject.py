"""What a score page is about: the photos, what is known of their cars, and what could not be scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from carmask.data.table import CarInfo, Example
from carmask.failures import Failure
from carmask.pages.html import Column, Html, Section, box, heading, say, table
from carmask.words import counted

#: Rows of the table of failures; ``scores.csv`` has every one.
MAX_FAILURES = 500
#: Rows of the table of all photos; ``scores.csv`` has every one.
MAX_ROWS = 3000


class Subject(NamedTuple):
    """What a page is about.

    Attributes:
        examples: photos with true masks that were scored.
        metadata: year, make and model by car.
        source: the data set's name.
        failures: photos that could not be scored.
    """

    examples: Sequence[Example]
    metadata: Mapping[str, CarInfo]
    source: str
    failures: Sequence[Failure] = ()

    def title(self, car: str) -> str:
        """Make, model and year of a car; its name where they are not known."""
        return car_title(self.metadata, car)

    def known_title(self, car: str) -> str:
        """Make, model and year of a car; empty where they are not known."""
        return self.title(car) if car in self.metadata else ""

    @property
    def model_columns(self) -> tuple[Column, ...]:
        """The column of make, model and year; none if nothing is known of any car."""
        return (Column("model"),) if self.metadata else ()

    def model_cells(self, car: str) -> tuple[str, ...]:
        """The cell of a car in ``model_columns``."""
        return (self.known_title(car),) if self.metadata else ()


def car_title(metadata: Mapping[str, CarInfo], car: str) -> str:
    """Make, model and year of a car; its name where they are not known."""
    info = metadata.get(car)
    return " ".join(part for part in (info.make, info.model, info.year) if part) if info else car


def rows_note(photos: int, first: str = "worst") -> str:
    """What is said of the table of all photos, of which it shows those that come first."""
    more = f" The {MAX_ROWS:,} {first} of {photos:,}; scores.csv has all." if photos > MAX_ROWS else ""
    return f"The {first} first. Click a heading to sort.{more}"


def failure_sections(failures: Sequence[Failure]) -> list[Section]:
    """A section that lists the photos that could not be scored; none if there are none."""
    if not failures:
        return []
    shown = failures[:MAX_FAILURES]
    rows = table((Column("photo"), Column("reason", wide=True)), shown, find=True)
    more = len(failures) - len(shown)
    note = say(f"{more:,} more are in scores.csv.") if more else Html("")
    title = f"{counted(len(failures), 'photo', thousands=True)} could not be scored"
    return [
        Section(
            "failed",
            "Not scored",
            "These photos are in no figure of this page.",
            box("card bad", heading(title), rows, note),
        )
    ]
