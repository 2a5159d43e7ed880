"""Hostile requests, sent byte by byte: traversal, other sites, bodies and headers that lie, slow clients."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import time

import httpx
import numpy as np
import pytest
from PIL import Image

from carmask.server.cut_api import CutApi
from carmask.server.limits import Limits
from carmask.server.security import without_paths
from tests.server.raw import FORM, QUICK, get, raw, status


@pytest.fixture(scope="module")
def server(serving_module):
    return serving_module(limits=QUICK)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/static//etc/passwd",
        "/static/style.css%00.html",
        "/review/../../../etc/passwd",
        "/v1/jobs/../../../../etc/passwd/zip",
        "/v1/jobs/..%2f..%2f..%2fetc/photos/1/image",
        "/v1/jobs/%2e%2e/photos/1/output/0",
        "/api/folders/..%2f..%2fetc/queue",
        "/api/folders/out/photos/..%2f..%2f..%2fetc%2fpasswd/image",
        "/..\\..\\windows\\win.ini",
        "http://localhost/etc/passwd",
        "/%252e%252e/%252e%252e/etc/passwd",
    ],
)
def test_traversal_finds_nothing(server, path):
    answer = raw(server.port, get(path))
    assert b"root:" not in answer
    assert b"import " not in answer
    assert status(answer) in {400, 404} or b"<title>carmask review" in answer


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::2]"]
)
def test_a_name_that_is_rebound_to_this_machine_gets_nothing(server, host):
    assert status(raw(server.port, get("/v1/jobs", host=host))) in {400, 421}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80"])
def test_this_machines_own_names_are_answered(server, host):
    assert status(raw(server.port, get("/healthz", host=host))) == 200


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Origin: http://[evil",),
        ("Origin: localhost",),
        ("Origin: http://localhost:1",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site",),
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/cut", "/v1/jobs", "/v1/jobs/x/start", "/api/remove", "/v1.0/removebg", "/predict"]
)
def test_other_sites_pages_cannot_post(server, path, headers):
    answer = raw(server.port, get(path, *headers, "Content-Length: 0", method="POST", host=f"localhost:{server.port}"))
    assert status(answer) == 403


def test_no_answer_lets_other_sites_read(server):
    answer = raw(server.port, get("/v1/jobs", "Origin: https://evil.example"))
    assert b"access-control-allow" not in answer.lower()
    preflight = get("/v1/cut", "Origin: https://evil.example", "Access-Control-Request-Method: POST", method="OPTIONS")
    assert status(raw(server.port, preflight)) in {404, 405}


@pytest.mark.parametrize(
    "path", ["/", "/review/x", "/keys", "/docs", "/v1/jobs", "/static/style.css", "/nothing", "/v1/cut"]
)
def test_every_answer_carries_the_headers(server, path):
    head = server.client.get(path).headers
    assert "default-src 'none'" in head["content-security-policy"]
    assert "unsafe" not in head["content-security-policy"]
    assert head["x-content-type-options"] == "nosniff"
    assert head["x-frame-options"] == "DENY"
    assert head["referrer-policy"] == "no-referrer"
    assert "server" not in head


def test_a_browser_gets_a_page_where_there_is_nothing(server):
    page = server.client.get("/<script>alert(1)</script>", headers={"accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 404
    assert "There is nothing at this address" in page.text
    assert "alert" not in page.text
    assert server.client.get("/nothing").json() == {"error": "there is nothing at this address"}


def test_a_body_that_says_it_is_too_large_is_not_read(server):
    answer = raw(server.port, get("/v1/cut", "Content-Length: 999999999999", method="POST"))
    assert status(answer) == 413
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "99999999999999999999999"])
def test_lengths_that_are_no_numbers_are_refused(server, length):
    assert status(raw(server.port, get("/v1/cut", f"Content-Length: {length}", method="POST"))) in {400, 413}


def test_a_body_without_a_length_is_cut_off_at_the_limit(server):
    piece = b"10000\r\n" + FORM + bytes(65536 - len(FORM)) + b"\r\n"
    request = get(
        "/v1/cut", "Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=x", method="POST"
    )
    assert status(raw(server.port, request + 8 * piece)) == 413


def test_a_body_in_chunks_of_a_byte_is_cut_off(server):
    head = get("/v1/cut", "Transfer-Encoding: chunked", "Content-Type: image/jpeg", method="POST")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head + b"1\r\na\r\n")
        time.sleep(0.2)
        with contextlib.suppress(OSError):
            connection.sendall(20_000 * b"1\r\na\r\n" + b"0\r\n\r\n")
        found = b"nothing"
        with contextlib.suppress(ConnectionResetError):
            found = connection.recv(1000)
        assert found in {b"", b"nothing"}


def test_a_body_in_large_chunks_is_read(server, photo_file):
    content = photo_file.read_bytes()
    pieces = (content[start : start + 4096] for start in range(0, len(content), 4096))
    answer = server.client.post("/v1/cut", content=pieces, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200


def test_a_request_in_two_minds_about_its_length_is_refused(server):
    request = get("/v1/cut", "Content-Length: 4", "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n"
    assert status(raw(server.port, request)) in {400, 422}
    twice = get("/v1/cut", "Content-Length: 4", "Content-Length: 5", method="POST") + b"12345"
    assert status(raw(server.port, twice)) == 400


def test_a_header_without_end_is_refused(server):
    assert status(raw(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000)) in {400, 431}


def test_a_slow_header_is_cut_off(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for letter in b"GET / HT":
            try:
                connection.sendall(bytes([letter]))
            except OSError:
                break
            time.sleep(0.15)
        assert connection.recv(100) == b""


def test_a_connection_that_says_nothing_is_cut_off(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        assert connection.recv(100) == b""


def test_a_slow_body_is_cut_off(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(
            get("/v1/cut", "Content-Length: 5000", "Content-Type: multipart/form-data; boundary=x", method="POST")
            + FORM
        )
        found = b""
        for _ in range(30):
            try:
                connection.sendall(b"a")
                time.sleep(0.1)
                connection.settimeout(0.01)
                found += connection.recv(4096)
                break
            except TimeoutError:
                connection.settimeout(10)
            except OSError:
                break
        assert status(found) == 408


def test_a_client_that_takes_its_answer_too_slowly_is_cut_off(serving):
    server = serving(limits=Limits(grace_seconds=0.5, header_seconds=5))
    large = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 60, (2400, 2400, 3), np.uint8)
    Image.fromarray(noise).save(large, "JPEG", quality=60)
    form = httpx.Request("POST", server.url + "/v1/cut", files={"image": ("a.jpg", large.getvalue())})
    body = form.read()
    head = f"POST /v1/cut HTTP/1.1\r\nHost: localhost\r\nContent-Type: {form.headers['content-type']}\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        start = connection.recv(1000)
        assert b" 200 " in start
        time.sleep(2.5)
        taken, length = len(start), int(re.search(rb"content-length: (\d+)", start)[1])
        try:
            while part := connection.recv(1 << 20):
                taken += len(part)
        except OSError:
            pass
        assert taken < length
    assert server.client.get("/healthz").status_code == 200


def test_hundreds_of_connections_that_say_nothing_keep_nobody_out(serving):
    server = serving(limits=Limits(connections=3, header_seconds=60))
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10)) for _ in range(450)
        ]
        assert status(raw(server.port, get("/healthz"))) == 200
        # The oldest made room, the newest may still speak.
        assert silent[0].recv(1) == b""
        silent[-1].sendall(get("/healthz"))
        assert status(silent[-1].recv(1000)) == 200


def test_too_many_requests_at_the_same_time_are_told_to_come_back(serving):
    server = serving(limits=Limits(connections=3))
    begun = get("/v1/cut", "Content-Length: 5000", "Content-Type: image/jpeg", method="POST") + b"abc"
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10)).sendall(begun)
        end = time.monotonic() + 20
        while status(answer := raw(server.port, get("/healthz"))) != 503:
            assert time.monotonic() < end
        assert b"retry-after: 1" in answer.lower()
    while status(raw(server.port, get("/healthz"))) != 200:  # they are gone
        assert time.monotonic() < end


def test_headers_that_are_none_are_refused(server):
    assert status(raw(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n")) == 400
    assert status(raw(server.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")) == 400
    assert server.client.get("/healthz").status_code == 200


def test_messages_lose_their_paths():
    assert without_paths("/srv/a b/c.jpg: damaged", [("/srv/a b/c.jpg", "car")]) == "car: damaged"
    assert without_paths("cannot open '/var/lib/x.db' now") == "cannot open '(a file of the server)' now"
    assert without_paths("C:\\data\\x.png broke") == "(a file of the server) broke"
    assert without_paths("1/2 of 3 photos, image/png") == "1/2 of 3 photos, image/png"


def test_a_fault_in_the_server_says_nothing_of_its_inside(serving, monkeypatch, photo_file):
    server = serving()

    def fault(*_, **__):
        raise ValueError("secret /etc/shadow")

    monkeypatch.setattr(server.jobs, "all", fault)
    answer = server.client.get("/v1/jobs")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "default-src" in answer.headers["content-security-policy"]
    assert json.loads(answer.text)["error"].startswith("a fault in the server")
    assert server.client.get("/healthz").status_code == 200
    assert photo_file.exists()


def test_a_fault_in_the_form_of_remove_bg_is_one_and_a_client_that_went_away_is_none(
    serving, monkeypatch, photo_file, caplog
):
    """The fault was answered with 404 and stood in no log; the client that went away did, as a fault."""
    server = serving()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = b"POST /v1.0/removebg HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
        connection.sendall(head + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n")
        time.sleep(0.3)
    time.sleep(0.5)
    assert caplog.records == []

    def fault(*_, **__):
        raise KeyError("secret")

    monkeypatch.setattr(CutApi, "run", fault)
    answer = server.client.post("/v1.0/removebg", files={"image_file": photo_file.read_bytes()})
    assert answer.status_code == 500
    assert "bug" in caplog.text
