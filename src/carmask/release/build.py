"""Make a model by a pipeline: each step once, and again only if something that it needs has changed."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from carmask.errors import OutputError
from carmask.images import make_folder, remove_leftovers
from carmask.locking import only_run
from carmask.logs import log_file
from carmask.release.hashes import Hashes
from carmask.release.pipeline import Pipeline, resolve_inputs
from carmask.release.state import STATE_FILE, State, StepState, read_state, write_state
from carmask.release.step_functions import Context, Report, run_step
from carmask.release.steps import AnyStep
from carmask.training.machines import Machines

LOG_FILE = "build.log"
HASHES_FILE = "hashes.json"
LOGGER = logging.getLogger("carmask.release")


class Task(NamedTuple):
    """A step and what is to be done with it.

    Attributes:
        step: the step.
        reason: why it is to be done, in words; empty if it is not.
    """

    step: AnyStep
    reason: str


def list_tasks(pipeline: Pipeline, out: Path, inputs: Mapping[str, Path], *, changes: Sequence[str] = ()) -> list[Task]:
    """What a build would do. Nothing is written or run.

    Arguments and errors are those of ``build``.
    """
    given = resolve_inputs(pipeline, inputs)
    state, hashes = read_state(out), Hashes(out / HASHES_FILE)
    tasks: list[Task] = []
    for step in pipeline.steps:
        waits = [one.step.id for one in tasks if one.reason and one.step.id in step.references().values()]
        if waits:
            new = step.id not in state.steps
            tasks.append(Task(step, "not done yet" if new else f"if the output of {' or '.join(waits)} changes"))
            continue
        needs = _needs(step, _contents(pipeline, out, given), hashes, tuple(changes))
        tasks.append(Task(step, _reason(step, state, out, hashes, needs)))
    return tasks


def build(
    pipeline: Pipeline,
    out: Path,
    inputs: Mapping[str, Path],
    *,
    changes: Sequence[str] = (),
    machines: Machines | None = None,
    cache: Path | None = None,
    report: Report | None = None,
    bar: bool = False,
) -> list[Path]:
    """Do the steps of a pipeline that are not done yet.

    A step is done again if its kind's revision, its settings, its recipe, or the content of an input or of an earlier
    step's output is another one than when it was done, or if its own output is missing or was changed. A step that was
    interrupted goes on where it was if nothing of this has changed. Pipelines that have steps in common may share a
    folder. Lines about the progress go to the logger ``carmask.release`` and to ``build.log`` in the folder.

    Args:
        pipeline: from ``load_pipeline``.
        out: the folder of the build: a file or folder for each step, ``state.json``, ``build.log``, decoded photos.
        inputs: files and folders by the names of the pipeline's inputs.
        changes: of the recipes of all trainings, as ``load_recipe`` takes them: for trials.
        machines: what to train on.
        cache: folder for decoded photos; ``cache`` in ``out`` by default.
        report: called with what is being done within a step, the number done and the number of all.
        bar: show Lightning's progress bar.

    Returns:
        The result of each step.

    Raises:
        DataError: if an input is missing, not there, or cannot be read.
        OutputError: if the folder cannot be written, holds something else, or another build runs in it.
        CarmaskError: whatever a step refuses; the steps before it stay done.
    """
    given, changes = resolve_inputs(pipeline, inputs), tuple(changes)
    make_folder(out)
    with only_run(out / "build.lock", "another build runs"), log_file(LOGGER, out / LOG_FILE):
        state, hashes = read_state(out), Hashes(out / HASHES_FILE)
        contents = _contents(pipeline, out, given)
        # A reference means the first file of a step; all of them decide what follows from it.
        paths = {reference: files[0] for reference, files in contents.items()}
        context = Context(out, paths, changes, machines or Machines(), cache, report or (lambda *_: None), bar)
        LOGGER.info("building %s in %s", pipeline.name, out)
        for file in (out / STATE_FILE, out / HASHES_FILE, *(file for files in contents.values() for file in files)):
            if file.is_relative_to(out):
                remove_leftovers(file.parent, [file.name])
        for number, step in enumerate(pipeline.steps, 1):
            title = f"step {number}/{len(pipeline.steps)}, {step.id} ({step.kind})"
            needs = _needs(step, contents, hashes, changes)
            hashes.save()
            reason = _reason(step, state, out, hashes, needs)
            if not reason:
                LOGGER.info("%s: done before", title)
                continue
            before = state.steps.get(step.id)
            if before is None or before.needs != needs:
                _clear(step, out, known=before is not None)
            LOGGER.info("%s: %s", title, reason)
            state = _do(step, title, needs, state, hashes, context)
        results = [step.outputs(out)[0] for step in pipeline.steps]
        LOGGER.info("built %s: %s", pipeline.name, results[-1])
    return results


def _do(step: AnyStep, title: str, needs: dict[str, str], state: State, hashes: Hashes, context: Context) -> State:
    """Run a step; the state of the build before and after it is on the disk."""
    out = context.out
    state = state.with_step(step.id, StepState(needs=needs, status="begun"))
    write_state(out, state)
    started = time.monotonic()
    said = run_step(step, context)
    seconds = time.monotonic() - started
    outputs = {file.relative_to(out).as_posix(): hashes.of(file) for file in step.outputs(out)}
    hashes.save()
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    done = StepState(needs=needs, status="done", outputs=outputs, finished=finished, seconds=round(seconds, 1))
    state = state.with_step(step.id, done)
    write_state(out, state)
    LOGGER.info("%s: %s (%.0f s)", title, said, seconds)
    return state


def _contents(pipeline: Pipeline, out: Path, given: Mapping[str, Path]) -> dict[str, list[Path]]:
    """The files and folders that references mean."""
    return {f"@{name}": [path] for name, path in given.items()} | {one.id: one.outputs(out) for one in pipeline.steps}


def _needs(
    step: AnyStep, contents: Mapping[str, Sequence[Path]], hashes: Hashes, changes: tuple[str, ...]
) -> dict[str, str]:
    needs = {"kind": f"{step.kind} {step.REVISION}", "settings": _digest(step.settings(changes))}
    for setting, reference in step.references().items():
        # An optional input that is not given has none.
        if reference in contents:
            needs[f"{setting} {reference}"] = _digest([hashes.of(path) for path in contents[reference]])
    return needs


def _digest(settings: object) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _reason(step: AnyStep, state: State, out: Path, hashes: Hashes, needs: Mapping[str, str]) -> str:
    """Why a step is to be done; empty if it is done."""
    before = state.steps.get(step.id)
    if before is None:
        return "not done yet"
    changed = sorted(name for name in {*needs, *before.needs} if needs.get(name) != before.needs.get(name))
    if changed:
        return f"changed since it was done: {', '.join(changed)}"
    if before.status != "done":
        return "interrupted; goes on where it was"
    for name, content in before.outputs.items():
        if not (out / name).is_file():
            return f"{name} is missing"
        if hashes.of(out / name) != content:
            return f"{name} was changed"
    return ""


def _clear(step: AnyStep, out: Path, *, known: bool) -> None:
    """Remove what an earlier build of other settings or inputs has left of a step."""
    for file in step.outputs(out):
        place = file if file.parent == out else file.parent
        if not place.exists():
            continue
        if not known:
            raise OutputError(f"{place}: not of this build; remove it, or choose another folder")
        try:
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink()
        except OSError as error:
            raise OutputError(f"{place}: cannot be removed: {error.strerror or error}") from error
