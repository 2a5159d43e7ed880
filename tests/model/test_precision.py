"""Which arithmetic is chosen for which processor, and that the masks of all of them agree."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from carmask.evaluation.overlap import dice
from carmask.images import read_mask, read_photo
from carmask.machine import Processor, this_processor
from carmask.model.file import find_model, read_info
from carmask.model.precision import Precision, choose_precision
from tests.conftest import EXAMPLES, REPOSITORY

AVX2 = {"avx2", "fma"}
AVX512 = AVX2 | {"avx512f"}
#: Held to an instruction set in a process of its own: oneDNN reads the variable once.
SCRIPT = """
import sys
import numpy as np
from carmask.images import read_photo
from carmask.model.runtime import load_model
from carmask.prediction.predict import predict
network = load_model("default")
print(network.precision)
masks = [predict(network, read_photo(path)).mask for path in sys.argv[2:]]
np.savez_compressed(sys.argv[1], *masks)
"""


@pytest.mark.parametrize(
    ("sets", "ranges", "expected"),
    [
        (AVX2, True, Precision("f32", "headroom")),
        (AVX2 | {"avx_vnni"}, True, Precision("f32", "full")),
        (AVX512, True, Precision("f32", "headroom")),
        (AVX512 | {"avx512_vnni"}, True, Precision("f32", "full")),
        (AVX512 | {"avx512_vnni", "avx512_bf16"}, True, Precision("bf16", "full")),
        (AVX512 | {"avx512_vnni", "avx512_bf16"}, False, Precision("bf16", "none")),
        (AVX2, False, Precision("f32", "none")),
        (set(), True, Precision("f32", "none")),
    ],
)
def test_the_arithmetic_follows_from_what_the_processor_can_do(sets, ranges, expected):
    info = read_info(find_model("default"))
    assert info.ranges
    if not ranges:
        info = info.model_copy(update={"ranges": {}})
    assert choose_precision(info, Processor("", frozenset(sets))) == expected


def test_it_is_named_in_the_field_s_words():
    assert str(Precision("bf16", "full")) == "int8 and bfloat16"
    assert str(Precision("f32", "headroom")) == "int8 (weights of 7 bits) and float32"
    assert str(Precision("f32", "none")) == "float32"


def masks_of(limit: str | None, folder, photos) -> tuple[str, list[np.ndarray]]:
    """Precision and masks of a process that is held to an instruction set."""
    environment = {key: value for key, value in os.environ.items() if key != "ONEDNN_MAX_CPU_ISA"}
    environment |= {"ONEDNN_MAX_CPU_ISA": limit} if limit else {}
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")])
    out = folder / f"{limit}.npz"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(out), *map(str, photos)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    with np.load(out) as found:
        return done.stdout.strip(), [found[name] for name in found.files]


def test_masks_of_all_instruction_sets_agree(tmp_path):
    photos = sorted(EXAMPLES.glob("train/*.jpg"))[:4]
    truth = [read_mask(EXAMPLES / "train_masks" / f"{photo.stem}_mask.png") for photo in photos]
    name, best = masks_of(None, tmp_path, photos)
    assert name == str(choose_precision(read_info(find_model("default")), this_processor(environment={})))
    old, plain = masks_of("AVX2", tmp_path, photos)
    assert old == "int8 (weights of 7 bits) and float32"
    for one, other, true in zip(best, plain, truth, strict=True):
        # Where the network hesitates, in renderings more than in photos, rounding decides.
        assert dice(one, other) > 0.996
        assert abs(dice(one, true) - dice(other, true)) < 0.004


def test_examples_are_cut_as_well_in_each_arithmetic():
    from carmask.model.openvino import OpenVINONetwork
    from carmask.prediction.predict import predict

    path = find_model("default")
    info = read_info(path)
    photo = sorted(EXAMPLES.glob("train/*.jpg"))[1]
    true = read_mask(EXAMPLES / "train_masks" / f"{photo.stem}_mask.png")
    floats, headroom = (
        dice(predict(OpenVINONetwork(path, info, precision=Precision("f32", int8)), read_photo(photo)).mask, true)
        for int8 in ("none", "headroom")
    )
    # Renderings of the studio are new to the specialist: real photos differ by 0.0003 at most.
    assert abs(floats - headroom) < 0.004
