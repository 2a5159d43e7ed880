"""The subjects: a table with a row for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from benchmarks.soak import cluster, disturb, files, guided, load, torn


class Subject(NamedTuple):
    """What is run.

    Attributes:
        about: one line.
        run: called with a folder, the counts, the goal and the one row that is wanted.
        goal: how often each row, to be called soaked.
        needs_shim: whether calls on files must be failed.
        note: the goal in words, if it is not the same for each row.
    """

    about: str
    run: Callable[..., None]
    goal: int
    needs_shim: bool = True
    note: str = ""


SUBJECTS = {
    "kills": Subject("SIGKILL at random moments, then resumed", partial(disturb.soak, "kills"), 1000),
    "clock": Subject("killed, with the clock moved from run to run", partial(disturb.soak, "clock"), 200),
    "full": Subject("no space left from a random write on", partial(disturb.soak, "full"), 500),
    "write-errors": Subject("one write, flush or rename fails", partial(disturb.soak, "write-errors"), 500),
    "read-errors": Subject("one read fails", partial(disturb.soak, "read-errors"), 500),
    "torn": Subject("power cuts: what was not flushed is lost, in part or whole", torn.soak, 1000),
    "files": Subject(
        "damaged files of every kind that is read",
        files.soak,
        1_000_000,
        needs_shim=False,
        note="10,000 of each, and 1,000,000 rows of run lengths",
    ),
    "guided": Subject("parsers under a coverage-guided fuzzer", guided.soak, 1_000_000, needs_shim=False),
    "server": Subject(
        "a server with bad clients among good ones", load.soak, 120, needs_shim=False, note="120 minutes of load"
    ),
    "cluster": Subject(
        "a Ray cluster: workers killed, requests of an object store failed",
        cluster.soak,
        100,
        needs_shim=False,
        note="100 kills of workers, one every 20 seconds, and 1,000 requests that fail, one in twenty",
    ),
}
