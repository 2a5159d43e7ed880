"""Hostile requests, sent byte by byte to a server on the loopback address."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
import struct
import time
import zlib
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from PIL import Image

from carmask.server.limits import Limits
from carmask.server.running import Address, is_loopback
from carmask.server.security import without_paths

TOKEN = "a token that is long enough"
QUICK = Limits(
    photo_bytes=200_000,
    job_bytes=400_000,
    job_photos=3,
    pixels=1_000_000,
    header_seconds=0.6,
    grace_seconds=0.8,
    rate=200_000,
)


def raw(port: int, request: bytes, *, wait: float = 8.0) -> bytes:
    """Send bytes as they are, and read what comes until the other side is done."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        connection.sendall(request)
        connection.settimeout(wait)
        found = b""
        try:
            while part := connection.recv(65536):
                found += part
                head, _, body = found.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                if length and len(body) >= int(length[1]):
                    break
        except OSError:
            pass
    return found


#: How a form with a photo begins.
FORM = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'


def get(path: str, *headers: str, method: str = "GET", host: str = "localhost") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


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


def bomb(side: int) -> bytes:
    """A PNG of some kilobytes that says it is side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    """A small PNG with a compressed text of 100 MB."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    head, tail = buffer.getvalue()[:33], buffer.getvalue()[33:]
    data = b"bomb\0\0" + zlib.compress(bytes(100_000_000))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return head + chunk + tail


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (bomb(60_000), "megapixels"),
        (bomb(2_000), "megapixels"),
        (bomb(900), "damaged|truncated|cannot be read|broken"),
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run", "not a JPEG"),
        (b"GIF89a" + b"\xff" * 40, "photo"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 90, "photo"),
        (b"PK\x03\x04 a zip", "not a JPEG"),
    ],
)
def test_bombs_and_what_is_no_photo_are_refused_by_content(server, content, says):
    files = {"image": ("innocent.jpg", content, "image/jpeg")}
    answer = server.client.post("/v1/cut", files=files)
    assert answer.status_code in {400, 413, 422}
    assert re.search(says, answer.json()["error"])
    assert "/" not in answer.json()["error"].replace("text/", "")


def test_a_text_of_a_hundred_megabytes_in_a_small_picture_is_passed_over(server):
    answer = server.client.post("/v1/cut", files={"image": ("car.png", text_bomb(), "image/png")})
    assert answer.status_code == 200
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)


def test_nothing_is_fetched_from_an_address(server):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.5)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/car.jpg"
        tasks = {"tasks": [{"id": 1, "data": {"image": address}}]}
        answers = [
            server.client.get("/api/remove", params={"url": address}),
            server.client.post("/v1.0/removebg", data={"image_url": address}),
            server.client.post("/v1.0/removebg", json={"image_url": address}),
            server.client.post("/v1.0/removebg", data={"image_file_b64": "aa", "bg_image_url": address}),
            server.client.post("/predict", json=tasks),
            server.client.post("/predict", json={"tasks": [{"data": {"image": "file:///etc/passwd"}}]}),
        ]
        assert [answer.status_code for answer in answers[:4]] == [400] * 4
        assert all(not one["result"] for answer in answers[4:] for one in answer.json()["results"])
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize("text", ["/etc/passwd", "../../etc/hosts", "C:\\windows\\win.ini", "file:///etc/passwd"])
def test_a_background_is_never_a_file_of_the_server(server, photo_file, text):
    answer = server.client.post("/v1/cut", files={"image": photo_file.read_bytes()}, data={"background": text})
    assert answer.status_code == 400


def test_names_of_files_are_shown_and_nothing_else(serving, photo_file, tmp_path):
    server = serving()
    job = server.client.post("/v1/jobs", data={}).json()["id"]
    name = "../../../../tmp/evil\r\nX-Evil: 1<script>.jpg"
    files = {"photo": (name, photo_file.read_bytes())}
    photo = server.client.post(f"/v1/jobs/{job}/photos", files=files).json()
    assert "/" not in photo["title"]
    assert sorted(path.name for path in (tmp_path / "state" / "jobs" / job / "photos").iterdir()) == ["00001.jpg"]
    assert not (tmp_path.parent / "evil").exists()


