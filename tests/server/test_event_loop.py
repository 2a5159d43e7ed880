"""Files and records are read in threads: a disk that is slow keeps no other client waiting."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from carmask.batch.corrections import Corrections
from carmask.server.folder import Folder
from carmask.server.job_records import JobRecords
from tests.server.job_requests import events, photo_bytes, send

from .review_requests import photo


@pytest.fixture
def waiting(monkeypatch) -> list[str]:
    """What was read by the thread that answers all clients."""
    found = []

    def watch(owner: type, name: str) -> None:
        read = getattr(owner, name)

        def watched(*given):
            with contextlib.suppress(RuntimeError):  # no loop runs in this thread
                asyncio.get_running_loop()
                found.append(name)
            return read(*given)

        monkeypatch.setattr(owner, name, watched)

    watch(JobRecords, "rows")
    watch(Corrections, "decided")
    watch(Folder, "queue")
    return found


def test_the_record_of_jobs(serving, waiting):
    client = serving().client
    job = send(client, 1)
    events(client, job)
    client.post("/v1/jobs/none/photos", files={"photo": ("a.jpg", photo_bytes(1))})
    for path in ("", "/zip", "/photos/1/image", "/photos/1/output/0"):
        assert client.get(f"/v1/jobs/{job}{path}").status_code == 200
    assert waiting == []


def test_the_queue_and_the_decisions(reviewing, waiting):
    client = reviewing().client
    one = photo(client)
    assert len(client.get(f"/photos/{one['id']}").json()["views"]) == 6
    for path in ("/image", "/mask", "/band", "/history", "/output/0"):
        assert client.get(f"/photos/{one['id']}{path}").status_code == 200
    assert waiting == []
