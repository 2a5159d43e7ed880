"""The review page in a browser: look, paint, undo, save, by mouse and by keys alone."""

from __future__ import annotations

import numpy as np
from PIL import Image

from carmask.batch.outputs import OutputSpec
from carmask.compositing.background import Background
from carmask.images import read_mask
from tests.server.browsing import at, choose, mask_in, stroke, until


def test_open_filter_paint_undo_save_reload(reviewing, open_page):
    server = reviewing(OutputSpec(layers=True, background=Background.parse("#204060")))
    page = open_page(server.url)
    page.select_option("#filter", "failed")
    until(lambda: page.locator("#photos button").count() == 1)
    shown = choose(page, "car_03")
    before = mask_in(page)
    np.testing.assert_array_equal(before, read_mask(server.out / "car_03_mask.png"))

    page.keyboard.press("b")
    page.evaluate("carmask.tools.radius = 10")
    stroke(page, [(30, 130), (120, 130)])
    painted = mask_in(page)
    rows, columns = np.mgrid[0:160, 0:240] + 0.5
    away = np.hypot(columns - columns.clip(30, 120), rows - 130)
    assert painted[away < 9].all()
    np.testing.assert_array_equal(painted[away > 11], before[away > 11])

    page.keyboard.press("e")
    stroke(page, [(75, 120), (75, 140)])
    erased = mask_in(page)
    assert not erased[122:138, 70:80].any()
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(mask_in(page), painted)
    page.keyboard.press("Control+z")
    np.testing.assert_array_equal(mask_in(page), before)
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+Shift+z")
    np.testing.assert_array_equal(mask_in(page), erased)

    page.keyboard.press("Control+s")
    until(lambda: "corrected by Anna" in page.inner_text("#more"))
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), erased)
    picture = np.asarray(Image.open(server.out / "car_03.png"))
    photo = np.asarray(Image.open(server.photos / "car_03.jpg"))
    inside = away < 5
    inside[116:144, 62:88] = False
    np.testing.assert_array_equal(picture[inside], photo[inside])
    assert (picture[126:134, 73:77] == (0x20, 0x40, 0x60)).all()

    page.reload()
    page.wait_for_selector(f"body[data-shown='{shown}']")
    np.testing.assert_array_equal(mask_in(page), erased)
    assert "corrected by Anna" in page.inner_text("#more")


def test_snap_puts_the_contour_on_the_edge(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    true = np.asarray(Image.open(server.photos / "car_03.jpg")).mean(axis=2) < 115
    rows, columns = np.nonzero(true)
    top, bottom, right = int(rows.min()), int(rows.max()) + 1, int(columns.max()) + 1
    # A bite out of the right side.
    page.keyboard.press("e")
    page.evaluate("carmask.tools.radius = 14")
    stroke(page, [(right, top + 14), (right, bottom - 14)])
    bitten = mask_in(page)
    page.keyboard.press("s")
    page.evaluate("carmask.tools.radius = 8")
    middle = (top + bottom) / 2
    corners = [(right - 2, top + 1), (right + 2, middle), (right - 1, bottom - 1)]
    stroke(page, [(right - 18, top - 2), *corners, (right - 18, bottom + 2)])
    until(lambda: not np.array_equal(mask_in(page), bitten))
    snapped = mask_in(page)

    def dice(mask):
        return 2 * (mask & true).sum() / (mask.sum() + true.sum())

    assert dice(snapped) > 0.97
    assert dice(snapped) > 1 - (1 - dice(bitten)) / 2


def test_lasso_fill_and_remove(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    page = open_page(server.url)
    choose(page, "car_03")
    before = mask_in(page)
    corners = [(190, 110), (230, 110), (230, 150), (190, 150)]
    page.keyboard.press("l")
    stroke(page, corners, steps=2)
    assert mask_in(page)[112:148, 192:228].all()
    page.keyboard.press("k")
    stroke(page, [(200, 120), (220, 120), (220, 140), (200, 140)], steps=2)
    assert not mask_in(page)[122:138, 202:218].any()
    page.keyboard.press("f")
    page.mouse.click(*at(page, 210, 130))
    until(lambda: mask_in(page)[112:148, 192:228].all())
    page.keyboard.press("c")
    page.mouse.click(*at(page, 210, 130))
    until(lambda: not mask_in(page)[112:148, 192:228].any())
    for _ in range(4):
        page.keyboard.press("Control+z")
    np.testing.assert_array_equal(mask_in(page), before)


def test_by_keys_alone(reviewing, open_page):
    """Look through all, reject one, draw with the arrow keys, and accept: no mouse."""
    server = reviewing(OutputSpec(mask=True), below=2)
    page = open_page(server.url)
    names = []

    def go_on(key):
        name = page.inner_text("#name")
        names.append(name)
        page.keyboard.press(key)
        until(lambda: page.inner_text("#name") != name)

    assert page.inner_text("#progress") == "0 of 6 looked at"
    go_on("Enter")
    page.keyboard.press("x")
    page.wait_for_selector("#rejecting[open]")
    page.keyboard.press("2")
    go_on("Enter")
    # A stroke: the pointer begins in the middle of the stage.
    page.keyboard.press("b")
    before = mask_in(page)
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert (mask_in(page) & ~before).sum() > 100
    page.keyboard.press("3")
    page.keyboard.press("u")
    page.keyboard.press("+")
    page.keyboard.press("0")
    go_on("Enter")
    go_on("n")
    page.keyboard.press("p")
    until(lambda: page.inner_text("#name") == names[3])
    for _ in range(2):
        go_on("Enter")
    page.keyboard.press("Enter")
    until(lambda: page.inner_text("#progress") == "6 of 6 looked at")
    decided = {name: one.decision for name, one in server.folder.decided().items()}
    assert [decided.pop(one) for one in names[:3]] == ["accepted", "rejected", "corrected"]
    assert set(decided.values()) == {"accepted"}
    assert len(decided) == 3
    assert server.folder.store.current(names[1]).reason == "Several cars"
