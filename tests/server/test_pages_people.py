"""The review page with others, with folders that change, in every view and size, and by finger."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.batch.outputs import OutputSpec
from carmask.compositing.background import Background
from carmask.images import read_mask
from tests.conftest import draw_photo
from tests.server.browsing import SIZE, at, choose, mask_in, stroke, until
from tests.server.conftest import cut_photos


def test_two_people_on_one_photo(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    anna, ben = open_page(server.url), open_page(server.url, author="Ben")
    for page in (anna, ben):
        choose(page, "car_03")
        page.keyboard.press("b")
    stroke(anna, [(20, 20), (60, 20)])
    anna.keyboard.press("Control+s")
    until(lambda: "corrected by Anna" in anna.inner_text("#more"))
    stroke(ben, [(20, 140), (60, 140)])
    mine = mask_in(ben)
    ben.keyboard.press("Control+s")
    ben.wait_for_selector("#conflict[open]")
    assert "Anna saved this photo" in ben.inner_text("#conflict-text")
    assert server.folder.store.current("car_03").author == "Anna"
    ben.click("#conflict button[data-choice='stay']")
    np.testing.assert_array_equal(mask_in(ben), mine)
    ben.keyboard.press("Control+s")
    ben.wait_for_selector("#conflict[open]")
    ben.click("#conflict button[data-choice='mine']")
    until(lambda: server.folder.store.current("car_03").author == "Ben")
    until(lambda: np.array_equal(read_mask(server.out / "car_03_mask.png"), mine))


def test_the_next_person_at_the_same_browser_says_so(reviewing, open_page):
    """The name was asked for once, and kept with all decisions for good. Each has drafts of their own."""
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, author=None, wait="#who[open]")
    page.fill("#author", "Anna")
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-shown]")
    choose(page, "car_03")
    stroke(page, [(20, 20), (60, 20)])
    for name, drawn in (("Ben", False), ("Anna", True)):
        page.click("#me")
        page.fill("#author", name)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#me:has-text('{name}')")
        page.wait_for_selector("body[data-shown]")
        page.wait_for_selector("#unsaved", state="visible" if drawn else "hidden")
    page.click("#me")
    page.fill("#author", "Carl")
    page.keyboard.press("Escape")
    assert page.inner_text("#me") == "Anna"
    page.keyboard.press("Control+s")
    until(lambda: server.folder.store.current("car_03") is not None)
    assert server.folder.store.current("car_03").author == "Anna"


def test_a_browser_that_is_closed_in_mid_work_loses_nothing(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    shown = choose(page, "car_03")
    page.keyboard.press("b")
    stroke(page, [(20, 20), (60, 20)])
    mine = mask_in(page)
    # And a stroke that is never ended.
    page.mouse.move(*at(page, 100, 140))
    page.mouse.down()
    page.mouse.move(*at(page, 150, 140), steps=3)
    page.close(run_before_unload=False)
    until(lambda: server.folder.store.draft("car_03", "Anna") is not None)
    again = open_page(f"{server.url}/review/out#{shown}")
    until(lambda: np.array_equal(mask_in(again), mine))
    assert again.is_visible("#unsaved")
    assert server.folder.store.current("car_03") is None


def test_a_photo_that_was_replaced_is_said_and_locked(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    Image.fromarray(draw_photo(42, SIZE)).save(server.photos / "car_03.jpg", quality=95)
    page = open_page(server.url)
    choose(page, "car_03")
    assert "replaced since it was cut" in page.inner_text("#note")
    assert page.is_disabled("#accept")


def test_a_photo_that_is_replaced_and_cut_again_behind_the_page_is_not_accepted_unseen(
    reviewing, open_page, tiny_model
):
    """The next photos are loaded ahead: what is accepted is what was seen."""
    server = reviewing(OutputSpec(mask=True), below=2)
    page = open_page(server.url)
    name = page.locator("#photos button").nth(1).get_attribute("title")
    until(
        lambda: page.evaluate("performance.getEntriesByType('resource').filter((e) => /mask/.test(e.name)).length") > 2
    )
    Image.fromarray(draw_photo(42, SIZE)).save(server.photos / f"{name}.jpg", quality=95)
    cut_photos(server.photos, server.out, OutputSpec(mask=True), tiny_model, 2)
    thumb = page.locator(f"#photos button[title='{name}'] img")
    before = thumb.get_attribute("src")
    page.select_option("#filter", "all")
    until(lambda: thumb.get_attribute("src") != before)  # browsers keep it for ten minutes
    thumb.click()
    until(lambda: page.inner_text("#name") == name)
    page.keyboard.press("Enter")
    page.wait_for_selector(".toast.bad:has-text('replaced since it was opened')")
    assert name not in server.folder.decided()
    page.click(".toast.bad button:has-text('Show it')")
    until(lambda: page.inner_text("#name") == name)
    page.keyboard.press("Enter")
    until(lambda: name in server.folder.decided())


def test_the_page_says_what_the_checks_of_the_run_say(reviewing, open_page):
    """A photo that is to be taken again is rejected by who looks at it."""
    server = reviewing(OutputSpec(mask=True))
    report = server.out / "report.csv"
    header, *rows = report.read_text().splitlines()
    checked = [row + (",cut off (right); blurred" if "car_03" in row else ",") for row in rows]
    report.write_text("\n".join([header + ",checks", *checked, ""]))
    page = open_page(server.url)
    choose(page, "car_03")
    assert "cut off (right); blurred" in page.inner_text("#more")
    choose(page, "car_04")
    assert "blurred" not in page.inner_text("#more")


def test_every_view_shows_something_else(reviewing, open_page):
    server = reviewing(OutputSpec(background=Background.parse("white:#203040")))
    page = open_page(server.url)
    choose(page, "car_03")
    page.keyboard.press("h")
    page.mouse.move(5, 400)
    seen = set()
    for key in "12345678":
        page.keyboard.press(key)
        page.wait_for_timeout(350)
        seen.add(page.locator("#stage").screenshot())
    page.keyboard.press("1")
    page.keyboard.press("u")
    page.wait_for_timeout(350)
    seen.add(page.locator("#stage").screenshot())
    assert len(seen) == 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (820, 1180), (1180, 820)])
def test_nothing_overflows_and_everything_has_a_name(reviewing, open_page, scheme, size):
    server = reviewing()
    page = open_page(server.url, size=size, color_scheme=scheme)
    nameless = """() => [...document.querySelectorAll('button, select, input, a')].filter((one) =>
        one.checkVisibility() && !(one.ariaLabel || one.textContent.trim() || one.title || one.labels?.length)
        ).length"""
    for path in ("/review/out", "/keys"):
        page.goto(server.url + path)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(nameless) == 0
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(20, 22, 26)") == (scheme == "dark")


def test_a_finger_paints_and_two_zoom(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, size=(820, 1180), has_touch=True)
    page.locator("#drawer").tap()
    page.wait_for_selector("#queue.open")
    # A tap beside the drawer closes it, and paints nothing.
    untouched = mask_in(page)
    page.touchscreen.tap(700, 600)
    page.wait_for_selector("#queue:not(.open)", state="attached")
    np.testing.assert_array_equal(mask_in(page), untouched)
    page.locator("#drawer").tap()
    page.locator("#drawer-close").tap()
    page.locator("#drawer").tap()
    page.select_option("#filter", "all")
    page.locator("#photos button[title='car_03']").tap()
    until(lambda: page.inner_text("#name") == "car_03")
    before, scale = mask_in(page), page.evaluate("carmask.view.scale")
    send = page.context.new_cdp_session(page).send

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", at(page, 30, 140))
    for x in range(35, 95, 5):
        touch("touchMove", at(page, x, 140))
    touch("touchEnd")
    painted = mask_in(page)
    assert (painted & ~before)[130:150].sum() > 300
    left, right = at(page, 80, 80), at(page, 120, 80)
    touch("touchStart", left, right)
    for step in range(1, 9):
        touch("touchMove", (left[0] - 8 * step, left[1]), (right[0] + 8 * step, right[1]))
    touch("touchEnd")
    assert page.evaluate("carmask.view.scale") > 1.5 * scale
    np.testing.assert_array_equal(mask_in(page), painted)
    page.locator("#save").tap()
    until(lambda: "corrected by Anna" in page.inner_text("#more"))


def test_on_a_phone_the_photo_has_most_of_the_page(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, size=(390, 844), has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#stage").bounding_box()["height"] > 844 / 2
    for name in ("drawer", "undo", "previous", "next", "reject", "save", "accept"):
        box = page.locator(f"#{name}").bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390, name
    page.locator("#zoom-in").scroll_into_view_if_needed()
    page.click("#zoom-in")  # tools that stand further to the side can be reached


@pytest.mark.parametrize("size", [(844, 390), (640, 360)])
def test_on_a_phone_on_its_side_the_photo_has_most_of_the_page(reviewing, open_page, size):
    page = open_page(reviewing(OutputSpec(mask=True)).url, size=size, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert page.locator("#stage").bounding_box()["height"] > 0.65 * size[1]
    left, top, scale = page.evaluate("[carmask.view.x, carmask.view.y, carmask.view.scale]")
    assert min(left, top) >= 0
    assert scale * SIZE[0] > 0.5 * size[1]
    for name in ("drawer", "undo", "previous", "next", "reject", "save", "accept"):
        box = page.locator(f"#{name}").bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= size[0], name
    page.locator("#tools button[data-tool='hand']").tap()
    page.locator("#zoom-in").tap()
    assert page.evaluate("carmask.view.scale") > scale
