"""What the commands that listen for connections share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from carmask.cli.command import option
from carmask.cli.types import WholeRange

#: Heading of the options on where a server listens and who may use it.
_WHERE = "Address and access"

host_option = option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    section=_WHERE,
    help="Address to listen on. 0.0.0.0 is every network of this machine.",
)
token_option = option(
    "--token",
    envvar="CARMASK_TOKEN",
    show_envvar=True,
    metavar="TEXT",
    section=_WHERE,
    help="What clients must show, 16 characters at least. Other programs see a command's arguments: the environment is "
    "the safer place.  [default: none on this machine alone, else a new one]",
)
name_option = option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    section=_WHERE,
    help="Also answer to this name, such as that of a proxy; repeatable.",
)


def port_option(default: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--port``, with a default for each command: both may run at the same time."""
    return option(
        "--port",
        type=WholeRange(0, 65535),
        default=default,
        show_default=True,
        metavar="NUMBER",
        section=_WHERE,
        help="Port to listen on; 0 takes a free one.",
    )


def announce(url: str, *, browser: bool) -> None:
    """Say where the page is, and open it if that is wanted."""
    logging.basicConfig(level=logging.WARNING, format="carmask: %(message)s")
    print(f"{url}  (Ctrl-C stops)", flush=True)
    if browser:
        import webbrowser

        webbrowser.open(url)
