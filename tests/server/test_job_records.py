"""What a server has on record of its jobs: restart, damage, a full disk, deletion."""

from __future__ import annotations

import shutil
import time

import pytest

from carmask.errors import OutputError, UsageError
from carmask.images import writing
from carmask.server.jobs import Jobs
from carmask.server.limits import Limits
from carmask.server.options import CutOptions
from carmask.server.pool_engine import PoolEngine
from tests.server.job_requests import first_options, note, photo_bytes, wait_until


def test_a_job_goes_on_when_the_server_starts_again(pool, tiny_model, tmp_path, monkeypatch):
    limits, words = Limits(), {"model": str(tiny_model), "review_below": 0.98}
    first = Jobs(tmp_path, pool, limits, **words)
    job = first.create(first_options(), None)
    for number in range(6):
        first.add(job, f"{number}.jpg", photo_bytes(number))
    worked = []
    whole = PoolEngine.map

    def halfway(self, todo):
        for number, (one, result) in enumerate(whole(self, todo)):
            if number == 3:
                first._stopping = True  # as if the process ended here
            worked.append(one.name)
            yield one, result

    monkeypatch.setattr(PoolEngine, "map", halfway)
    first.start(job)
    wait_until(lambda: first._stopping)
    time.sleep(0.2)
    first._stopping = False
    first.close()
    monkeypatch.setattr(PoolEngine, "map", lambda self, todo: note(whole(self, todo), worked))
    second = Jobs(tmp_path, pool, limits, **words)
    wait_until(lambda: second.state(job) == "done")
    assert sorted(number for number, _ in second.progress(job).results) == [1, 2, 3, 4, 5, 6]
    assert 6 <= len(worked) <= 7  # the one that was under way is done again
    second.close()
    third = Jobs(tmp_path, pool, limits, **words)
    assert len(third.progress(job).results) == 6
    third.close()


def test_a_disk_that_is_full_when_a_job_ends_is_said_and_the_next_server_goes_on(
    pool, tiny_model, tmp_path, monkeypatch
):
    words = {"model": str(tiny_model), "review_below": 0.98}
    first = Jobs(tmp_path, pool, Limits(), **words)
    job = first.create(first_options(), None)
    first.add(job, "a.jpg", photo_bytes(1))
    do = first._records.do

    def full(text, *values):
        if text.startswith("UPDATE jobs SET state = ?"):
            raise OutputError("the record of jobs cannot be written: database or disk is full")
        do(text, *values)

    monkeypatch.setattr(first._records, "do", full)
    first.start(job)
    wait_until(lambda: first.state(job) != "running")  # it would be running for good
    assert (first.state(job), first.error(job)) == ("failed", full_said := first.all()[0]["error"])
    assert full_said == "the record of jobs cannot be written: database or disk is full"
    first.close()
    second = Jobs(tmp_path, pool, Limits(), **words)
    wait_until(lambda: second.state(job) == "done")
    second.close()


