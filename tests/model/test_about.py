"""What an installation says of itself."""

from __future__ import annotations

import hashlib

import pytest

import carmask
from carmask.machine import Processor
from carmask.model.about import about, explain_precision, missing_of_extras
from carmask.model.file import find_model, read_info
from carmask.model.precision import choose_precision

RANGED = read_info(find_model("default"))
PLAIN = RANGED.model_copy(update={"ranges": {}})


def test_about_the_default_model():
    found = about()
    assert found.version == carmask.__version__
    assert found.digest == hashlib.sha256(find_model("default").read_bytes()).hexdigest()
    assert (found.info.name, found.info.version) == (RANGED.name, RANGED.version)
    assert 1 <= found.cores <= found.cores_of_machine
    assert found.libraries["openvino"]
    assert found.precision == choose_precision(RANGED)


@pytest.mark.parametrize(
    ("sets", "info", "floats", "int8"),
    [
        ({"avx2", "avx512_vnni", "avx512_bf16"}, RANGED, "has avx512_bf16", "has avx512_vnni"),
        ({"avx512_bf16", "amx_bf16", "amx_int8"}, RANGED, "has amx_bf16 and avx512_bf16", "has amx_int8"),
        ({"avx2"}, RANGED, "float32: the processor has no", "AVX2 without VNNI"),
        (set(), RANGED, "float32: the processor has no", "neither VNNI nor AVX2"),
        ({"avx2", "avx512_vnni"}, PLAIN, "float32: the processor has no", "the model has no ranges"),
    ],
)
def test_every_choice_is_explained(sets, info, floats, int8):
    processor = Processor("", frozenset(sets))
    reasons = explain_precision(choose_precision(info, processor), info, processor)
    assert floats in reasons[0]
    assert int8 in reasons[1]


def test_extras_of_a_package(tmp_path, monkeypatch):
    folder = tmp_path / "sample-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: sample\nVersion: 1\n"
        "Requires-Dist: numpy>=2.0\n"
        "Requires-Dist: numpy>=2; extra == 'good'\n"
        'Requires-Dist: pillow>=1; extra == "half"\n'
        "Requires-Dist: no-such-package[data]>=2; extra == 'half'\n"
        "Requires-Dist: pytest; extra == 'dev'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert missing_of_extras("sample") == {"good": (), "half": ("no-such-package",)}
    assert missing_of_extras("not-installed-at-all") == {}
