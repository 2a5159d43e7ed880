"""The editor's API, as its page uses it."""

from __future__ import annotations

import csv
import io
import os
import shutil
import struct
import threading

import numpy as np
import pytest
from PIL import Image

from carmask.batch.corrections import FILE, Correction, Corrections
from carmask.batch.names import STATE
from carmask.batch.outputs import OutputSpec
from carmask.compositing.background import Background
from carmask.errors import UsageError
from carmask.images import read_mask
from carmask.review import edits, runs
from carmask.review.queue import read_queue
from tests.conftest import draw_photo
from tests.drawn import write_tiny_model
from tests.server.conftest import cut_photos

from .review_requests import SIZE, decide, items, mask_of, photo


def test_the_queue_has_filters_counts_and_pages(reviewing):
    client = reviewing().client
    page = client.get("/queue", params={"filter": "all", "limit": 3}).json()
    assert page["total"] == page["counts"]["all"] == 7
    assert len(page["items"]) == 3
    rest = client.get("/queue", params={"filter": "all", "limit": 3, "offset": 6}).json()["items"]
    assert [item["status"] for item in rest] == ["failed"] or len(rest) == 1
    assert [item["name"] for item in items(client, filter="failed")] == ["broken"]
    assert [item["name"] for item in items(client, text="_04")] == ["car_04"]
    last = page["items"][-1]["id"]
    around = client.get("/queue", params={"filter": "all", "limit": 2, "around": last}).json()
    assert last in [item["id"] for item in around["items"]]
    assert around["offset"] == 2


def test_a_report_that_a_spreadsheet_saved_keeps_its_marks_and_its_form(reviewing):
    server = reviewing()
    file = server.out / "report.csv"
    rows = list(csv.reader(io.StringIO(file.read_text())))
    for row in rows[1:]:
        row[rows[0].index("review")] = "yes" if "car_03" in row[0] else ""
    text = "\r\n".join(";".join(row) for row in rows)
    file.write_bytes(text.encode("utf-8-sig"))
    assert [item["name"] for item in items(server.client, filter="todo")] == ["car_03"]
    assert decide(server.client, photo(server.client), "accepted").status_code == 200
    server.folder.close()
    after = file.read_text("utf-8-sig").splitlines()
    assert file.read_bytes()[:3] == b"\xef\xbb\xbf"
    assert [line for line in after if line.endswith(";accepted")] == [line for line in after if "car_03" in line]


def test_a_table_in_the_report_s_place_is_said(reviewing):
    server = reviewing()
    (server.out / "report.csv").write_text("month,sales\n")
    with pytest.raises(UsageError, match=r"report\.csv: it has no column 'photo' any more; the same cut again writes"):
        read_queue(server.out)
    assert len(items(server.client)) == 7  # an open page keeps what it knew
    server.folder.close()
    assert (server.out / "report.csv").read_text() == "month,sales\n"


def test_names_that_are_no_utf8_are_shown(reviewing, tiny_model):
    server = reviewing()
    bad = os.fsdecode(b"b\xffd.jpg")
    try:
        shutil.copy(server.photos / "car_03.jpg", server.photos / bad)
    except OSError:
        pytest.skip("needs another operating system")
    cut_photos(server.photos, server.out, OutputSpec(), tiny_model, 0.99)
    one = photo(server.client, "b?d")
    assert server.client.get(f"/photos/{one['id']}").json()["name"] == "b?d"
    response = server.client.get(f"/photos/{one['id']}/output/0?download")
    assert response.headers["content-disposition"].startswith("attachment; filename")
    assert decide(server.client, one, "accepted").status_code == 200


def test_a_photo_opens_with_its_mask_its_pixels_and_its_views(reviewing):
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)
    found = server.client.get(f"/photos/{one['id']}").json()
    assert (found["height"], found["width"]) == SIZE
    assert found["decision"] == "open"
    assert [view["name"] for view in found["views"]] == [f"car_{n:02d}" for n in range(1, 7)]
    np.testing.assert_array_equal(mask_of(server.client, one), read_mask(server.out / "car_03_mask.png"))
    image = server.client.get(f"/photos/{one['id']}/image")
    assert image.content == (server.photos / "car_03.jpg").read_bytes()
    assert image.headers["content-type"] == "image/jpeg"
    thumb = Image.open(io.BytesIO(server.client.get(f"/photos/{one['id']}/thumb").content))
    assert max(thumb.size) == 160
    band = Image.open(io.BytesIO(server.client.get(f"/photos/{one['id']}/band").content))
    assert (band.mode, band.size) == ("RGBA", (48, 32))


