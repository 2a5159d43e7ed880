"""Shipped profiles as an option of the API and of the start page."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata

import pytest

from carmask.batch.run import cut_folder
from carmask.errors import UsageError
from carmask.images import encode_png
from carmask.profiles.in_force import check, combine
from carmask.profiles.loading import load_profile
from carmask.server.profiles import Profiles
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

    stated = options_of(server.client, "showroom")
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


@pytest.fixture
def house(tmp_path):
    """A profile of the team's own, with a picture of its own beside it."""
    (tmp_path / "hall.png").write_bytes(encode_png(draw_photo(9, (30, 40))))
    file = tmp_path / "house.toml"
    file.write_text('extends = "white"\nbackground = "hall.png"\nsize = "400x300"\nothers = "cut"\nmask = true\n')
    return file


def test_a_profile_of_ones_own_brings_its_picture(serving, photo_file, house):
    profiles = Profiles([house])
    assert profiles.notes == [f"{house}: mask passed over; carmask cut alone does that"]
    client = serving(profiles=profiles).client
    hall = {"background_file": ("hall.png", (house.parent / "hall.png").read_bytes())}

    def post(files=(), **fields):
        answer = client.post("/v1/cut", files={"image": photo_file.read_bytes(), **dict(files)}, data=fields)
        assert answer.status_code == 200, answer.text
        return answer.content

    as_house = {**{name: str(value) for name, value in options_of(client, "white").items()}, "size": "400x300"}
    del as_house["background"], as_house["others"]
    white = post(profile="white", size="400x300", others="cut")
    assert post(profile="house") == post(hall, **as_house) != white
    assert post(profile="house", background="white") == white
    assert post(background="house") == post(hall)  # its picture alone
    room = {"profile": "showroom", "others": "cut"}
    assert post(**room, background="house") == post(hall, **room) != post(**room)

    job = client.post("/v1/jobs", data={"profile": "house"}).json()["id"]
    client.post(f"/v1/jobs/{job}/photos", files={"photo": photo_file.read_bytes()})
    client.post(f"/v1/jobs/{job}/start", data={"profile": "house", "format": "png"})
    until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done")
    assert client.get(f"/v1/jobs/{job}/photos/1/output/0").content == post(profile="house", format="png")


def test_options_of_a_job_may_stand_in_the_address(serving, photo_file):
    client = serving().client
    job = client.post("/v1/jobs?profile=white", files={"photos": photo_file.read_bytes()}).json()["id"]
    assert client.get(f"/v1/jobs/{job}").json()["options"] == options_of(client, "white")
    until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done")
    assert client.post(f"/v1/jobs/{job}/start?profile=../white").status_code == 400
    assert client.post(f"/v1/jobs/{job}/start?profile=showroom").status_code == 202
    assert client.get(f"/v1/jobs/{job}").json()["options"] == options_of(client, "showroom")


def test_one_background_is_given(serving, photo_file, house):
    """A picture that is sent or kept is over a profile's; beside another background that is named it is refused."""
    client = serving(profiles=Profiles([house])).client
    hall = ("hall.png", encode_png(draw_photo(5, (30, 40))))
    photo = photo_file.read_bytes()
    refused = client.post("/v1/cut", files={"image": photo, "background_file": hall}, data={"background": "house"})
    said = "background: there is a picture, too; give either background or background_file"
    assert (refused.status_code, refused.json()["error"]) == (400, said)
    sent = client.post("/v1/cut", files={"image": photo, "background_file": hall}, data={"profile": "house"}).content
    job = client.post("/v1/jobs", data={"profile": "house"}, files={"background_file": hall, "photos": photo}).json()[
        "id"
    ]

    def made():
        until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done")
        return client.get(f"/v1/jobs/{job}/photos/1/output/0").content

    assert made() == sent
    fields = {"profile": "house", "keep_background": "true"}
    assert client.post(f"/v1/jobs/{job}/start", data={**fields, "background": "white"}).status_code == 400
    assert client.post(f"/v1/jobs/{job}/start", data=fields).status_code == 202
    assert made() == sent
    client.post(f"/v1/jobs/{job}/start", data={"profile": "house"})
    assert made() != sent
    assert client.get(f"/v1/jobs/{job}").json()["options"] == options_of(client, "house")


