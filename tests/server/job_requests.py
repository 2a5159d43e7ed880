"""Requests and waiting for the tests of jobs."""

from __future__ import annotations

import io
import json
import time

from PIL import Image

from carmask.server.options import CutOptions
from tests.conftest import draw_photo


def photo_bytes(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(seed)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def send(client, count=4, **options):
    files = [("photos", (f"car {number}.jpg", photo_bytes(number))) for number in range(count)]
    answer = client.post("/v1/jobs", files=files, data=options)
    assert answer.status_code == 202
    return answer.json()["id"]


def events(client, job, headers=None):
    """All events until the end: (id, kind, data)."""
    found = []
    with client.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        one = {}
        for line in response.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                one[name] = value
            elif "event" in one:
                found.append((one.get("id"), one["event"], json.loads(one["data"])))
                one = {}
    return found


def note(results, worked):
    for job, result in results:
        worked.append(job.name)
        yield job, result


def first_options():
    return CutOptions(background="white")


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
