"""The start page where something breaks off: cancelled, closed, dropped twice, a server that goes away."""

from __future__ import annotations

import io
import json
import threading

import pytest
from PIL import Image

from carmask.server.pool_engine import PoolEngine
from tests.conftest import draw_photo
from tests.server.browsing import SIZE, until
from tests.server.job_requests import events, photo_bytes, send


@pytest.fixture(scope="module")
def photo() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(3, SIZE)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def held(monkeypatch):
    """Photos are held back after the second one until the test lets them go."""
    go, whole = threading.Event(), PoolEngine.map

    def slowly(self, todo):
        for number, found in enumerate(whole(self, todo)):
            if number == 2:
                assert go.wait(60)
            yield found

    monkeypatch.setattr(PoolEngine, "map", slowly)
    yield go
    go.set()


def files(photo, *names):
    return [{"name": name, "mimeType": "image/jpeg", "buffer": photo} for name in names]


def held_back(page, address="**/v1/jobs/*/photos"):
    """Requests that wait until they are let go."""
    waiting = []
    page.route(address, lambda route: waiting.append(route))  # a method cannot be marked
    return waiting


def sending(page, photo, count):
    """Drop so many photos; the first three are held back on their way. Their requests."""
    waiting = held_back(page)
    page.set_input_files("#files", files(photo, *(f"{number}.jpg" for number in range(count))))
    until(lambda: page.evaluate("1") and len(waiting) == 3)
    return waiting


def test_a_running_job_is_cancelled_and_goes_on(serving, open_page, photo, held):
    server = serving()
    page = open_page(server.url, wait="#drop")
    assert page.locator("#cancel").is_hidden()
    page.set_input_files("#files", files(photo, *(f"{number}.jpg" for number in range(8))))
    page.wait_for_selector("#tiles li:nth-child(2)")
    page.click("#cancel")
    until(lambda: page.inner_text("#status").startswith("Cancelling: 2 of 8"))
    held.set()
    page.wait_for_selector("body[data-done]")
    done = page.locator("#tiles li").count()
    assert 3 <= done <= 6
    assert page.inner_text("#status").startswith(f"Cancelled: {done} of 8 photos done")
    assert page.inner_text("#said") == page.inner_text("#status")
    assert page.locator(".meter").get_attribute("aria-valuenow") == str(int(100 * done / 8 + 0.5))
    assert page.evaluate("document.activeElement.id") == "again"
    with page.expect_download() as download:
        page.click("#zip")
    assert download.value.suggested_filename.endswith(".zip")
    page.reload()
    page.wait_for_selector("body[data-done]")
    assert (page.inner_text("#again"), page.locator("#tiles li").count()) == ("Go on", done)
    page.click("#again")
    until(lambda: page.inner_text("#status").startswith("8 of 8 photos done"))
    until(lambda: page.locator("#cancel").is_hidden())  # the end comes after the last photo
    assert page.inner_text("#again") == "Render again"
    assert page.locator("#tiles li").count() == 8


def test_the_sending_is_cancelled_and_what_was_sent_can_be_started(serving, open_page, photo):
    server = serving()
    page = open_page(server.url, wait="#drop")
    waiting = sending(page, photo, 8)
    assert page.inner_text("#status") == "Sending 8 photos"
    page.click("#cancel")
    for route in waiting[:3]:
        route.continue_()
    until(lambda: page.inner_text("#status") == "Cancelled: 3 of 8 photos were sent.")
    page.unroute("**/v1/jobs/*/photos")
    page.reload()
    until(lambda: page.inner_text("#status") == "3 photos were sent, and not started.")
    assert page.locator("#delete").is_visible()
    page.click("#again:text('Start')")
    page.wait_for_selector("body[data-done]")
    assert page.locator("#tiles li").count() == 3


def test_photos_that_are_dropped_while_others_are_sent_do_not_get_among_them(serving, open_page, photo):
    """Those that were still to be sent went into the second job, and the first one was never started."""
    server = serving()
    page = open_page(server.url, wait="#drop")
    sending(page, photo, 5)
    page.set_input_files("#files", files(photo, "other.jpg"))
    until(lambda: "Photos are being sent" in page.inner_text("#toasts"))
    page.unroute("**/v1/jobs/*/photos")  # which lets them go, too
    page.wait_for_selector("body[data-done]")
    (job,) = server.client.get("/v1/jobs").json()["jobs"]
    assert (job["state"], job["photos"]) == ("done", 5)


def test_a_server_that_does_not_answer_while_photos_are_sent_gets_them_later(serving, open_page, photo):
    """They were listed as not taken."""
    page = open_page(serving().url, wait="#drop", expect=("ERR_CONNECTION_REFUSED", 503))
    refused = []

    def answer(route):
        refused.append(route)
        if len(refused) == 1:
            route.abort("connectionrefused")
        elif len(refused) == 2:
            route.fulfill(status=503, headers={"retry-after": "1"}, json={"error": "too many requests"})
        else:
            route.continue_()

    page.route("**/v1/jobs/*/photos", answer)
    page.set_input_files("#files", files(photo, "a.jpg", "b.jpg"))
    page.wait_for_selector("body[data-done]")
    assert page.inner_text("#status").startswith("2 of 2 photos done")
    assert page.locator("#refused").is_hidden()


