"""Disturb a run until it has got through, then compare what it wrote with what an undisturbed run wrote."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.soak import children
from benchmarks.soak.cases import Case
from benchmarks.soak.shim import COUNT, Arm

#: Of a trial: how often a run is disturbed before it is left alone.
ROUNDS = 4
#: Seconds after which the writing of a case's input is taken to hang.
PREPARING = 900.0


class Reference(NamedTuple):
    """What an undisturbed run wrote, the calls on files that it took, and how long it took."""

    files: dict[str, bytes]
    calls: int
    seconds: float


class Outcome(NamedTuple):
    """What came of a trial.

    Attributes:
        disturbed: children that were killed, or refused in words, or went on with a fault.
        passed: disturbances that did not come, as the run was over.
        finding: what was wrong; empty if nothing was.
    """

    disturbed: int
    passed: int
    finding: str = ""


Disturb = Callable[[random.Random, Reference], Arm]


def refer(case: Case, work: Path, kinds: int, folder: Path | None = None) -> Reference:
    """Prepare a case, and run it undisturbed.

    Args:
        case: what runs.
        work: gets its input and its output.
        kinds: of calls on files that are counted.
        folder: below which; None for the output.
    """
    given, out = work / "in", work / "out"
    if not given.exists():
        _prepare(case, work / "in.new")
        (work / "in.new").rename(given)
    _fresh(out)
    children.warm(lambda: case.run(given, out))
    _fresh(out)
    ended = children.run(lambda: case.run(given, out), out, Arm(COUNT, kinds, folder=folder))
    if ended.how != "done":
        raise SystemExit(f"{case.name}: undisturbed: {ended.how}: {ended.said}")
    return Reference(case.look(out), ended.calls, ended.seconds)


def _prepare(case: Case, folder: Path) -> None:
    """Write a case's input, in a child: some of it is trained, and threads of PyTorch do not survive a fork."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    ended = children.run(lambda: case.prepare(folder), folder, patience=PREPARING)
    if ended.how != "done":
        raise SystemExit(f"{case.name}: its input: {ended.how}: {ended.said}")


def disturb(case: Case, work: Path, reference: Reference, how: Disturb, seed: int, *, strikes: bool = True) -> Outcome:
    """One trial.

    Args:
        case: what runs.
        work: with its input; the output is made anew.
        reference: of an undisturbed run.
        how: what goes wrong, by chance.
        seed: decides everything that is left to chance.
        strikes: whether a run that ends well was not disturbed.

    Returns:
        What came of it.
    """
    dice = random.Random(seed)  # noqa: S311  # no secrets here
    given, out = work / "in", work / "out"
    _fresh(out)
    disturbed = passed = 0
    for _ in range(dice.randint(1, ROUNDS)):
        ended = children.run(lambda: case.run(given, out), out, how(dice, reference))
        if ended.how in {"bug", "hung"}:
            return Outcome(disturbed, passed, f"{ended.how}: {ended.said}")
        if ended.how == "done" and strikes:
            passed += 1
            break
        disturbed += 1
        if found := _broken(case, out, reference):
            return Outcome(disturbed, passed, found)
    return Outcome(disturbed, passed, finish(case, work, reference))


def finish(case: Case, work: Path, reference: Reference) -> str:
    """Run undisturbed to the end; what is wrong then, or nothing."""
    given, out = work / "in", work / "out"
    ended = children.run(lambda: case.run(given, out), out)
    if ended.how != "done":
        return f"the last run: {ended.how}: {ended.said}"
    found = case.look(out)
    if found != reference.files:
        names = sorted(
            name for name in found.keys() | reference.files.keys() if found.get(name) != reference.files.get(name)
        )
        return f"other than undisturbed: {', '.join(names[:5])}"
    left = [path.name for path in out.rglob("*.tmp")]
    return f"left: {', '.join(left)}" if left else ""


def _broken(case: Case, out: Path, reference: Reference) -> str:
    """A file that is not whole, though it has its name."""
    for name, content in case.look(out).items():
        wanted = reference.files.get(name)
        if wanted is not None and case.whole(name) and content != wanted:
            return f"not whole after a fault: {name}"
    return ""


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