def test_more_photos_than_allowed_are_refused(server, photo_file):
    job = server.client.post("/v1/jobs", data={}).json()["id"]
    codes = [
        server.client.post(f"/v1/jobs/{job}/photos", files={"photo": ("a.jpg", photo_file.read_bytes())}).status_code
        for _ in range(4)
    ]
    assert codes == [201, 201, 201, 400]


def test_the_disk_for_jobs_is_bounded(serving, photo_file):
    size = len(photo_file.read_bytes())
    server = serving(limits=Limits(state_bytes=int(1.5 * size)))
    job = server.client.post("/v1/jobs", data={}).json()["id"]
    files = {"photo": ("a.jpg", photo_file.read_bytes())}
    assert server.client.post(f"/v1/jobs/{job}/photos", files=files).status_code == 201
    assert server.client.post(f"/v1/jobs/{job}/photos", files=files).status_code == 507


def test_forms_with_too_many_parts_are_refused(server):
    fields = {f"f{number}": "x" for number in range(500)}
    assert server.client.post("/v1/jobs", data=fields, files={"a": b"b"}).status_code == 400
    many = [("photos", (f"{n}.jpg", b"\xff\xd8\xff")) for n in range(50)]
    assert server.client.post("/v1/jobs", files=many).status_code == 400


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff\xfe", b'{"tasks": 5}', b'{"tasks": [5]}', b"[" * 5000])
def test_json_that_is_none_is_refused(server, body):
    answer = server.client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_xml_bombs_are_refused(server):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>'
    answer = server.client.post("/predict", json={"tasks": [], "label_config": bomb})
    assert answer.status_code == 400


def test_headers_that_are_none_are_refused(server):
    assert status(raw(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n")) == 400
    assert status(raw(server.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")) == 400
    assert server.client.get("/healthz").status_code == 200


# ---- the token


@pytest.fixture(scope="module")
def secured_url(serving_module):
    return serving_module(token=TOKEN, state="secured")


@pytest.fixture
def secured(secured_url):
    """A client without cookies of earlier tests."""
    with httpx.Client(base_url=secured_url.url) as client:
        yield SimpleNamespace(client=client, port=secured_url.port)


@pytest.mark.parametrize(
    "path", ["/", "/v1/jobs", "/static/style.css", "/review/x", "/metrics", "/openapi.json", "/health"]
)
def test_nothing_is_served_without_the_token(secured, path):
    assert secured.client.get(path).status_code == 401
    assert secured.client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert secured.client.get(path, params={"token": "wrong"}).status_code == 401
    assert secured.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": "Basic " + base64.b64encode(f"any:{TOKEN}".encode()).decode()},
        {"x-api-key": TOKEN},
    ],
)
def test_the_token_is_taken_in_each_form_that_clients_have(secured, headers):
    assert secured.client.get("/v1/jobs", headers=headers).status_code == 200


def test_a_page_opened_with_the_token_keeps_it_in_a_cookie_and_out_of_the_address(secured):
    answer = secured.client.get("/", params={"token": TOKEN, "a": "b"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?a=b"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert secured.client.get("/v1/jobs").status_code == 200  # the client keeps cookies


def test_a_login_is_no_open_redirect(secured):
    answer = raw(secured.port, get(f"//evil.example/?token={TOKEN.replace(' ', '%20')}"))
    place = re.search(rb"location: ([^\r]*)", answer)
    assert place is None or not place[1].startswith((b"//", b"http"))


def test_only_the_loopback_address_goes_without_a_token():
    assert Address().secured().token is None
    assert Address("::1").secured().token is None
    assert len(Address("0.0.0.0").secured().token) >= 24
    assert len(Address("192.0.2.7").secured().token) >= 24
    assert Address("10.0.0.8", token=TOKEN).secured().token == TOKEN
    assert "10.0.0.8" in Address("10.0.0.8").hosts()
    assert [is_loopback(host) for host in ("localhost", "127.8.9.1", "10.0.0.1", "example.org")] == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(Exception, match="too short"):
        Address(token="short").secured()


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
