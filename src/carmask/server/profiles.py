"""Profiles that clients may name: the shipped ones, and those that the server was started with."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from carmask.compositing.background import Background
from carmask.errors import UsageError
from carmask.images import PhotoFile, is_file, is_photo, open_photo
from carmask.profiles.in_force import combine
from carmask.profiles.loading import Loaded, load_profile, profile_names
from carmask.profiles.profile import NONE, ChecksTable, Profile
from carmask.server.options import LONGEST_NAME, CutOptions, parse
from carmask.validation import describe_fault

#: Options that have another name in profiles.
_IN_PROFILES = {"strength": "shadow_strength"}
#: What a profile says of a picture, and clients cannot choose.
_PASSED_OVER = ("glass", "mask", "layers", "parts", "keep_metadata", "checks", "rules")
#: Values of the option ``background``, and of the page's choice of it, that are no profile's picture.
_TAKEN = (NONE, "colour", "picture")


class _Offered(NamedTuple):
    loaded: Loaded
    options: CutOptions
    picture: PhotoFile | None


class Profiles:
    """Profiles by name; what they state of vehicles, of names and of a channel's rules is for ``carmask cut`` alone.

    Attributes:
        notes: what is passed over of those that the server was started with, a line for each.
    """

    def __init__(self, files: Sequence[Path] = ()) -> None:
        """Read them.

        Args:
            files: the team's own; each is called as its file is, without suffix. One that is called as a shipped one
                takes its place.

        Raises:
            UsageError: if one is wrong, or asks for what the server does not do, or cannot have its name.
            PhotoError: if a background picture cannot be read.
        """
        self._offered: dict[str, _Offered] = {}
        self.notes: list[str] = []
        for name in profile_names():
            loaded = load_profile(name)
            if _stated(loaded.profile):
                self._offered[name] = _offer(loaded)
        own: dict[str, Path] = {}
        for file in files:
            loaded, name = load_profile(file), unicodedata.normalize("NFC", file.stem)
            if not name.isprintable():  # a name that is no UTF-8 could not be sent
                raise UsageError(f"{file}: its name has letters that programs cannot send; give the file another name")
            if name in own:
                raise UsageError(f"{file}: {own[name]} is called {name}, too; rename one of them")
            own[name], found = file, _offer(loaded)
            if found.picture is not None and len(name) > LONGEST_NAME:
                raise UsageError(f"{file}: its name has more than {LONGEST_NAME} letters; give the file another name")
            if found.picture is not None and (name in _TAKEN or _is_drawn(name)):
                kind = "another choice of background" if name in _TAKEN else "a colour or a drawn background"
                raise UsageError(f"{file}: {name} is {kind}; give the file another name")
            self._offered[name] = found
            unstated = (None, False, ChecksTable())
            left = [key.replace("_", "-") for key in _PASSED_OVER if getattr(loaded.profile, key) not in unstated]
            if left:
                self.notes.append(f"{file}: {', '.join(left)} passed over; carmask cut alone does that")

    def names(self) -> list[str]:
        """All that may be named."""
        return sorted(self._offered)

    def describe(self) -> list[dict[str, Any]]:
        """Name, description and options of each: the answer of ``GET /v1/profiles``."""
        return [
            {
                "name": name,
                "description": found.loaded.profile.description,
                "picture": found.picture is not None,
                "options": found.options.model_dump(exclude_defaults=True)
                | ({} if found.picture is None else {"background": name}),
            }
            for name, found in sorted(self._offered.items())
        ]

    def parse(self, fields: Mapping[str, str], sent: PhotoFile | None = None) -> tuple[CutOptions, PhotoFile | None]:
        """Read form fields.

        Args:
            fields: options; ``profile`` names a profile, and the others are over what that one states. ``background``
                may be the name of a profile that has a picture, or ``none`` to take a profile's away.
            sent: the background picture that the client sent, or asks to keep; over a profile's.

        Returns:
            The options, and the background picture. If that is a profile's, ``background`` is the profile's name.

        Raises:
            UsageError: if there is no such profile, or two backgrounds, or for a field; see
                ``carmask.server.options.parse``.
        """
        fields = {name: value for name, value in fields.items() if value != ""}
        name = _composed(fields.pop("profile", None))
        if name is not None and name not in self._offered:  # a name alone, never a file of this machine
            raise UsageError(f"profile: {name!r} is none of {', '.join(self.names())}")
        background = _composed(fields.get("background"))
        if sent is not None and background is not None:
            raise UsageError("background: there is a picture, too; give either background or background_file")
        behind = self._offered.get(background or "")
        label, picture = ("", sent) if behind is None or behind.picture is None else (background, behind.picture)
        if label or background == NONE:
            del fields["background"]
        options = parse(fields)
        if name is None:
            return (options.model_copy(update={"background": label}) if label else options), picture
        chosen = self._offered[name]
        given = {_IN_PROFILES.get(name, name): getattr(options, name) for name in options.model_fields_set}
        if background == NONE:
            given["background"] = NONE
        if picture is None and "background" not in given:
            label, picture = name, chosen.picture
        stated = _stated(combine(chosen.loaded, given))
        if picture is not None:
            stated["background"] = label
        return CutOptions(**stated), picture


def _offer(loaded: Loaded) -> _Offered:
    stated, picture = _stated(loaded.profile), None
    file = Path(stated.get("background", ""))
    if is_file(file):
        picture = open_photo(file)
        del stated["background"]
    elif is_photo(file):
        raise UsageError(f"{loaded.source}: background: {file}: there is no such picture")
    try:
        options = CutOptions(**stated)
        options.spec(picture)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{loaded.source}: {first['loc'][0]}: for the server, {describe_fault(first)}") from error
    except UsageError as error:
        raise UsageError(f"{loaded.source}: {error}") from error
    return _Offered(loaded, options, picture)


def _stated(profile: Profile) -> dict[str, Any]:
    """What a profile states of the options here."""
    stated = {name: getattr(profile, _IN_PROFILES.get(name, name)) for name in CutOptions.model_fields}
    if isinstance(profile.size, tuple):  # (height, width)
        stated["size"] = f"{profile.size[1]}x{profile.size[0]}"
    if profile.background == NONE:
        del stated["background"]
    return {name: value for name, value in stated.items() if value is not None}


def _composed(name: str | None) -> str | None:
    """A name as it is sent by any system: some write an umlaut as a letter and its dots."""
    return None if name is None else unicodedata.normalize("NFC", name)


def _is_drawn(name: str) -> bool:
    try:
        Background.drawn(name)
    except UsageError:
        return False
    return True
