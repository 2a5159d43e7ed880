"""Jobs of many photos: progress, results, limits."""

from __future__ import annotations

import io
import pickle
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from carmask.batch.job import Result
from carmask.errors import OutputError
from carmask.review import runs
from carmask.server import job_threads, jobs_api
from carmask.server.jobs import Jobs
from carmask.server.limits import Limits
from carmask.server.pool_engine import PoolEngine
from carmask.server.requests import Render
from tests.conftest import draw_photo
from tests.server.job_requests import events, first_options, photo_bytes, send, wait_until


def test_a_job_runs_and_says_how_far_it_is(serving):
    client = serving().client
    job = send(client, background="white")
    found = events(client, job)
    assert [kind for _, kind, _ in found] == ["total", "photo", "photo", "photo", "photo", "end"]
    assert sorted(data["title"] for _, kind, data in found if kind == "photo") == [f"car {n}.jpg" for n in range(4)]
    described = client.get(f"/v1/jobs/{job}").json()
    assert (described["state"], described["done"], described["failed"]) == ("done", 4, 0)
    assert described["options"] == {"background": "white"}
    single = client.post("/v1/cut", files={"image": photo_bytes(2)}, data={"background": "white"}).content
    assert client.get(f"/v1/jobs/{job}/photos/3/output/0").content == single
    thumb = Image.open(io.BytesIO(client.get(f"/v1/jobs/{job}/photos/3/image?side=64").content))
    assert max(thumb.size) == 64
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{job}/zip").content))
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == [f"car {n}.png" for n in range(4)]
    assert archive.read("car 2.png") == single
    assert [one["id"] for one in client.get("/v1/jobs").json()["jobs"]] == [job]


def test_a_background_picture_is_kept_for_other_options(serving):
    """Rendered again in another format, a job has the picture that was sent for it before, if that is asked for."""
    client = serving().client
    behind = photo_bytes(9)
    files = [("photos", ("car.jpg", photo_bytes(1))), ("background_file", ("hall.jpg", behind))]
    job = client.post("/v1/jobs", files=files).json()["id"]
    events(client, job)
    assert client.get(f"/v1/jobs/{job}").json()["background_file"] is True
    assert client.post(f"/v1/jobs/{job}/start", data={"format": "jpg", "keep_background": "True"}).status_code == 202
    events(client, job)
    sent = {"image": photo_bytes(1), "background_file": behind}
    single = client.post("/v1/cut", files=sent, data={"format": "jpg"}).content
    assert client.get(f"/v1/jobs/{job}/photos/1/output/0").content == single
    unclear = client.post(f"/v1/jobs/{job}/start", data={"format": "webp", "keep_background": "maybe"})
    assert (unclear.status_code, unclear.json()) == (400, {"error": "keep_background: give true or false"})
    # Without it the picture is gone, as before.
    assert client.post(f"/v1/jobs/{job}/start", data={"background": "white"}).status_code == 202
    events(client, job)
    assert client.get(f"/v1/jobs/{job}").json()["background_file"] is False
    refused = client.post(f"/v1/jobs/{job}/start", data={"format": "jpg", "keep_background": "true"})
    assert refused.json()["error"].startswith("format: JPEG has no transparency")


def test_a_large_background_picture_is_not_sent_to_the_workers_with_each_photo(serving, pool, monkeypatch):
    sent, work = [], pool.work

    def noted(request):
        sent.append(request)
        return work(request)

    monkeypatch.setattr(pool, "work", noted)
    client = serving().client
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(9, (700, 1000))).save(buffer, "PNG")
    photos = [("photos", (f"{seed}.jpg", photo_bytes(seed))) for seed in range(3)]
    job = client.post("/v1/jobs", files=[*photos, ("background_file", ("hall.png", buffer.getvalue()))]).json()["id"]
    events(client, job)
    renders = [request for request in sent if isinstance(request, Render)]
    assert len(renders) == 3
    assert max(len(pickle.dumps(request)) for request in renders) < 10_000
    single = client.post("/v1/cut", files={"image": photo_bytes(2), "background_file": buffer.getvalue()}).content
    assert client.get(f"/v1/jobs/{job}/photos/3/output/0").content == single
    wait_until(lambda: not any(request.spec.pixels.exists() for request in renders))


