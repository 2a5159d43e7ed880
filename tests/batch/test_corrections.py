from __future__ import annotations

import multiprocessing
import resource
import signal
import sqlite3
import threading

import pytest

from carmask.batch.corrections import FILE, ConflictError, Correction, Corrections
from carmask.errors import OutputError, UsageError

# Not forked: the tests' process has threads of its own, and a child may wait for ever for a lock that one of them held.
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def file(tmp_path):
    return tmp_path / ".carmask" / FILE


def corrected(name="a", mask=b"png", **more):
    return Correction(name, "corrected", "digest", mask, b"base", "default", author="Anna", **more)


def test_a_decision_is_a_revision_and_nothing_is_overwritten(file):
    with Corrections(file) as store:
        assert store.current("a") is None
        first = store.save(corrected(), seen=0)
        assert (first.revision, first.mask) == (1, b"png")
        second = store.save(corrected(mask=b"other"), seen=1)
        assert store.current("a") == second
        assert [one.revision for one in store.history("a")] == [1, 2]
    with Corrections(file) as store:  # as it was
        assert store.current("a") == second
        assert list(store.corrected()) == [second]


def test_whoever_is_second_is_told_and_nothing_is_stored(file):
    with Corrections(file) as one, Corrections(file) as other:
        one.save(corrected(), seen=0)
        with pytest.raises(ConflictError, match="Anna saved this photo") as error:
            other.save(Correction("a", "rejected", "digest", author="Ben"), seen=0)
        assert error.value.current.revision == 1
        assert one.current("a").author == "Anna"
        other.save(Correction("a", "rejected", "digest", author="Ben"), seen=1)
        assert one.current("a").author == "Ben"


def race(file, name, barrier, results):
    with Corrections(file) as store:
        barrier.wait(60)
        try:
            results.put(store.save(corrected(mask=name), seen=0).revision)
        except ConflictError:
            results.put(None)


def test_of_many_processes_one_wins(file):
    Corrections(file).close()
    barrier, results = SPAWN.Barrier(4), SPAWN.Queue()
    processes = [SPAWN.Process(target=race, args=(file, bytes([n]), barrier, results), daemon=True) for n in range(4)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert sorted(found, key=str) == [1, None, None, None]


def test_threads_share_one_store(file):
    with Corrections(file) as store:
        threads = [
            threading.Thread(target=store.save, args=(corrected(str(n)),), kwargs={"seen": 0}) for n in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(store.decided()) == 16


def test_a_decision_taken_back_is_none(file):
    with Corrections(file) as store:
        store.save(corrected("a"), seen=0)
        store.save(Correction("b", "accepted", "digest", author="Ben"), seen=0)
        store.save(Correction("a", "open", "digest", author="Ben"), seen=1)
        assert set(store.decided()) == {"b"}
        assert not list(store.corrected())


def test_discarding_takes_masks_back_and_keeps_their_revisions(file):
    with Corrections(file) as store:
        store.save(corrected("a"), seen=0)
        store.save(Correction("b", "accepted", "digest"), seen=0)
        assert store.discard() == 1
        assert set(store.decided()) == {"b"}
        assert store.history("a")[0].decision == "corrected"


def test_drafts_belong_to_people_and_end_with_a_decision(file):
    with Corrections(file) as store:
        store.keep_draft("a", "Anna", b"one", seen=0, photo="digest")
        store.keep_draft("a", "Ben", b"two", seen=0, photo="digest")
        store.keep_draft("a", "Anna", b"three", seen=0, photo="digest")
        assert store.draft("a", "Anna")[:3] == (b"three", 0, "digest")
        store.save(corrected(), seen=0)
        assert store.draft("a", "Anna") is None
        assert store.draft("a", "Ben")[0] == b"two"
        store.drop_draft("a", "Ben")
        assert store.draft("a", "Ben") is None


def test_names_need_not_be_utf8(file):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    with Corrections(file) as store:
        store.save(corrected(name), seen=0)
        assert store.current(name).name == name
        assert list(store.decided()) == [name]


def test_a_full_disk_loses_nothing(file):
    big = bytes(range(256)) * 4000
    with Corrections(file) as store:
        store.save(corrected(), seen=0)
        store._base.execute("PRAGMA max_page_count = 20")
        with pytest.raises(OutputError, match="full"):
            store.save(corrected(mask=big), seen=1)
        with pytest.raises(OutputError, match="full"):
            store.keep_draft("a", "Anna", big, seen=1, photo="digest")
        assert store.current("a").revision == 1
        store._base.execute("PRAGMA max_page_count = 100000")
        assert store.save(corrected(mask=big), seen=1).revision == 2


def save_too_much(file, results):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Corrections(file) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
        try:
            store.save(corrected(mask=bytes(500_000)), seen=1)
            results.put("stored")
        except OutputError as error:
            results.put(str(error))
        results.put(store.current("a").revision)


def test_a_write_that_the_system_refuses_loses_nothing(file):
    """As a full disk does it: the process may write no file longer than it is now."""
    with Corrections(file) as store:
        store.save(corrected(), seen=0)
    results = SPAWN.Queue()
    process = SPAWN.Process(target=save_too_much, args=(file, results), daemon=True)
    process.start()
    message, revision = results.get(timeout=60), results.get(timeout=60)
    process.join(60)
    assert "cannot be written" in message
    assert revision == 1
    with Corrections(file) as store:
        assert store.save(corrected(), seen=1).revision == 2


def test_decisions_are_read_where_nothing_may_be_written(file, monkeypatch):
    with Corrections(file) as store:
        store.save(corrected(), seen=0)
    monkeypatch.setattr("carmask.batch.readonly.os.access", lambda *_: False)
    with Corrections.of(file.parent) as store:
        assert {name: one.decision for name, one in store.decided().items()} == {"a": "corrected"}
        assert [path.name for path in file.parent.iterdir()] == [file.name]
        with pytest.raises(OutputError, match="cannot be written: attempt to write a readonly database"):
            store.save(corrected(), seen=1)


@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_was_removed_confirms_nothing(file, again):
    """SQLite goes on to write into a file that has no name any more: what was confirmed was lost."""
    with Corrections(file) as store:
        store.save(corrected(), seen=0)
        for path in file.parent.glob(f"{file.name}*"):
            path.unlink()
        if again:
            Corrections(file).close()
        with pytest.raises(OutputError, match="removed or replaced since it was opened; nothing was stored"):
            store.save(corrected(), seen=1)
        with pytest.raises(OutputError, match="nothing was stored"):
            store.keep_draft("a", "Anna", b"png", seen=1, photo="digest")


def test_other_files_are_refused(file):
    file.parent.mkdir()
    file.write_bytes(b"no database at all, but long enough to be looked at" * 50)
    with pytest.raises(OutputError, match="not a file of corrections"):
        Corrections(file)
    file.unlink()
    sqlite3.connect(file).execute("PRAGMA user_version = 7")
    with pytest.raises(UsageError, match="another version"):
        Corrections(file)
    assert Corrections.of(file.parent / "nowhere") is None
