"""Photos that show no whole car: cut like the others, or kept as they are. The views' network knows no drawn car."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def server(serving_module):
    return serving_module()


@pytest.fixture
def post(server, photo_file):
    """Send the photo, with these options."""
    return lambda **options: server.client.post(
        "/v1/cut", files={"image": photo_file.read_bytes()}, data={"background": "white", **options}
    )


def test_they_are_kept_if_that_is_wanted(post, photo_file):
    kept = Image.open(io.BytesIO(post(others="keep").content)).convert("RGB")
    assert np.array_equal(np.asarray(kept), np.asarray(Image.open(photo_file).convert("RGB")))


def test_they_are_cut_like_the_others_without_it(post):
    assert post().content == post(others="cut").content
    assert post().content != post(others="keep").content


def test_one_photo_is_not_skipped(post):
    answer = post(others="skip")
    assert answer.status_code == 400
    assert answer.json()["error"] == "others: give 'cut' or 'keep'"
