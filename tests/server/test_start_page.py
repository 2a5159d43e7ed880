"""The start page in a browser: photos that are dropped on it, jobs, and the other pages."""

from __future__ import annotations

import io

import httpx
from PIL import Image

from carmask.images import suffixes
from tests.conftest import draw_photo
from tests.server.browsing import SIZE, until


def drop(page, files):
    code = """(given) => {
        const files = new DataTransfer();
        for (const [name, content] of given) {
            const type = name.endsWith('.jpg') ? 'image/jpeg' : name.endsWith('.CR2') ? 'image/x-canon-cr2' : '';
            files.items.add(new File([new Uint8Array(content)], name, { type }));
        }
        document.getElementById('drop').dispatchEvent(
            new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(code, [[name, list(content)] for name, content in files.items()])


def test_photos_dropped_on_the_start_page(serving, open_page):
    server = serving()
    page = open_page(server.url, wait="#drop")
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(3, SIZE)).save(buffer, "JPEG", quality=95)
    page.check("input[name=background][value=white]", force=True)
    drop(page, {name: buffer.getvalue() for name in ("one.jpg", "two.jpg")})
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
    page.click("#accept")
    until(lambda: "accepted" in {one["decision"] for one in server.client.get(f"/v1/jobs/{job}").json()["photos"]})
    page.click("#home")
    page.wait_for_selector("body[data-done]")
    assert page.locator("#tiles .badge.accepted").count() == 1  # and it is no longer one to look at
    shown = [one["review"] for one in server.client.get(f"/v1/jobs/{job}").json()["photos"] if one["decision"]]
    assert shown == [False]

    page.click("#delete")
    page.click("#deleting button[data-close]")
    assert server.client.get(f"/v1/jobs/{job}").status_code == 200
    page.click("#delete")
    page.click("#deleting button.primary")
    until(lambda: server.client.get(f"/v1/jobs/{job}").status_code == 404)


def test_what_is_rendered_again_is_shown_in_place_of_what_was(serving, open_page):
    """In the same format: a browser keeps pictures by their address."""
    server = serving()
    page = open_page(server.url, wait="#drop")
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(3, SIZE)).save(buffer, "PNG")
    page.set_input_files("#files", {"name": "car.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    page.wait_for_selector("body[data-done]")
    corner = """() => {
        const picture = document.querySelector("#tiles img"), context = new OffscreenCanvas(1, 1).getContext("2d");
        if (!picture?.complete || !picture.naturalWidth) return null;
        context.drawImage(picture, 0, 0);
        return [...context.getImageData(0, 0, 1, 1).data];
    }"""
    until(lambda: page.evaluate(corner) == [0, 0, 0, 0])
    page.check("input[name=background][value=white]", force=True)
    page.click("#again")
    until(lambda: page.evaluate(corner) == [255, 255, 255, 255])


def test_a_job_that_is_opened_again_has_its_background_picture(serving, open_page):
    server = serving()
    page = open_page(server.url, wait="#drop")
    car, hall = io.BytesIO(), io.BytesIO()
    Image.fromarray(draw_photo(3, SIZE)).save(car, "PNG")
    Image.new("RGB", SIZE[::-1], (200, 30, 40)).save(hall, "PNG")
    with page.expect_file_chooser() as chooser:
        page.click("input[name=background][value=picture]")
    chooser.value.set_files({"name": "hall.png", "mimeType": "image/png", "buffer": hall.getvalue()})
    page.set_input_files("#files", {"name": "car.png", "mimeType": "image/png", "buffer": car.getvalue()})
    page.wait_for_selector("body[data-done]")
    job = page.evaluate("document.body.dataset.done")

    page.goto(server.url)  # and by the list of earlier jobs, and with the browser's way back
    page.reload()
    page.click("#jobs a")
    page.wait_for_selector(f"body[data-done='{job}']")
    page.go_back()
    page.wait_for_selector("#jobs a")
    assert page.locator("#tiles button").count() == 0
    page.go_forward()
    page.wait_for_selector(f"body[data-done='{job}']")

    assert page.locator("input[name=background]:checked").get_attribute("value") == "picture"
    page.select_option("select[name=format]", "jpg")
    page.click("#again")
    until(lambda: server.client.get(f"/v1/jobs/{job}/photos/1/output/0").headers["content-type"] == "image/jpeg")
    made = Image.open(io.BytesIO(server.client.get(f"/v1/jobs/{job}/photos/1/output/0").content))
    assert all(abs(got - want) < 8 for got, want in zip(made.getpixel((1, 1)), (200, 30, 40), strict=True))
    page.set_input_files("#files", {"name": "car.png", "mimeType": "image/png", "buffer": car.getvalue()})
    page.wait_for_selector(".toast.bad")
    assert len(server.client.get("/v1/jobs").json()["jobs"]) == 1


def test_photos_of_which_none_could_be_sent_leave_no_job(serving, open_page):
    server = serving()
    page = open_page(server.url, wait="#drop", expect=(422,))
    page.set_input_files("#files", {"name": "car.jpg", "mimeType": "image/jpeg", "buffer": b"no photo"})
    until(lambda: "not a JPEG" in page.inner_text("#refused"))
    until(lambda: server.client.get("/v1/jobs").json()["jobs"] == [])
    assert page.inner_text("#status") == "No photo could be sent."
    assert "a day" in page.inner_text("#kept")


def test_files_that_are_not_taken_are_named_with_the_reason_and_the_others_are_done(serving, open_page):
    server = serving()
    page = open_page(server.url, wait="#drop", expect=(422,))
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(3, SIZE)).save(buffer, "JPEG")
    others = {"IMG_2.CR2": b"II*\0", "IMG_1.nef": b"MM\0*", "empty.jpg": b"", "invoice.pdf": b"%PDF", "notes": b"x"}
    lines = [
        "empty.jpg: the file is empty",
        "IMG_1.nef, IMG_2.CR2: a camera's raw file; export it as JPEG or TIFF",
        "invoice.pdf: a document of an editor; export it as JPEG, PNG or TIFF",
        "notes: not a picture",
    ]
    drop(page, {**others, ".DS_Store": b"x"})
    page.wait_for_selector(".toast.bad")
    assert page.inner_text("#refused").splitlines() == ["5 of 5 files were not taken:", *lines]
    photos = {"front.jpg": buffer.getvalue(), "rear.mpo": buffer.getvalue(), "bad.jpg": b"no photo"}
    drop(page, {**others, **photos, "Thumbs.db": b"x"})
    page.wait_for_selector("body[data-done]")
    assert page.inner_text("#status").startswith("2 of 2 photos done")
    said = page.inner_text("#refused").splitlines()
    assert said[:5] == ["6 of 8 files were not taken:", *lines]
    assert said[5].startswith("bad.jpg: not a JPEG")
    assert page.inner_text("#toasts") == ""


def test_the_page_says_of_a_name_what_the_command_line_says(serving, open_page):
    page = open_page(serving().url, wait="#drop")
    names = [f"a{suffix}" for suffix in (*suffixes._REASONS, ".txt", ".JPG", ".hif", "")]
    ask = """async (names) => {
        const { whyNot } = await import('/static/taking.js');
        return names.map((name) => whyNot({ name, size: 1, type: '' }));
    }"""
    assert page.evaluate(ask, names) == [suffixes.why_left_out(name) for name in names]


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
