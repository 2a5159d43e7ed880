"""The editor's page under hands that are quick, or that slip."""

from __future__ import annotations

import numpy as np

from carmask.batch.outputs import OutputSpec
from tests.server.browsing import at, choose, mask_in, stroke, until


def test_space_moves_the_photo_however_quickly_the_mouse_follows(reviewing, open_page):
    """No stroke is drawn, and none is begun when the key is let go."""
    page = open_page(reviewing(OutputSpec(mask=True)).url)
    choose(page, "car_03")
    page.click("#tools button[data-tool='eraser']")
    before, left = mask_in(page), page.evaluate("carmask.view.x")
    page.keyboard.down(" ")
    stroke(page, [(100, 60), (140, 90)])
    page.keyboard.up(" ")
    page.mouse.move(*at(page, 60, 60), steps=4)
    np.testing.assert_array_equal(mask_in(page), before)
    assert page.evaluate("carmask.view.x") > left
    assert page.evaluate("carmask.tools.stroke") is None
    # A key that is let go in another window is no longer held.
    page.keyboard.down(" ")
    page.keyboard.down(" ")
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    stroke(page, [(100, 60), (140, 90)])
    page.keyboard.up(" ")
    assert not np.array_equal(mask_in(page), before)


def test_after_a_tool_was_clicked_enter_accepts(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    page.click("#tools button[data-tool='snap']")
    page.click("#size")
    page.keyboard.press("Enter")
    until(lambda: "car_03" in server.folder.decided())


def test_nothing_is_drawn_where_the_mask_is_not_shown(reviewing, open_page):
    page = open_page(reviewing(OutputSpec(mask=True)).url)
    choose(page, "car_03")
    before = mask_in(page)
    for view, tool in (("8", "b"), ("8", "l"), ("7", "e")):
        page.keyboard.press(view)
        page.keyboard.press(tool)
        stroke(page, [(60, 40), (140, 40), (140, 100)])
        np.testing.assert_array_equal(mask_in(page), before)
        assert page.locator(".toast").all_inner_texts() == [
            "The mask is not shown in this view. Choose another view to draw."
        ]
    page.keyboard.press("1")
    stroke(page, [(60, 40), (140, 40), (140, 100)])
    assert not np.array_equal(mask_in(page), before)


def test_brackets_are_keys_wherever_the_keyboard_has_them(reviewing, open_page):
    """On a German keyboard they lie on Alt (Apple) or AltGr, which is Ctrl and Alt to some."""
    page = open_page(reviewing(OutputSpec(mask=True)).url)
    press = "(more) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {bubbles: true, ...more}))"
    size = int(page.input_value("#size"))
    page.evaluate(press, {"key": "]", "altKey": True})
    larger = int(page.input_value("#size"))
    assert larger > size
    page.evaluate(press, {"key": "]", "altKey": True, "ctrlKey": True})
    assert int(page.input_value("#size")) > larger
    page.evaluate(press, {"key": "{", "altKey": True})
    assert page.input_value("#hard") == "90"
    page.evaluate(press, {"key": "[", "metaKey": True})  # the browser's: back
    page.evaluate(press, {"key": "x", "altKey": True})
    assert int(page.input_value("#size")) > larger
    assert not page.is_visible("#rejecting")


def test_work_that_came_back_is_discarded_on_its_own_photo_alone(reviewing, open_page):
    """The offer goes with the photo, or when something is decided: it could do nothing any more."""
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    for leave in ("n", "Control+s"):
        choose(page, "car_03")
        stroke(page, [(20, 20), (60, 20)])
        until(lambda: server.folder.store.draft("car_03", "Anna") is not None)
        page.reload()
        page.wait_for_selector(".toast:has-text('Discard it')")
        page.keyboard.press(leave)
        page.wait_for_selector(".toast:has-text('Discard it')", state="detached", timeout=4000)


def test_taking_a_decision_back_loses_no_work(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    base = mask_in(page)
    stroke(page, [(20, 20), (60, 20)])
    drawn = mask_in(page)
    page.keyboard.press("Shift+X")
    page.wait_for_selector(".toast:has-text('Nothing has been decided')")
    np.testing.assert_array_equal(mask_in(page), drawn)
    assert "car_03" not in server.folder.decided()
    page.keyboard.press("Control+s")
    page.wait_for_selector(".toast:has-text('rendered again')")
    page.keyboard.press("Shift+X")
    until(lambda: np.array_equal(mask_in(page), base))
    page.wait_for_selector("#undo:enabled")
    assert "car_03" not in server.folder.decided()
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(mask_in(page), drawn)
    page.keyboard.press("Control+s")
    until(lambda: "car_03" in server.folder.decided())


def test_the_brush_is_as_large_as_a_large_photo_needs(reviewing, open_page):
    page = open_page(reviewing(OutputSpec(mask=True)).url)
    radius = lambda: page.evaluate("carmask.tools.radius")  # noqa: E731
    assert (radius(), page.inner_text("#size-text")) == (24, "24")
    page.evaluate("document.querySelector('#size').focus()")
    page.keyboard.press("End")
    assert (radius(), page.inner_text("#size-text")) == (400, "400")
    page.keyboard.press("Home")
    assert (radius(), page.get_attribute("#size", "aria-valuetext")) == (1, "1")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert radius() < 5
