"""Values that are no attack by their size: numbers, addresses, cookies, character sets, JSON, and what fills a disk."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket

import httpx
import pytest

from carmask.server import job_records
from carmask.server.limits import Limits
from carmask.server.security import COOKIE
from tests.server.raw import FORM, QUICK, get, raw, status

TOKEN = "a token; with = and \\ in it"


@pytest.fixture(scope="module")
def server(serving_module):
    return serving_module(limits=dataclasses.replace(QUICK, photo_bytes=500_000), state="values")


@pytest.mark.parametrize("side", ["²", "٣٢", "9" * 5000, "0000000001609999999", "-5", "1e3", "0x40", "", " 64"])
def test_a_number_is_one_within_its_bounds(server, photo_file, side):
    job = server.client.post("/v1/jobs", data={}).json()["id"]
    files = {"photo": ("a.jpg", photo_file.read_bytes())}
    assert server.client.post(f"/v1/jobs/{job}/photos", files=files).status_code == 201
    assert server.client.get(f"/v1/jobs/{job}/photos/1/image", params={"side": side}).status_code == 400
    assert server.client.get(f"/v1/jobs/{job}/photos/1/image", params={"side": "64"}).status_code == 200


def test_numbers_in_the_review_are_bounded_as_they_are_read(reviewing):
    """The first twelve digits were looked at, and all of them used."""
    client = reviewing().client
    assert client.get("/queue", params={"limit": "000000000001999999999"}).status_code == 400
    assert client.get("/background", params={"width": "4000", "height": "4000"}).status_code in {400, 404}


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "²"])
def test_photos_of_any_number_are_not_there(server, number):
    job = server.client.post("/v1/jobs", data={}).json()["id"]
    for path in (f"/v1/jobs/{job}/photos/{number}/image", f"/v1/jobs/{job}/photos/1/output/{number}"):
        assert server.client.get(path).status_code in {404, 414}


def test_a_last_event_that_is_none_is_passed_over(server, photo_file):
    made = server.client.post("/v1/jobs", files={"photos": ("a.jpg", photo_file.read_bytes())}).json()["id"]
    for said in ("²-²", "x-1", "-", "9" * 6000):
        with server.client.stream("GET", f"/v1/jobs/{made}/events", headers={"last-event-id": said.encode()}) as events:
            assert events.status_code == 200
            assert "event: end" in events.read().decode()


@pytest.mark.parametrize("content", [b"charset=punycode", b"charset=idna", b'charset="no-such"', b"charset=utf-16"])
def test_forms_are_utf_8(server, content):
    body = FORM + b"x\r\n--x--\r\n"
    head = {"content-type": b"multipart/form-data; boundary=x; " + content}
    answer = server.client.post("/v1/cut", content=body, headers=head)
    assert answer.status_code == 400
    assert "UTF-8" in answer.json()["error"]


def test_a_form_without_boundary_is_refused(server):
    answer = server.client.post("/v1/cut", content=FORM, headers={"content-type": "multipart/form-data"})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/predict", "/setup", "/webhook", "/v1.0/removebg"])
def test_json_of_many_values_is_not_parsed(server, path):
    body = b'{"tasks": [' + b"[]," * 100_000 + b"[]]}"
    answer = server.client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "too many values" in answer.text


def test_labels_of_any_length_are_not_parsed(server):
    config = "<View>" * 20_000 + "</View>" * 20_000
    answer = server.client.post("/setup", content=json.dumps({"schema": config[:150_000]}))
    assert answer.status_code == 400
    assert "characters" in answer.json()["error"]


@pytest.mark.parametrize("dest", ["image", "script", "iframe", "empty"])
def test_other_sites_pages_cannot_let_the_server_work(server, dest):
    """An <img> of another site's page sends no Origin, and what it asks for is computed all the same."""
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": dest}
    assert server.client.get("/v1/jobs", headers=headers).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert server.client.get("/", headers=link).status_code == 200


def test_cookies_are_read_by_their_names_alone(serving):
    server = serving(token=TOKEN, state="cookies")
    weird = 'a="' + 30_000 * "\\" + '"; ' + COOKIE
    assert status(raw(server.port, get("/v1/jobs", f"Cookie: {weird}=wrong"))) == 401
    answer = server.client.get("/", params={"token": TOKEN})
    assert answer.status_code == 303
    kept = answer.headers["set-cookie"].partition(";")[0]
    assert status(raw(server.port, get("/v1/jobs", f"Cookie: {weird}=wrong; {kept}"))) == 200
    assert server.client.get("/v1/jobs").status_code == 200


def test_bodies_under_way_are_bounded_together(serving, photo_file):
    server = serving(limits=Limits(incoming_bytes=150_000))
    begun = get("/v1/cut", "Content-Length: 200000", "Content-Type: image/jpeg", method="POST") + bytes(100_000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as first:
        first.sendall(begun)
        other = get("/v1/cut", "Content-Length: 100000", "Content-Type: image/jpeg", method="POST") + bytes(100_000)
        answer = raw(server.port, other)
        assert status(answer) == 503
        assert b"retry-after" in answer.lower()
    for _ in range(100):
        content = photo_file.read_bytes() + bytes(120_000)
        answer = httpx.post(server.url + "/v1/cut", content=content, headers={"content-type": "image/jpeg"})
        if answer.status_code == 200:  # the first one is gone
            break
    assert answer.status_code == 200


def test_jobs_leave_room_on_the_disk(serving, photo_file, monkeypatch):
    """What is made of photos is not bounded by their size."""
    server = serving()
    files = {"photos": ("a.jpg", photo_file.read_bytes())}
    job = server.client.post("/v1/jobs", data={}).json()["id"]
    usage = shutil.disk_usage(server.jobs._state)
    monkeypatch.setattr(job_records.shutil, "disk_usage", lambda _: usage._replace(free=999_000_000))
    for answer in (
        server.client.post("/v1/jobs", files=files),
        server.client.post(f"/v1/jobs/{job}/photos", files={"photo": files["photos"]}),
    ):
        assert answer.status_code == 507
        assert "disk space" in answer.json()["error"]
    monkeypatch.undo()
    assert server.client.post(f"/v1/jobs/{job}/photos", files={"photo": files["photos"]}).status_code == 201


def test_jobs_without_photos_are_bounded_too(serving):
    server = serving(limits=Limits(jobs=2))
    assert [server.client.post("/v1/jobs", data={}).status_code for _ in range(3)] == [202, 202, 507]
