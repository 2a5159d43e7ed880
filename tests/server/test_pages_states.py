"""The review page in states that come and go: comparing, storing, photos that cannot be read, lists without photos."""

from __future__ import annotations

import threading

import numpy as np

from carmask.batch.outputs import OutputSpec
from carmask.images import read_mask
from carmask.server.folder import Folder
from carmask.server.worker_pool import BusyError
from tests.server.browsing import choose, mask_in, stroke, until


def test_comparing_changes_nothing_that_is_kept(reviewing, open_page):
    """While the network's own mask is shown, it is neither painted on nor kept as what was drawn."""
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    base = mask_in(page)
    stroke(page, [(20, 20), (60, 20)])
    drawn = mask_in(page)
    page.keyboard.down("q")
    until(lambda: page.evaluate("carmask.view.instead !== null"))
    stroke(page, [(20, 140), (60, 140)])
    until(lambda: server.folder.store.draft("car_03", "Anna") is not None)
    kept = read_mask("draft", content=server.folder.store.draft("car_03", "Anna")[0])
    np.testing.assert_array_equal(kept, drawn)
    shown = page.evaluate("Array.from(carmask.view.instead.toRuns())")
    page.keyboard.up("q")
    np.testing.assert_array_equal(mask_in(page), drawn)
    page.keyboard.press("Shift+R")
    until(lambda: np.array_equal(mask_in(page), base))
    assert page.evaluate("Array.from(carmask.view.mask.toRuns())") == shown


def test_what_is_drawn_while_a_mask_is_stored_is_not_taken_for_stored(reviewing, open_page, monkeypatch):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    decide, go_on = server.folder.decide, threading.Event()

    def slow(*args, **words):
        go_on.wait(30)
        return decide(*args, **words)

    monkeypatch.setattr(server.folder, "decide", slow)
    stroke(page, [(20, 20), (60, 20)])
    first = mask_in(page)
    page.keyboard.press("Control+s")
    page.keyboard.press("Control+s")  # the second has nothing to do, and is no conflict with the first
    stroke(page, [(20, 140), (60, 140)])
    second = mask_in(page)
    assert (first != second).any()
    go_on.set()
    until(lambda: "corrected by Anna" in page.inner_text("#more"))
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), first)
    assert page.is_visible("#unsaved")
    page.keyboard.press("Enter")
    until(lambda: np.array_equal(read_mask(server.out / "car_03_mask.png"), second))
    assert [one.decision for one in server.folder.store.history("car_03")] == ["corrected", "corrected"]


def test_a_mask_that_is_stored_and_not_rendered_is_not_said_to_be_lost(reviewing, open_page, monkeypatch):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, expect=(429,))
    choose(page, "car_03")
    stroke(page, [(20, 20), (60, 20)])
    drawn = mask_in(page)

    def busy(*_):
        raise BusyError(3)

    monkeypatch.setattr(Folder, "render", busy)
    page.keyboard.press("Control+s")
    page.wait_for_selector("text=car_03: saved, but not rendered again")
    assert not page.is_visible("#unsaved")
    monkeypatch.undo()
    page.keyboard.press("Control+s")
    page.wait_for_selector("text=Saved, and rendered again.")
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), drawn)


def test_what_is_drawn_while_the_server_is_away_is_neither_lost_nor_said_to_be(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, expect=("ERR_INTERNET_DISCONNECTED",))
    choose(page, "car_03")
    base = mask_in(page)
    until(lambda: page.evaluate("performance.getEntriesByName('carmask-open').length") >= 1)
    page.wait_for_load_state("networkidle")  # the next photo is there, too
    page.context.set_offline(True)
    stroke(page, [(20, 20), (60, 20)])
    drawn = mask_in(page)
    assert (drawn != base).any()
    page.keyboard.press("Control+s")
    page.wait_for_selector("text=car_03: not saved")
    page.keyboard.press("n")
    until(lambda: page.inner_text("#name") != "car_03")
    page.click("#photos button[title='car_03']")
    page.context.set_offline(False)
    until(lambda: server.folder.store.draft("car_03", "Anna") is not None)
    choose(page, "car_03")
    until(lambda: np.array_equal(mask_in(page), drawn))
    page.keyboard.press("Control+s")
    until(lambda: "corrected by Anna" in page.inner_text("#more"))
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), drawn)
    assert page.locator(".toast.bad").count() == 0


