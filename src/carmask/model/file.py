"""Model files: ONNX that describes itself.

All that is known of a model stands in the file's metadata under the key ``carmask``, as JSON.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from carmask.errors import ModelError
from carmask.model import metadata
from carmask.model.info import ModelInfo

#: The metadata key of an ONNX file under which a model's description stands.
METADATA_KEY = "carmask"


def find_model(model: str | Path) -> Path:
    """Find a model's file.

    Args:
        model: a path, or the name of a shipped model; a file of that name in the working folder comes second.

    Returns:
        The path.

    Raises:
        ModelError: if there is neither.
    """
    shipped = _shipped()
    names = sorted(path.stem for path in shipped.glob("*.onnx"))
    if str(model) in names:
        return shipped / f"{model}.onnx"
    path = Path(model)
    if path.is_file():
        return path
    raise ModelError(f"{model}: neither a model file nor the name of a shipped model ({', '.join(names) or 'none'})")


def check_shipped(path: Path) -> None:
    """Compare a shipped model's content with the hash in its card; other files pass.

    Args:
        path: from ``find_model``.

    Raises:
        ModelError: if the file is not the one that was published.
    """
    if path.parent != _shipped():
        return
    card = path.with_suffix(".md")
    found = re.search(r"SHA-256 `([0-9a-f]{64})`", card.read_text(encoding="utf-8")) if card.is_file() else None
    if found is None or hashlib.sha256(path.read_bytes()).hexdigest() != found[1]:
        raise ModelError(f"{path}: not the file that was published; install carmask again")


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
