"""The published trainings: one TOML each under ``protocols/``, and how far a folder of runs has got with it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from carmask.errors import RecipeError
from carmask.training.history import HISTORY_FILE, read_history
from carmask.training.recipe import Recipe, load_recipe
from carmask.training.run_folder import WEIGHTS_FILE, epoch_file

FOLDER = Path(__file__).parent / "protocols"
#: Processor minutes that a run has taken so far, and its weights after the first epoch, in the run's folder.
SPENT_FILE, FIRST_FILE = "spent.json", "first.safetensors"


class Figure(NamedTuple):
    """A number of a run.

    Attributes:
        name: what it is.
        ours: where it stands in the run's results: names and dots.
        published: the source's, or None.
    """

    name: str
    ours: str
    published: float | None = None


@dataclass(frozen=True)
class Protocol:
    """A published training, as it is run here.

    Attributes:
        name: of the TOML, and of the run's folder.
        title: of the page's section.
        order: on the page.
        source: who published it.
        recipe: of ``carmask train``.
        protocol: what is done, in words.
        said: what the source reports, in words.
        why: why ours differs.
        group: runs of one group are drawn together.
        hours: of one core, estimated.
        changes: to the recipe.
        parts: the run's epochs in one of the source's: so many times it can be stopped and resumed in each.
        encoder: the ImageNet weights that it starts from, or empty.
        data: ``carvana`` or ``parts``.
        figures: what is compared.
    """

    name: str
    title: str
    order: int
    source: str
    recipe: str
    protocol: str
    said: str
    why: str
    group: str
    hours: float
    changes: tuple[str, ...] = ()
    parts: int = 1
    encoder: str = ""
    data: str = "carvana"
    figures: tuple[Figure, ...] = field(default=())

    @cached_property
    def settings(self) -> Recipe:
        """The recipe with its changes."""
        return load_recipe(self.recipe, self.changes)


def names() -> list[str]:
    """All protocols, in the page's order."""
    found = [read(file.stem) for file in FOLDER.glob("*.toml")]
    return [one.name for one in sorted(found, key=lambda one: one.order)]


def read(name: str) -> Protocol:
    """Read a protocol.

    Raises:
        SystemExit: there is none of this name.
    """
    file = FOLDER / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(one.stem for one in FOLDER.glob("*.toml")))
        raise SystemExit(f"there is no protocol {name!r}; choose of: {known}")
    given: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    try:
        given["figures"] = tuple(Figure(**one) for one in given["figures"])
        return Protocol(name, **given | {"changes": tuple(given.get("changes", ()))})
    except (TypeError, KeyError) as error:
        raise RecipeError(f"{file}: {error}") from error


class State(NamedTuple):
    """How far a run has got.

    Attributes:
        epochs: finished ones.
        of: those that the protocol has.
        parts: so many of them are one of the source's.
        finished: the protocol is at its end.
        minutes: of processor time so far, those that were cut off included; None if not known.
        left: processor hours to the end, at the pace so far or by the protocol's estimate; more than needed if it stops
            early.
    """

    epochs: int
    of: int
    parts: int
    finished: bool
    minutes: float | None
    left: float

    @property
    def words(self) -> str:
        """For a table."""
        if not self.epochs:
            return "not run"
        done, of = self.epochs / self.parts, self.of / self.parts
        if self.finished:
            return f"finished: {done:g} epoch{'s' * (done != 1)}" + f", stopped early of {of:g}" * (done < of)
        return f"{done:g} of {of:g} epochs"


def state(protocol: Protocol, run: Path) -> State:
    """See how far a run has got."""
    from carmask.training.epochs import has_stopped  # it loads PyTorch, which the page of the docs does without

    rows = read_history(run) if (run / HISTORY_FILE).is_file() else []
    settings, stop = protocol.settings, protocol.settings.early_stopping
    finished = len(rows) >= settings.epochs or (bool(rows) and stop is not None and has_stopped(rows, stop))
    finished = finished and (run / WEIGHTS_FILE).is_file()
    spent = json.loads((run / SPENT_FILE).read_text()) if (run / SPENT_FILE).is_file() else {}
    minutes, pace = spent.get("minutes"), 60 * protocol.hours / settings.epochs
    if minutes and rows:
        pace = minutes / len(rows)
    left = 0.0 if finished else pace * (settings.epochs - len(rows)) / 60
    return State(len(rows), settings.epochs, protocol.parts, finished, minutes, left)


def recorded_state(protocol: Protocol, found: dict[str, Any]) -> State:
    """How far a run had got when its results were recorded."""
    of = protocol.settings.epochs
    return State(found["epochs"], of, protocol.parts, found["finished"], found["minutes"], found["hours_left"])


def weights(protocol: Protocol, run: Path) -> tuple[int, Path]:
    """The epoch, counted from 0, that a run is judged by, and its weights: the best with early stopping, else the last.

    Raises:
        WeightsError: if no epoch is finished.
    """
    from carmask.training.epochs import best_kept_epoch

    rows, stop = read_history(run), protocol.settings.early_stopping
    number = int(rows[-1]["epoch"]) if stop is None and rows else best_kept_epoch(run, rows, stop)
    return number, epoch_file(run, number)


def look_up(results: dict[str, Any], where: str) -> float | None:
    """A number of a run's results, by names and dots; None if the run has not got so far.

    ``history.1.train/loss`` is of epoch 1; ``history.last`` and ``history.best`` are the last epoch and the one that
    the run is judged by.
    """
    first, *rest = where.split(".")
    value: Any = results.get(first)
    if first == "history":
        which = rest.pop(0)
        number = {"last": len(value), "best": results["best_epoch"]}.get(which) or int(which)
        value = value[number - 1] if number <= len(value) else None
    for name in rest:
        value = None if value is None else value.get(name)
    return value
