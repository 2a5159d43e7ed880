"""What is in force: a profile, and over it what was given on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from carmask.batch.naming import Naming
from carmask.batch.outputs import OutputSpec
from carmask.batch.vehicles import Grouping
from carmask.compositing.background import BLUR
from carmask.compositing.plates import KEEP
from carmask.errors import UsageError
from carmask.profiles.loading import Loaded
from carmask.profiles.profile import ARGUMENTS, NONE, Profile

#: Attributes of a profile by the library's names of arguments, where these are others.
_KEYS = {argument: name for name, argument in ARGUMENTS.items()}
#: Keys of a profile that have no meaning with a value that was given over it.
_POINTLESS = {
    ("format", "png"): ("quality",),
    ("place", "photo"): ("scale", "floor"),
    ("background", NONE): ("fit", "match"),
    ("background", BLUR): ("fit", "match"),
    ("group", NONE): ("name", "stock"),
    ("shadow", "none"): ("shadow_strength", "light"),
    ("shadow", "keep"): ("light",),
}
#: Attributes of a profile that ``describe`` names by their keys.
_FURTHER = (
    "layers",
    "parts",
    "fit",
    "shadow_strength",
    "light",
    "glass",
    "match",
    "crop",
    "keep_metadata",
    "recursive",
    "stock",
)


def combine(loaded: Loaded | None, given: Mapping[str, Any]) -> Profile:
    """A profile with what was given over it.

    Args:
        loaded: None for a profile that states nothing.
        given: values by the profile's attributes.

    Returns:
        The profile in force. What it states and has no meaning with what was given, such as a quality of PNG, is gone.
    """
    base = Profile() if loaded is None else loaded.profile
    gone = (_POINTLESS.get((name, value), ()) for name, value in given.items() if isinstance(value, str))
    return base.model_copy(update={**dict.fromkeys(chain(*gone)), **given})


def check(profile: Profile, loaded: Loaded | None, given: Mapping[str, Any]) -> tuple[OutputSpec, Grouping | None]:
    """What a profile means for a run.

    Args:
        profile: from ``combine``.
        loaded: where it came from.
        given: what was given over it.

    Returns:
        What to make of each photo, and which vehicle it shows.

    Raises:
        UsageError: if keys exclude each other or a value is wrong. It names the profile, if the value stands there.
        PhotoError: if the background picture cannot be read.
    """
    try:
        if profile.name is not None:
            Naming(profile.name)
        return profile.output_spec(), profile.grouping()
    except UsageError as error:
        key = _KEYS.get(error.argument or "", error.argument)
        if loaded is None or key is None or key in given:
            raise
        raise UsageError(f"{loaded.source}: {key.replace('_', '-')}: {error.message}") from error


def describe(profile: Profile, loaded: Loaded, given: Mapping[str, Any]) -> str:
    """One line on what is in force.

    Args:
        profile: from ``combine``.
        loaded: where it came from.
        given: what was given over it.
    """
    parts = []
    if profile.mask:
        parts.append("masks")
    if profile.background is not None:
        parts.append(f"background {profile.background}")
    if profile.shadow is not None:
        parts.append(f"shadow {profile.shadow}")
    if profile.place is not None:
        placed = [f"place {profile.place}"]
        if profile.scale is not None:
            placed.append(f"scale {profile.scale:g}")
        if profile.floor is not None:
            placed.append(f"floor {profile.floor:g}")
        parts.append(" ".join(placed))
    if profile.size is not None:
        parts.append(f"{profile.size[1]}x{profile.size[0]}")
    if profile.format is not None:
        parts.append(profile.format + (f" {profile.quality}" if profile.quality else ""))
    if profile.group is not None:
        parts.append(f"by {profile.group}")
    if profile.name is not None:
        parts.append(f"named {profile.name}")
    if profile.others not in {None, "cut"}:
        parts.append(f"others {profile.others}")
    if profile.plate not in {None, KEEP}:
        parts.append(f"plates {profile.plate}")
    for name in _FURTHER:
        value = getattr(profile, name)
        if value is not None and value is not False:
            shown = "" if value is True else f" {value:g}" if isinstance(value, float) else f" {value}"
            parts.append(f"{name.replace('_', '-')}{shown}")
    checks = profile.checks.model_dump(exclude_none=True)
    if checks:
        limits = {
            name.replace("_", "-"): ("off", "on")[limit] if isinstance(limit, bool) else f"{limit:g}"
            for name, limit in checks.items()
        }
        parts.append("checks " + " ".join(f"{name} {limit}" for name, limit in limits.items()))
    if profile.rules is not None:
        parts.append(f"rules of {profile.rules.channel} ({profile.rules.date})")
    over = sorted(name.replace("_", "-") for name in given)
    said = f"; from the command line: {', '.join(over)}" if over else ""
    return f"profile {loaded.source}: {', '.join(parts) or 'nothing stated'}{said}"
