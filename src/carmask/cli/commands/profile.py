"""``carmask profile``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, Entry, LazyGroup, option
from carmask.cli.types import PATH


@click.group(
    "profile",
    cls=LazyGroup,
    entries=(
        Entry("Commands", "list", "List the shipped profiles.", "profile:list_"),
        Entry("Commands", "show", "Print a profile with everything that it extends.", "profile:show"),
        Entry("Commands", "init", "Write a profile to change.", "profile:init"),
    ),
    no_args_is_help=True,
)
def profile() -> None:
    """Keep options of 'cut' and the rules of a channel in a file.

    A profile is a TOML file with options of 'carmask cut' by the same names, such as background and size, and the rules
    of a channel: what a marketplace demands of pictures. 'cut' and 'watch' read it with --profile, or find it as
    carmask.toml.
    """


@click.command("list", cls=Command, examples=("carmask profile list",))
def list_() -> None:
    """List the shipped profiles.

    Prints name and description of each, and the source and date of a channel's rules.
    """
    from carmask.profiles.loading import load_profile, profile_names

    names = profile_names()
    for name in names:
        found = load_profile(name).profile
        print(f"{name:{max(map(len, names))}}  {found.description}")
        if found.rules is not None:
            print(f"{'':{max(map(len, names))}}  rules of {found.rules.date}: {found.rules.source}")


@click.command("show", cls=Command, examples=("carmask profile show white", "carmask profile show carmask.toml"))
@click.argument("name", metavar="[NAME|FILE]", required=False, help="A shipped profile or a file.")
def show(name: str | None) -> None:
    """Print a profile with everything that it extends.

    What is printed is a TOML file. Without a name, the carmask.toml of the current folder is printed.
    """
    from carmask.profiles.loading import FILE, load_profile, to_toml

    print(to_toml(load_profile(name or FILE).profile), end="")


@click.command(
    "init", cls=Command, examples=("carmask profile init", "carmask profile init day/carmask.toml --from showroom")
)
@click.argument("file", type=PATH, metavar="[FILE]", default=Path("carmask.toml"), help="The file to write.")
@option(
    "--from",
    "base",
    arguments=["profile"],
    default="white",
    show_default=True,
    metavar="NAME|FILE",
    help="The profile to begin with: a shipped one, or a file.",
)
def init(file: Path, base: str) -> None:
    """Write a profile to change.

    The file has all keys as comments, with the values of the profile that it begins with. It is carmask.toml if no name
    is given. A file that exists is not touched.
    """
    from carmask.profiles.loading import write_profile

    write_profile(file, base)
    print(f"{file} written; it changes the profile {base}")
