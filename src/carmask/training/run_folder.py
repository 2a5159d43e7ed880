"""The folder of a training run: names of its files, and what of them says whether a run can be resumed."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from carmask._version import __version__
from carmask.data.split import Split
from carmask.data.table import Example
from carmask.errors import RecipeError, WeightsError
from carmask.formats.csv_text import csv_rows, encode_csv
from carmask.images import make_folder, write_atomically
from carmask.model.info import ModelInfo
from carmask.training.recipe import Recipe
from carmask.words import by_number, counted

#: The photos of each data set, and its cars by use.
Used: TypeAlias = Sequence[tuple[Sequence[Example], Split]]
#: Of ``data.csv``, its header first.
_Rows: TypeAlias = list[tuple[str, ...]]

RECIPE_FILE = "recipe.json"
#: The run's description of its model.
INFO_FILE = "model.json"
VERSIONS_FILE = "versions.json"
DATA_FILE = "data.csv"
#: Its columns that say which photo it is; those of its content follow.
_NAMED = ("image", "car", "view", "use")
LOG_FILE = "train.log"
#: Held while a training runs.
LOCK_FILE = "train.lock"
#: The localisation stage that the run's network is guided by, if it is.
LOCALISATION_FILE = "localisation.onnx"
#: The model whose contours the run's network refines, if it is a refinement stage.
BASE_FILE = "base.onnx"
#: The trained weights of a finished run.
WEIGHTS_FILE = "weights.safetensors"
#: What an interrupted run is resumed from.
LAST_FILE = "last.ckpt"
#: Weights after single epochs, by ``epoch_file``.
EPOCHS_FOLDER = "epochs"


def epoch_file(run: Path, epoch: int) -> Path:
    """Where a run keeps the weights after an epoch, counted from 0; the file's name counts from 1."""
    return run / EPOCHS_FOLDER / f"{epoch + 1:04}.safetensors"


def check_recipe_of(run: Path, recipe: Recipe) -> None:
    """Refuse to resume a run with other settings. The precision may differ: a run may go on on another machine.

    Raises:
        RecipeError: if the folder holds a run of another recipe.
    """
    file = run / RECIPE_FILE
    if not file.exists():
        return
    try:
        before = Recipe.model_validate_json(file.read_bytes())
    except (ValidationError, OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: not settings of a run that this version can resume") from error
    if before.model_copy(update={"precision": recipe.precision}) != recipe:
        raise RecipeError(f"{run}: holds a run with other settings; choose another folder")


def check_data_of(run: Path, info: ModelInfo) -> ModelInfo:
    """Refuse to resume a run on other data.

    Args:
        run: the folder.
        info: the model's description as this call would have it.

    Returns:
        The description; what the initial weights had seen is taken from a run that has a checkpoint, as its weights
        are. One without begins anew, with the initial weights of this call.

    Raises:
        RecipeError: if the folder holds a run on other extra data, or with another split.
    """
    if not (run / INFO_FILE).exists():
        return info
    try:
        before = ModelInfo.model_validate_json((run / INFO_FILE).read_bytes())
    except (ValidationError, OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{run / INFO_FILE}: not the description of a run that this version can resume") from error
    if [one for one in before.extra_data if one.share] != [one for one in info.extra_data if one.share]:
        raise RecipeError(f"{run}: holds a run with other extra data; choose another folder")
    if (before.training_cars, before.validation_cars) != (info.training_cars, info.validation_cars):
        raise RecipeError(f"{run}: holds a run with other training or validation cars; choose another folder")
    if before.classes != info.classes:
        raise RecipeError(f"{run}: holds a run on other parts, or on the same in another order; choose another folder")
    return info.model_copy(update={"extra_data": before.extra_data}) if (run / LAST_FILE).exists() else info


def check_photos_of(run: Path, used: Used) -> None:
    """Refuse to resume a run on other photos or masks of the same cars; one without a checkpoint may begin on any.

    Args:
        run: the folder.
        used: photos with their split by car, as ``write_description`` takes them.

    Raises:
        RecipeError: if photos were added, removed, renamed or changed since, or their masks were, or the list of them
            is damaged.
    """
    file = run / DATA_FILE
    if not (run / LAST_FILE).exists() or not file.exists():
        return
    try:
        before, now = (_rows_of(table) for table in (file.read_bytes(), _list_data(used)))
    except (OSError, csv.Error) as error:
        raise RecipeError(f"{file}: not the list of the photos of a run that can be resumed") from error
    if moved := _difference(before, now, len(_NAMED)):
        count = moved.total()
        told = f"other photos: {counted(count, 'photo')} {by_number(count, 'was', 'were')} added or removed"
    # The list of an earlier version has no content, and so another header.
    elif before[0] == now[0] and (moved := _difference(before, now, -1)):
        names = {row[0] for row in moved}
        told = f"other photos or masks: of {counted(len(names), 'photo')} itself or the mask was changed"
    else:
        return
    raise RecipeError(
        f"{run}: holds a run on {told} since, such as {min(moved)[0]}; bring them back, or choose another folder"
    )


def _difference(before: _Rows, now: _Rows, columns: int) -> Counter[tuple[str, ...]]:
    """The rows that only one of two tables has, by so many of their first columns."""
    old, new = (Counter(row[:columns] for row in rows[1:]) for rows in (before, now))
    return (old - new) + (new - old)


def _rows_of(table: bytes) -> _Rows:
    """The rows of ``data.csv``, its header first. Its last column, the files, may lie elsewhere on another machine."""
    lines = io.StringIO(table.decode("utf-8", "surrogateescape"), newline="")
    return [tuple(row.cells) for row in csv_rows(lines)]


def read_run_info(run: Path) -> ModelInfo:
    """A run's description of its model.

    Raises:
        WeightsError: if it cannot be read.
    """
    file = run / INFO_FILE
    try:
        return ModelInfo.model_validate_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"{run}: not a training run: {error.strerror}: {INFO_FILE}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise WeightsError(f"{file}: not the description of a run that this version reads") from error


def write_description(run: Path, recipe: Recipe, info: ModelInfo, data: Used, precision: str) -> None:
    """Write what a run says of itself: settings, model, versions, and the use of each photo.

    Raises:
        OutputError: if a file cannot be written.
    """
    make_folder(run)
    versions = {**_versions(), "precision": precision}
    write_atomically(run / RECIPE_FILE, recipe.model_dump_json(indent=1).encode())
    write_atomically(run / INFO_FILE, info.model_dump_json(indent=1).encode())
    write_atomically(run / VERSIONS_FILE, json.dumps(versions, indent=1).encode())
    write_atomically(run / DATA_FILE, _list_data(data))


def _versions() -> dict[str, str]:
    packages = ("torch", "torchvision", "lightning", "numpy", "opencv-python-headless", "segmentation-models-pytorch")
    found = {package: version(package) for package in packages}
    return {"carmask": __version__, "python": platform.python_version(), "machine": platform.machine(), **found}


def _list_data(data: Used) -> bytes:
    rows: list[tuple[object, ...]] = []
    for examples, split in data:
        use = dict.fromkeys(split.train, "train") | dict.fromkeys(split.validation, "validation")
        rows += ((e.name, e.car, e.view, use[e.car], _bytes_of(e.photo), e.digest(), e.photo) for e in examples)
    return encode_csv((*_NAMED, "bytes", "mask", "file"), rows)


def _bytes_of(photo: Path) -> int | None:
    """The size of a file: a photo that was changed has another one, and to read all of them would take too long."""
    try:
        return photo.stat().st_size
    except OSError:  # whoever reads it says so
        return None
