"""A running job is cancelled: no further photo is worked on, what is done stays, and it can go on."""

from __future__ import annotations

import io
import threading
import zipfile

import pytest

from carmask.errors import OutputError, UsageError
from carmask.server import job_threads
from carmask.server.jobs import Jobs
from carmask.server.limits import Limits
from carmask.server.pool_engine import PoolEngine
from tests.server.job_requests import events, first_options, photo_bytes, send, wait_until


@pytest.fixture
def held(monkeypatch):
    """Photos are held back after the second one until the test lets them go."""
    reached, go = threading.Event(), threading.Event()
    whole = PoolEngine.map

    def slowly(self, todo):
        for number, found in enumerate(whole(self, todo)):
            if number == 2:
                reached.set()
                assert go.wait(30)
            yield found

    monkeypatch.setattr(PoolEngine, "map", slowly)
    yield reached, go
    go.set()


def names_in_zip(client, job):
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{job}/zip").content))
    return sorted(archive.namelist())


def test_a_running_job_is_cancelled_and_goes_on_later(serving, held):
    client, (reached, go) = serving().client, held
    job = send(client, 12)
    assert reached.wait(30)
    answer = client.post(f"/v1/jobs/{job}/cancel")
    assert (answer.status_code, answer.json()) == (202, {"id": job, "state": "running"})  # photos are under way
    assert client.post(f"/v1/jobs/{job}/start").status_code == 400
    assert client.delete(f"/v1/jobs/{job}").status_code == 400
    go.set()
    found = events(client, job)
    assert found[-1][2] == {"state": "cancelled", "error": ""}
    described = client.get(f"/v1/jobs/{job}").json()
    done = [one["number"] for one in described["photos"] if one["status"] == "done"]
    assert described["state"] == client.get("/v1/jobs").json()["jobs"][0]["state"] == "cancelled"
    assert 3 <= len(done) <= 6  # what a worker had begun, and no further one
    assert {one["status"] for one in described["photos"]} == {"done", "waiting"}
    assert names_in_zip(client, job) == sorted(f"car {number - 1}.png" for number in done)
    # The results can be mended, and a second cancel changes nothing.
    assert client.get(f"/api/folders/{job}/queue", params={"filter": "all"}).json()["counts"]["all"] == len(done)
    assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/v1/jobs/{job}/start").status_code == 202
    assert events(client, job)[-1][2]["state"] == "done"
    assert client.get(f"/v1/jobs/{job}").json()["done"] == 12
    refused = client.post(f"/v1/jobs/{job}/cancel")
    assert (refused.status_code, refused.json()) == (400, {"error": "the job is not running"})
    assert client.post("/v1/jobs/0123456789abcdef/cancel").status_code == 404


def test_what_was_made_with_other_options_before_is_no_result_of_a_cancelled_job(serving, monkeypatch):
    server = serving()
    client, state = server.client, server.jobs._state
    job = send(client, 8)
    events(client, job)
    reached, go, whole = threading.Event(), threading.Event(), PoolEngine.map

    def slowly(self, todo):
        for found in whole(self, todo):
            yield found
            reached.set()
            assert go.wait(30)

    monkeypatch.setattr(PoolEngine, "map", slowly)
    client.post(f"/v1/jobs/{job}/start", data={"background": "black"})
    assert reached.wait(30)
    client.post(f"/v1/jobs/{job}/cancel")
    go.set()
    done = [data for _, kind, data in events(client, job) if kind == "photo"]
    assert 1 <= len(done) <= 4
    assert names_in_zip(client, job) == sorted(name for one in done for name in one["outputs"])
    # The next server knows the same.
    pool, words = server.jobs._pool, {"model": server.jobs._model, "review_below": 0.98}
    server.jobs.close()
    again = Jobs(state, pool, Limits(), **words)
    assert again.state(job) == "cancelled"
    assert sorted(number for number, _ in again.progress(job).results) == sorted(one["number"] for one in done)
    again.close()


def test_a_job_that_waits_for_its_turn_is_cancelled_at_once(pool, tiny_model, tmp_path, monkeypatch, held):
    reached, go = held
    monkeypatch.setattr(job_threads, "AT_ONCE", 1)
    jobs = Jobs(tmp_path, pool, Limits(), model=str(tiny_model), review_below=0.98)
    first, second = (jobs.create(first_options(), None) for _ in range(2))
    for job in (first, second):
        for number in range(4):
            jobs.add(job, f"{number}.jpg", photo_bytes(number))
        jobs.start(job)
    assert reached.wait(30)
    assert jobs.cancel(second) == "cancelled"
    jobs.start(second)  # and again: it is done once, in its turn
    go.set()
    wait_until(lambda: jobs.state(first) == jobs.state(second) == "done")
    assert len(jobs.progress(second).results) == 4
    with pytest.raises(UsageError, match="the job is not running"):
        jobs.cancel(first)
    jobs.close()


def test_a_job_is_cancelled_for_the_next_server_too(pool, tiny_model, tmp_path, held):
    """Also if this one ends before the photos that it works on are done."""
    reached, go = held
    words = {"model": str(tiny_model), "review_below": 0.98}
    first = Jobs(tmp_path, pool, Limits(), **words)
    job = first.create(first_options(), None)
    for number in range(12):
        first.add(job, f"{number}.jpg", photo_bytes(number))
    first.start(job)
    assert reached.wait(30)
    assert first.cancel(job) == "running"
    first.close()
    go.set()
    second = Jobs(tmp_path, pool, Limits(), **words)
    assert second.state(job) == "cancelled"
    second.close()


def test_a_job_is_cancelled_on_a_full_disk(pool, tiny_model, tmp_path, monkeypatch, held):
    reached, go = held
    jobs = Jobs(tmp_path, pool, Limits(), model=str(tiny_model), review_below=0.98)
    job = jobs.create(first_options(), None)
    for number in range(12):
        jobs.add(job, f"{number}.jpg", photo_bytes(number))
    jobs.start(job)
    assert reached.wait(30)

    def full(*_):
        raise OutputError("the record of jobs cannot be written: database or disk is full")

    monkeypatch.setattr(jobs._records, "do", full)
    monkeypatch.setattr(jobs, "_do", full)
    assert jobs.cancel(job) == "running"
    go.set()
    wait_until(lambda: jobs.state(job) == "failed")
    assert jobs.error(job) == "the record of jobs cannot be written: database or disk is full"
    assert len(jobs.progress(job).results) < 12
    jobs.close()


def test_a_job_that_was_deleted_between_two_questions_is_said(pool, tiny_model, tmp_path):
    """It was an IndexError: status 500."""
    jobs = Jobs(tmp_path, pool, Limits(), model=str(tiny_model), review_below=0.98)
    job = jobs.create(first_options(), None)
    jobs.delete(job)
    for question in (jobs.error, jobs.options, jobs.state):
        with pytest.raises(LookupError, match="there is no such job; it may have been deleted"):
            question(job)
    jobs.close()
