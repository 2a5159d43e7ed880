"""What clients send: bombs, files that are no photos, addresses, names, forms and JSON that are none."""

from __future__ import annotations

import errno
import io
import os
import re
import socket
import struct
import tempfile
import zlib

import pytest
from PIL import Image

from carmask.server.limits import Limits
from tests.server.raw import QUICK


@pytest.fixture(scope="module")
def server(serving_module):
    return serving_module(limits=QUICK)


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
        (bomb(2_000), "2000x2000 is 4.00 megapixels; at most [0-9.]+ are"),
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
    answer = server.client.post("/v1/jobs", data=fields, files={"a": b"b"})
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "at most 60 fields that are no files are taken in one request",
    )
    many = [("photos", (f"{n}.jpg", b"\xff\xd8\xff")) for n in range(50)]
    answer = server.client.post("/v1/jobs", files=many)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("at most 4 files are taken in one request; send the others")
    answer = server.client.post("/v1/cut", data={"background": "1" * 150_000}, files={"image": b"b"})
    assert (answer.status_code, "takes 100000 bytes at most" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("left", [0.2, 0.7, 0.999])
def test_a_form_that_is_cut_off_makes_no_job_of_what_came(server, photo_file, left):
    """The photos of which the end had come were taken, and nobody was told of the others."""
    photo = photo_file.read_bytes()
    part = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="%d.jpg"\r\n\r\n%s\r\n'
    whole = b"".join(part % (number, photo) for number in range(2)) + b"--x--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=x"}
    before = [job["id"] for job in server.client.get("/v1/jobs").json()["jobs"]]
    answer = server.client.post("/v1/jobs", content=whole[: int(left * len(whole))], headers=kind)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "the form ends before its last part does: send it again",
    )
    assert [job["id"] for job in server.client.get("/v1/jobs").json()["jobs"]] == before
    assert server.client.post("/v1/jobs", content=whole + b"epilogue", headers=kind).json()["photos"] == 2


def test_a_background_that_is_no_picture_is_named(server, photo_file):
    files = {"image": photo_file.read_bytes(), "background_file": ("b.jpg", b"no picture")}
    answer = server.client.post("/v1/cut", files=files)
    assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (422, "background_file")


def test_a_disk_that_is_full_of_what_is_sent_is_said(server, photo_file, monkeypatch):
    class Full(tempfile.SpooledTemporaryFile):
        def write(self, _):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Full)
    answer = server.client.post("/v1/cut", files={"image": photo_file.read_bytes()})
    assert answer.status_code == 507
    assert answer.json()["error"] == "the server cannot keep what is sent: No space left on device; try again later"


SURROGATE = b'"\\ud800"'


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/webhook", b'{"action": %s}' % SURROGATE, 201),
        ("/webhook", b'{"action": NaN}', 201),
        ("/predict", b'{"tasks": [], "label_config": %s}' % SURROGATE, 400),
        ("/setup", b'{"schema": %s}' % SURROGATE, 400),
        ("/predict", '{"tasks": [{"data": {"image": "data:,é"}}]}'.encode(), 200),
        ("/v1.0/removebg", '{"image_file_b64": "é"}'.encode(), 400),
    ],
)
def test_json_with_strange_values_is_no_fault_of_the_server(server, path, body, status):
    answer = server.client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff\xfe", b'{"tasks": 5}', b'{"tasks": [5]}', b"[" * 5000])
def test_json_that_is_none_is_refused(server, body):
    answer = server.client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_xml_bombs_are_refused(server):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>'
    answer = server.client.post("/predict", json={"tasks": [], "label_config": bomb})
    assert answer.status_code == 400
