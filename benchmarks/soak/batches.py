"""Try something on thousands of damaged inputs in children: a crash, a hang or a bug costs one input, and is found."""

from __future__ import annotations

import mmap
import resource
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.soak import children
from benchmarks.soak.tally import Tally

from carmask.errors import CarmaskError

#: Inputs that one child tries.
BATCH = 200
#: Seconds that one input may take: a guard against hangs, on any machine.
PATIENCE = 60
#: Bytes of memory that a child may have above what it began with.
MEMORY = 2 * 2**30
_PLACES = struct.Struct("4q")


class Row(NamedTuple):
    """A kind of input.

    Attributes:
        name: for the table.
        goal: how many.
        prepare: called once with an empty folder: writes the whole inputs, and returns what tries one, by its seed.
            That raises ``CarmaskError`` where it refuses, and whatever else is a finding.
        weight: inputs in each try.
        batch: tries of one child.
    """

    name: str
    goal: int
    prepare: Callable[[Path], Callable[[int], object]]
    weight: int = 1
    batch: int = BATCH


def soak(row: Row, work: Path, tally: Tally) -> None:
    """Try inputs of a row, one batch."""
    folder = work / row.name.replace(" ", "-").replace(",", "")
    folder.mkdir(parents=True, exist_ok=True)
    attempt = _PREPARED.get(row.name)
    if attempt is None:
        attempt = _PREPARED[row.name] = row.prepare(folder)
    first = tally.next_seed(row.name) * row.batch
    seed, end = first, first + row.batch
    while seed < end:
        seed = _child(row, attempt, range(seed, end), folder, tally)


#: Whole inputs are written once in a process.
_PREPARED: dict[str, Callable[[int], object]] = {}


def _child(row: Row, attempt: Callable[[int], object], seeds: range, folder: Path, tally: Tally) -> int:
    """Try some seeds; the first that was not tried."""
    with mmap.mmap(-1, _PLACES.size) as shared:

        def work() -> None:
            before = _resident()
            resource.setrlimit(resource.RLIMIT_DATA, (before + 2 * MEMORY, before + 2 * MEMORY))
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            read = refused = 0
            for seed in seeds:
                shared[: _PLACES.size] = _PLACES.pack(seed, read, refused, _resident() - before)
                signal.alarm(PATIENCE)
                try:
                    attempt(seed)
                    read += 1
                except CarmaskError as error:
                    check_one_line(error)
                    refused += 1
                if _resident() - before > MEMORY:
                    raise AssertionError(f"{(_resident() - before) / 2**20:.0f} MB of memory")
            shared[: _PLACES.size] = _PLACES.pack(seeds.stop, read, refused, _resident() - before)

        ended = children.run(work, folder, patience=PATIENCE * 10)
        seed, read, refused, memory = _PLACES.unpack(shared[: _PLACES.size])
    lost = int(ended.how != "done")
    counts = {"inputs": (read + refused + lost) * row.weight, "read": read, "refused": refused, "lost": lost}
    tally.add(row.name, counts)
    tally.highest(row.name, "MB at most", memory // 2**20)
    if lost:
        tally.find(row.name, seed, f"{ended.how}: {ended.said}")
        return int(seed) + 1
    return seeds.stop


def check_one_line(error: CarmaskError) -> None:
    """See whether an error says something, in one line.

    Raises:
        AssertionError: if not.
    """
    said = str(error)
    if "\n" in said or not said.strip():
        raise AssertionError(f"not one line: {said!r}") from error


def _resident() -> int:
    """Most bytes that this process had resident so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
