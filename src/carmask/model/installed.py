"""This machine's models: those that came with carmask, and those that were put into its folder of models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from carmask.errors import ModelError, UsageError
from carmask.images import make_folder, remove_file, write_atomically
from carmask.model.card import card_path, model_card, read_card
from carmask.model.file import (
    DEFAULT,
    POINTER,
    SHIPPED,
    default_name,
    file_digest,
    find_model,
    is_shipped,
    models_folder,
    read_info,
)
from carmask.model.info import ModelInfo

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class KnownModel:
    """A model that has a name on this machine.

    Attributes:
        name: by which it is found.
        path: its file.
        info: what it says of itself; None if it cannot be read.
        digest: SHA-256 of the file, hexadecimal.
        shipped: it came with carmask.
        default: ``default`` means this one.
        problem: why it cannot be read; empty if it can.
    """

    name: str
    path: Path
    info: ModelInfo | None
    digest: str
    shipped: bool
    default: bool
    problem: str = ""

    @property
    def card(self) -> str:
        """Its card, as Markdown: the file beside it, or one made of what it says of itself.

        Raises:
            ModelError: if the file beside it cannot be read.
        """
        if (file := card_path(self.path)).is_file():
            return read_card(file)
        return "" if self.info is None else model_card(self.info, self.path.read_bytes())


def list_models() -> list[KnownModel]:
    """All models that have a name on this machine: shipped ones first, then installed ones, by name.

    Raises:
        ModelError: if the file that says what ``default`` points at cannot be read.
    """
    moved, default = default_name() is not None, _default_path()
    shipped = sorted(find_model(f"{SHIPPED}{DEFAULT}").parent.glob("*.onnx"))
    named = [(f"{SHIPPED}{DEFAULT}" if moved and path.stem == DEFAULT else path.stem, path) for path in shipped]
    named += [(path.stem, path) for path in sorted(models_folder().glob("*.onnx"))]
    return [_known(name, path, default) for name, path in named]


def describe_model(model: str | Path) -> KnownModel:
    """Describe one model, by name or file.

    Raises:
        ModelError: if there is none, or it is damaged.
    """
    path = find_model(model)
    info = read_info(path)
    return KnownModel(str(model), path, info, file_digest(path), is_shipped(path), path == _default_path())


def use_model(model: str | Path, *, name: str | None = None) -> KnownModel:
    """Let ``default`` mean another model.

    Args:
        model: the name of a model; a model file is copied into this machine's folder of models first, with its card.
            ``default`` is the shipped one again.
        name: of the copy, in place of the file's own; letters, digits, ``.``, ``_`` and ``-``.

    Returns:
        The model that ``default`` means now.

    Raises:
        UsageError: if the name is none, a shipped model's, or that of another installed model.
        ModelError: if there is no such model, or the file is damaged.
        OutputError: if the folder cannot be written.
    """
    folder = models_folder()
    if str(model) in {DEFAULT, f"{SHIPPED}{DEFAULT}"}:
        remove_file(folder / POINTER)
        return describe_model(DEFAULT)
    path = find_model(model)
    read_info(path)
    if is_shipped(path):
        if name is not None:
            raise UsageError(f"{model} is a shipped model and keeps its name", argument="name")
    elif path.parent != folder:
        path = _install(path, name or path.stem)
    elif name is not None and name != path.stem:
        raise UsageError(f"{model} is installed already, as {path.stem}", argument="name")
    make_folder(folder)
    write_atomically(folder / POINTER, f"{SHIPPED if is_shipped(path) else ''}{path.stem}\n".encode())
    return describe_model(DEFAULT)


def _install(path: Path, name: str) -> Path:
    folder = models_folder()
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a model: letters, digits, '.', '_' and '-', the first a letter or digit",
            argument="name",
        )
    if (find_model(f"{SHIPPED}{DEFAULT}").parent / f"{name}.onnx").is_file():
        raise UsageError(f"{name} is the name of a shipped model; give another one", argument="name")
    to, content = folder / f"{name}.onnx", path.read_bytes()
    if to.is_file() and to.read_bytes() != content:
        raise UsageError(f"{to}: another model of this name is installed; give another name", argument="name")
    card = card_path(path)
    text = read_card(card) if card.is_file() else model_card(read_info(path), content)
    make_folder(folder)
    write_atomically(to, content)
    write_atomically(card_path(to), text.encode())
    return to


def _known(name: str, path: Path, default: Path | None) -> KnownModel:
    try:
        return KnownModel(name, path, read_info(path), file_digest(path), is_shipped(path), path == default)
    except ModelError as error:
        return KnownModel(name, path, None, "", is_shipped(path), path == default, str(error))


def _default_path() -> Path | None:
    """The file that ``default`` means; None if it is gone."""
    try:
        return find_model(DEFAULT)
    except ModelError:
        return None
