"""Power cuts: the state of the disk is put together from the log of all changes, without what was not flushed.

The model is a file system that promises no more than POSIX and journals its names, as ext4, XFS and btrfs do:

- Names (made, renamed, removed) reach the disk in order. At least all before the last flush of any file are there,
  since a flush commits the journal; of those after it a part, from the first on.
- Contents written after a file's last flush are there, or lost, or zeros, each sector of 512 bytes by itself; the
  file's size may be that of any write since.
"""

from __future__ import annotations

import random
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.soak import children, shim, trial
from benchmarks.soak.cases import Case
from benchmarks.soak.catalogue import CASES
from benchmarks.soak.tally import Tally

WRITE, SIZE, SYNC, CREATE, RENAME, UNLINK, MKDIR, RMDIR, LINK = range(1, 10)
SECTOR = 512
#: Power cuts that are made of one logged run.
CUTS = 10
CUT = "power cuts"


class Change(NamedTuple):
    """A line of the log: what, the file by its inode, where in it, names, content."""

    what: int
    inode: int
    place: int
    name: str
    data: bytes


def read_log(file: Path) -> list[Change]:
    """Read a log of ``faults.c``; a last entry that is not whole is left out."""
    content, at, found = file.read_bytes(), 0, []
    while at + 40 <= len(content):
        what, inode, place, length, size = struct.unpack_from("5Q", content, at)
        at += 40
        if at + length + size > len(content):
            break
        name = content[at : at + length].decode()
        found.append(Change(what, inode, place, name, content[at + length : at + length + size]))
        at += length + size
    return found


@dataclass
class Contents:
    """A file: what is on the disk for good, and the writes since."""

    safe: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)

    def now(self) -> bytearray:
        """All of it, as the program sees it."""
        content = bytearray(self.safe)
        for change in self.since:
            _apply(content, change)
        return content

    def after_a_cut(self, dice: random.Random) -> bytes:
        """What a power cut leaves."""
        if not self.since:
            return bytes(self.safe)
        whole = self.now()
        if dice.random() < 0.2:  # all had reached the disk by itself
            return bytes(whole)
        sizes = [len(self.safe), len(whole)]
        content = bytearray(dice.choice(sizes))
        zeros, kept = dice.random() < 0.5, dice.random()
        for at in range(0, len(content), SECTOR):
            source = whole if dice.random() < kept else self.safe
            part = source[at : at + SECTOR] if not (zeros and source is self.safe and at >= len(self.safe)) else b""
            content[at : at + len(part)] = part
        return bytes(content[: max(sizes)])


def _apply(content: bytearray, change: Change) -> None:
    if change.what == SIZE:
        del content[change.place :]
        content.extend(bytes(change.place - len(content)))
        return
    content.extend(bytes(max(0, change.place - len(content))))
    content[change.place : change.place + len(change.data)] = change.data