def test_a_correction_is_stored_and_rendered_at_once(reviewing, mine, tiny_model):
    server = reviewing(OutputSpec(layers=True, background=Background.parse("#204060")))
    one = photo(server.client)
    answer = decide(server.client, one, mask=mine)
    assert answer.status_code == 200
    assert answer.json() | {"saved": ""} == {
        "decision": "corrected", "revision": 1, "why": "", "author": "Anna", "saved": "", "rendered": True,
    }  # fmt: skip
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), mine)
    picture = np.asarray(Image.open(server.out / "car_03.png"))
    pixels = np.asarray(Image.open(server.photos / "car_03.jpg"))
    assert (picture[:8] == (0x20, 0x40, 0x60)).all()
    # Within: the photo's own pixels.
    np.testing.assert_array_equal(picture[32:78, 42:188], pixels[32:78, 42:188])
    np.testing.assert_array_equal(mask_of(server.client, one), mine)
    assert not np.array_equal(mask_of(server.client, one, "base"), mine)
    assert server.client.get("/queue").json()["counts"]["corrected"] == 1
    # A later run has nothing to do: the manifest knows what the outputs were made of.
    before = {path: path.stat().st_mtime_ns for path in server.out.glob("*.png")}
    server.folder.close()
    with (server.out / "report.csv").open(newline="") as stream:
        rows = {row["photo"].rpartition("/")[2]: row["decision"] for row in csv.DictReader(stream)}
    assert rows["car_03.jpg"] == "corrected"
    assert set(rows.values()) == {"corrected", ""}
    from carmask.batch.corrections import with_corrections
    from carmask.batch.plan import plan_run
    from carmask.batch.process import PhotoTask
    from carmask.batch.run import open_run, run_jobs

    wanted = OutputSpec(layers=True, background=Background.parse("#204060"))
    jobs = plan_run([server.photos], server.out, wanted).jobs
    with Corrections(server.out / STATE / FILE) as store:
        jobs = with_corrections(jobs, store)
    worked = []

    class Engine:
        def close(self): ...

        def map(self, todo):
            worked.extend(job.name for job in todo)
            return iter([])

    with open_run(server.out, jobs, PhotoTask(str(tiny_model), wanted)) as manifest:
        list(run_jobs(jobs, manifest, Engine()))
    assert worked == ["broken"]
    assert {path: path.stat().st_mtime_ns for path in server.out.glob("*.png")} == before


def test_a_corrected_photo_can_be_corrected_again_when_the_queue_was_read_anew(reviewing, mine):
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)
    for revision, mask in enumerate((mine, ~mine, mine)):
        assert decide(server.client, one, mask=mask, revision=revision).status_code == 200
        np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), mask)
        server.folder._read = ""  # as after a run, or once the report was written
        assert not server.client.get(f"/photos/{one['id']}").json()["replaced"]


def test_taking_a_correction_back_renders_the_networks_mask(reviewing, mine):
    server = reviewing(OutputSpec(mask=True))
    one, before = photo(server.client), (server.out / "car_03_mask.png").read_bytes()
    assert decide(server.client, one, mask=mine).status_code == 200
    answer = decide(server.client, one, "open", revision=1)
    assert answer.json()["rendered"]
    assert (server.out / "car_03_mask.png").read_bytes() == before
    history = server.client.get(f"/photos/{one['id']}/history").json()["decisions"]
    assert [(entry["decision"], entry["author"]) for entry in history] == [("corrected", "Anna"), ("open", "Anna")]


def test_photos_that_another_model_has_cut_since_are_rendered_by_it(reviewing, mine, tmp_path):
    """The workers had loaded that of the run before: its masks were recorded as made by the new one."""
    server = reviewing(OutputSpec(mask=True))
    before = mask_of(server.client, photo(server.client), "network")
    other = write_tiny_model(tmp_path / "other.onnx", size=(16, 24))
    cut_photos(server.photos, server.out, OutputSpec(mask=True), other)
    file = server.out / "car_03_mask.png"
    one, made, found = photo(server.client), file.read_bytes(), read_mask(file)
    assert not np.array_equal(found, before)
    np.testing.assert_array_equal(mask_of(server.client, one, "network"), found)
    assert decide(server.client, one, mask=mine).status_code == 200
    assert decide(server.client, one, "open", revision=1).json()["rendered"]
    assert file.read_bytes() == made


