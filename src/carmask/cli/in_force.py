"""The settings in force: those of a profile, and over them the options that were given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from click.core import ParameterSource

from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.batch.outputs import OutputSpec
    from carmask.batch.vehicles import Grouping
    from carmask.profiles.profile import Profile

#: A profile's attributes whose parameters of ``cut`` have other names.
_PARAMETERS = {"format": "picture", "shadow_strength": "strength"}
#: Tables of a profile: ``--checks`` changes single keys of one, where it is read.
_TABLES = {"checks", "rules"}


class InForce(NamedTuple):
    """The settings in force.

    Attributes:
        profile: with what was given over it.
        spec: what to make of each photo.
        group: which vehicle a photo shows.
        line: says what is in force; '' without a profile.
        stated: what stands in the profile and was not given, by the library's names of arguments, with its source.
    """

    profile: Profile
    spec: OutputSpec
    group: Grouping | None
    line: str
    stated: dict[str, str]

    def blame(self, error: UsageError) -> UsageError:
        """Name the profile in an error of the library about a value that stands there: it is no option's fault."""
        place = self.stated.get(error.argument or "")
        return error if place is None else UsageError(f"{place}: {error.message}")


def find_settings(ctx: click.Context, profile: str | None, paths: Sequence[str]) -> InForce:
    """Read the profile, and put the options that were given over it.

    Args:
        ctx: of the command.
        profile: value of ``--profile``.
        paths: photos and folders; ``carmask.toml`` is looked for in the first folder, then in the current one.

    Raises:
        UsageError: if the profile, or an option, cannot be used.
    """
    from carmask.images import is_folder
    from carmask.profiles.in_force import check, combine, describe
    from carmask.profiles.loading import find_profile
    from carmask.profiles.profile import ARGUMENTS, Profile

    folders = [Path(path) for path in paths if "://" not in path and is_folder(Path(path))][:1]
    loaded = find_profile(profile, *folders, Path.cwd())
    names = {attribute: _PARAMETERS.get(attribute, attribute) for attribute in Profile.model_fields.keys() - _TABLES}
    given = {
        attribute: ctx.params[name]
        for attribute, name in names.items()
        if name in ctx.params
        and ctx.get_parameter_source(name) not in {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP, None}
    }
    combined = combine(loaded, given)
    spec, group = check(combined, loaded, given)
    if loaded is None:
        return InForce(combined, spec, group, "", {})
    stated = {name for name, value in loaded.profile if value is not None} - given.keys()
    places = {ARGUMENTS.get(name, name): f"profile {loaded.source}: {name.replace('_', '-')}" for name in stated}
    return InForce(combined, spec, group, describe(combined, loaded, given), places)
