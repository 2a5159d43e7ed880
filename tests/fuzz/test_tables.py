"""Mutated CSVs: every one is read, repaired or refused in words; nothing else is raised, and nothing hangs."""

from __future__ import annotations

import gzip
import io
import signal
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from carmask.data.mask_source import Truth
from carmask.errors import CarmaskError
from carmask.formats.rle import mask_to_runs, rle_encode
from carmask.formats.rle_table import read_rle_table
from carmask.submission.decode import decode_to_files
from carmask.submission.diagnose import diagnose
from carmask.submission.repair import repair
from carmask.submission.score import score_submission
from tests.cars import car_mask

NAMES = [f"car{i}_01.jpg" for i in range(6)]
MASKS = [np.ascontiguousarray(np.roll(car_mask(), (4 * i, 6 * i), (0, 1))[::4, ::4]) for i in range(6)]
SIZE = MASKS[0].shape
#: No single call takes longer than this: it is a guard against a hang, not a measurement.
PATIENCE = 120
PIECES = (
    b'"', b",", b";", b"\t", b"\n", b"\r\n", b"\r", b"\0", b" ", b"\xa0", "\xa0".encode(), "\u3000".encode(),
    b"\xef\xbb\xbf", b"\xff\xfe", b"-1 ", b"0 ", b"1.0 ", b"1e9 ", b"9" * 30, b"[", b"]", b",,", b'""', b"../", b"\xe4",
    b"img,rle_mask\n", "٣".encode(), b"4611686018427387904 4611686018427387904 ",
)  # fmt: skip


class Known:
    """Truth in the frame of the drawings."""

    names = [Path(name).stem for name in NAMES]  # noqa: RUF012

    def runs(self, name):
        return mask_to_runs(MASKS[self.names.index(name)]), SIZE


def rows_of(random: np.random.Generator) -> list[tuple[str, str]]:
    """Good rows, or rows by a convention that is not the challenge's."""
    style = random.integers(0, 8)
    rows = []
    for name, mask in zip(NAMES, MASKS, strict=True):
        runs = mask_to_runs(mask.T if style == 1 else mask)
        runs[:, 0] += int(random.integers(-3, 4)) if style == 2 else 0
        runs[:, 1] += runs[:, 0] - (style == 3) if style in (3, 4) else 0
        text = " ".join(map(str, runs.ravel().tolist()))
        rows.append(
            (name, str(runs.ravel().tolist()) if style == 5 else text.replace(" ", ".0 ") if style == 6 else text)
        )
    return rows


def mutated(seed: int) -> bytes:
    """A CSV with one to six random changes."""
    random = np.random.default_rng(seed)
    lines = [
        "img,rle_mask",
        *(f'{name},"{text}"' if "," in text else f"{name},{text}" for name, text in rows_of(random)),
    ]
    for _ in range(random.integers(0, 3)):
        first, second = random.integers(0, len(lines), 2)
        match random.integers(0, 4):
            case 0:
                lines.insert(first, lines[second])
            case 1:
                lines[first], lines[second] = lines[second], lines[first]
            case 2:
                del lines[first]
            case _:
                lines[first] = ",".join(reversed(lines[first].split(",", 1)))
        lines = lines or [""]
    content = bytearray("\n".join(lines).encode())
    for _ in range(random.integers(0, 4)):
        at = int(random.integers(0, len(content) + 1))
        match random.integers(0, 4):
            case 0:
                content[at:at] = PIECES[random.integers(0, len(PIECES))]
            case 1:
                del content[at : at + int(random.integers(1, 400))]
            case 2:
                content[at : at + 1] = bytes([random.integers(0, 256)])
            case _:
                content = content[: max(1, at)]
    match random.integers(0, 10):
        case 0:
            content = bytearray(gzip.compress(bytes(content)))
        case 1:
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("masks.csv", bytes(content))
            content = bytearray(stream.getvalue())
        case 2:
            content = bytearray(content.decode(errors="replace").encode("utf-16"))
        case _:
            return bytes(content)
    for _ in range(random.integers(0, 3)):
        content[int(random.integers(0, len(content)))] = int(random.integers(0, 256))
    return bytes(content)


@contextmanager
def guarded() -> Iterator[None]:
    def hangs(*_: object) -> None:
        raise AssertionError(f"no answer within {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def try_all(file: Path, out: Path) -> Iterator[str]:
    """Everything that reads such a file; the kind of each answer."""

    def answer(name, call) -> str:
        try:
            with guarded():
                call()
        except CarmaskError as error:
            if "\n" in str(error) or not str(error).strip():
                raise AssertionError(f"not one line: {error!r}") from error
            return f"{name}: refused"
        return f"{name}: done"

    yield answer("read", lambda: read_rle_table(file))
    yield answer("truth", lambda: [truth.mask(name, SIZE) for truth in [Truth(file)] for name in truth.names])
    yield answer("decode", lambda: decode_to_files(file, SIZE, out, on_failure=lambda _: None))
    findings = []
    yield answer("check", lambda: diagnose(file, NAMES, SIZE))
    yield answer("check with truth", lambda: findings.extend(diagnose(file, NAMES, SIZE, truth=Known())))
    yield answer("repair", lambda: repair(file, out / "repaired.csv", NAMES, SIZE, findings))
    if (out / "repaired.csv").is_file():
        assert diagnose(out / "repaired.csv", NAMES, SIZE) is not None
        assert [row.name for row in read_rle_table(out / "repaired.csv").rows] == NAMES


def run(seeds: range, tmp_path: Path) -> Counter[str]:
    answers: Counter[str] = Counter()
    for seed in seeds:
        file, out = tmp_path / "masks.csv", tmp_path / "out"
        out.mkdir(exist_ok=True)
        (out / "repaired.csv").unlink(missing_ok=True)
        file.write_bytes(mutated(seed))
        try:
            answers.update(try_all(file, out))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    return answers


def test_a_hundred_mutated_tables(tmp_path):
    answers = run(range(100), tmp_path)
    assert min(answers["read: done"], answers["read: refused"], answers["repair: done"], answers["repair: refused"]) > 5


@pytest.mark.fuzz
def test_two_thousand_mutated_tables(tmp_path, capsys):
    answers = run(range(2000), tmp_path)
    with capsys.disabled():
        print(f"\n2000 tables: {', '.join(f'{kind} {count}' for kind, count in sorted(answers.items()))}")
    assert sum(answers.values()) == 6 * 2000


def test_scores_of_mutated_tables(tmp_path):
    truth = tmp_path / "truth.csv"
    truth.write_text("img,rle_mask\n" + "".join(f"{n},{rle_encode(m)}\n" for n, m in zip(NAMES, MASKS, strict=True)))
    kinds = set()
    for seed in range(40):
        (tmp_path / "masks.csv").write_bytes(mutated(seed))
        try:
            scores = score_submission(tmp_path / "masks.csv", Truth(truth))
        except CarmaskError:
            kinds.add("refused")
        else:
            kinds.add("scored")
            assert all(0 <= score.dice <= 1 for score in scores)
    assert kinds == {"refused", "scored"}