@pytest.mark.parametrize("decision", ["open", "accepted"])
def test_a_photo_that_was_kept_as_it_is_is_kept_again(reviewing, mine, decision):
    """Drawn photos show no car that the network of the views knows."""
    server = reviewing(OutputSpec(others="keep", background=Background.parse("#204060")))
    one, before = photo(server.client), (server.out / "car_03.png").read_bytes()
    kept = np.asarray(Image.open(server.photos / "car_03.jpg"))
    assert np.array_equal(np.asarray(Image.open(server.out / "car_03.png")), kept)
    assert decide(server.client, one, mask=mine).status_code == 200
    assert not np.array_equal(np.asarray(Image.open(server.out / "car_03.png")), kept)
    assert decide(server.client, one, decision, revision=1).status_code == 200
    if decision == "open":
        assert (server.out / "car_03.png").read_bytes() == before


def test_two_people_never_overwrite_each_other_silently(reviewing, mine):
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)
    assert decide(server.client, one, mask=mine).status_code == 200
    answer = decide(server.client, one, mask=~mine, author="Ben")
    assert answer.status_code == 409
    assert answer.json()["current"]["author"] == "Anna"
    assert "Anna saved this photo" in answer.json()["error"]
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), mine)
    # Another process on the same folder counts, too.
    with Corrections(server.out / STATE / FILE) as store:
        store.save(Correction("car_03", "rejected", "", reason="no car", author="Carl"), seen=1)
    assert decide(server.client, one, mask=~mine, revision=1).status_code == 409
    assert photo(server.client)["decision"] == "rejected"


def test_the_outputs_are_those_of_the_last_decision(reviewing, mine, monkeypatch):
    """A rendering that takes long does not end after that of a decision which came later."""
    server = reviewing(OutputSpec(mask=True))
    one, folder = photo(server.client), server.folder
    render, began, go_on = folder.render, threading.Event(), threading.Event()

    def slow_at_first(entry, correction):
        if not began.is_set():
            began.set()
            go_on.wait(30)
        return render(entry, correction)

    monkeypatch.setattr(folder, "render", slow_at_first)
    first = threading.Thread(target=decide, args=(server.client, one), kwargs={"mask": mine})
    first.start()
    assert began.wait(30)
    second = threading.Thread(
        target=decide, args=(server.client, one), kwargs={"mask": ~mine, "revision": 1, "author": "Ben"}
    )
    second.start()
    second.join(2)  # until it has rendered, or waits for the first
    go_on.set()
    first.join(120)
    second.join(120)
    assert folder.store.current("car_03").revision == 2
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), ~mine)


def test_a_reason_is_needed_to_reject(reviewing):
    client = reviewing().client
    one = photo(client)
    assert decide(client, one, "rejected").status_code == 400
    assert decide(client, one, "rejected", reason="two cars").json()["why"] == "two cars"


def test_a_draft_is_kept_for_whoever_drew_it(reviewing, mine):
    client = reviewing().client
    one = photo(client)
    query = {"author": "Anna", "revision": 0}
    assert client.put(f"/photos/{one['id']}/draft", params=query, content=runs.to_bytes(mine)).status_code == 200
    assert client.get(f"/photos/{one['id']}", params={"author": "Anna"}).json()["draft"]["revision"] == 0
    assert client.get(f"/photos/{one['id']}", params={"author": "Ben"}).json()["draft"] is None
    np.testing.assert_array_equal(mask_of(client, one, "draft", author="Anna"), mine)
    client.delete(f"/photos/{one['id']}/draft", params=query)
    assert client.get(f"/photos/{one['id']}", params={"author": "Anna"}).json()["draft"] is None


@pytest.mark.parametrize("tool", ["fill", "remove", "smooth"])
def test_edits_are_those_of_the_library(reviewing, tool, mine):
    client = reviewing().client
    one = photo(client)
    mask = mine.copy()
    mask[40:50, 60:70] = False
    mask[120:130, 20:30] = True
    point = {"fill": (65.0, 45.0), "remove": (25.0, 125.0), "smooth": (30.0, 20.0)}[tool]
    body = struct.pack("<I2f", 1, *point) + runs.to_bytes(mask)
    answer = client.post(f"/photos/{one['id']}/edit", params={"tool": tool, "radius": 9}, content=body)
    expected = {
        "fill": lambda: edits.fill_hole(mask, point),
        "remove": lambda: edits.remove_component(mask, point),
        "smooth": lambda: edits.smooth(mask, np.array([point]), 9),
    }[tool]()
    assert not np.array_equal(expected, mask)
    np.testing.assert_array_equal(runs.from_bytes(answer.content, SIZE), expected)


