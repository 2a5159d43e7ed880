"""The start page in a browser: photos that are dropped on it, jobs, and the other pages."""

from __future__ import annotations

import io

import httpx
from PIL import Image

from tests.conftest import draw_photo
from tests.server.browsing import SIZE, until


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
