"""Find, read and write profiles."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from carmask.batch.names import PROFILE
from carmask.compositing.background import BLUR
from carmask.compositing.scene import SCENES
from carmask.errors import UnknownNameError, UsageError
from carmask.images import is_file, is_folder, is_photo, is_there, write_atomically
from carmask.prediction.checks import CHECKS
from carmask.profiles.profile import NONE, ChecksTable, Profile, RulesTable
from carmask.validation import describe_fault

#: The profile of a folder.
FILE = PROFILE
#: More of a file is no profile.
_LONGEST = 1 << 20


class Loaded(NamedTuple):
    """A profile, and where it came from.

    Attributes:
        profile: with everything that it extends.
        source: a shipped profile's name, or the file.
    """

    profile: Profile
    source: str


def profile_names() -> list[str]:
    """Names of the shipped profiles."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def find_profile(profile: str | Path | None, *folders: Path) -> Loaded | None:
    """The profile that was asked for, or that lies in a folder.

    Args:
        profile: the name of a shipped profile, or a file; None to look for ``carmask.toml``.
        folders: where to look for it, the first that has one.

    Returns:
        None if none was asked for and there is none.

    Raises:
        UsageError: see ``load_profile``.
    """
    if profile is not None:
        return load_profile(profile)
    file = next((folder / FILE for folder in folders if is_file(folder / FILE)), None)
    return None if file is None else load_profile(file)


