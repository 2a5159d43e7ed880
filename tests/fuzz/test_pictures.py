"""Damaged pictures through a whole run: each has a row, none ends it, none hangs it.

A hundred of each format are tried with the other tests, 2,000 with ``pytest -m fuzz -s tests/fuzz``.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carmask.batch.run import cut_folder
from carmask.errors import PhotoError
from carmask.images import FORMATS, read_mask
from tests.conftest import draw_photo
from tests.fuzz.mutation import mutated, summary
from tests.images.pictures import encoded, p3_profile

FEW, MANY = 100, 2000
#: Options with which more of a format's parts are in the file.
OPTIONS: dict[str, list[dict[str, object]]] = {
    "JPEG": [{}, {"progressive": True}, {"subsampling": 0, "restart_marker_rows": 1}],
    "PNG": [{}, {"dpi": (300, 300)}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "tiff_deflate"}],
    "WEBP": [{}, {"exact": True}],
}
MODES = {
    "PNG": ("RGB", "P", "RGBA", "L", "I;16"),
    "TIFF": ("RGB", "CMYK", "L"),
    "GIF": ("P",),
    "JPEG": ("RGB", "CMYK", "L"),
}


def good_files(kind: str) -> list[bytes]:
    """Whole files of a format, of all its modes, with metadata and a profile where it holds them."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "ACME"
    exif.get_ifd(0x8769)[0x829D] = 1.8
    made = []
    for mode in MODES.get(kind, ("RGB",)):
        image = Image.fromarray(draw_photo(1, (48, 64))).convert("L" if mode == "I;16" else mode)
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        for options in OPTIONS.get(kind, [{}]):
            # Pillow writes no EXIF data of their own into compressed TIFFs.
            bare = kind in {"BMP", "GIF", "PPM", "JPEG2000"} or "compression" in options
            extra: dict[str, object] = {} if bare else {"exif": exif.tobytes()}
            if mode == "RGB" and kind not in {"BMP", "GIF", "PPM", "JPEG2000", "HEIF"}:
                extra["icc_profile"] = p3_profile()
            made.append(encoded(image, kind, **options, **extra))
    return made


def run(folder, kinds: list[str], count: int, model) -> list[str]:
    """Cut damaged files; returns what was said of each, without paths and numbers."""
    (folder / "in").mkdir()
    names = []
    for kind in kinds:
        whole = good_files(kind)
        for seed in range(count):
            # The reader goes by the content, as the suffix may be wrong.
            name = f"{kind}_{seed:04d}{FORMATS[kind][0]}"
            (folder / "in" / name).write_bytes(mutated(whole[seed % len(whole)], seed))
            names.append(name)
    results = []
    made = cut_folder(
        folder / "in", folder / "out", model=model, timeout=60, progress=lambda result, *_: results.append(result)
    )
    assert made.done + made.failed == len(results) == len(names)
    with made.report.open(newline="") as stream:
        rows = {row["photo"].rpartition("/")[2]: row for row in csv.DictReader(stream)}
    assert rows.keys() == set(names)
    answers = []
    for name, row in rows.items():
        written = (folder / "out" / name).with_suffix(".png")
        assert written.exists() == (row["status"] == "done"), row
        # A bug, a crash or a hang of the process.
        assert "unexpected" not in row["reason"], row
        assert "whatever is in this file" not in row["reason"], row
        reason = row["reason"].partition(f"{name}: ")[2] or row["reason"]
        answers.append(f"{row['status']}: {kind_of(reason)}" if reason else row["status"])
    return answers


def kind_of(reason: str) -> str:
    """A reason without what differs from file to file."""
    reason = re.sub(r"b?'[^']*'|\(.*\)|<.*>|\[.*\]|\{.*\}", "…", reason)
    return re.sub(r"-?\d+(\.\d+)?", "N", reason)[:70]


def kinds_here() -> list[str]:
    try:
        import pillow_heif
    except ImportError:
        return [kind for kind in FORMATS if kind != "HEIF"]
    pillow_heif.register_heif_opener()
    return list(FORMATS)


def test_a_hundred_damaged_files_of_each_format(tmp_path, tiny_model):
    kinds = kinds_here()
    answers = run(tmp_path, kinds, FEW, tiny_model)
    print(summary("a hundred of each format", answers))
    assert len(answers) == FEW * len(kinds)
    # Both happen: damage that costs no pixel, and damage that does.
    assert 0.05 < sum(answer.startswith("done") for answer in answers) / len(answers) < 0.9


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", list(FORMATS))
def test_two_thousand_damaged_files(tmp_path, tiny_model, kind):
    if kind not in kinds_here():
        pytest.skip("needs the extra heif")
    print("\n" + summary(kind, run(tmp_path, [kind], MANY, tiny_model)))


def damaged_masks(kind: str, count: int) -> list[str]:
    mask = Image.fromarray(draw_photo(1, (48, 64))).convert("L").point(lambda value: 255 * (value < 100))
    whole = [encoded(mask.convert("RGB") if kind in {"AVIF", "HEIF", "WEBP"} else mask, kind)]
    if kind in {"PNG", "TIFF", "GIF"}:
        whole += [encoded(mask.convert("1"), kind), encoded(mask.convert("P"), kind)]
    answers = []
    for seed in range(count):
        for threshold in (None, 128):
            try:
                read = _read(mutated(whole[seed % len(whole)], seed), threshold)
            except PhotoError as error:
                answers.append(f"refused: {kind_of(str(error).partition(': ')[2])}")
            else:
                assert read.dtype == np.bool_
                assert read.ndim == 2
                answers.append("read")
    return answers


def _read(content: bytes, threshold: int | None) -> np.ndarray:
    path = Path("mask")
    path.write_bytes(content)
    return read_mask(path, threshold)


@pytest.mark.parametrize("kind", list(FORMATS))
def test_damaged_masks_are_read_or_refused(tmp_path, monkeypatch, kind):
    if kind not in kinds_here():
        pytest.skip("needs the extra heif")
    monkeypatch.chdir(tmp_path)
    damaged_masks(kind, FEW)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", list(FORMATS))
def test_two_thousand_damaged_masks_are_read_or_refused(tmp_path, monkeypatch, kind):
    if kind not in kinds_here():
        pytest.skip("needs the extra heif")
    monkeypatch.chdir(tmp_path)
    print("\n" + summary(f"masks, {kind}", damaged_masks(kind, MANY)))