def test_a_record_with_a_damaged_page_is_said(pool, tiny_model, tmp_path):
    """Found by the soak run ``read-errors``: it was a traceback."""
    words = {"model": str(tiny_model), "review_below": 0.98}
    jobs = Jobs(tmp_path, pool, Limits(), **words)
    job = jobs.create(first_options(), None)
    jobs.close()
    content = bytearray((tmp_path / "jobs.sqlite").read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (tmp_path / "jobs.sqlite").write_bytes(content)
    with pytest.raises(OutputError, match="the record of jobs cannot be read: database disk image is malformed"):
        Jobs(tmp_path, pool, Limits(), **words).photos(job)


def test_a_record_that_cannot_be_opened_is_said(pool, tiny_model, tmp_path):
    words = {"model": str(tiny_model), "review_below": 0.98}
    (tmp_path / "jobs.sqlite").write_bytes(b"this is no data base " * 200)
    with pytest.raises(OutputError, match=r"jobs\.sqlite: not a record of jobs, or damaged"):
        Jobs(tmp_path, pool, Limits(), **words)
    (tmp_path / "jobs.sqlite").unlink()
    (tmp_path / "jobs.sqlite").mkdir()
    with pytest.raises(OutputError, match=r"jobs\.sqlite: cannot be written"):
        Jobs(tmp_path, pool, Limits(), **words)
    (tmp_path / "jobs.sqlite").rmdir()
    Jobs(tmp_path, pool, Limits(), **words).close()  # its lock was let go


def test_what_a_killed_server_left_half_written_is_removed(pool, tiny_model, tmp_path):
    words = {"model": str(tiny_model), "review_below": 0.98}
    first = Jobs(tmp_path, pool, Limits(), **words)
    job = first.create(first_options(), None)
    first.close()
    left = [tmp_path / "jobs" / job / ".background.png.abcd1234.tmp"]
    left.append(tmp_path / "jobs" / job / "photos" / ".00001.jpg.abcd1234.tmp")
    for path in left:
        path.touch()
    Jobs(tmp_path, pool, Limits(), **words).close()
    assert not any(path.exists() for path in left)


def test_folders_of_jobs_that_were_half_made_or_half_deleted_are_removed(pool, tiny_model, tmp_path):
    words = {"model": str(tiny_model), "review_below": 0.98}
    first = Jobs(tmp_path, pool, Limits(), **words)
    job = first.create(first_options(), None)
    first.close()
    (tmp_path / "jobs" / "0123456789abcdef" / "photos").mkdir(parents=True)
    (tmp_path / "jobs" / "not a job's").mkdir()
    Jobs(tmp_path, pool, Limits(), **words).close()
    assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == sorted([job, "not a job's"])


def test_a_file_is_on_the_disk_by_its_name_before_the_record_has_it(pool, tiny_model, tmp_path, monkeypatch):
    """After a power cut the record had a photo whose file was not there; found by the soak run ``torn``."""
    order = []
    monkeypatch.setattr(writing, "_flush", lambda path: order.append(path.relative_to(tmp_path).as_posix()))
    jobs = Jobs(tmp_path, pool, Limits(), model=str(tiny_model), review_below=0.98)
    do = jobs._records.do
    monkeypatch.setattr(jobs, "_do", lambda text, *values: order.append(text[:11]) or do(text, *values))
    job = jobs.create(first_options(), None)
    assert order == ["jobs", f"jobs/{job}", "INSERT INTO"]
    order.clear()
    jobs.add(job, "a.jpg", photo_bytes(1))
    temporary, *rest = order
    assert temporary.startswith(f"jobs/{job}/photos/.00001.jpg.")
    assert rest == [f"jobs/{job}/photos", "INSERT INTO"]
    jobs.close()


def test_a_job_gets_its_new_options_and_runs_in_one_change(pool, tiny_model, tmp_path, monkeypatch):
    """A server that was killed between two had a job that was done, and no file of it by its name."""
    words = {"model": str(tiny_model), "review_below": 0.98}
    jobs = Jobs(tmp_path, pool, Limits(), **words)
    job = jobs.create(first_options(), None)
    jobs.add(job, "a.jpg", photo_bytes(1))
    jobs.start(job)
    wait_until(lambda: jobs.state(job) == "done")
    do, changes = jobs._do, []

    def killed_after_one(text, *values):
        assert not changes
        changes.append(do(text, *values))

    monkeypatch.setattr(jobs, "_do", killed_after_one)
    monkeypatch.setattr(jobs, "_work", lambda _: None)  # nor does it get so far as to work in the folder
    jobs.start(job, CutOptions(background="white", format="jpg"))
    jobs.close()
    second = Jobs(tmp_path, pool, Limits(), **words)
    wait_until(lambda: second.state(job) == "done")
    (photo,) = second.photos(job)
    assert [(path.suffix, path.exists()) for path in second.outputs(job, photo)] == [(".jpg", True)]
    second.close()


def test_a_folder_that_was_removed_takes_no_jobs(pool, tiny_model, tmp_path):
    jobs = Jobs(tmp_path / "state", pool, Limits(), model=str(tiny_model), review_below=0.98)
    shutil.rmtree(tmp_path / "state")
    with pytest.raises(OutputError, match="the server's folder is of no use any more: No such file or directory"):
        jobs.create(first_options(), None)
    jobs.close()


def test_two_servers_do_not_share_a_folder(pool, tiny_model, tmp_path):
    words = {"model": str(tiny_model), "review_below": 0.98}
    first = Jobs(tmp_path, pool, Limits(), **words)
    with pytest.raises(UsageError, match="another server uses"):
        Jobs(tmp_path, pool, Limits(), **words)
    first.close()
    Jobs(tmp_path, pool, Limits(), **words).close()


def test_old_jobs_are_gone_though_nobody_asks_for_anything(serving, tmp_path, monkeypatch):
    monkeypatch.setattr("carmask.server.app.TIDY_EVERY", 0.05)
    server = serving(limits=Limits(keep_hours=0))
    job = server.jobs.create(CutOptions(), None)
    folder = tmp_path / "state" / "jobs" / job
    until = time.monotonic() + 30
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not folder.exists()
    assert server.client.get(f"/v1/jobs/{job}").status_code == 404


def test_old_jobs_and_deleted_ones_are_gone_with_their_files(pool, tiny_model, tmp_path):
    words = {"model": str(tiny_model), "review_below": 0.98}
    jobs = Jobs(tmp_path, pool, Limits(keep_hours=0), **words)
    job = jobs.create(first_options(), None)
    jobs.add(job, "a.jpg", photo_bytes(1))
    assert (tmp_path / "jobs" / job).exists()
    jobs.tidy()
    assert not (tmp_path / "jobs" / job).exists()
    with pytest.raises(LookupError):
        jobs.state(job)
    jobs.close()