def options_of(client, name):
    return next(one["options"] for one in client.get("/v1/profiles").json()["profiles"] if one["name"] == name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("house", 'plate = "hall.png"\nbackground = "white"', "house.toml: plate: "),
        ("house", "crop = 4", "house.toml: crop: "),
        ("house", 'format = "jpg"', "house.toml: format: JPEG has no transparency"),
        ("red", 'background = "hall.png"', "red.toml: red is a colour or a drawn background"),
        ("picture", 'background = "hall.png"', "picture.toml: picture is another choice of background"),
        ("house", 'background = "gone.png"', "gone.png: there is no such picture"),
        ("house", f'background = "{"x" * 300}"', "house.toml: background: for the server, "),
        (os.fsdecode(b"h\xe4ndler"), "", "its name has letters that programs cannot send"),
    ],
)
def test_a_profile_that_the_server_cannot_do_is_refused_at_its_start(house, name, content, message):
    file = house.with_name(f"{name}.toml")
    file.write_text(content)
    with pytest.raises(UsageError, match=re.escape(message)):
        Profiles([file])


def test_a_background_is_taken_away(house):
    house.write_text('extends = "white"\nbackground = "hall.png"\nfit = "contain"\nmatch = 0.5\nformat = "webp"')
    plain = house.with_name("plain.toml")
    plain.write_text('extends = "white"\nbackground = "none"\nformat = "webp"')
    profiles = Profiles([house, plain])
    options, picture = profiles.parse({"profile": "house", "background": "none"})
    assert (options, picture) == profiles.parse({"profile": "plain"})
    assert options.spec(picture).background is None
    assert profiles.parse({"background": "none"}) == profiles.parse({})
    options, picture = profiles.parse({"profile": "house", "background": "blur"})  # which has its light already
    assert options.spec(picture).background.own


def test_a_name_is_one_however_its_umlaut_is_written(house):
    written = [unicodedata.normalize(form, "händler") for form in ("NFC", "NFD")]
    for name in written:
        profiles = Profiles([house.rename(house.with_name(f"{name}.toml"))])
        house = house.with_name(f"{name}.toml")
        for asked in written:
            assert profiles.parse({"profile": asked})[1] is not None
            assert profiles.parse({"background": asked})[1] is not None


def test_what_a_run_alone_does_is_named(house):
    house.write_text('extends = "mobile-de"\nglass = 0.5\n[checks]\nblurred = false')
    assert Profiles([house]).notes == [f"{house}: glass, checks, rules passed over; carmask cut alone does that"]


def test_two_profiles_of_one_name_are_refused(house):
    other = house.parent / "other" / house.name
    other.parent.mkdir()
    other.write_text('background = "white"')
    with pytest.raises(UsageError, match="is called house, too; rename one of them"):
        Profiles([house, other])


