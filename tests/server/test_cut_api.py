"""One photo in, one answer out, in each form that clients speak."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import signal
import subprocess
import zipfile

import httpx
import numpy as np
import pytest
from PIL import Image

from carmask.batch.job import Job
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoCutter
from carmask.batch.storage import LocalStorage
from carmask.compositing.background import Background
from carmask.compositing.plates import PlateCover
from carmask.compositing.style import RenderStyle
from carmask.formats.rle import rle_decode
from carmask.images import read_mask
from carmask.model.runtime import load_model
from carmask.server.cut_api import CutApi
from carmask.server.jobs_api import JobsApi
from carmask.server.limits import Limits
from carmask.server.openapi import document
from carmask.server.profiles import Profiles
from carmask.server.removebg_api import RemovebgApi
from carmask.server.work import WorkTask
from carmask.server.worker_pool import WorkerPool
from tests.conftest import draw_photo


@pytest.fixture(scope="module")
def server(serving_module):
    return serving_module()


@pytest.fixture
def expected(tiny_model, photo_file, tmp_path):
    """What ``cut`` makes of the photo: the files' contents."""

    def make(wanted: OutputSpec) -> list[bytes]:
        paths = [tmp_path / name for name in wanted.outputs("expected")]
        PhotoCutter(load_model(tiny_model), wanted, LocalStorage())(Job(photo_file, "expected", tuple(paths)))
        return [path.read_bytes() for path in paths]

    return make


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def post(server, photo_file, path="/v1/cut", field="image", headers=None, **fields):
    files = {field: (photo_file.name, photo_file.read_bytes(), "image/jpeg")}
    return server.client.post(path, files=files, data=fields, headers=headers)


def test_the_picture_is_that_of_cut_byte_for_byte(server, photo_file, expected):
    answer = post(server, photo_file)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == expected(OutputSpec())[0]
    answer = post(server, photo_file, background="white:#203040", format="webp", quality="80")
    wanted = OutputSpec(background=Background.parse("white:#203040"), format="webp", quality=80)
    assert answer.content == expected(wanted)[0]
    assert 0 <= float(answer.headers["x-carmask-confidence"]) <= 1


