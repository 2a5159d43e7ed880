"""What a hand does on the pages, in a browser: what the tests of the pages share."""

from __future__ import annotations

import time

import numpy as np

from carmask.review import runs

SIZE = (160, 240)


def at(page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the photo lies on the screen."""
    box = page.locator("#overlay").bounding_box()
    left, top = page.evaluate("([x, y]) => carmask.view.toStage(x, y)", [x, y])
    return box["x"] + left, box["y"] + top


def stroke(page, points, steps=6):
    places = [at(page, x, y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


def mask_in(page) -> np.ndarray:
    found = page.evaluate("Array.from(carmask.view.mask.toRuns())")
    return runs.from_bytes(bytes(found), SIZE)


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def choose(page, name):
    page.select_option("#filter", "all")
    page.click(f"#photos button[title='{name}']")
    shown = page.locator(f"#photos button[title='{name}']").get_attribute("data-id")
    page.wait_for_selector(f"body[data-shown='{shown}']")
    until(lambda: page.inner_text("#name") == name)
    return shown
