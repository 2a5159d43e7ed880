"""What goes wrong with a run: killed, the disk full, calls that fail, the clock moved."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.soak import shim, trial
from benchmarks.soak.cases import Case
from benchmarks.soak.catalogue import CASES
from benchmarks.soak.shim import Arm
from benchmarks.soak.tally import Tally

DAY = 86_400
#: Clocks are moved by hours, days or years, either way.
JUMPS = (3600, DAY, 400 * DAY, 20 * 365 * DAY)


def killed(dice: random.Random, reference: trial.Reference) -> Arm:
    """SIGKILL: half the time at a call that changes the disk, half the time at a moment."""
    if dice.random() < 0.5:
        return Arm(shim.KILL, shim.CHANGES, dice.randint(1, reference.calls))
    return Arm(shim.COUNT, after=dice.uniform(0, reference.seconds))


def killed_and_clock(dice: random.Random, reference: trial.Reference) -> Arm:
    """Killed as above, with the clock moved from run to run."""
    return killed(dice, reference)._replace(clock=dice.choice(JUMPS) * dice.choice((-1, 1)))


def full(dice: random.Random, reference: trial.Reference) -> Arm:
    """No space left, from a write on."""
    return Arm(shim.FAIL, shim.WRITE | shim.CREATE, dice.randint(1, reference.calls), errno.ENOSPC, stays=True)


def write_error(dice: random.Random, reference: trial.Reference) -> Arm:
    """One call that changes the disk fails: a write, a flush or a rename."""
    return Arm(shim.FAIL, shim.CHANGES, dice.randint(1, reference.calls), errno.EIO)


def read_error(dice: random.Random, reference: trial.Reference) -> Arm:
    """One read, or the opening of a file, fails."""
    return Arm(shim.FAIL, shim.READ | shim.OPEN, dice.randint(1, reference.calls), errno.EIO)


class Kind(NamedTuple):
    """A kind of disturbance.

    Attributes:
        about: for the table.
        how: what goes wrong, by chance.
        kinds: the calls that are counted in the undisturbed run.
        strikes: whether a run that ends well was not disturbed.
        inputs: whether calls on the input are counted, too.
    """

    about: str
    how: Callable[[random.Random, trial.Reference], Arm]
    kinds: int = shim.CHANGES
    strikes: bool = True
    inputs: bool = False


KINDS = {
    "kills": Kind("killed", killed),
    "clock": Kind("killed, and the clock moved", killed_and_clock),
    "full": Kind("disk full", full, shim.WRITE | shim.CREATE),
    "write-errors": Kind("a write, flush or rename fails", write_error, strikes=False),
    "read-errors": Kind("a read fails", read_error, shim.READ | shim.OPEN, strikes=False, inputs=True),
}


def soak(subject: str, work: Path, tally: Tally, goal: int, *, only: str | None = None) -> None:
    """Disturb all cases until each was disturbed as often as wanted, or time is over.

    Args:
        subject: of ``KINDS``.
        work: a folder.
        tally: counts.
        goal: disturbances of each case.
        only: the name of one case; None for all.
    """
    kind = KINDS[subject]
    cases = [case for name, case in CASES.items() if only in {None, name}]
    known: dict[str, trial.Reference] = {}
    while any(tally.count(case.name, kind.about) < goal for case in cases):
        for case in cases:
            if tally.count(case.name, kind.about) >= goal:
                continue
            if tally.over():
                return
            place = work / subject / case.name.replace(" ", "-")
            if case.name not in known:
                known[case.name] = _refer(case, place, kind)
            seed = tally.next_seed(case.name)
            made = trial.disturb(case, place, known[case.name], _how(kind, place), seed, strikes=kind.strikes)
            tally.add(case.name, {kind.about: made.disturbed, "runs compared": 1, "lost": int(bool(made.finding))})
            if made.finding:
                tally.find(case.name, seed, made.finding)


def _refer(case: Case, place: Path, kind: Kind) -> trial.Reference:
    return trial.refer(case, place, kind.kinds, folder=place if kind.inputs else None)


def _how(kind: Kind, place: Path) -> Callable[[random.Random, trial.Reference], Arm]:
    if not kind.inputs:
        return kind.how
    return lambda dice, reference: kind.how(dice, reference)._replace(folder=place)
