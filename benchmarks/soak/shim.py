"""The library that makes calls on files fail, or kills a process at one of them (``faults.c``)."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

#: What is done: ``soak_arm``'s modes.
OFF, COUNT, KILL, FAIL, LOG = range(5)
#: Kinds of calls, to be added up. CREATE is an open that makes a file, NAME renames, unlinks, makes folders.
WRITE, READ, SYNC, NAME, OPEN, CREATE = 1, 2, 4, 8, 16, 32
CHANGES = WRITE | SYNC | NAME | CREATE
SOURCE = Path(__file__).with_name("faults.c")


class Arm(NamedTuple):
    """What goes wrong in a child.

    Attributes:
        mode: one of the modes.
        kinds: which calls are counted.
        at: the call, from 1, at which it happens.
        number: the error, an ``errno``.
        stays: whether all later calls fail, too.
        log: where changes are logged to.
        clock: seconds by which the clock is moved.
        after: seconds after which the child is killed from outside; None: it is not.
        folder: below which calls are counted; None for the output.
    """

    mode: int = OFF
    kinds: int = CHANGES
    at: int = 0
    number: int = 0
    stays: bool = False
    log: str = ""
    clock: int = 0
    after: float | None = None
    folder: Path | None = None


def build(work: Path) -> Path | None:
    """Compile it; None without a C compiler, or on another system than Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    work.mkdir(parents=True, exist_ok=True)
    library = work / "faults.so"
    if not library.exists() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
    return library


def loaded() -> ctypes.CDLL | None:
    """The library in this process, if it was started with it."""
    name = os.environ.get("LD_PRELOAD", "")
    if not name.endswith("faults.so"):
        return None
    library = ctypes.CDLL(name)
    library.soak_count.restype = ctypes.c_long
    return library


def arm(what: Arm, folder: Path) -> None:
    """Begin to count in this process, and do what was asked for."""
    library = loaded()
    assert library is not None
    library.soak_clock(ctypes.c_int64(what.clock))
    library.soak_arm(
        os.fsencode(what.folder or folder),
        what.mode,
        what.kinds,
        ctypes.c_long(what.at),
        what.number,
        int(what.stays),
        os.fsencode(what.log),
    )


def counted() -> int:
    """Calls since ``arm``; counting ends."""
    library = loaded()
    assert library is not None
    found = int(library.soak_count())
    library.soak_disarm()
    return found
