from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carmask.batch.corrections import Correction, Corrections
from carmask.batch.job import Result
from carmask.batch.manifest import Manifest, describe, open_to_read, read_records, recorded_outputs
from carmask.batch.measured import read_measured
from carmask.batch.names import MANIFEST, STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoTask
from carmask.errors import ModelError, OutputError, UsageError
from tests.processes import started

# Linux names are bytes: what is not UTF-8 comes to Python as lone surrogates.
names = st.binary(min_size=1, max_size=40).map(lambda raw: raw.replace(b"\0", b"-").decode("utf-8", "surrogateescape"))
fractions = st.none() | st.floats(0, 1)
results = st.builds(
    Result,
    photo=names,
    status=st.sampled_from(["done", "failed"]),
    reason=names | st.just(""),
    confidence=fractions,
    area=fractions,
    error=st.none() | st.floats(0, 1e4),
    seconds=st.floats(0, 1e6),
    digest=st.text("0123456789abcdef", max_size=64),
    stamp=st.just("1 2 3"),
    written=st.integers(0, 2**40),
    runs=st.none() | st.just("1 3 10 5"),
    facts=st.dictionaries(st.text("abc_", min_size=1), st.none() | st.text(max_size=5) | st.floats(0, 1), max_size=3),
)
RESULT = Result("a.jpg", "done", confidence=0.9, area=0.2, digest="d", stamp="s")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.dictionaries(names, results, max_size=5))
def test_what_was_recorded_is_found_again(tmp_path, records):
    file = tmp_path / "m.sqlite"
    with Manifest(file, "{}") as manifest:
        manifest.forget(name for name, _, _ in manifest.photos())
        for name, result in records.items():
            manifest.record(name, replace(result, status="failed"))
            manifest.record(name, result)
    with Manifest(file, "{}") as manifest:
        for name, result in records.items():
            assert manifest.result(name) == replace(result, kept=True)
            assert (manifest.done(name) is not None) == (result.status == "done")
        assert manifest.result("never recorded, and longer than forty bytes") is None


def test_other_settings_know_nothing_of_it(tmp_path):
    with Manifest(tmp_path / "m", "one") as manifest:
        manifest.record("a", RESULT)
        manifest.record("b", RESULT)
    with Manifest(tmp_path / "m", "other") as manifest:
        assert manifest.done("a") is None
        assert manifest.result("a") is None
        manifest.record("a", RESULT)
    with Manifest(tmp_path / "m", "one") as manifest:
        assert manifest.done("a") is None  # its files hold the other's result now
        assert manifest.done("b") is not None
        manifest.restamp("b", "moved.jpg", "new")
        assert manifest.done("b").stamp == "new"
        assert manifest.done("b").photo == "moved.jpg"
        manifest.forget(name for name, _, _ in manifest.photos())
        assert manifest.done("b") is None


def test_everything_that_decides_a_result_is_described(tiny_model, tmp_path):
    from carmask.compositing.background import Background

    copy = tmp_path / "copy.onnx"
    copy.write_bytes(tiny_model.read_bytes() + b"\x72\x00")  # one more metadata entry, empty
    wishes = [
        OutputSpec(),
        OutputSpec(mask=True),
        OutputSpec(runs=True),
        OutputSpec(format="webp"),
        OutputSpec(background=Background.parse("white")),
        OutputSpec(background=Background.parse("black")),
    ]
    tasks = [PhotoTask(str(tiny_model), wanted) for wanted in wishes]
    tasks += [PhotoTask(str(tiny_model), OutputSpec(), "cuda")]
    assert len({describe(task) for task in tasks}) == len(tasks)
    assert describe(PhotoTask(str(tiny_model), OutputSpec(), threads=7)) == describe(tasks[0])
    assert describe(PhotoTask(str(tiny_model), OutputSpec(background=Background.parse("#ffffff")))) == describe(
        tasks[4]
    )


def test_a_model_that_cannot_be_read_is_said(tiny_model, monkeypatch):
    task, opened = PhotoTask(str(tiny_model), OutputSpec()), Path.open

    def fails(path, *words, **more):
        if path == tiny_model and fails.after == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fails.after -= 1
        return opened(path, *words, **more)

    monkeypatch.setattr(Path, "open", fails)
    for fails.after in (0, 1):  # its description, and the whole file
        with pytest.raises(ModelError, match=r"tiny\.onnx: cannot be read: Input/output error"):
            describe(task)


HOLD = "from carmask.batch.manifest import Manifest; import sys, time; from pathlib import Path\n"
HOLD += "m = Manifest(Path(sys.argv[1]), '{}'); print('open', flush=True); time.sleep(60)"


