"""``carmask review``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import need
from carmask.cli.serving import announce, host_option, name_option, port_option, token_option
from carmask.cli.types import PATH


@click.command(
    "review",
    cls=Command,
    examples=(
        "carmask review out/",
        "carmask review out/ --host 192.168.1.20 --port 8000",
        "carmask review out/ --open",
    ),
)
@click.argument("out", type=PATH, metavar="OUT", help="An output folder of 'carmask cut'.")
@host_option
@port_option(8010)
@token_option
@name_option
@option("--open", "browser", is_flag=True, help="Open the page in this machine's browser.")
def review(out: Path, host: str, port: int, token: str | None, names: tuple[str, ...], browser: bool) -> None:
    """Mend the masks of a run by hand, in a browser.

    Prints the page's address and serves it until Ctrl-C. The queue begins with the photos that the run marked
    (review=yes), the least certain first. Corrected masks, and who made them when, are kept in
    OUT/.carmask/corrections.sqlite; the photo's outputs are rendered again at once, and report.csv says what was
    decided. A later 'carmask cut' renders from the corrected masks.

    Only this machine reaches the page unless --host is given. A token is then needed, and stands in the printed
    address.
    """
    need("starlette", "serve")
    from carmask.server.running import Address, run_review

    run_review(out, Address(host, port, token, names), ready=lambda url: announce(url, browser=browser))
