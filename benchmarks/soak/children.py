"""Run a function in a child of this process, which has everything imported: a run begins in a millisecond."""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.soak import shim

from carmask.errors import CarmaskError

#: A child that takes longer hangs, whatever the machine.
PATIENCE = 60.0


class Ended(NamedTuple):
    """How a child ended.

    Attributes:
        how: ``done``; ``refused``, with an error of carmask's own; ``bug``, with any other; ``killed``; ``hung``.
        said: the error.
        calls: counted on files.
        seconds: how long it ran.
    """

    how: Literal["done", "refused", "bug", "killed", "hung"]
    said: str = ""
    calls: int = 0
    seconds: float = 0.0


def run(
    function: Callable[[], object], folder: Path, arm: shim.Arm | None = None, *, patience: float = PATIENCE
) -> Ended:
    """Call a function in a child.

    Args:
        function: what it does.
        folder: below which its calls on files are counted.
        arm: what goes wrong.
        patience: seconds after which it is taken to hang.

    Returns:
        How it ended.
    """
    arm = arm or shim.Arm(shim.COUNT)
    inner, outer = os.pipe()
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.close(inner)
        _child(function, folder, arm, outer)
    os.close(outer)
    ended = _wait(pid, patience if arm.after is None else arm.after)
    hung = not ended and arm.after is None
    if not ended:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    # Processes of the child's own may live on for a while, and hold the pipe.
    os.set_blocking(inner, False)
    with os.fdopen(inner, "rb") as stream:
        said = stream.read() or b""
    seconds = time.perf_counter() - started
    if hung:
        return Ended("hung", "", 0, seconds)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return Ended("killed" if number == signal.SIGKILL else "bug", f"signal {number}", 0, seconds)
    how, text, calls = json.loads(said)
    return Ended(how, text, calls, seconds)


def _wait(pid: int, seconds: float) -> bool:
    """Whether the child is gone within a time."""
    watched = os.pidfd_open(pid)
    try:
        return bool(select.select([watched], [], [], seconds)[0])
    finally:
        os.close(watched)


def _child(function: Callable[[], object], folder: Path, arm: shim.Arm, pipe: int) -> None:
    how, said, calls = "done", "", 0
    armed = shim.loaded() is not None
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        if armed:
            shim.arm(arm, folder)
        function()
    except CarmaskError as error:
        how, said = "refused", str(error)
    except BaseException:  # noqa: BLE001  # whatever it is, it is a finding
        how, said = "bug", traceback.format_exc()
    calls = shim.counted() if armed else 0
    os.write(pipe, json.dumps([how, said[-4000:], calls]).encode())
    os._exit(0)


def warm(function: Callable[[], object]) -> None:
    """Import here what a function imports in a child, so that later children need not."""
    inner, outer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(inner)
        with suppress(BaseException):
            function()
        with os.fdopen(outer, "w") as stream:
            stream.write("\n".join(sys.modules))
        os._exit(0)
    os.close(outer)
    with os.fdopen(inner) as stream:
        names = stream.read().split("\n")
    os.waitpid(pid, 0)
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)
