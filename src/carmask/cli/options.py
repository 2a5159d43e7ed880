"""Options that several commands share, and types of their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from carmask.cli.command import option
from carmask.cli.progress import MODE
from carmask.cli.types import PATH, NumberRange, WholeRange

#: Heading of the options on how a run goes, not on what it writes.
RUN = "How it runs"


def _remember_progress(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """Keep the value where :func:`carmask.cli.progress.progress_bar` finds it."""
    ctx.meta[MODE] = value
    return value


model_option = option(
    "--model",
    default="default",
    show_default=True,
    metavar="FILE|NAME",
    help="A model file, or a name of 'carmask models list'.",
)
profile_option = option(
    "--profile",
    metavar="NAME|FILE",
    help="A TOML file with options of 'carmask cut' and a channel's rules, or the name of a shipped one: see 'carmask "
    "profile list'. Options on the command line take precedence.",
)
device_option = option(
    "--device",
    type=click.Choice(["cpu", "cuda", "tensorrt"]),
    default="cpu",
    show_default=True,
    section=RUN,
    help="Where the network runs. cuda and tensorrt need the [cuda] extra and an NVIDIA GPU.",
)
restart_option = option("--restart", is_flag=True, section=RUN, help="Do everything again, even photos that are done.")
timeout_option = option(
    "--timeout",
    type=NumberRange(min=1),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    section=RUN,
    help="Count a photo as failed after this long.",
)
progress_option = option(
    "--progress",
    type=click.Choice(["auto", "bar", "lines", "quiet"]),
    default="auto",
    show_default=True,
    callback=_remember_progress,
    expose_value=False,
    section=RUN,
    help="bar: a bar, on terminals only. lines: a line every 10 seconds. auto: bar on a terminal, lines elsewhere.",
)
batch_progress_option = option(
    "--progress",
    type=click.Choice(["auto", "bar", "lines", "json", "quiet"]),
    default="auto",
    show_default=True,
    callback=_remember_progress,
    section=RUN,
    help="bar: a bar, on terminals only. lines: a line every 10 seconds. auto: bar on a terminal, lines elsewhere. "
    "json: a line for each photo on standard output.",
)
engine_option = option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    section=RUN,
    help="local: this machine. ray: a cluster; it needs the [cluster] extra.",
)
address_option = option(
    "--address",
    metavar="HOST:PORT",
    section=RUN,
    help="Address of the Ray cluster. Without it, Ray starts on this machine.",
)
layout_option = option(
    "--layout",
    metavar="NAME",
    help="How photos and masks lie in folders: carvana, folders, labelled, pairs or parts; or an annotation "
    "tool's format, such as voc or coco.  [default: detected]",
)
mask_threshold_option = option(
    "--mask-threshold",
    type=WholeRange(1, 255),
    metavar="1-255",
    help="For masks that are grey, anti-aliased or JPEG: values from this one up are car.",
)
sample_option = option(
    "--sample",
    type=PATH,
    metavar="FILE",
    help="sample_submission.csv of the challenge: the image names and their order.",
)


def out_option(metavar: str, help: str, *, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:  # noqa: A002
    """``--out``/``-o``, whose meaning each command states."""
    return option("--out", "-o", type=PATH, required=required, metavar=metavar, help=help)