def test_enter_pressed_twice_accepts_one_photo(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True), below=2)
    page = open_page(server.url)
    names = [button.get_attribute("title") for button in page.locator("#photos button").all()]
    page.evaluate("""() => { for (let count = 0; count < 3; count++)
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true })); }""")
    until(lambda: page.inner_text("#name") == names[1])
    until(lambda: len(server.folder.decided()) == 1)
    page.wait_for_timeout(300)
    assert not page.is_visible("#conflict")
    assert [one.decision for one in server.folder.store.history(names[0])] == ["accepted"]


def test_enter_accepts_a_photo_that_was_chosen_from_the_list(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True), below=2)
    page = open_page(server.url)
    names = [button.get_attribute("title") for button in page.locator("#photos button").all()]
    page.click(f"#photos button[title='{names[2]}']")
    until(lambda: page.inner_text("#name") == names[2])
    page.keyboard.press("Enter")
    until(lambda: page.inner_text("#name") == names[3])
    until(lambda: list(server.folder.decided()) == [names[2]])


def test_a_photo_that_cannot_be_read_is_said_and_passed(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, expect=(422,))
    choose(page, "car_06")
    stroke(page, [(20, 20), (60, 20)])
    page.click("#photos button[title='broken']")
    until(lambda: page.inner_text("#name") == "broken")
    assert page.inner_text("#empty") == "broken: not an image that can be read"
    assert page.is_hidden("#views")
    for control in ("accept", "save", "reject", "undo", "before", "band"):
        assert page.is_disabled(f"#{control}")
    for key in ("Control+z", "u", "u", "q", "Enter", "x", "Shift+R", "8", "6", "1"):
        page.keyboard.press(key)
    page.keyboard.press("p")
    until(lambda: page.inner_text("#name") not in {"broken", ""})
    assert page.locator("#photos [aria-current=true]").get_attribute("title") == page.inner_text("#name")


def test_the_photo_keeps_its_place_when_the_first_stroke_is_drawn(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url, size=(900, 800))
    page.click("#drawer")
    choose(page, "car_03")
    place = page.evaluate("[carmask.view.scale, carmask.view.x, carmask.view.y]")
    stroke(page, [(20, 20), (60, 20)])
    page.keyboard.press("Control+s")
    until(lambda: "corrected by Anna" in page.inner_text("#more"))
    assert page.evaluate("[carmask.view.scale, carmask.view.x, carmask.view.y]") == place


def test_the_list_by_arrow_keys_and_without_photos(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_01")
    page.keyboard.press("/")
    page.keyboard.press("Tab")  # one photo of the list is reached: the one that is open
    assert page.evaluate("document.activeElement.title") == "car_01"
    titles = [button.get_attribute("title") for button in page.locator("#photos button").all()]
    beside = titles[titles.index("car_01") + (-1 if titles[-1] == "car_01" else 1)]
    page.keyboard.press("ArrowUp" if titles[-1] == "car_01" else "ArrowDown")
    page.keyboard.press("Enter")
    until(lambda: page.inner_text("#name") == beside)
    page.fill("#search", "zebra")
    until(lambda: "zebra" in page.inner_text("#photos"))
    page.fill("#search", "")
    page.select_option("#filter", "rejected")
    until(lambda: page.inner_text("#photos") == "No photo in this list.")


def test_going_on_through_a_list_longer_than_a_page(reviewing, open_page):
    """Photos that are passed over stay where they are; the next ones follow all the same."""
    server = reviewing(OutputSpec(mask=True), below=2)
    page = open_page(server.url)
    page.route("**/queue?*", lambda route: route.continue_(url=route.request.url.replace("limit=50", "limit=2")))
    page.reload()
    page.wait_for_selector("body[data-shown]")
    until(lambda: page.locator("#photos button").count() == 2)
    seen = [page.inner_text("#name")]
    for key in ("n", "Enter", "n", "n", "n"):
        page.keyboard.press(key)
        until(lambda: page.inner_text("#name") != seen[-1])
        seen.append(page.inner_text("#name"))
    assert len(set(seen)) == 6
    page.keyboard.press("n")
    until(lambda: "5 are still to look at" in page.inner_text("#toasts"))