def test_json_holds_the_mask_in_both_forms_and_its_box(server, photo_file, expected):
    found = post(server, photo_file, output="json").json()
    mask = read_mask("mask", content=expected(OutputSpec(mask=True))[0])
    np.testing.assert_array_equal(rle_decode(found["mask_rle"], found["height"], found["width"]), mask)
    np.testing.assert_array_equal(read_mask("mask", content=base64.b64decode(found["mask_png"])), mask)
    rows, columns = np.nonzero(mask)
    assert found["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert found["area"] == pytest.approx(mask.mean())
    assert "picture" not in found
    assert found["view_name"] == "other" or 1 <= found["view"] <= 16
    assert any(one.startswith("wrong size") for one in found["checks"])  # a photo of 192x128
    assert found["take_again"]
    with_picture = post(server, photo_file, headers={"accept": "application/json"}, picture="true").json()
    described = document(Limits(), token=False)["components"]["schemas"]["Cut"]["properties"]
    assert set(described) == set(with_picture)
    assert base64.b64decode(with_picture["picture"]) == expected(OutputSpec())[0]
    assert with_picture["mask_rle"] == found["mask_rle"]
    assert post(server, photo_file, output="mask").content == expected(OutputSpec(mask=True))[0]


def test_the_photo_may_be_the_body(server, photo_file, expected):
    content, kind = photo_file.read_bytes(), {"content-type": "image/jpeg"}
    answer = server.client.post("/v1/cut", params={"background": "red"}, content=content, headers=kind)
    assert answer.content == expected(OutputSpec(background=Background.parse("red")))[0]


def test_a_background_picture_is_sent_along(server, photo_file, expected, tmp_path):
    behind = tmp_path / "behind.png"
    Image.fromarray(draw_photo(9, (100, 100))).save(behind)
    files = {"image": photo_file.read_bytes(), "background_file": behind.read_bytes()}
    answer = server.client.post("/v1/cut", files=files, data={"fit": "contain"})
    assert answer.content == expected(OutputSpec(background=Background.parse(str(behind), "contain")))[0]


def test_the_drawn_room_is_that_of_cut(server, photo_file, expected):
    answer = post(server, photo_file, background="showroom", format="webp", quality="80")
    wanted = OutputSpec(background=Background.parse("showroom"), format="webp", quality=80)
    assert answer.content == expected(wanted)[0]


def test_plates_are_hidden_as_by_cut(server, photo_file, expected):
    answer = post(server, photo_file, background="white", plate="plain")
    assert answer.content == expected(OutputSpec(background=Background.parse("white"), plate=PlateCover("plain")))[0]
    assert answer.headers["x-carmask-plate"] in {"none", "found", "doubtful"}
    told = post(server, photo_file, background="white", plate="blur", output="json", picture="yes").json()
    assert told["plate"] == post(server, photo_file, background="white", plate="blur").headers["x-carmask-plate"]
    assert "x-carmask-plate" not in post(server, photo_file).headers


def test_a_name_of_a_picture_as_background_says_how_a_picture_is_sent(server, photo_file):
    said = post(server, photo_file, background="hall.jpg").json()["error"]
    assert said.endswith("a picture is sent as background_file")


@pytest.mark.parametrize(
    "fields",
    [
        {"plate": "house.png"},
        {"format": "jpg"},
        {"shadow": "long"},
        {"size": "99999x99999"},
        {"size": "0x0"},
        {"quality": "0"},
        {"quality": "50"},
        {"nonsense": "1"},
        {"background": "not a colour"},
        {"background": "#ffffff80"},
        {"background": "/etc/hostname"},
        {"output": "movie"},
        {"crop": "0.1", "size": "100x100"},
        {"strength": "nan"},
    ],
)
def test_options_that_are_none_are_refused(server, photo_file, fields):
    answer = post(server, photo_file, **fields)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mirror": "yes"}, "mirror: there is no such option; there are background, fit, shadow, "),
        ({"size": "large"}, "size: give WIDTHxHEIGHT, such as 1600x1200"),
        ({"size": "9x9"}, "size: both sides must be 16 to 8000"),
        ({"scale": "0.5"}, "scale: it says how large a moved car is: it needs place='centre', place='turntable' or "),
        ({"floor": "0.5"}, "floor: it says where a moved car stands: it needs place='centre', place='turntable' or "),
        ({"crop": "0.1", "place": "centre"}, "crop: it cuts the photo's own frame: it goes neither with place=… nor "),
        ({"light": "left"}, "light: it lights a made shadow: it needs shadow='make' or shadow='reflect'"),
    ],
)
def test_refusals_speak_of_the_options_as_clients_know_them(server, photo_file, fields, said):
    assert post(server, photo_file, **fields).json()["error"].startswith(said)


def test_the_light_of_a_shadow_is_that_of_cut(server, photo_file, expected):
    answer = post(server, photo_file, background="white", shadow="make", light="left")
    style = RenderStyle(shadow="make", light="left")
    assert answer.content == expected(OutputSpec(background=Background.parse("white"), style=style))[0]


def test_a_file_under_another_name_is_refused_not_passed_over(server, photo_file):
    content = photo_file.read_bytes()
    files = {"image": ("a.jpg", content), "background": ("hall.jpg", content)}
    answer = server.client.post("/v1/cut", files=files)
    assert answer.status_code == 400
    said = "background: no file is taken under this name; there are image, background_file"
    assert answer.json() == {"error": said}
    answer = server.client.post("/v1/jobs", files={"image": ("a.jpg", content)})
    assert answer.json() == {"error": "image: no file is taken under this name; there are photos, background_file"}


def test_a_photo_without_a_car_and_a_tiny_one(server, tmp_path):
    white, tiny = tmp_path / "white.png", tmp_path / "tiny.png"
    Image.new("RGB", (64, 64), "white").save(white)
    Image.new("RGB", (4, 4)).save(tiny)
    found = post(server, white, output="json").json()
    assert (found["box"], found["area"], found["mask_rle"], found["note"]) == (None, 0, "", "no car found")
    assert post(server, tiny).status_code == 422


@pytest.mark.parametrize(("form", "suffix"), [("HEIF", "heic"), ("AVIF", "avif"), ("WEBP", "webp"), ("TIFF", "tif")])
def test_phones_and_other_formats_are_read(server, tmp_path, form, suffix):
    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"car.{suffix}"
    Image.fromarray(draw_photo(3)).save(path, form)
    found = post(server, path, output="json").json()
    assert (found["width"], found["height"]) == (192, 128)
    assert found["box"] is not None


# ---- rembg