def test_the_picture_of_a_profile_is_a_background_on_the_start_page(serving, open_page, house):
    server = serving(profiles=Profiles([house]))
    page = open_page(server.url, wait="#profile-choice:not([hidden])")
    page.select_option("#profile", "house")
    assert page.is_checked("input[name=background][value=house]")
    content = encode_png(draw_photo(3, SIZE))
    drop(page, {"one.png": content})
    page.wait_for_selector("body[data-done]")
    job = page.evaluate("document.body.dataset.done")
    made = server.client.get(f"/v1/jobs/{job}/photos/1/output/0").content
    assert made == server.client.post("/v1/cut", files={"image": content}, data={"profile": "house"}).content
    page.reload()
    page.wait_for_selector("body[data-done]")
    assert page.input_value("#profile") == "house"
    page.select_option("select[name=format]", "png")
    page.click("#again")
    until(lambda: server.client.get(f"/v1/jobs/{job}/photos/1/output/0").headers["content-type"] == "image/png")
    assert server.client.get(f"/v1/jobs/{job}").json()["background_file"] is True
    page.wait_for_selector("body[data-done]")
    drop(page, {"two.png": content})  # with the same picture, which need not be sent
    page.wait_for_selector(f"body[data-done]:not([data-done='{job}'])")
    job = page.evaluate("document.body.dataset.done")
    assert server.client.get(f"/v1/jobs/{job}").json()["options"]["background"] == "house"

    # A server without the profile still has the picture.
    server.jobs.close()
    later = serving()
    page.goto(f"{later.url}/#{job}")
    page.wait_for_selector("body[data-done]")
    assert page.is_checked("input[name=background][value=picture]")
    assert page.locator("#swatches", has_text="house").count() == 0
    page.select_option("select[name=format]", "webp")
    page.click("#again")
    until(lambda: later.client.get(f"/v1/jobs/{job}/photos/1/output/0").headers["content-type"] == "image/webp")
    assert later.client.get(f"/v1/jobs/{job}").json()["background_file"] is True


def test_a_long_name_fits_a_telephone(serving, open_page, house):
    house = house.rename(house.with_name("Autohaus Müller & Söhne, Standort Hannover-Süd <b>.toml"))
    page = open_page(serving(profiles=Profiles([house])).url, wait="#profile-choice:not([hidden])", size=(360, 640))
    page.select_option("#profile", house.stem)
    assert page.is_checked(f"input[name=background][value='{house.stem}']")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_picture_that_the_server_has_can_be_chosen_after_a_profile(serving, open_page):
    server = serving()
    content = encode_png(draw_photo(3, SIZE))
    files = {"photos": content, "background_file": encode_png(draw_photo(5, SIZE))}
    job = server.client.post("/v1/jobs", files=files).json()["id"]
    page = open_page(f"{server.url}/#{job}", wait="body[data-done]")
    page.select_option("#profile", "showroom")
    with page.expect_file_chooser():  # and no other one is chosen
        page.click("input[name=background][value=picture]")
    page.click("#again")
    until(lambda: server.client.get(f"/v1/jobs/{job}").json()["options"].get("shadow") == "reflect")
    assert server.client.get(f"/v1/jobs/{job}").json()["background_file"] is True


def test_options_that_the_start_page_does_not_offer_are_named_there(serving, open_page, house):
    house.write_text('description = "Our hall."\nbackground = "hall.png"\nmatch = 0.5\ncrop = 0.1')
    server = serving(profiles=Profiles([house]))
    content = encode_png(draw_photo(3, SIZE))
    fields = {"crop": "0.2", "format": "webp", "quality": "50"}
    job = server.client.post("/v1/jobs", data=fields, files={"photos": content}).json()["id"]
    page = open_page(f"{server.url}/#{job}", wait="body[data-done]")
    assert page.inner_text("#about") == ("These photos also have: cropped to the car with margin 0.2, quality 50.")

    def dropped():
        before = page.evaluate("document.body.dataset.done")
        drop(page, {"one.png": content})
        page.wait_for_selector(f"body[data-done]:not([data-done='{before}'])")
        return page.evaluate("document.body.dataset.done")

    def options():
        return server.client.get(f"/v1/jobs/{job}").json()["options"]

    job = dropped()
    assert options() == {"format": "webp"}
    page.select_option("select[name=shadow]", "keep")
    page.click("#again")  # nor are they of these photos when they are rendered again
    until(lambda: options() == {"format": "webp", "shadow": "keep"})
    page.wait_for_selector("body[data-done]")

    page.select_option("#profile", "house")
    assert page.inner_text("#about") == (
        "Our hall. Also set: car in the background's light 0.5, cropped to the car with margin 0.1."
    )
    page.check("input[name=background][value='']", force=True)  # light of what, and a frame of which size?
    page.select_option("select[name=size]", "800x600")
    assert page.inner_text("#about") == "A profile sets all of these at once; what is changed afterwards is over it."
    job = dropped()
    assert options() == {"size": "800x600"}
