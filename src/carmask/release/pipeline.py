"""Pipelines: TOML files that say how a model is made, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carmask.errors import DataError, RecipeError
from carmask.release.steps import AnyStep, TrainStep
from carmask.training.recipe import first_fault, read_toml
from carmask.words import by_number


class Input(BaseModel):
    """What a pipeline is given.

    Attributes:
        about: what it is, for people.
        optional: it may be left out; settings that name it are then not set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    optional: bool = False


class Pipeline(BaseModel):
    """Steps, in the order in which they are done.

    Attributes:
        name: of the file.
        inputs: by name.
        steps: each refers to inputs and to steps before it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    inputs: dict[str, Input]
    steps: tuple[AnyStep, ...] = Field(min_length=1)


def pipeline_names() -> list[str]:
    """Names of the shipped pipelines."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def load_pipeline(pipeline: str | Path) -> Pipeline:
    """Read a pipeline and check all that can be checked without its inputs.

    A file may ``include`` another one, by name or as a path beside it: it then has that one's inputs, and those of its
    steps that the file's own steps need.

    Args:
        pipeline: the name of a shipped pipeline, or a TOML file.

    Returns:
        The pipeline.

    Raises:
        RecipeError: if there is no such pipeline, it is not TOML, a key or value is wrong, a step refers to something
            that is not there, a recipe does not exist, or files include each other.
    """
    return _load(pipeline, ())


def _load(pipeline: str | Path, including: tuple[Path, ...]) -> Pipeline:
    """Read a pipeline that is included by these files, the outermost first."""
    path = _shipped() / f"{pipeline}.toml" if str(pipeline) in pipeline_names() else Path(pipeline)
    if path.resolve() in including:
        raise RecipeError(f"{including[-1]}: include: {path} is what includes it")
    content = read_toml(path, str(pipeline), "pipeline", pipeline_names())
    content.setdefault("name", path.stem)
    included = content.pop("include", None)
    own = _validate(path, content) if included is None else None
    if own is None:
        beside = path.parent / str(included)
        base = _load(beside if beside.is_file() else str(included), (*including, path.resolve()))
        given, mine = content.get("inputs", {}), content.get("steps", [])
        if not isinstance(given, dict) or not isinstance(mine, list):
            raise RecipeError(f"{path}: write inputs as [inputs], a table, and each step as [[steps]]")
        inputs = {name: one.model_dump() for name, one in base.inputs.items()} | given
        steps = [step.model_dump(exclude_unset=True) for step in base.steps]
        both = _validate(path, {**content, "inputs": inputs, "steps": [*steps, *mine]})
        own = _needed(both, {str(step["id"]) for step in mine})
    _check(path, own)
    return own


def resolve_inputs(pipeline: Pipeline, given: Mapping[str, Path]) -> dict[str, Path]:
    """See whether all inputs are given and are there.

    Raises:
        DataError: if one is missing, unknown, or not there.
    """
    for name in given:
        if name not in pipeline.inputs:
            raise DataError(f"{pipeline.name} has no input {name}; it has: {_listed(pipeline)}")
    missing = [
        f"{name}: {one.about}" for name, one in pipeline.inputs.items() if name not in given and not one.optional
    ]
    if missing:
        raise DataError(f"{pipeline.name} needs the {by_number(len(missing), 'input', 'inputs')} {'; '.join(missing)}")
    for name, path in given.items():
        if not path.exists():
            raise DataError(f"input {name}: {path}: there is no such file or folder")
    return dict(given)


def _listed(pipeline: Pipeline) -> str:
    return "; ".join(f"{name} ({one.about})" for name, one in pipeline.inputs.items()) or "none"


def _shipped() -> Path:
    return Path(str(files("carmask") / "release" / "pipelines"))


def _validate(path: Path, content: dict[str, Any]) -> Pipeline:
    try:
        return Pipeline.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{path}: {first_fault(error, 'the pipeline')}") from error


def _needed(pipeline: Pipeline, wanted: set[str]) -> Pipeline:
    """Only those steps that these ones need."""
    for step in reversed(pipeline.steps):
        if step.id in wanted:
            wanted |= {one for one in step.references().values() if not one.startswith("@")}
    steps = tuple(step for step in pipeline.steps if step.id in wanted)
    used = {one[1:] for step in steps for one in step.references().values() if one.startswith("@")}
    inputs = {name: one for name, one in pipeline.inputs.items() if name in used}
    return pipeline.model_copy(update={"steps": steps, "inputs": inputs})


def _check(path: Path, pipeline: Pipeline) -> None:
    before: dict[str, str] = {}
    for step in pipeline.steps:
        if step.id in before:
            raise RecipeError(f"{path}: two steps have the id {step.id}")
        for setting, one in step.references().items():
            if one.startswith("@") and one[1:] not in pipeline.inputs:
                raise RecipeError(f"{path}: step {step.id}: {setting}: there is no input {one[1:]}")
            needed = type(step).model_fields[setting.partition(".")[0]]
            if one.startswith("@") and pipeline.inputs[one[1:]].optional and needed.default is not None:
                raise RecipeError(f"{path}: step {step.id}: {setting}: the input {one[1:]} must not be optional")
            if not one.startswith("@") and one not in before:
                raise RecipeError(f"{path}: step {step.id}: {setting}: there is no step {one} before it")
            if setting == "run" and before.get(one) != "train":
                raise RecipeError(f"{path}: step {step.id}: run: {one} is not a training")
        if isinstance(step, TrainStep):
            step.load_recipe()
        before[step.id] = step.kind
