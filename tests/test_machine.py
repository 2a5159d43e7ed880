from __future__ import annotations

import os

import pytest

from carmask.machine import available_cores


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", 64), ("200000 100000", 2), ("50000 100000", 1), ("6400000 100000", 64), ("nonsense", 64)],
)
def test_a_container_s_share_counts(tmp_path, monkeypatch, limit, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "cpu.max").write_text(limit)
    assert available_cores(tmp_path / "cpu.max") == cores
    assert available_cores(tmp_path / "missing") == 64
