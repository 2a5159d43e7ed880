"""Shipped profiles as an option of the API and of the start page."""

from __future__ import annotations

import shutil

import pytest

from carmask.batch.run import cut_folder
from carmask.images import encode_png
from carmask.profiles.in_force import check, combine
from carmask.profiles.loading import load_profile
from tests.conftest import draw_photo
from tests.server.browsing import SIZE, until
from tests.server.test_start_page import drop


def test_a_profile_is_what_the_command_makes_of_it(serving, photo_file, tiny_model, tmp_path):
    """The picture of ``carmask cut --profile white``, byte by byte; other fields are over the profile's."""
    server = serving()
    (tmp_path / "day" / "4711").mkdir(parents=True)
    shutil.copy(photo_file, tmp_path / "day" / "4711")

    def cut(given):
        loaded = load_profile("white")
        spec, grouping = check(combine(loaded, given), loaded, given)
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        cut_folder(tmp_path / "day", out, spec, model=tiny_model, recursive=True, group=grouping)
        return next((out / "4711").glob(f"{photo_file.stem}.*")).read_bytes()

    def post(**fields):
        answer = server.client.post("/v1/cut", files={"image": photo_file.read_bytes()}, data=fields)
        assert answer.status_code == 200, answer.text
        return answer.content

    assert post(profile="white") == cut({})
    # What has no meaning with what is given, such as a quality of PNG, is gone.
    over = {"place": "photo", "format": "png", "size": "400x300", "shadow": "none", "others": "cut"}
    assert post(profile="white", **over) == cut({**over, "size": (300, 400)})
    hall = tmp_path / "hall.png"
    hall.write_bytes(encode_png(draw_photo(9, (30, 40))))
    files = {"image": photo_file.read_bytes(), "background_file": ("hall.png", hall.read_bytes())}
    fields = {"profile": "white", "others": "cut"}
    assert server.client.post("/v1/cut", files=files, data=fields).content == cut(
        {"background": str(hall), "others": "cut"}
    )


@pytest.mark.parametrize("name", ["challenge", "../../etc/passwd", "carmask.toml", "White"])
def test_a_profile_is_a_shipped_one_and_no_file(serving, photo_file, name):
    answer = serving().client.post("/v1/cut", files={"image": photo_file.read_bytes()}, data={"profile": name})
    assert answer.status_code == 400
    assert answer.json()["error"].endswith("is none of google-vehicle-ads, marktplaats, mobile-de, showroom, white")


def test_each_profile_is_listed_with_what_it_states(serving):
    found = {one["name"]: one for one in serving().client.get("/v1/profiles").json()["profiles"]}
    assert found["marktplaats"]["options"]["size"] == "1024x768"
    assert found["showroom"]["options"]["shadow"] == "reflect"
    assert all(one["description"] for one in found.values())


def test_a_profile_is_chosen_on_the_start_page(serving, open_page):
    server = serving()
    page = open_page(server.url, wait="#profile-choice:not([hidden])")
    content = encode_png(draw_photo(3, SIZE))
    page.select_option("#profile", "showroom")
    assert page.input_value("select[name=size]") == "1600x1200"
    assert page.is_checked("input[name=background][value=showroom]")
    drop(page, {"one.png": content})
    page.wait_for_selector("body[data-done]")
    job = page.evaluate("document.body.dataset.done")

    def options():
        return server.client.get(f"/v1/jobs/{job}").json()["options"]

    listed = server.client.get("/v1/profiles").json()["profiles"]
    stated = next(one["options"] for one in listed if one["name"] == "showroom")
    assert options() == stated

    page.reload()
    page.wait_for_selector("body[data-done]")
    assert page.input_value("#profile") == "showroom"
    # Another choice is over it: the profile is no longer named, and what it states beside that stays.
    page.select_option("select[name=size]", "800x600")
    assert page.input_value("#profile") == ""
    page.select_option("select[name=place]", "photo")
    page.click("#again")
    page.wait_for_selector("body[data-done]")
    kept = {name: value for name, value in stated.items() if name not in {"place", "scale", "floor"}}
    until(lambda: options() == {**kept, "size": "800x600"})