def test_rembgs_form(server, photo_file, expected):
    answer = post(server, photo_file, "/api/remove", "file", model="u2net", a="false", af="240")
    assert answer.content == expected(OutputSpec())[0]
    alpha = picture(post(server, photo_file, "/api/remove", "file", om="true").content)
    np.testing.assert_array_equal(alpha, picture(expected(OutputSpec())[0])[..., 3])
    files = {"file": photo_file.read_bytes()}
    green = server.client.post("/api/remove", params={"bgc": "0,255,0,255"}, files=files)
    assert green.content == expected(OutputSpec(background=Background.parse("#00ff00")))[0]
    assert server.client.post("/api/remove", params={"bgc": "0,1"}, files=files).status_code == 400


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_rembgs_form_as_its_documentation_has_it_for_curl(server, photo_file, expected, tmp_path):
    """``curl -s -F file=@input.jpg "http://localhost:7000/api/remove" -o output.png``"""
    out = tmp_path / "output.png"
    url = f"{server.url}/api/remove"
    subprocess.run(["curl", "-sS", "-F", f"file=@{photo_file}", url, "-o", out], check=True, timeout=60)
    assert out.read_bytes() == expected(OutputSpec())[0]


# ---- remove.bg


def removebg(server, photo_file, headers=None, **fields):
    return post(server, photo_file, "/v1.0/removebg", "image_file", {"x-api-key": "any", **(headers or {})}, **fields)


def test_removebgs_form(server, photo_file, expected):
    answer = removebg(server, photo_file, size="auto")
    assert answer.content == expected(OutputSpec())[0]
    mask = read_mask("mask", content=expected(OutputSpec(mask=True))[0])
    rows, columns = np.nonzero(mask)
    assert int(answer.headers["x-foreground-top"]) == rows.min()
    assert int(answer.headers["x-foreground-width"]) == np.ptp(columns) + 1
    assert answer.headers["x-type"] == "car"
    assert (answer.headers["x-width"], answer.headers["x-height"]) == ("192", "128")
    answer = removebg(server, photo_file, bg_color="81d4fa", format="png")
    assert answer.content == expected(OutputSpec(background=Background.parse("#81d4fa")))[0]
    found = removebg(server, photo_file, {"accept": "application/json"}).json()["data"]
    assert base64.b64decode(found["result_b64"]) == expected(OutputSpec())[0]
    assert found["foreground_left"] == columns.min()


def test_removebgs_other_ways_to_send_and_to_get(server, photo_file, expected):
    text = base64.b64encode(photo_file.read_bytes()).decode()
    as_json = server.client.post("/v1.0/removebg", json={"image_file_b64": text, "size": "full"})
    as_form = server.client.post("/v1.0/removebg", data={"image_file_b64": text})
    assert as_json.content == as_form.content == expected(OutputSpec())[0]
    alpha = removebg(server, photo_file, channels="alpha").content
    assert picture(alpha).ndim == 2
    archive = zipfile.ZipFile(io.BytesIO(removebg(server, photo_file, format="zip").content))
    assert archive.namelist() == ["color.png", "alpha.png"]
    assert archive.read("alpha.png") == alpha
    assert picture(removebg(server, photo_file, format="jpg").content).shape == (128, 192, 3)
    small = removebg(server, photo_file, scale="50%", position="center")
    assert picture(small.content).shape == (128, 192, 4)
    cropped = picture(removebg(server, photo_file, crop="true").content)
    assert cropped.shape[0] < 128
    assert cropped[..., 3].any(axis=1).all()


def test_removebgs_preview_is_small(server, tmp_path):
    path = tmp_path / "large.jpg"
    Image.fromarray(draw_photo(1, (800, 1200))).save(path)
    answer = removebg(server, path, size="preview")
    height, width = picture(answer.content).shape[:2]
    assert 200_000 < height * width <= 250_000
    assert (answer.headers["x-width"], answer.headers["x-height"]) == (str(width), str(height))


@pytest.mark.parametrize(
    "fields",
    [
        {"size": "huge"},
        {"roi": "0% 0% 10% 10%"},
        {"format": "gif"},
        {"scale": "x"},
        {"crop": "true", "crop_margin": "9em"},
    ],
)
def test_removebgs_errors_come_in_its_form(server, photo_file, fields):
    answer = removebg(server, photo_file, **fields)
    assert answer.status_code == 400
    assert set(answer.json()["errors"][0]) == {"title", "code"}
    broken = server.client.post("/v1.0/removebg", files={"image_file": b"\xff\xd8\xff none"})
    assert broken.status_code == 400
    assert broken.json()["errors"][0]["title"].startswith("photo: ")


