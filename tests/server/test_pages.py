"""The pages in a browser, Debian's Chromium, as a person uses them: by mouse, by keys alone, by finger."""

from __future__ import annotations

import io
import shutil
import time

import httpx
import numpy as np
import pytest
from PIL import Image

from carmask.batch.outputs import OutputSpec
from carmask.compositing.background import Background
from carmask.images import read_mask
from carmask.review import runs
from tests.conftest import draw_photo

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SIZE = (160, 240)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open pages that may say nothing on the console but what is expected; each a person of their own."""
    said, contexts = [], []

    def go(url, *, author="Anna", size=(1280, 800), wait="body[data-shown]", expect=(), **more):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **more)
        contexts.append(context)
        if author:
            context.add_init_script(f"localStorage.setItem('carmask-author', '{author}')")
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.expected = expect
        page.goto(url)
        page.wait_for_selector(wait)
        return page

    yield go
    for context in contexts:
        context.close()
    unexpected = [text for text in said if "status of 409" not in text]
    assert unexpected == []


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
    assert "not saved yet" in again.inner_text("#more")
    assert server.folder.store.current("car_03") is None


def test_a_photo_that_was_replaced_is_said_and_locked(reviewing, open_page):
    server = reviewing(OutputSpec(mask=True))
    Image.fromarray(draw_photo(42, SIZE)).save(server.photos / "car_03.jpg", quality=95)
    page = open_page(server.url)
    choose(page, "car_03")
    assert "replaced since it was cut" in page.inner_text("#note")
    assert page.is_disabled("#accept")


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


# ---- the start page


def test_photos_dropped_on_the_start_page(serving, open_page):
    server = serving()
    page = open_page(server.url, wait="#drop")
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(3, SIZE)).save(buffer, "JPEG", quality=95)
    page.check("input[name=background][value=white]", force=True)
    drop = """([content, names]) => {
        const files = new DataTransfer();
        for (const name of names) files.items.add(new File([new Uint8Array(content)], name, { type: 'image/jpeg' }));
        document.getElementById('drop').dispatchEvent(
            new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, [list(buffer.getvalue()), ["one.jpg", "two.jpg"]])
    page.wait_for_selector("body[data-done]")
    assert page.locator("#tiles button").count() == 2
    job = page.evaluate("document.body.dataset.done")
    expected = httpx.post(
        server.url + "/v1/cut", files={"image": buffer.getvalue()}, data={"background": "white"}
    ).content
    assert server.client.get(f"/v1/jobs/{job}/photos/1/output/0").content == expected

    page.click("#tiles button >> nth=0")
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("End")
    assert page.locator("#slider").input_value() == "100"
    with page.expect_download() as download:
        page.click("#viewer-download")
    assert download.value.suggested_filename == "one.png"
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.click("#zip")
    assert download.value.suggested_filename.endswith(".zip")

    page.reload()  # the job is still there
    page.wait_for_selector("body[data-done]")
    page.select_option("select[name=format]", "webp")
    page.click("#again")
    page.wait_for_selector("body[data-done]")
    until(lambda: server.client.get(f"/v1/jobs/{job}/photos/1/output/0").headers["content-type"] == "image/webp")

    page.click("#review")
    page.wait_for_selector("body[data-shown]")
    assert page.inner_text("#name") in {"one", "two"}


def test_the_other_pages(serving, open_page):
    server = serving()
    page = open_page(server.url + "/docs", wait="#api section")
    assert "POST /v1/cut" in page.inner_text("#api")
    page.goto(server.url + "/keys")
    assert page.locator("#keys kbd").count() > 40
    page.goto(server.url)
    for file in ("not a photo.txt",):
        page.set_input_files("#files", {"name": file, "mimeType": "text/plain", "buffer": b"hello"})
    page.wait_for_selector(".toast.bad")
    assert "no photos" in page.inner_text("#toasts")
