"""What the trainings of the small networks have in common: an option for each setting, and lines about the progress."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Seconds between two lines about the progress.
PERIOD = 20.0


def add_options(parser: argparse.ArgumentParser, settings: Any) -> None:
    """Add what both trainings take: --weights, --out, --cache, and an option for each setting.

    Args:
        parser: changed in place.
        settings: the training's ``Settings``, a named tuple of which every field has a default.
    """
    parser.add_argument("--weights", type=Path, help="ImageNet weights of EfficientNet-Lite0 as safetensors")
    parser.add_argument("--out", type=Path, required=True, help="folder of the network's file and card")
    parser.add_argument("--cache", type=Path, help="crops of the photos; default OUT/cache")
    for name, value in settings._field_defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default {value}")


def chosen(settings: Any, given: argparse.Namespace) -> Any:
    """The settings that the options of ``add_options`` say."""
    return settings(**{name: getattr(given, name) for name in settings._fields})


def lines() -> Callable[[str, int, int], None]:
    """A function that prints what is being done and how far it is: every 20 seconds, and at the end of each thing."""
    started = said = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        nonlocal said
        if done == total or time.monotonic() - said > PERIOD:
            said = time.monotonic()
            print(f"{said - started:6.0f} s  {what}: {done} of {total}", flush=True)

    return report
