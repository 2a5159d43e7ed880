"""What a build has done so far: a JSON file in its folder, rewritten whole after every change."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from carmask.errors import OutputError
from carmask.images import write_atomically

STATE_FILE = "state.json"


class StepState(BaseModel):
    """What is known of a step that was begun.

    Attributes:
        needs: hashes of all that decides its result, by name: its kind and revision, its settings, each input.
        status: ``begun`` or ``done``.
        outputs: hashes of the files it wrote, by path from the folder of the build.
        finished: when, in UTC, as ISO 8601; empty until then.
        seconds: that it took, without earlier attempts that were interrupted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: dict[str, str]
    status: Literal["begun", "done"]
    outputs: dict[str, str] = {}
    finished: str = ""
    seconds: float = 0.0


class State(BaseModel):
    """Steps by their ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    steps: dict[str, StepState] = {}

    def with_step(self, name: str, step: StepState) -> State:
        """The state with one step's entry replaced."""
        return self.model_copy(update={"steps": {**self.steps, name: step}})


def read_state(out: Path) -> State:
    """Read the state of a build's folder; a folder without one is a new build's.

    Raises:
        OutputError: if it is damaged.
    """
    file = out / STATE_FILE
    try:
        return State.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return State()
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise OutputError(f"{file}: damaged, or of another version; remove it to do all steps again") from error


def write_state(out: Path, state: State) -> None:
    """Write the state.

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(out / STATE_FILE, state.model_dump_json(indent=1).encode())