def test_a_photo_that_was_replaced_is_said_and_nothing_is_stored(reviewing, mine):
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)
    before = (server.out / "car_03_mask.png").read_bytes()
    Image.fromarray(draw_photo(42, SIZE)).save(server.photos / "car_03.jpg", quality=95)
    assert server.client.get(f"/photos/{one['id']}").json()["replaced"]
    answer = decide(server.client, one, mask=mine)
    assert answer.status_code == 409
    assert "replaced since it was cut" in answer.json()["error"]
    assert (server.out / "car_03_mask.png").read_bytes() == before
    assert photo(server.client)["decision"] == "open"


def test_photos_that_are_gone_are_said_without_their_path(reviewing):
    server = reviewing()
    one = photo(server.client)
    shutil.move(server.photos, server.photos.with_name("elsewhere"))
    answer = server.client.get(f"/photos/{one['id']}")
    assert answer.status_code == 422
    said = "car_03: the photo is no longer where it was; put it back, or cut its folder again"
    assert answer.json()["error"] == said


def test_a_folder_cut_again_beneath_the_page_is_read_again(reviewing, tiny_model, mine):
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)
    Image.fromarray(draw_photo(8, SIZE)).save(server.photos / "new.jpg", quality=95)
    Image.fromarray(draw_photo(42, SIZE)).save(server.photos / "car_03.jpg", quality=95)
    cut_photos(server.photos, server.out, OutputSpec(mask=True), tiny_model)
    assert photo(server.client, "new")["status"] == "done"
    assert decide(server.client, one, mask=mine).status_code == 200  # the new photo, looked at
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), mine)


def test_many_requests_at_once_are_answered(reviewing):
    server = reviewing()
    found = []

    def ask(one):
        found.append(server.client.get(f"/photos/{one['id']}").status_code)

    threads = [threading.Thread(target=ask, args=(one,)) for one in items(server.client)[:6]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == [200] * 6


@pytest.mark.parametrize(
    ("method", "path", "query", "content", "status"),
    [
        ("GET", "/photos/{id}/mask", {"kind": "model", "model": "../../etc/passwd"}, None, 400),
        ("GET", "/photos/00000000000000000000", {}, None, 404),
        ("GET", "/photos/..%2f..%2fetc%2fpasswd", {}, None, 404),
        ("GET", "/queue", {"filter": "nonsense"}, None, 400),
        ("GET", "/queue", {"limit": "100000"}, None, 400),
        ("GET", "/queue", {"offset": "-1"}, None, 400),
        ("GET", "/photos/{id}/thumb", {"side": "100000"}, None, 400),
        ("GET", "/photos/{id}/output/99", {}, None, 404),
        ("GET", "/background", {}, None, 404),
        ("POST", "/photos/{id}/edit", {"tool": "melt"}, b"\0\0\0\0", 400),
        ("POST", "/photos/{id}/edit", {"tool": "snap", "radius": "nan"}, b"\0\0\0\0", 400),
        ("POST", "/photos/{id}/edit", {"tool": "snap"}, b"\0", 400),
        ("POST", "/photos/{id}/edit", {"tool": "snap"}, b"\xff\xff\xff\x7f", 400),
        ("POST", "/photos/{id}/edit", {"tool": "fill"}, b"\0\0\0\0", 400),
        ("POST", "/photos/{id}/edit", {"tool": "fill"}, struct.pack("<I2f2I", 1, float("nan"), 0, 0, 5), 400),
        ("POST", "/photos/{id}/edit", {"tool": "fill"}, struct.pack("<I2f2I", 1, 5, 5, 0, 10**9), 400),
        ("POST", "/photos/{id}/decision", {"decision": "corrected"}, b"\1\2\3", 400),
        ("POST", "/photos/{id}/decision", {"decision": "corrected"}, struct.pack("<2I", 0, 10**8), 400),
        ("POST", "/photos/{id}/decision", {"decision": "banana"}, b"", 400),
        ("PUT", "/photos/{id}/draft", {"revision": "x"}, b"", 400),
    ],
)
def test_bad_requests_are_refused_in_one_line(reviewing, method, path, query, content, status):
    server = reviewing()
    one = photo(server.client)
    answer = server.client.request(method, path.format(id=one["id"]), params=query, content=content)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert "\n" not in error
    assert str(server.out) not in error
