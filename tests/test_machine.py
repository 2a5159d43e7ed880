from __future__ import annotations

import os

import pytest

from carmask.machine import available_cores, this_processor


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", 64), ("200000 100000", 2), ("50000 100000", 1), ("6400000 100000", 64), ("nonsense", 64)],
)
def test_a_container_s_share_counts(tmp_path, monkeypatch, limit, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "cpu.max").write_text(limit)
    assert available_cores(tmp_path / "cpu.max") == cores
    assert available_cores(tmp_path / "missing") == 64


EPYC = "model name\t: AMD EPYC\nflags\t\t: sse4_2 avx2 fma avx512f avx512_vnni avx512_bf16\n"


def processor(tmp_path, text: str, **environment: str):
    (tmp_path / "cpuinfo").write_text(text)
    return this_processor(tmp_path / "cpuinfo", environment)


@pytest.mark.parametrize(
    ("limit", "avx2", "vnni", "bf16"),
    [
        ({}, True, True, True),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, True, True, False),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, True, False, False),
        ({"ONEDNN_MAX_CPU_ISA": "avx2"}, True, False, False),
        ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, False, False, False),
        ({"ONEDNN_MAX_CPU_ISA": "DEFAULT"}, True, True, True),
    ],
)
def test_instruction_sets_are_what_the_processor_has_and_onednn_may_use(tmp_path, limit, avx2, vnni, bf16):
    found = processor(tmp_path, EPYC, **limit)
    assert found.name == "AMD EPYC"
    assert (found.avx2, found.vnni, found.bf16) == (avx2, vnni, bf16)


def test_an_old_processor_and_one_that_says_nothing(tmp_path):
    old = processor(tmp_path, "model name: Xeon\nflags: avx2 fma\n\nmodel name: Xeon\nflags: avx2 fma\n")
    assert (old.avx2, old.vnni, old.bf16) == (True, False, False)
    other = processor(tmp_path, "CPU implementer: 0x41\nFeatures: asimd bf16\n")
    assert other.instruction_sets == frozenset()


def test_where_there_is_no_cpuinfo_opencv_is_asked(tmp_path):
    import cv2

    found = this_processor(tmp_path / "missing", {})
    assert found.avx2 == cv2.checkHardwareSupport(11)
