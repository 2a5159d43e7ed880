"""Long runs under load, faults and attack, with what is lost: nothing, or it is a defect.

    python -m benchmarks.soak [SUBJECT ...] [--minutes 30] [--work soak-out] [--record]

Each subject goes on where its last run ended (--work has the counts; --anew forgets them) and ends when its goal is
reached or its processor time is used up. --record writes the tables to benchmarks/results.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.soak import shim
from benchmarks.soak.subjects import SUBJECTS
from benchmarks.soak.tally import Tally


def main() -> None:
    """Run the subjects; exit 1 if anything was found."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    lines = [f"{name}: {subject.about}" for name, subject in SUBJECTS.items()]
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help="; ".join(lines))
    parser.add_argument("--minutes", type=float, default=30, help="of processor time for each subject; default 30")
    parser.add_argument("--goal", type=int, help="how often, in place of the subject's own goal")
    parser.add_argument("--only", help="one row of a subject's table")
    parser.add_argument("--work", type=Path, default=Path("soak-out"), help="folder for counts and files")
    parser.add_argument("--anew", action="store_true", help="forget what was counted")
    parser.add_argument("--record", action="store_true", help="write the tables to benchmarks/results")
    given = parser.parse_args()
    if unknown := set(given.subjects) - SUBJECTS.keys():
        parser.error(f"no subject {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    library = shim.build(given.work)
    if library is not None and shim.loaded() is None:
        # The library must be there before anything else is.
        words = [sys.executable, "-m", "benchmarks.soak", *sys.argv[1:]]
        os.execve(sys.executable, words, os.environ | {"LD_PRELOAD": str(library.resolve())})  # noqa: S606
    found = 0
    for name in given.subjects or SUBJECTS:
        subject = SUBJECTS[name]
        if subject.needs_shim and library is None:
            print(f"{name}: not run: it needs Linux and a C compiler")
            continue
        print(f"{name}: {subject.about}", flush=True)
        file = given.work.resolve() / f"{name}.json"
        if given.anew:
            file.unlink(missing_ok=True)
        tally = Tally(file, minutes=given.minutes)
        subject.run(given.work.resolve() / "files", tally, given.goal or subject.goal, only=given.only)
        tally.keep()
        _show(tally)
        found += len(tally.findings)
        if given.record:
            _record(name, tally)
    raise SystemExit(min(1, found))


def _show(tally: Tally) -> None:
    columns, rows = tally.table()
    width = max((len(name) for name in rows), default=0) + 2
    print(" " * width + "  ".join(columns))
    for name, cells in rows.items():
        print(
            name.ljust(width) + "  ".join(cell.rjust(len(column)) for cell, column in zip(cells, columns, strict=True))
        )
    for one in tally.findings:
        print(f"FOUND: {one['row']}, seed {one['seed']}: {one['what']}")


def _record(name: str, tally: Tally) -> None:
    from benchmarks.soak.record import record

    record(name, SUBJECTS[name], tally)


if __name__ == "__main__":
    main()
