"""``carmask review``, ``serve`` and ``corrections`` as commands, in processes of their own."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys

import httpx
import numpy as np
import pytest

from carmask.batch.outputs import OutputSpec
from carmask.images import read_mask
from carmask.review import runs
from carmask.review.queue import id_of
from tests.server.conftest import cut_photos

CARMASK = [sys.executable, "-m", "carmask"]


@pytest.fixture
def out(cut_folder, tiny_model, tmp_path):
    photos = shutil.copytree(cut_folder / "photos", tmp_path / "photos")
    cut_photos(photos, tmp_path / "out", OutputSpec(mask=True), tiny_model)
    return tmp_path / "out"


def started(*words, env=None):
    process = subprocess.Popen(
        [*CARMASK, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (env or {}),
    )
    line = process.stdout.readline()
    found = re.match(r"(http://[^:]+:(\d+)\S*)", line)
    if found is None:
        process.kill()
        pytest.fail(f"it did not start: {line}{process.communicate()}")
    return process, found[1], int(found[2])


def ended(process, by=signal.SIGINT):
    process.send_signal(by)
    out, error = process.communicate(timeout=60)
    return process.returncode, out + error


def test_review_mends_and_cut_keeps_what_was_mended(out, tmp_path, tiny_model):
    process, url, _ = started("review", out, "--port", 0)
    mask = np.zeros((160, 240), np.bool_)
    mask[20:90, 30:200] = True
    api = f"{url}api/folders/out"
    query = {"decision": "corrected", "revision": 0, "author": "Anna"}
    address = f"{api}/photos/{id_of('car_03')}/decision"
    answer = httpx.post(address, params=query, content=runs.to_bytes(mask), timeout=60)
    assert answer.status_code == 200
    code, said = ended(process)
    assert code in {0, 130}
    assert "Traceback" not in said
    np.testing.assert_array_equal(read_mask(out / "car_03_mask.png"), mask)

    def cut(*words):
        command = [*CARMASK, "cut", tmp_path / "photos", "--out", out, "--mask", "--model", tiny_model, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    cut("--restart")
    np.testing.assert_array_equal(read_mask(out / "car_03_mask.png"), mask)
    with (out / "report.csv").open(newline="") as stream:
        assert "corrected" in {row["decision"] for row in csv.DictReader(stream)}
    exported = subprocess.run(
        [*CARMASK, "corrections", "export", out, "--to", tmp_path / "set"], capture_output=True, text=True, timeout=60
    )
    assert exported.stdout.startswith("1 photo with corrected masks")
    np.testing.assert_array_equal(read_mask(tmp_path / "set" / "train_masks" / "car_03_mask.png"), mask)
    cut("--discard-corrections")
    assert not np.array_equal(read_mask(out / "car_03_mask.png"), mask)
    assert ",corrected\n" not in (out / "report.csv").read_text()


def test_serve_with_a_token_and_a_port_that_is_taken(tmp_path, tiny_model, photo_file):
    words = ("serve", "--port", 0, "--model", tiny_model, "--workers", 1, "--state", tmp_path / "state")
    process, url, port = started(*words, env={"CARMASK_TOKEN": "a token for this test"})
    try:
        assert url.endswith("?token=a%20token%20for%20this%20test")
        base = f"http://127.0.0.1:{port}"
        files = {"image": photo_file.read_bytes()}
        assert httpx.post(f"{base}/v1/cut", files=files, timeout=60).status_code == 401
        headers = {"authorization": "Bearer a token for this test"}
        answer = httpx.post(f"{base}/v1/cut", files=files, headers=headers, timeout=60)
        assert answer.headers["content-type"] == "image/png"
        again = subprocess.run(
            [*CARMASK, "serve", "--port", str(port), "--model", tiny_model, "--state", tmp_path / "other"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert again.returncode == 2
        assert "cannot be listened on" in again.stderr
        assert len(again.stderr.splitlines()) == 1
    finally:
        code, said = ended(process, signal.SIGTERM)
    assert "Traceback" not in said
    assert code in {0, -signal.SIGTERM, 143}


def test_a_folder_without_results_is_refused(tmp_path):
    found = subprocess.run([*CARMASK, "review", tmp_path], capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1