def test_a_file_that_was_made_is_shown_small(serving):
    client = serving().client
    job = send(client)
    events(client, job)
    address = f"/v1/jobs/{job}/photos/1/output/0"
    whole = Image.open(io.BytesIO(client.get(address).content))
    found = client.get(f"{address}?side=64")
    small = Image.open(io.BytesIO(found.content))
    assert (found.headers["content-type"], small.format, small.mode) == ("image/webp", "WEBP", "RGBA")
    assert max(small.size) == 64
    assert len(found.content) < 10_000
    shrunk = np.asarray(whole.resize(small.size, Image.Resampling.BOX)).astype(float)
    seen = shrunk[..., 3] > 250
    assert np.abs(np.asarray(small)[seen] - shrunk[seen]).mean() < 6
    assert client.get(f"{address}?side=9").status_code == 400


def test_a_client_that_comes_back_gets_what_it_has_not_seen(serving):
    client = serving().client
    job = send(client)
    whole = events(client, job)
    last = whole[2][0]  # two photos were seen
    rest = events(client, job, {"last-event-id": last})
    assert [data["number"] for _, kind, data in rest if kind == "photo"] == [
        data["number"] for _, kind, data in whole[3:] if kind == "photo"
    ]
    # The number of an earlier server means nothing to this one.
    assert len(events(client, job, {"last-event-id": "00000000-2"})) == len(whole)


def test_photos_one_by_one_and_options_changed_later(serving):
    client = serving().client
    job = client.post("/v1/jobs", data={"format": "png"}).json()["id"]
    assert client.post(f"/v1/jobs/{job}/start").status_code == 400
    for number in range(2):
        answer = client.post(f"/v1/jobs/{job}/photos", files={"photo": (f"{number}.jpg", photo_bytes(number))})
        assert answer.json()["number"] == number + 1
    assert client.post(f"/v1/jobs/{job}/photos", files={"photo": ("x.jpg", b"no photo")}).status_code == 422
    client.post(f"/v1/jobs/{job}/start")
    events(client, job)
    first = client.get(f"/v1/jobs/{job}/photos/1/output/0")
    assert first.headers["content-type"] == "image/png"
    client.post(f"/v1/jobs/{job}/start", data={"background": "black", "format": "jpg"})
    events(client, job)
    second = client.get(f"/v1/jobs/{job}/photos/1/output/0")
    assert second.headers["content-type"] == "image/jpeg"


def test_a_correction_outlives_other_options(serving):
    client = serving().client
    job = send(client, 2)
    events(client, job)
    api = f"/api/folders/{job}"
    item = client.get(f"{api}/queue", params={"filter": "all"}).json()["items"][0]
    assert item["name"].startswith("car ")
    mask = np.zeros((128, 192), np.bool_)
    mask[30:90, 40:150] = True
    query = {"decision": "corrected", "revision": 0, "author": "Anna"}
    answer = client.post(f"{api}/photos/{item['id']}/decision", params=query, content=runs.to_bytes(mask))
    assert answer.status_code == 200
    client.post(f"/v1/jobs/{job}/start", data={"background": "#00ff00"})
    events(client, job)
    number = next(p["number"] for p in client.get(f"/v1/jobs/{job}").json()["photos"] if p["id"] == item["id"])
    made = np.asarray(Image.open(io.BytesIO(client.get(f"/v1/jobs/{job}/photos/{number}/output/0").content)))
    green = (made == (0, 255, 0)).all(axis=2)
    assert green[:24].all()
    assert not green[36:84, 46:144].any()


def test_a_bad_photo_is_said_and_the_others_go_on(serving):
    client = serving().client
    good, broken = photo_bytes(1), photo_bytes(2)[:600]
    files = [("photos", ("good.jpg", good)), ("photos", ("broken.jpg", broken)), ("photos", ("text.jpg", b"hello"))]
    answer = client.post("/v1/jobs", files=files).json()
    assert [one["title"] for one in answer["refused"]] == ["text.jpg"]
    found = {data["title"]: data for _, kind, data in events(client, answer["id"]) if kind == "photo"}
    assert found["good.jpg"]["status"] == "done"
    assert found["broken.jpg"]["status"] == "failed"
    assert found["broken.jpg"]["reason"].startswith("broken.jpg: ")


def test_a_job_that_is_not_done_has_nothing_to_mend_and_says_why(serving, monkeypatch):
    server = serving()
    job = server.client.post("/v1/jobs", data={}).json()["id"]
    assert "is not done yet" in server.client.get(f"/api/folders/{job}").json()["error"]

    def full(*_, **__):
        raise OutputError("the server's disk space is used up")

    monkeypatch.setattr(server.jobs, "_cut", full)
    server.jobs.add(job, "a.jpg", photo_bytes(1))
    server.jobs.start(job)
    wait_until(lambda: server.jobs.state(job) == "failed")
    assert "has failed; start it again" in server.client.get(f"/api/folders/{job}").json()["error"]