@dataclass
class Disk:
    """A disk after the first changes of a log: files by number, and names in the order they came."""

    files: list[Contents] = field(default_factory=list)
    by_inode: dict[int, int] = field(default_factory=dict)
    names: list[tuple[int, str, str | int]] = field(default_factory=list)
    flushed: int = 0  # of the names, those that are on the disk for good

    def apply(self, change: Change) -> None:
        """Make a change."""
        if change.what == CREATE:
            # An inode number is given again when its file is gone.
            self.by_inode[change.inode] = len(self.files)
            self.names.append((CREATE, change.name, len(self.files)))
            self.files.append(Contents())
        elif change.what in {RENAME, LINK}:
            self.names.append((change.what, change.name, change.data.decode()))
        elif change.what in {UNLINK, MKDIR, RMDIR}:
            self.names.append((change.what, change.name, ""))
        elif change.what == SYNC:  # of a folder, too
            self.flushed = len(self.names)
            if change.inode in self.by_inode:
                file = self.files[self.by_inode[change.inode]]
                file.safe, file.since = file.now(), []
        elif change.inode in self.by_inode:
            self.files[self.by_inode[change.inode]].since.append(change)

    def after_a_cut(self, folder: Path, dice: random.Random) -> None:
        """Write what a power cut leaves below a folder, which is empty."""
        count = dice.randint(self.flushed, len(self.names))
        found: dict[str, int | str] = {}
        folders: set[str] = set()
        for what, name, other in self.names[:count]:
            if what in {CREATE, LINK}:
                found[name] = other
            elif what == RENAME:
                found, folders = _renamed(found, folders, name, str(other))
            elif what == UNLINK:
                found.pop(name, None)
            elif what == MKDIR:
                folders.add(name)
            elif what == RMDIR:
                folders.discard(name)
        for name in sorted(folders):
            Path(name).mkdir(parents=True, exist_ok=True)
        for name, file in found.items():
            assert Path(name).is_relative_to(folder)
            if isinstance(file, str):
                Path(name).symlink_to(file)
            else:
                Path(name).write_bytes(self.files[file].after_a_cut(dice))


def _renamed(
    found: dict[str, int | str], folders: set[str], old: str, new: str
) -> tuple[dict[str, int | str], set[str]]:
    """Names after a file or a folder was renamed."""
    if old in found:
        return {name: file for name, file in found.items() if name not in {old, new}} | {new: found[old]}, folders

    def moved(name: str) -> str:
        return new + name.removeprefix(old) if name == old or name.startswith(f"{old}/") else name

    return {moved(name): file for name, file in found.items()}, {moved(name) for name in folders}


def soak(work: Path, tally: Tally, goal: int, *, only: str | None = None) -> None:
    """Cut the power of all cases until each was cut as often as wanted, or time is over."""
    cases = [case for name, case in CASES.items() if only in {None, name}]
    known: dict[str, trial.Reference] = {}
    while any(tally.count(case.name, CUT) < goal for case in cases):
        for case in cases:
            if tally.count(case.name, CUT) >= goal:
                continue
            place = work / "torn" / case.name.replace(" ", "-")
            if case.name not in known:
                known[case.name] = trial.refer(case, place, shim.CHANGES)
            if not _cuts(case, place, known[case.name], tally):
                return


def _cuts(case: Case, place: Path, reference: trial.Reference, tally: Tally) -> bool:
    """Log one run, and cut its power at random places; False when time is over."""
    given, out, log = place / "in", place / "out", place / "changes.log"
    _fresh(out)
    ended = children.run(lambda: case.run(given, out), out, shim.Arm(shim.LOG, log=str(log)))
    changes = read_log(log)
    if ended.how != "done":
        tally.find(case.name, -1, f"undisturbed: {ended.how}: {ended.said}")
        return False
    for _ in range(CUTS):
        if tally.over():
            return False
        seed = tally.next_seed(case.name)
        dice = random.Random(seed)  # noqa: S311  # no secrets here
        end = _moment(changes, dice)
        disk = Disk()
        for change in changes[:end]:
            disk.apply(change)
        _fresh(out)
        disk.after_a_cut(out, dice)
        finding = trial.finish(case, place, reference)
        tally.add(case.name, {CUT: 1, "lost": int(bool(finding))})
        if finding:
            tally.find(case.name, seed, f"cut at change {end} of {len(changes)}: {finding}")
    return True


def _moment(changes: list[Change], dice: random.Random) -> int:
    """How many changes are made before a cut: all of them, as many as come before a flush, or any number."""
    # What one file says of another is wrong longest where its content is written and nothing is flushed yet.
    before = [number for number, change in enumerate(changes) if number and change.what == SYNC]
    kind = dice.randrange(3)
    if kind == 0 or (kind == 1 and not before):
        return len(changes)
    return dice.choice(before) if kind == 1 else dice.randint(1, len(changes))


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
