"""Form fields as programs and browsers write them: switches, and files that are empty."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from carmask.server.limits import Limits


@pytest.fixture(scope="module")
def server(serving_module):
    return serving_module()


def post(server, photo_file, **fields):
    return server.client.post("/v1/cut", files={"image": photo_file.read_bytes()}, data=fields)


@pytest.mark.parametrize("said", ["True", "on", "1"])
def test_what_is_switched_on_may_be_written_as_programs_do(server, photo_file, said):
    """The body of ``requests.post(..., data={"picture": True})`` has ``True``."""
    assert "picture" in post(server, photo_file, output="json", picture=said).json()
    files = {"image_file": photo_file.read_bytes()}
    cropped = server.client.post("/v1.0/removebg", files=files, data={"crop": said})
    assert Image.open(io.BytesIO(cropped.content)).height < 128


def test_what_is_neither_on_nor_off_is_refused(server, photo_file):
    assert "picture" not in post(server, photo_file, output="json", picture="False").json()
    answer = post(server, photo_file, output="json", picture="please")
    assert (answer.status_code, answer.json()) == (400, {"error": "picture: give true or false"})


def test_a_field_that_a_browser_leaves_empty_is_none_but_an_empty_picture_is_refused(server, photo_file):
    parts = [
        b'Content-Disposition: form-data; name="background_file"; filename=""\r\n\r\n',
        b'Content-Disposition: form-data; name="image"; filename="car.jpg"\r\n\r\n' + photo_file.read_bytes(),
    ]
    body = b"".join(b"--0f\r\n" + part + b"\r\n" for part in parts) + b"--0f--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=0f"}
    assert server.client.post("/v1/cut", content=body, headers=kind).content == post(server, photo_file).content
    files = {"image": photo_file.read_bytes(), "background_file": ("hall.jpg", b"")}
    answer = server.client.post("/v1/cut", files=files)
    assert (answer.status_code, answer.json()) == (422, {"error": "background_file: the file is empty"})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/cut", "image"),
        ("/v1/cut", "background_file"),
        ("/v1/jobs", "photos"),
        ("/v1/jobs/JOB/photos", "photo"),
        ("/v1/jobs/JOB/start", "background_file"),
        ("/api/remove", "file"),
        ("/v1.0/removebg", "image_file"),
        ("/v1.0/removebg", "bg_image_file"),
    ],
)
def test_text_where_a_file_is_expected_is_refused_in_words(server, photo_file, path, name):
    """As ``curl -F photo=car.jpg`` sends it, without the @: it was called no option, or the photo was missing."""
    if "JOB" in path:
        path = path.replace("JOB", server.client.post("/v1/jobs").json()["id"])
    photo = {"background_file": "image", "bg_image_file": "image_file"}.get(name)
    files = {photo: photo_file.read_bytes()} if photo and "start" not in path else None
    answer = server.client.post(path, data={name: "car.jpg"}, files=files)
    assert answer.status_code == 400
    said = answer.json()
    text = said["errors"][0]["title"] if "errors" in said else said["error"]
    assert text == f"{name}: came as text; send it as a file, such as curl -F {name}=@car.jpg does"


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/cut", "/api/remove"])
def test_options_in_json_are_refused_not_passed_over(server, path):
    answer = server.client.post(path, json={"background": "white"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("send a form (multipart/form-data or application/x-www-form-urlencoded)")
    assert server.client.post("/v1/jobs").status_code == 202  # no body: a job whose photos come one by one


def test_a_photo_that_is_a_little_too_large_is_told_the_difference(serving):
    """In whole megapixels both figures were the same."""
    server = serving(limits=Limits(pixels=120_000))
    buffer = io.BytesIO()
    Image.new("RGB", (400, 320)).save(buffer, "PNG")
    answer = server.client.post("/v1/cut", files={"image": buffer.getvalue()})
    assert answer.status_code == 422
    assert "400x320 is 0.13 megapixels; at most 0.12 are" in answer.json()["error"]
