"""The review page on a slow network: what is under way when something else is done."""

from __future__ import annotations

import numpy as np
import pytest

from carmask.batch.outputs import OutputSpec
from carmask.images import read_mask
from tests.server.browsing import at, choose, mask_in, stroke, until


@pytest.mark.parametrize("key", ["Enter", "n"])
def test_an_edit_that_the_server_is_at_is_not_lost_when_one_goes_on(reviewing, open_page, key):
    """A contour that was put on the edge too late for Enter was neither stored nor kept."""
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    base = mask_in(page)
    page.evaluate("carmask.tools.radius = 4")
    stroke(page, [(8, 8), (20, 8)])
    assert (mask_in(page) & ~base).any()
    waiting = []
    page.route("**/edit?*", lambda route: waiting.append(route))
    page.keyboard.press("c")  # the component that is clicked is removed
    page.mouse.click(*at(page, 14, 8))
    until(lambda: page.evaluate("1") and len(waiting) == 1)
    page.keyboard.press(key)
    waiting[0].continue_()
    until(lambda: page.inner_text("#name") != "car_03")
    if key == "Enter":
        until(lambda: server.folder.store.current("car_03") is not None)
        kept = read_mask(server.out / "car_03_mask.png")
    else:
        until(lambda: server.folder.store.draft("car_03", "Anna") is not None)
        kept = read_mask("draft", content=server.folder.store.draft("car_03", "Anna")[0])
    assert not kept[:13, :26].any()
    assert kept.any()


def test_what_is_undone_to_the_last_is_no_unsaved_work(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    shown = choose(page, "car_03")
    base = mask_in(page)
    stroke(page, [(20, 20), (60, 20)])
    until(lambda: server.folder.store.draft("car_03", "Anna") is not None)
    assert page.is_visible("#unsaved")
    # A stroke that is being made is given up first.
    page.mouse.move(*at(page, 20, 140))
    page.mouse.down()
    page.mouse.move(*at(page, 60, 140), steps=3)
    page.keyboard.press("Control+z")
    page.mouse.up()
    assert page.is_visible("#unsaved")
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(mask_in(page), base)
    assert page.is_hidden("#unsaved")
    until(lambda: server.folder.store.draft("car_03", "Anna") is None)
    page.keyboard.press("Control+Shift+z")
    assert page.is_visible("#unsaved")
    until(lambda: server.folder.store.draft("car_03", "Anna") is not None)
    again = open_page(f"{server.url}/review/out#{shown}")
    until(lambda: not np.array_equal(mask_in(again), base))


def test_a_draft_that_is_on_its_way_when_the_page_is_reloaded_is_sent_again(reviewing, open_page):
    """The browser drops what it is sending for a page that goes away."""
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    sent = []

    def first_is_slow(route):
        if route.request.method == "PUT":
            sent.append(route)
            if len(sent) == 1:
                return
        route.continue_()

    page.route("**/draft?*", first_is_slow)
    stroke(page, [(20, 20), (60, 20)])
    mine = mask_in(page)
    until(lambda: page.evaluate("1") and len(sent) == 1)
    page.reload()
    until(lambda: server.folder.store.draft("car_03", "Anna") is not None)
    page.wait_for_selector("body[data-shown]")
    until(lambda: np.array_equal(mask_in(page), mine))


def test_a_page_that_is_closed_while_a_mask_is_stored_asks_first(reviewing, open_page):
    """The browser drops what it is sending: the mask was neither stored nor kept."""
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    waiting = []
    page.route("**/decision?*", lambda route: waiting.append(route))
    asks = """() => {
        const event = new Event('beforeunload', { cancelable: true });
        dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    stroke(page, [(20, 20), (60, 20)])
    page.keyboard.press("Control+s")
    until(lambda: page.evaluate("1") and len(waiting) == 1)
    assert page.evaluate(asks) is True
    waiting[0].continue_()
    until(lambda: server.folder.store.current("car_03") is not None)
    until(lambda: page.evaluate(asks) is False)


def test_a_photo_is_shown_when_the_server_is_back(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, expect=("ERR_INTERNET_DISCONNECTED",))
    page.select_option("#filter", "all")
    page.wait_for_load_state("networkidle")  # the next two are loaded ahead, the last ones are not
    far = page.locator("#photos button").nth(5)
    name = far.get_attribute("title")
    page.context.set_offline(True)
    far.click()
    until(lambda: "the server does not answer" in page.inner_text("#empty"))
    page.select_option("#filter", "accepted")
    until(lambda: "the server does not answer" in page.inner_text("#toasts"))
    page.context.set_offline(False)
    until(lambda: page.locator("#empty").is_hidden())
    assert page.inner_text("#name") == name
    page.select_option("#filter", "all")
    until(lambda: page.inner_text("#toasts") == "")


def test_keys_are_not_about_a_photo_that_was_left_while_the_next_one_loads(reviewing, open_page):
    """Enter accepted the photo that was skipped: it stood there until the other one had come."""
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, expect=(422,))  # the one after it is no photo
    choose(page, "car_03")
    page.wait_for_load_state("networkidle")
    waiting = []
    page.route("**/image*", lambda route: waiting.append(route))
    far = page.locator("#photos button").nth(5)
    name = far.get_attribute("title")
    far.click()
    until(lambda: page.inner_text("#empty") == "Loading …" and len(waiting) == 1)
    assert page.inner_text("#name") == name
    assert page.is_disabled("#accept")
    for key in ("Enter", "Control+s", "x"):
        page.keyboard.press(key)
    assert not page.is_visible("#rejecting")
    waiting[0].continue_()
    until(lambda: page.locator("#empty").is_hidden())
    assert page.inner_text("#name") == name
    page.wait_for_timeout(300)
    assert server.folder.decided() == {}
    page.unroute("**/image*")
    page.keyboard.press("Enter")
    until(lambda: [*server.folder.decided()] == [name])


def test_a_mask_of_another_model_is_said_to_be_on_its_way(reviewing, open_page):
    """A large model takes seconds, in which nothing was to be seen."""
    page = open_page(reviewing(OutputSpec(mask=True)).url)
    choose(page, "car_03")
    waiting = []
    page.route("**/mask?*", lambda route: waiting.append(route))
    page.select_option("#other", "base")
    page.wait_for_selector(".toast:has-text('being made')")
    waiting[0].continue_()
    page.wait_for_selector(".toast:has-text('That mask is the same')")
    assert page.locator(".toast").count() == 1