# ---- the queue, the processes, the figures


def test_a_full_queue_says_when_to_come_back(serving, tiny_model, photo_file):
    with WorkerPool(WorkTask(str(tiny_model)), workers=1, timeout=30, waiting=0) as pool:
        server = serving(pool=pool)
        held = pool.ask  # one that never ends holds the only place
        pool._asked = 1
        answer = post(server, photo_file)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert removebg(server, photo_file).status_code == 429
        pool._asked = 0
        assert post(server, photo_file).status_code == 200
        assert held is not None


def test_a_photo_that_takes_too_long_costs_itself_alone(serving, tiny_model, photo_file):
    with WorkerPool(WorkTask(str(tiny_model)), workers=1, timeout=0.001, waiting=4) as pool:
        server = serving(pool=pool)
        answer = post(server, photo_file)
        assert answer.status_code == 422
        assert "given up after" in answer.json()["error"]


def test_a_worker_that_dies_is_replaced(serving, tiny_model, photo_file):
    with WorkerPool(WorkTask(str(tiny_model)), workers=1, timeout=30, waiting=4) as pool:
        server = serving(pool=pool)
        os.kill(pool.pids[0], signal.SIGKILL)
        codes = [post(server, photo_file).status_code for _ in range(2)]
        assert codes[-1] == 200


def test_figures_are_those_of_the_routes(serving, photo_file):
    server = serving()
    post(server, photo_file)
    server.client.get("/v1/jobs/0123456789abcdef")
    text = server.client.get("/metrics").text
    assert 'carmask_requests_total{method="POST",route="/v1/cut",status="200"} 1.0' in text
    assert 'route="/v1/jobs/{job}",status="404"' in text
    assert "carmask_workers 1.0" in text
    assert "0123456789abcdef" not in text


def test_a_method_of_any_name_is_one_figure(serving):
    client = serving().client
    for number in range(3):
        client.request(f"METHOD{number}", "/")
    text = client.get("/metrics").text
    assert 'carmask_requests_total{method="other",route="/",status="405"} 3.0' in text
    assert "METHOD" not in text


def test_a_worker_that_cannot_be_started_for_a_time_works_again_later(serving, tiny_model, tmp_path, photo_file):
    """One failed start was the end of it: all later requests failed."""
    model = tmp_path / "model.onnx"
    shutil.copy(tiny_model, model)
    with WorkerPool(WorkTask(str(model)), workers=1, timeout=30, waiting=4) as pool:
        server = serving(pool=pool)
        model.rename(tmp_path / "away.onnx")
        os.kill(pool.pids[0], signal.SIGKILL)
        codes = [post(server, photo_file).status_code for _ in range(3)]
        assert codes[-1] == 500
        (tmp_path / "away.onnx").rename(model)
        codes = [post(server, photo_file).status_code for _ in range(2)]
        assert codes == [200, 200]


def test_every_address_for_programs_is_in_the_openapi_document(server, pool):
    cut = CutApi(pool, Limits(), Profiles(), review_below=0.9)
    parts = (cut, RemovebgApi(cut, pool, Limits()), JobsApi(server.jobs, pool, Limits(), Profiles()))
    served = {
        (re.sub(r":int}", "}", route.path), method.lower())
        for part in parts
        for route in part.routes()
        for method in route.methods - {"HEAD"}
    }
    # Asked with GET, rembg's address says that nothing is fetched.
    served.remove(("/api/remove", "get"))
    paths = document(Limits(), token=False)["paths"]
    named = {(path, method) for path, operations in paths.items() for method in operations if method != "parameters"}
    assert named - served == {("/predict", "post"), ("/healthz", "get"), ("/metrics", "get")}
    assert served <= named


def test_the_openapi_document_is_one_and_names_what_is_served(server):
    validator = pytest.importorskip("openapi_spec_validator")
    found = server.client.get("/openapi.json").json()
    validator.validate(found)
    validator.validate(document(Limits(), token=True))
    for path, operations in found["paths"].items():
        address = path.replace("{job}", "x").replace("{number}", "1").replace("{output}", "0")
        for method in operations:
            if method != "parameters":
                answer = httpx.request(method, server.url + address, timeout=30)
                assert answer.status_code != 405, path
                if answer.status_code == 404:
                    assert "nothing at this address" not in answer.text, path