def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path):
    file = tmp_path / "m.sqlite"
    with started([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(UsageError, match="another carmask is writing here"):
            Manifest(file, "{}")
        other.kill()
    with Manifest(file, "{}") as manifest:
        assert manifest.result("a") is None


def test_every_record_survives_a_kill(tmp_path):
    code = (
        "from carmask.batch.manifest import Manifest; from carmask.batch.job import Result\n"
        "import os, signal, sys; from pathlib import Path\n"
        "m = Manifest(Path(sys.argv[1]), '{}')\n"
        "for i in range(200): m.record(str(i), Result(f'{i}.jpg', 'done'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "m")], check=False)
    with Manifest(tmp_path / "m", "{}") as manifest:
        assert all(manifest.done(str(number)) is not None for number in range(200))


def test_files_that_are_no_manifests(tmp_path):
    (tmp_path / "text").write_text("this is no data base " * 100)
    with pytest.raises(OutputError, match="not a manifest, or damaged"):
        Manifest(tmp_path / "text", "{}")
    with pytest.raises(OutputError, match="unable to open"):
        Manifest(tmp_path / "missing" / "m", "{}")
    base = sqlite3.connect(tmp_path / "newer")
    base.execute("PRAGMA user_version = 99")
    base.close()
    with pytest.raises(UsageError, match="another version of carmask"):
        Manifest(tmp_path / "newer", "{}")


@pytest.mark.parametrize("how", ["empty", "in WAL mode"])
def test_a_manifest_whose_run_ended_before_its_tables_is_empty(how, tmp_path):
    """As a full disk or a power cut leaves it."""
    file = tmp_path / "manifest.sqlite"
    file.touch()
    if how != "empty":
        base = sqlite3.connect(file)
        base.execute("PRAGMA journal_mode = WAL")
        base.close()
    assert read_records(file) == []
    assert recorded_outputs(file) == frozenset()
    with Manifest(file, "{}") as manifest:
        manifest.record("a", RESULT)
    assert [row.name for row in read_records(file)] == ["a"]


def test_a_manifest_whose_first_change_was_cut_short_is_put_right_and_read(tmp_path):
    """A power cut leaves the journal that takes the change back; found by the soak run ``torn``."""
    made, file = tmp_path / "made", tmp_path / "manifest.sqlite"
    base = sqlite3.connect(made)
    base.execute("CREATE TABLE a (b)")
    base.execute("PRAGMA cache_spill = 1")
    base.execute("PRAGMA cache_size = 1")
    base.execute("BEGIN")
    base.executemany("INSERT INTO a VALUES (?)", [("x" * 3000,)] * 50)
    for suffix in ("", "-journal"):
        shutil.copy(f"{made}{suffix}", f"{file}{suffix}")
    base.close()
    base = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        base.execute("SELECT * FROM a").fetchall()
    base.close()
    with contextlib.closing(open_to_read(file)) as base:
        assert base.execute("SELECT COUNT(*) FROM a").fetchone() == (0,)


def test_a_manifest_is_read_where_nothing_may_be_written(tmp_path, monkeypatch):
    """SQLite makes files beside one in WAL mode to read it, and could not open that of an archive."""
    file = tmp_path / "archive" / "manifest.sqlite"
    file.parent.mkdir()
    with Manifest(file, "{}") as manifest:
        manifest.record("a", RESULT)
    monkeypatch.setattr("carmask.batch.readonly.os.access", lambda *_: False)
    with contextlib.closing(open_to_read(file)) as base:
        assert base.execute("SELECT name FROM photos").fetchall() == [("a",)]
        assert [path.name for path in file.parent.iterdir()] == ["manifest.sqlite"]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            base.execute("DELETE FROM photos")
    assert [row.name for row in read_records(file)] == ["a"]
    file.with_name("manifest.sqlite-wal").write_bytes(b"changes")
    with pytest.raises(OutputError, match="nothing may be written there; copy the folder"):
        recorded_outputs(file)
    with pytest.raises(OutputError, match="nothing may be written there; copy the folder"):
        read_records(file)


def test_outputs_are_known_where_nothing_may_be_written(tmp_path, monkeypatch):
    """In a folder that is mounted to be read, the masks of an earlier run were taken for photos."""
    file = tmp_path / "archive" / "manifest.sqlite"
    file.parent.mkdir()
    with Manifest(file, "{}") as manifest:
        manifest.record("a", RESULT, [tmp_path / "a_mask.png"])
    asked = []
    connect = sqlite3.connect

    def refuse(where: str, **words: object) -> sqlite3.Connection:
        asked.append(str(where))
        if "immutable=1" not in str(where):  # as SQLite says of a file in WAL mode
            raise sqlite3.OperationalError("unable to open database file")
        return connect(where, **words)

    monkeypatch.setattr("carmask.batch.readonly.os.access", lambda *_: False)
    monkeypatch.setattr("carmask.batch.manifest.sqlite3.connect", refuse)
    assert recorded_outputs(file) == {"a_mask.png"}
    assert len(asked) == 1


def test_a_manifest_without_facts_is_read_and_completed(tmp_path):
    file = tmp_path / "m"
    with Manifest(file, "{}") as manifest:
        manifest.record("a", RESULT)
    base = sqlite3.connect(file)
    base.execute("ALTER TABLE photos DROP COLUMN facts")
    base.execute("PRAGMA user_version = 3")
    base.commit()
    base.close()
    assert read_records(file)[0].result == replace(RESULT, kept=True)
    with Manifest(file, "{}") as manifest:
        assert manifest.done("a") == replace(RESULT, kept=True)
        manifest.record("b", replace(RESULT, facts={"view": 3, "view_name": "front"}))
    assert [one.result.facts for one in read_records(file)] == [{}, {"view": 3, "view_name": "front"}]


def test_damaged_names_in_a_manifest_are_said(tmp_path):
    """SQLite's own message holds them then, and is no text."""
    Manifest(tmp_path / "m", "{}").close()
    damaged = (tmp_path / "m").read_bytes().replace(b"outputs", b"outp\xffts").replace(b"TABLE outp", b"TABEL outp")
    for read in (read_records, lambda file: Manifest(file, "{}")):
        (tmp_path / "m").write_bytes(damaged)
        with pytest.raises(OutputError, match="not a manifest, or damaged"):
            read(tmp_path / "m")
    assert recorded_outputs(tmp_path / "m") == frozenset()
    Corrections(tmp_path / "c").close()
    damaged = (tmp_path / "c").read_bytes().replace(b"drafts", b"dr\xffts").replace(b"TABLE dr", b"TABEL dr")
    (tmp_path / "c").write_bytes(damaged)
    with pytest.raises(OutputError, match="not a file of corrections, or damaged"):
        Corrections(tmp_path / "c").decided()
    with Corrections(tmp_path / "d") as store, contextlib.closing(sqlite3.connect(tmp_path / "d")) as base:
        store.save(Correction("a", "corrected", "ab" * 32, b"PNG"), seen=0)
        with base:
            base.execute("UPDATE decisions SET photo = CAST(X'FFAB' AS TEXT)")
        with pytest.raises(OutputError, match="not a file of corrections, or damaged"):
            store.discard()


@pytest.mark.parametrize("damaged", ["photos.facts", "measures.text"])
def test_damaged_texts_in_a_manifest_are_said(tmp_path, damaged):
    """They ended all that reads them with a traceback."""
    file, (table, column) = tmp_path / STATE / MANIFEST, damaged.split(".")
    file.parent.mkdir()
    with Manifest(file, "{}") as manifest:
        manifest.record("a", replace(RESULT, measures='{"light": 1}'))
    with contextlib.closing(sqlite3.connect(file)) as base, base:
        base.execute(f"UPDATE {table} SET {column} = '{{x'")
    readers = [lambda: read_measured(tmp_path)]
    if column == "facts":
        readers += [lambda: read_records(file), lambda: Manifest(file, "{}").done("a")]
    for read in readers:
        with pytest.raises(OutputError, match="not a manifest, or damaged"):
            read()


def test_people_can_read_it(tmp_path):
    with Manifest(tmp_path / "m", '{"model": "x"}') as manifest:
        manifest.record("größe", replace(RESULT, photo=os.fsdecode(b"gr\xf6\xdfe.jpg")))
    base = sqlite3.connect(tmp_path / "m")
    found = base.execute("SELECT name, typeof(photo), text, finished LIKE '20__-__-__T%' FROM photos JOIN settings")
    assert found.fetchall() == [("größe", "text", '{"model": "x"}', 1)]
    base.close()


def test_what_is_wrong_with_a_manifest_is_one_line(tmp_path):
    """SQLite's own message may hold lines of the file, and what is not seen."""
    Manifest(tmp_path / "m", "{}").close()
    damaged = (tmp_path / "m").read_bytes().replace(b"error REAL,", b'error REAL"')
    (tmp_path / "m").write_bytes(damaged)
    with pytest.raises(OutputError, match="not a manifest, or damaged") as raised:
        read_records(tmp_path / "m")
    assert str(raised.value).isprintable()
