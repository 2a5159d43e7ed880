"""Damage to files, by seed: what transfers, disks and careless programs do to them, and what an attacker would."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable

#: Bytes that begin, end or escape something in most formats.
_SPECIAL = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xd8", b"\xff\xd9", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00")


def mutated(content: bytes, seed: int) -> bytes:
    """A damaged copy of a file: one to four faults, the same for the same seed."""
    source = random.Random(seed)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        content = source.choice(_FAULTS)(content, source)
    return content


def _place(content: bytes, source: random.Random) -> int:
    """Anywhere; half the time in the beginning, where headers are."""
    return source.randrange(min(len(content), source.choice((64, 512, len(content), len(content)))) or 1)


def _flip(content: bytes, source: random.Random) -> bytes:
    damaged = bytearray(content or b"\0")
    damaged[_place(content, source)] ^= 1 << source.randrange(8)
    return bytes(damaged)


def _overwrite(content: bytes, source: random.Random) -> bytes:
    at, new = _place(content, source), source.choice((*_SPECIAL, source.randbytes(source.randrange(1, 9))))
    return content[:at] + new + content[at + len(new) :]


def _insert(content: bytes, source: random.Random) -> bytes:
    at = _place(content, source)
    return content[:at] + source.choice((*_SPECIAL, source.randbytes(source.randrange(1, 65)))) + content[at:]


def _remove(content: bytes, source: random.Random) -> bytes:
    at = _place(content, source)
    return content[:at] + content[at + source.randrange(1, 65) :]


def _repeat(content: bytes, source: random.Random) -> bytes:
    at, length = _place(content, source), source.randrange(1, 257)
    return content[: at + length] + content[at:]


def _truncate(content: bytes, source: random.Random) -> bytes:
    return content[: source.randrange(len(content) + 1)]


def _blank(content: bytes, source: random.Random) -> bytes:
    """A block of a disk that was never written."""
    at, length = _place(content, source), source.choice((16, 64, 512))
    return content[:at] + bytes(min(length, len(content) - at)) + content[at + length :]


_FAULTS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _flip,
    _overwrite,
    _overwrite,
    _insert,
    _remove,
    _repeat,
    _truncate,
    _blank,
)


def summary(title: str, answers: Iterable[str]) -> str:
    """How often each kind of answer was given, most often first."""
    counts = Counter(answers)
    lines = [f"{count:6}  {answer}" for answer, count in counts.most_common()]
    return "\n".join([f"{title}: {counts.total()} inputs, {len(counts)} kinds of answers", *lines])