def test_a_stream_that_was_opened_before_the_job_began_has_all_its_photos(serving):
    """It ended without any."""
    client = serving().client
    job = client.post("/v1/jobs", data={}).json()["id"]
    with ThreadPoolExecutor(1) as threads:
        heard = threads.submit(events, client, job)
        time.sleep(0.3)
        for number in range(2):
            client.post(f"/v1/jobs/{job}/photos", files={"photo": (f"{number}.jpg", photo_bytes(number))})
        time.sleep(0.6)
        client.post(f"/v1/jobs/{job}/start")
        found = heard.result(30)
    kinds = [kind for _, kind, _ in found]
    assert (kinds[0], kinds[-2:]) == ("total", ["photo", "end"])
    assert sorted(data["title"] for _, kind, data in found if kind == "photo") == ["0.jpg", "1.jpg"]
    last = [event for event, kind, _ in found if kind == "photo"][-1]
    client.post(f"/v1/jobs/{job}/start", data={"background": "black"})
    assert len([1 for _, kind, _ in events(client, job, {"last-event-id": last}) if kind == "photo"]) == 2


def test_a_stream_of_a_job_that_is_deleted_ends_in_words(serving):
    client = serving().client
    job = client.post("/v1/jobs", data={}).json()["id"]
    with ThreadPoolExecutor(1) as threads:
        heard = threads.submit(events, client, job)
        time.sleep(0.3)
        client.delete(f"/v1/jobs/{job}")
        _, kind, data = heard.result(30)[-1]
    assert (kind, data["error"]) == ("end", "there is no such job; it may have been deleted")


def test_a_stream_of_a_job_that_is_not_started_ends_and_says_so(serving, monkeypatch):
    """It went on for ten minutes as if something were at work."""
    monkeypatch.setattr(jobs_api, "UNSTARTED", 1.5)
    client = serving().client
    job = client.post("/v1/jobs", data={}).json()["id"]
    started = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        heard = threads.submit(events, client, job)
        time.sleep(1)
        client.post(f"/v1/jobs/{job}/photos", files={"photo": ("a.jpg", photo_bytes(1))})  # somebody is at it
        found = heard.result(30)
    assert found[-1][1:] == ("end", {"state": "new", "error": "the job has not been started"})
    assert time.monotonic() - started > 2.4


def test_a_name_that_windows_has_for_a_device_is_another_one_in_the_archive(serving):
    client = serving().client
    titles = ["CON.jpg", "com1.front.jpg", "Aux .jpg", "console.jpg", "COM12.jpg", "nul"]
    job = client.post("/v1/jobs", files=[("photos", (title, photo_bytes(1))) for title in titles]).json()["id"]
    events(client, job)
    names = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{job}/zip").content)).namelist()
    assert names == ["_CON.png", "_com1.front.png", "_Aux.png", "console.png", "COM12.png", "_nul.png"]
    one = client.get(f"/v1/jobs/{job}/photos/1/output/0?download=1")
    assert '"_CON.png"' in one.headers["content-disposition"]


def test_a_file_that_goes_while_it_is_asked_for_is_not_found(serving, monkeypatch):
    """As when a job is deleted while a page loads its pictures: it was a fault of the server, with a traceback."""
    server = serving()
    job = send(server.client, 1)
    events(server.client, job)
    address = f"/v1/jobs/{job}/photos/1/output/0"
    assert server.client.get(address, headers={"range": "bytes=0-3"}).content == b"\x89PNG"
    whole = server.client.get(address)
    assert int(whole.headers["content-length"]) == len(whole.content)
    (file,) = server.jobs.outputs(job, server.jobs.photo(job, 1))
    file.unlink()
    monkeypatch.setattr(type(file), "is_file", lambda _: True)
    gone = server.client.get(address)
    assert (gone.status_code, gone.json()) == (404, {"error": "this file has been deleted"})


def test_long_names_stay_whole_up_to_what_a_file_may_be_called(serving):
    """Of names of more than 120 letters the beginning was cut off."""
    client = serving().client
    long, letters = "WDB1240301B123456 " + "view " * 30 + "front left", "車" * 90
    titles = [f"{long}.jpg", f"{letters}.jpg"]
    job = client.post("/v1/jobs", files=[("photos", (title, photo_bytes(1))) for title in titles]).json()["id"]
    assert [one["title"] for _, kind, one in events(client, job) if kind == "photo"] == titles
    names = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{job}/zip").content)).namelist()
    assert names == [f"{long}.png", "車" * 76 + ".png"]
    assert max(len(name.encode()) for name in names) < 255


