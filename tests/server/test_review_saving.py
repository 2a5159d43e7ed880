"""A decision that cannot be stored or rendered: a full disk, outputs that cannot be written, a run beside it."""

from __future__ import annotations

import time

import numpy as np
from PIL import Image

from carmask.batch.corrections import Corrections
from carmask.batch.outputs import OutputSpec
from carmask.errors import OutputError
from carmask.images import read_mask
from carmask.review import runs
from carmask.server import folder
from carmask.server.folder import Folder
from carmask.server.worker_pool import BusyError
from tests.conftest import draw_photo
from tests.server.conftest import cut_photos

from .job_requests import wait_until
from .review_requests import SIZE, decide, items, mask_of, photo


def test_a_full_disk_on_save_loses_nothing(reviewing, mine, monkeypatch):
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)

    def full(*_, **__):
        raise OutputError("/somewhere/corrections.sqlite: cannot be written: database or disk is full")

    monkeypatch.setattr(Corrections, "save", full)
    answer = decide(server.client, one, mask=mine)
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["error"]
    assert "somewhere" not in answer.json()["error"]
    monkeypatch.undo()
    assert decide(server.client, one, mask=mine).status_code == 200


def test_an_output_that_cannot_be_written_leaves_the_correction(reviewing, mine, monkeypatch):
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)

    def full(self, *_):
        raise OutputError(f"{self.out}/car_03_mask.png: cannot be written: No space left on device")

    monkeypatch.setattr(Folder, "render", full)
    answer = decide(server.client, one, mask=mine)
    assert answer.status_code == 507
    assert str(server.out) not in answer.text
    np.testing.assert_array_equal(mask_of(server.client, one), mine)


def test_a_decision_that_cannot_be_rendered_now_is_said_to_be_stored(reviewing, mine, monkeypatch):
    """The answer was that it was not saved; sent again, it was in conflict with itself."""
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)

    def busy(*_):
        raise BusyError(3)

    monkeypatch.setattr(Folder, "render", busy)
    answer = decide(server.client, one, mask=mine)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.json()["error"].startswith("saved, but not rendered again: too many photos wait already")
    stored = answer.json()["stored"]
    assert (stored["decision"], stored["revision"], stored["author"]) == ("corrected", 1, "Anna")
    monkeypatch.undo()
    assert decide(server.client, one, mask=mine, revision=stored["revision"]).json()["rendered"]
    np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), mine)


def test_saving_while_a_run_is_writing(reviewing, mine, tiny_model, monkeypatch):
    """The run holds the manifest: the correction is stored and rendered all the same, and the run finds it."""
    from carmask.batch.plan import plan_run
    from carmask.batch.process import PhotoTask
    from carmask.batch.run import open_run

    monkeypatch.setattr(folder, "_SETTLED", 0.1)
    server = reviewing(OutputSpec(mask=True))
    one = photo(server.client)
    wanted = OutputSpec(mask=True)
    jobs, task = plan_run([server.photos], server.out, wanted).jobs, PhotoTask(str(tiny_model), wanted)
    with open_run(server.out, jobs, task):
        assert decide(server.client, one, mask=mine).status_code == 200
        np.testing.assert_array_equal(read_mask(server.out / "car_03_mask.png"), mine)
        assert len(items(server.client)) == 7
        time.sleep(0.3)
        assert "corrected" not in (server.out / "report.csv").read_text()
    wait_until(lambda: "corrected" in (server.out / "report.csv").read_text())


def test_what_was_decided_about_a_photo_that_was_replaced_is_not_about_the_new_one(reviewing, mine, tiny_model):
    """Once it is cut again it is to look at again, with the network's mask, and its revisions go on."""
    server = reviewing(OutputSpec(mask=True), below=2)
    one = photo(server.client)
    seen = server.client.get(f"/photos/{one['id']}").json()["photo"]
    assert decide(server.client, one, mask=mine, photo=seen).status_code == 200
    assert photo(server.client)["decision"] == "corrected"
    Image.fromarray(draw_photo(42, SIZE)).save(server.photos / "car_03.jpg", quality=95)
    cut_photos(server.photos, server.out, OutputSpec(mask=True), tiny_model, 2)
    now = photo(server.client)
    assert (now["decision"], now["revision"]) == ("open", 0)
    assert now["id"] in [item["id"] for item in items(server.client, filter="todo")]
    opened = server.client.get(f"/photos/{one['id']}").json()
    assert (opened["decision"], opened["revision"], opened["replaced"]) == ("open", 1, False)
    np.testing.assert_array_equal(mask_of(server.client, one), mask_of(server.client, one, "base"))
    # A page that still shows the first photo: neither its mask nor its draft is taken for the second one's.
    answer = decide(server.client, one, mask=mine, revision=1, photo=seen)
    assert answer.status_code == 409
    assert "replaced since it was opened" in answer.json()["error"]
    query = {"author": "Anna", "photo": seen}
    assert server.client.put(f"/photos/{one['id']}/draft", params=query, content=runs.to_bytes(mine)).status_code == 409
    assert decide(server.client, one, "accepted", revision=1, photo=opened["photo"]).status_code == 200
    assert photo(server.client)["decision"] == "accepted"
