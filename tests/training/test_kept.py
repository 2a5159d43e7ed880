"""Arrays that are kept from run to run."""

from __future__ import annotations

import numpy as np
import pytest

from carmask.training.kept import kept

ARRAY = np.arange(600, dtype=np.uint8).reshape(10, 20, 3)


def test_what_was_made_is_not_made_again(tmp_path):
    made = []
    for _ in range(2):
        assert np.array_equal(kept(tmp_path, "a", lambda: made.append(1) or ARRAY), ARRAY)
    assert made == [1]
    assert kept(tmp_path, "b", lambda: None) is None
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("left", [0, 5, 60, 300])
def test_what_is_damaged_is_made_again(tmp_path, left):
    kept(tmp_path, "a", lambda: ARRAY)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    assert np.array_equal(kept(tmp_path, "a", lambda: ARRAY), ARRAY)
    assert file.read_bytes() == whole


def test_nothing_is_kept_that_is_not_whole(tmp_path, monkeypatch):
    def full(stream, array, **_):
        stream.write(array.tobytes()[:5])
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, "a", lambda: ARRAY)
    assert not list(tmp_path.iterdir())