def load_profile(profile: str | Path) -> Loaded:
    """Read a profile and all that it extends.

    Args:
        profile: the name of a shipped profile, or a TOML file.

    Raises:
        UnknownNameError: if there is no such profile.
        UsageError: if it is not TOML, a key or value is wrong, or it extends itself.
    """
    path = _path(profile)
    settings = _read(path, ())
    try:
        checked = Profile.model_validate(settings)
        checked.check_settings()
    except ValidationError as error:
        raise UsageError(f"{path}: {_first(error)}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return Loaded(checked, str(profile))


def write_profile(file: Path, base: str) -> None:
    """Write a profile that changes another one, with every key as a comment.

    Args:
        file: must not exist.
        base: name of a shipped profile, or a file, which is named as it lies beside the new one.

    Raises:
        UsageError: if the file exists, or there is no such profile.
        OutputError: if it cannot be written.
    """
    if is_there(file):
        raise UsageError(f"{file}: exists already; name another file, or delete it")
    found = load_profile(base)
    lines = [
        "# A profile for 'carmask cut' and 'watch': named on the command line, or carmask.toml in the photos' folder.",
        "# Options on the command line take precedence. 'carmask profile show' prints it with all that it extends.",
        f"extends = {_toml(base if base in profile_names() else os.path.relpath(Path(base), file.parent))}",
        "",
        "# Take the # away to change a key. The values are those of the profile above.",
    ]
    for name, field in Profile.model_fields.items():
        if name in {"description", "extends", "checks", "rules"}:
            continue
        value = getattr(found.profile, name)
        shown = _toml(value) if value is not None else _EXAMPLES.get(name, '""')
        lines.append(f"# {field.alias or name} = {shown}{'' if value is not None else '  # not set'}")
    lines += ["", "# Checks of the photos: false, true, or a number as the limit.", "# [checks]"]
    stated = found.profile.checks.model_dump()
    for name, check in CHECKS.items():
        default = True if check.limit is None else check.limit
        value = default if stated.get(name) is None else stated[name]
        lines.append(f"# {name} = {_toml(value)}  # {check.about}{f': {check.unit}' if check.unit else ''}")
    write_atomically(file, ("\n".join(lines) + "\n").encode())


def to_toml(profile: Profile) -> str:
    """A profile as a TOML file: what is stated, with what it extends."""
    lines = []
    tables: list[tuple[str, BaseModel]] = []
    for name, field in Profile.model_fields.items():
        value = getattr(profile, name)
        if isinstance(value, BaseModel):
            tables.append((name, value))
        elif value not in (None, ""):
            lines.append(f"{field.alias or name} = {_toml(value, name)}")
    for name, table in tables:
        stated = {
            field.alias or key: (key, getattr(table, key))
            for key, field in type(table).model_fields.items()
            if getattr(table, key) != field.default
        }
        if stated:
            lines += ["", f"[{name}]", *(f"{alias} = {_toml(value, key)}" for alias, (key, value) in stated.items())]
    return "\n".join(lines) + "\n"


_EXAMPLES = {
    "fit": '"cover"',
    "shadow": '"make"',
    "shadow_strength": "1.0",
    "light": '"above"',
    "glass": "0.5",
    "match": "0.5",
    "place": '"vehicle"',
    "scale": "0.8",
    "floor": "0.85",
    "size": '"1600x1200"',
    "crop": "0.05",
    "mask": "true",
    "layers": "true",
    "parts": "true",
    "format": '"jpg"',
    "quality": "90",
    "keep_metadata": '"safe"',
    "background": '"white"',
    "recursive": "true",
    "group": '"folder"',
    "name": '"{vehicle}/{name}"',
    "others": '"keep"',
    "plate": '"blur"',
    "stock": "'[0-9]{4,6}[A-Z]?'",
}


def _toml(value: object, name: str = "") -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return f'"{value[0]}:{value[1]}"' if name == "aspect" else f'"{value[1]}x{value[0]}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    text = str(value)
    escaped = "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c for c in text.replace("\\", "\\\\"))
    return '"' + escaped.replace('"', '\\"') + '"'


def _shipped() -> Path:
    return Path(str(files("carmask") / "profiles" / "shipped"))


def _path(profile: str | Path) -> Path:
    if str(profile) in profile_names():
        return _shipped() / f"{profile}.toml"
    path = Path(profile)
    if is_folder(path) and is_file(path / FILE):
        return path / FILE
    if not is_file(path):
        near = difflib.get_close_matches(str(profile), profile_names(), 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(profile_names())}"
        raise UnknownNameError(
            f"{profile}: no profile has this name, and there is no such file{hint}",
            argument="profile",
        )
    return path


def _read(path: Path, inner: tuple[Path, ...]) -> dict[str, Any]:
    """A file's settings over those of the profile that it extends; tables are joined key by key."""
    if path.resolve() in inner:
        raise UsageError(f"{path}: it extends itself")
    try:
        with path.open("rb") as stream:
            text = stream.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            raise UsageError(f"{path}: too long for a profile")
        settings: dict[str, Any] = tomllib.loads(text.decode("utf-8-sig"))  # as Notepad saves it
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not in UTF-8; save it with the encoding UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        Profile.model_validate({key: value for key, value in settings.items() if key != "rules"})
    except ValidationError as error:
        raise UsageError(f"{path}: {_first(error)}") from error
    _resolve_files(settings, path.parent)
    base = settings.get("extends")
    if base is None:
        return settings
    try:
        extended = _path(base if str(base) in profile_names() else path.parent / str(base))
    except UnknownNameError as error:
        raise UsageError(f"{path}: extends: {error.message}") from error
    over = _read(extended, (*inner, path.resolve()))
    merged = {**over, **settings}
    for table in ("checks", "rules"):
        if isinstance(over.get(table), Mapping) and isinstance(settings.get(table), Mapping):
            merged[table] = {**over[table], **settings[table]}
    merged["description"] = settings.get("description", "")
    return merged


def _resolve_files(settings: dict[str, Any], folder: Path) -> None:
    """Files that a profile names lie beside it; as absolute paths they can be written into another profile."""
    folder = folder.absolute()
    background = settings.get("background")
    if isinstance(background, str) and background not in {*SCENES, BLUR} and is_photo(background):
        settings["background"] = str(folder / background)
    plate = settings.get("plate")
    if isinstance(plate, str) and is_photo(plate):
        settings["plate"] = str(folder / plate)
    group = settings.get("group")
    if isinstance(group, str) and group not in {"folder", "name", NONE}:
        settings["group"] = str(folder / group)


def _first(error: ValidationError) -> str:
    """The first fault of a profile, in one line, with the key that was perhaps meant."""
    # A key that there is not explains another that is missing.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"] if part != "function-before[_size(), tuple[int, int]]")
    if first["type"] == "model_type":
        return f"{where}: {first.get('input')!r}: this is a table: write [{where}], and its keys below"
    if str(first["loc"][-1]) in {"bool", "float", "int"}:  # any of these is taken
        where = where.rpartition(".")[0]
        return f"{where}: {first.get('input')!r}: give true, false or a number"
    if first["type"] != "extra_forbidden":
        wrong = first.get("input")
        said = describe_fault(first)
        where = where.split(".tuple")[0].split(".function")[0]
        if where == "size" or where.startswith("size."):
            where, said = "size", 'write WIDTHxHEIGHT in quotation marks, such as "1280x960"'
            wrong = None if first["type"] == "missing" else wrong
        given = f"{wrong!r}: " if isinstance(wrong, str | int | float) and str(wrong) not in said else ""
        return f"{where}: {given}{said}"
    tables: dict[str, type[BaseModel]] = {"rules": RulesTable, "checks": ChecksTable}
    table = tables.get(str(first["loc"][0])) if len(first["loc"]) > 1 else None
    keys = [field.alias or name for name, field in (table or Profile).model_fields.items()]
    near = difflib.get_close_matches(str(first["loc"][-1]), keys, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(keys) or 'none'}"
    return f"{where}: there is no such key; {hint}"