def test_a_disk_that_fills_while_photos_are_sent_is_said_and_what_was_sent_can_be_started(serving, open_page, photo):
    page = open_page(serving().url, wait="#drop", expect=(507,))
    asked = []

    def answer(route):
        asked.append(route)
        if len(asked) == 3:
            route.fulfill(status=507, json={"error": "the server's disk space is used up"})
            asked[1].continue_()
        elif len(asked) != 2:
            route.continue_()

    page.route("**/v1/jobs/*/photos", answer)
    page.set_input_files("#files", files(photo, *(f"{number}.jpg" for number in range(8))))
    until(lambda: "disk space" in page.inner_text("#toasts"))
    sent = len(asked) - 1
    assert page.inner_text("#status") == f"{sent} of 8 photos were sent."
    page.click("#again:text('Start')")
    page.wait_for_selector("body[data-done]")
    assert page.locator("#tiles li").count() == sent


def test_a_photo_that_is_deleted_before_it_is_sent_is_said(serving, open_page, photo, tmp_path):
    page = open_page(serving().url, wait="#drop", expect=("Failed to load resource: net::ERR_",))
    waiting = held_back(page, "**/v1/jobs")
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in paths:
        path.write_bytes(photo)
    page.set_input_files("#files", paths)
    until(lambda: page.evaluate("1") and len(waiting) == 1)
    paths[0].unlink()
    waiting[0].continue_()
    page.wait_for_selector("body[data-done]")
    assert page.inner_text("#refused").splitlines()[1] == "a.jpg: it has been changed or deleted since it was chosen"
    assert page.inner_text("#status").startswith("1 of 1 photos done")


def test_a_server_that_is_started_again_shows_each_photo_once(serving, open_page):
    """It sends all of them again; the page showed those that it had twice."""
    server = serving()
    job = send(server.client, 3)
    real, asked = events(server.client, job), []

    def answer(route):
        asked.append(route.request.headers.get("last-event-id"))
        chosen = real[:3] if len(asked) == 1 else real
        run = f"{len(asked)}" * 8
        texts = [
            f"id: {run}-{number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
            for number, (_, kind, data) in enumerate(chosen)
        ]
        route.fulfill(body="retry: 100\n" + "".join(texts), content_type="text/event-stream")

    page = open_page(server.url, wait="#drop")
    page.route("**/events", answer)
    page.goto(f"{server.url}/#{job}")
    page.wait_for_selector("body[data-done]")
    until(lambda: page.evaluate("1") and len(asked) > 1)
    numbers = page.locator("#tiles li").evaluate_all("all => all.map((one) => one.dataset.number)")
    assert numbers == ["1", "2", "3"]


def test_a_job_that_is_started_in_another_tab_is_followed(serving, open_page, held):
    """The page said that it was running already, and went on showing that it was not."""
    server = serving()
    job = server.client.post("/v1/jobs").json()["id"]
    for number in range(4):
        server.client.post(f"/v1/jobs/{job}/photos", files={"photo": (f"{number}.jpg", photo_bytes(number))})
    page = open_page(f"{server.url}/#{job}", wait="#again:text('Start')", expect=(400,))
    assert page.inner_text("#status") == "4 photos were sent, and not started."
    server.client.post(f"/v1/jobs/{job}/start", data={"background": "white"})
    page.click("#again")
    page.wait_for_selector("#tiles li:nth-child(2)")
    assert page.inner_text("#toasts") == ""
    assert page.locator("input[name=background]:checked").get_attribute("value") == "white"
    held.set()
    page.wait_for_selector("body[data-done]")


def test_photos_stand_in_the_order_of_their_names(serving, open_page, photo):
    """Three are sent at once, and any may arrive first."""
    server = serving()
    titles = ["car_10.jpg", "car_2.jpg", "car_1.jpg"]
    job = server.client.post("/v1/jobs", files=[("photos", (title, photo)) for title in titles]).json()["id"]
    events(server.client, job)
    page = open_page(f"{server.url}/#{job}", wait="body[data-done]")
    assert page.locator("#tiles .name").all_inner_texts() == ["car_1.jpg", "car_2.jpg", "car_10.jpg"]
    page.click("#tiles button >> nth=0")
    page.keyboard.press("PageDown")
    assert page.inner_text("#viewer-title") == "car_2.jpg"
    assert page.locator("#slider").input_value() == "50"


def test_options_that_the_page_does_not_offer_stay_when_a_job_is_rendered_again(serving, open_page):
    server = serving()
    job = send(server.client, 1, background="#102030:#405060", shadow="make", light="left", format="jpg")
    events(server.client, job)
    page = open_page(f"{server.url}/#{job}", wait="body[data-done]")
    assert page.locator("input[name=background]:checked").get_attribute("value") == "#102030:#405060"
    page.select_option("select[name=format]", "webp")
    page.click("#again")
    page.wait_for_selector("body[data-done]")
    until(lambda: server.client.get(f"/v1/jobs/{job}").json()["state"] == "done")
    assert server.client.get(f"/v1/jobs/{job}").json()["options"] == {
        "background": "#102030:#405060",
        "shadow": "make",
        "light": "left",
        "format": "webp",
    }


def test_the_focus_is_seen_where_it_is(serving, open_page):
    page = open_page(serving().url, wait="#drop")
    ringed = """() => [...document.querySelectorAll(".choose label")].filter(
        (one) => getComputedStyle(one).outlineStyle !== "none").map((one) => one.htmlFor)"""
    for name in ("files", "folder"):
        for _ in range(100):
            if page.evaluate("document.activeElement.id") == name:
                break
            page.keyboard.press("Tab")
        assert page.evaluate(ringed) == [name]
    for _ in range(12):  # no stop at a field that is not seen
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('input[type=file]')") is False
