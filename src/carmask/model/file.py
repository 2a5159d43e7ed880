"""Model files: ONNX that describes itself, and how they are found by name.

All that is known of a model stands in the file's metadata under the key ``carmask``, as JSON. Models have names where
they are shipped with carmask, or lie in this machine's folder of models (``carmask models``).
"""

from __future__ import annotations

import hashlib
import os
import re
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from carmask.errors import ModelError
from carmask.images import is_file
from carmask.model import metadata
from carmask.model.info import ModelInfo

#: The metadata key of an ONNX file under which a model's description stands.
METADATA_KEY = "carmask"
#: The name of the model that is used unless another one is named; what a shipped model's name may begin with.
DEFAULT, SHIPPED = "default", "shipped:"
#: The file in the folder of models that names the one ``default`` points at.
POINTER = "default.txt"


def find_model(model: str | Path) -> Path:
    """Find a model's file.

    Args:
        model: a path, or the name of a model: ``default`` is the one that this machine's folder of models points at, or
            the shipped one; then come shipped models, then those of the folder. ``shipped:NAME`` is a shipped model in
            any case. A file of that name in the working folder comes last.

    Returns:
        The path.

    Raises:
        ModelError: if there is none, or the one pointed at is gone.
    """
    if not isinstance(model, str | Path):
        raise ModelError(f"a model is a file's path or a model's name, not {type(model).__name__}")
    name, folder = str(model), models_folder()
    names = sorted(path.stem for path in _shipped().glob("*.onnx"))
    if name.startswith(SHIPPED) and name.removeprefix(SHIPPED) in names:
        return _shipped() / f"{name.removeprefix(SHIPPED)}.onnx"
    if name == DEFAULT and (chosen := default_name()) is not None:
        if chosen.startswith(SHIPPED):
            return find_model(chosen)
        if not (folder / f"{chosen}.onnx").is_file():
            raise ModelError(
                f"{folder / f'{chosen}.onnx'}: the model that {DEFAULT} points at is gone; choose another one with "
                f"'carmask models use', such as {DEFAULT} for the shipped one"
            )
        return folder / f"{chosen}.onnx"
    if name in names:
        return _shipped() / f"{name}.onnx"
    if "/" not in name and is_file(installed := folder / f"{name}.onnx", ModelError):
        return installed
    path = Path(model)
    if is_file(path, ModelError):
        return path
    known = [*names, *(one.stem for one in sorted(folder.glob("*.onnx")))]
    raise ModelError(f"{model}: neither a model file nor the name of a model here ({', '.join(known) or 'none'})")


def models_folder() -> Path:
    """This machine's folder of models: ``CARMASK_MODELS``, or ``carmask/models`` in the user's data (XDG)."""
    if given := os.environ.get("CARMASK_MODELS"):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "carmask" / "models"


def default_name() -> str | None:
    """The name of the model that ``default`` points at, ``shipped:NAME`` if it is another shipped one; else None.

    Raises:
        ModelError: if what says so cannot be read.
    """
    file = models_folder() / POINTER
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise ModelError(f"{file.parent}: it is a file, or in one; CARMASK_MODELS names a folder of models") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: cannot be read ({error}); 'carmask models use {DEFAULT}' writes it anew") from error


def fixed_name(model: str | Path) -> str:
    """A name or path by which the same file is found wherever, and whatever ``default`` points at later.

    Raises:
        ModelError: if there is no such model.
    """
    if str(model) != DEFAULT:
        return str(model)
    path = find_model(model)
    return f"{SHIPPED}{path.stem}" if is_shipped(path) else str(path.absolute())


def is_shipped(path: Path) -> bool:
    """Whether a file from ``find_model`` came with carmask."""
    return path.parent == _shipped()


def check_shipped(path: Path) -> None:
    """Compare a shipped model's content with the hash in its card; other files pass.

    Args:
        path: from ``find_model``.

    Raises:
        ModelError: if the file is not the one that was published.
    """
    if is_shipped(path):
        check_published(path)


def check_published(path: Path) -> None:
    """Compare a file of the package with the SHA-256 in its card, of the same name with the suffix ``.md``.

    Raises:
        ModelError: if it is missing, or not the file that was published.
    """
    card = path.with_suffix(".md")
    found = re.search(r"SHA-256 `([0-9a-f]{64})`", card.read_text(encoding="utf-8")) if card.is_file() else None
    if found is None or not path.is_file() or file_digest(path) != found[1]:
        raise ModelError(f"{path}: not the file that was published; install carmask again")


def file_digest(path: Path) -> str:
    """The SHA-256 of a model's file, in hexadecimal digits.

    Raises:
        ModelError: if it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error


def _shipped() -> Path:
    return Path(str(files("carmask") / "models"))


def read_info(path: Path) -> ModelInfo:
    """Read a model's description without loading the network.

    Raises:
        ModelError: if the file is not ONNX, or is ONNX that does not describe itself to carmask.
    """
    text = metadata.read_metadata(path).get(METADATA_KEY)
    if text is None:
        raise ModelError(f"{path}: an ONNX file, but not a carmask model; 'carmask export' writes those")
    try:
        return ModelInfo.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: its description is not one this version reads: {where}: {first['msg']}") from error