def test_each_photo_has_a_name_of_its_own_in_the_archive(serving):
    """Also on systems that do not tell small letters from capital ones."""
    client = serving().client
    titles = ["3_a.jpg", "a.jpg", "a.jpg", "A.jpg"]
    job = client.post("/v1/jobs", files=[("photos", (title, photo_bytes(1))) for title in titles]).json()["id"]
    events(client, job)
    names = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{job}/zip").content)).namelist()
    assert names == ["3_a.png", "a.png", "3_3_a.png", "4_A.png"]


def test_hundreds_of_jobs_are_done_in_their_turn(pool, tiny_model, tmp_path, monkeypatch):
    """Each has files open: a server with some hundreds of them could not even start again."""
    under_way, most, lock = 0, 0, threading.Lock()
    cut = Jobs._cut

    def counted(self, job, progress):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        try:
            cut(self, job, progress)
        finally:
            with lock:
                under_way -= 1

    monkeypatch.setattr(Jobs, "_cut", counted)
    monkeypatch.setattr(job_threads, "AT_ONCE", 3)
    jobs = Jobs(tmp_path, pool, Limits(), model=str(tiny_model), review_below=0.98)
    made = [jobs.create(first_options(), None) for _ in range(9)]
    for job in made:
        jobs.add(job, "a.jpg", photo_bytes(1))
    for job in made:
        jobs.start(job)
    wait_until(lambda: all(jobs.state(job) == "done" for job in made))
    jobs.close()
    assert 1 <= most <= 3


def test_a_job_whose_photos_do_not_fit_is_not_kept_without_its_client_knowing(serving, photo_file):
    size = len(photo_file.read_bytes())
    client = serving(limits=Limits(state_bytes=int(1.5 * size))).client
    files = [("photos", (f"{number}.jpg", photo_file.read_bytes())) for number in range(2)]
    assert client.post("/v1/jobs", files=files).status_code == 507
    assert client.get("/v1/jobs").json()["jobs"] == []
    assert client.post("/v1/jobs", files=files[:1]).status_code == 202


def test_jobs_that_are_mended_stay_open_those_that_nobody_asks_for_are_closed(serving):
    server = serving()
    made = [send(server.client, 1) for _ in range(17)]
    for job in made:
        events(server.client, job)
    first = server.jobs.folder(made[0])
    for job in made[1:]:
        server.jobs.folder(job)
        assert server.jobs.folder(made[0]) is first
    first.store.close()
    with pytest.raises(OutputError, match="has been closed; nothing was stored"):
        first.decided()


def test_views_of_a_car_are_placed_alike(serving):
    client = serving().client
    files = [("photos", (f"audi_{number:02d}.jpg", photo_bytes(number))) for number in (1, 2)]
    job = client.post("/v1/jobs", files=files, data={"place": "turntable", "background": "white"}).json()["id"]
    states = [data["status"] for _, kind, data in events(client, job) if kind == "photo"]
    assert states == ["done", "done"]


def test_of_a_run_that_breaks_off_nothing_is_written_any_more(tmp_path):
    """Workers went on with its photos, in a folder that the next run of the job may have begun to write to."""
    from concurrent.futures import Future

    from carmask.batch.job import Job
    from carmask.batch.outputs import OutputSpec

    class Pool:
        workers = 2

        def __init__(self):
            self.futures = []

        def work(self, _):
            self.futures.append(Future())
            return self.futures[-1]

    workers = Pool()
    jobs = [Job(tmp_path / f"{name}.jpg", name, ()) for name in "abcd"]
    results = PoolEngine(workers, OutputSpec()).map(jobs)
    finisher = threading.Timer(0.2, lambda: workers.futures[0].set_result(Result("a.jpg", "done")))
    finisher.start()
    assert next(results)[0] is jobs[0]
    _, running, waiting = workers.futures
    running.set_running_or_notify_cancel()
    ended = threading.Thread(target=results.close, daemon=True)
    ended.start()
    ended.join(0.3)
    assert waiting.cancelled()
    assert ended.is_alive()  # one is being worked on
    running.set_result(Result("b.jpg", "done"))
    ended.join(5)
    assert not ended.is_alive()


def test_what_is_no_result_of_a_worker_is_a_failure(pool, tmp_path):
    from concurrent.futures import Future

    from carmask.batch.job import Job
    from carmask.batch.outputs import OutputSpec
    from carmask.server.worker_pool import LostError

    class Losing:
        workers = 1

        def work(self, _):
            future = Future()
            future.set_result(LostError("photo: given up after 1 s"))
            return future

    ((_, result),) = PoolEngine(Losing(), OutputSpec()).map([Job(tmp_path / "a.jpg", "a", ())])
    assert result == Result(str(tmp_path / "a.jpg"), "failed", "photo: given up after 1 s")
    assert pool.workers == 1
