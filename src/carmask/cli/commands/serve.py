"""``carmask serve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import need
from carmask.cli.options import RUN, device_option, model_option
from carmask.cli.serving import announce, host_option, name_option, port_option, token_option
from carmask.cli.types import PATH, NumberRange, WholeRange

if TYPE_CHECKING:
    from carmask.model.runtime import Device

_LIMITS = "Limits"


@click.command(
    "serve",
    cls=Command,
    examples=(
        "carmask serve",
        "carmask serve --host 0.0.0.0 --port 8000 --name cars.example.org",
        "carmask serve --profile house.toml",
        "carmask serve --label-studio ~/.local/share/label-studio/media",
    ),
)
@host_option
@port_option(8000)
@token_option
@name_option
@model_option
@device_option
@option(
    "--workers",
    type=WholeRange(1, 256),
    metavar="COUNT",
    section=RUN,
    help="Processes that work on photos.  [default: one for each core]",
)
@option(
    "--state",
    type=PATH,
    metavar="DIR",
    section=RUN,
    help="Folder for jobs, for this server alone.  [default: ~/.local/state/carmask/serve]",
)
@option(
    "--profile",
    "files",
    type=PATH,
    multiple=True,
    metavar="FILE",
    section=RUN,
    help="A profile of your own, beside the shipped ones: the page and programs choose it by the file's name.",
)
@option(
    "--label-studio",
    type=PATH,
    metavar="DIR",
    section=RUN,
    help="Label Studio's folder of files (its media folder, or the root of local files): pictures that its tasks name "
    "are read from there.",
)
@option(
    "--max-bytes",
    type=WholeRange(100_000),
    metavar="BYTES",
    section=_LIMITS,
    help="Size of a photo's file.  [default: 40000000]",
)
@option(
    "--max-pixels",
    type=WholeRange(10_000, 128_000_000),
    metavar="PIXELS",
    section=_LIMITS,
    help="Pixels of a photo.  [default: 50000000]",
)
@option(
    "--timeout",
    type=NumberRange(1),
    metavar="SECONDS",
    section=_LIMITS,
    help="Time for a photo.  [default: 60]",
)
@option(
    "--queue",
    type=WholeRange(0, 10_000),
    metavar="COUNT",
    section=_LIMITS,
    help="Photos that may wait; then clients are told to come back later.  [default: 32]",
)
@option(
    "--keep-hours",
    type=NumberRange(0.1),
    metavar="HOURS",
    section=_LIMITS,
    help="Delete a job after this long.  [default: 24]",
)
@option("--open", "browser", is_flag=True, help="Open the start page in this machine's browser.")
def serve(
    host: str,
    port: int,
    token: str | None,
    names: tuple[str, ...],
    model: str,
    device: Device,
    workers: int | None,
    state: Path | None,
    files: tuple[Path, ...],
    label_studio: Path | None,
    max_bytes: int | None,
    max_pixels: int | None,
    timeout: float | None,
    queue: int | None,
    keep_hours: float | None,
    browser: bool,
) -> None:
    """Serve a page to cut cars out of photos, and an HTTP API.

    Prints the page's address and serves until Ctrl-C: curl -F image=@car.jpg http://localhost:8000/v1/cut -o car.png

    /v1/cut takes one photo, /v1/jobs many; /docs describes all.
    /api/remove takes what clients send to rembg's server, /v1.0/removebg what they send to remove.bg, /predict what
    Label Studio sends to an ML backend. Nothing is ever fetched from an address.

    Only this machine reaches the server unless --host is given. A token is then needed, and stands in the printed
    address; other programs send it as 'Authorization: Bearer TOKEN' or 'X-Api-Key: TOKEN'.
    """
    need("starlette", "serve")
    from carmask.server.limits import Limits
    from carmask.server.profiles import Profiles
    from carmask.server.running import STATE_HOME, Address, run_serve

    given = {
        "photo_bytes": max_bytes,
        "pixels": max_pixels,
        "seconds": timeout,
        "waiting": queue,
        "keep_hours": keep_hours,
    }
    profiles = Profiles(files)
    for note in profiles.notes:
        click.echo(f"carmask: {note}", err=True)
    run_serve(
        Address(host, port, token, names),
        ready=lambda url: announce(url, browser=browser),
        model=model,
        device=device,
        workers=workers,
        state=state or STATE_HOME,
        label_studio=label_studio,
        profiles=profiles,
        limits=Limits(**{name: value for name, value in given.items() if value is not None}),  # type: ignore[arg-type]
    )
