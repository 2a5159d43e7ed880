"""What the commands share: the application, options, messages, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carmask import __version__
from carmask.errors import UsageError

if TYPE_CHECKING:
    from carmask.geometry import Size

# Everything else is imported inside the commands: `--help` and `--version` answer at once.

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Take the car out of a photo: mask, transparent cut-out, or the car in front of another background.",
    epilog="Begin with:  carmask cut PHOTOS --out DIR",
)


class DeviceChoice(StrEnum):
    """Where the network runs."""

    cpu = "cpu"
    cuda = "cuda"
    tensorrt = "tensorrt"


class FormatChoice(StrEnum):
    """File format of cut-outs and pictures."""

    png = "png"
    webp = "webp"
    jpg = "jpg"


class FitChoice(StrEnum):
    """How a background picture fills the frame."""

    cover = "cover"
    contain = "contain"


class ShadowChoice(StrEnum):
    """Which shadow the car gets."""

    none = "none"
    keep = "keep"
    make = "make"


class PlaceChoice(StrEnum):
    """Where the car stands."""

    photo = "photo"
    centre = "centre"
    turntable = "turntable"


class ProgressChoice(StrEnum):
    """How a batch shows how far it is."""

    bar = "bar"
    json = "json"
    quiet = "quiet"


class EngineChoice(StrEnum):
    """What runs a batch."""

    local = "local"
    ray = "ray"


class TrainDeviceChoice(StrEnum):
    """Where training runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


ModelOption = Annotated[str, typer.Option(help="A model file, or the name of a shipped model.", metavar="FILE|NAME")]
DeviceOption = Annotated[
    DeviceChoice, typer.Option(help="cuda and tensorrt need the \\[cuda] extra and an NVIDIA GPU.")
]
RestartOption = Annotated[bool, typer.Option("--restart", help="Do everything again, also what is done.")]
TimeoutOption = Annotated[float, typer.Option(min=1.0, metavar="SECONDS", help="Give a photo up after this long.")]
ProgressOption = Annotated[
    ProgressChoice, typer.Option(help="bar, on terminals only; json: a line for each photo, for logs; or quiet.")
]
EngineOption = Annotated[EngineChoice, typer.Option(help="ray runs on a cluster; it needs the \\[cluster] extra.")]
AddressOption = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="The cluster; without, one is started on this machine.")
]
SampleOption = Annotated[
    Path | None, typer.Option(help="sample_submission.csv: the image names and their order.", metavar="FILE")
]


@app.callback(invoke_without_command=True)
def _common(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"carmask {__version__}")
        raise typer.Exit


def complain(message: str) -> None:
    """One line on standard error, whatever a file name holds."""
    line = " ".join(message.splitlines())
    print(f"carmask: {line}".encode(errors="backslashreplace").decode(), file=sys.stderr)


def need(module: str, extra: str) -> None:
    """Refuse a command whose extra is not installed."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise UsageError(f"this command needs more than the base install: pip install 'carmask[{extra}]'")


def parse_size(text: str) -> Size:
    """Read WIDTHxHEIGHT, as people write it, into (height, width), as arrays have it."""
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit() and int(width) * int(height)):
        raise UsageError(f"{text!r} is not a size; write WIDTHxHEIGHT, such as 1918x1280")
    return int(height), int(width)


@contextmanager
def progress_bar(what: str, unit: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left on standard error; nothing where that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{{task.fields[rate]}} {unit}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as progress:
        task = progress.add_task(what, total=None, rate="")

        def step(done: int, total: int) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, completed=done, total=total, rate=f"{speed:.1f}" if speed else "")

        yield step
