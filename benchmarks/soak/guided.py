"""Coverage-guided fuzzing (Atheris, libFuzzer) of the parsers that are carmask's own.

    python -m benchmarks.soak.guided PARSER [libFuzzer's options]     # one parser, until something is found

Without Atheris the subject is not run; ``tests/test_soak_parsers.py`` tries the same parsers with hypothesis.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.soak.batches import check_one_line
from benchmarks.soak.tally import Tally

#: Inputs of one process, whose beginning takes a second or two.
RUNS = 5_000
SIZE = (24, 40)


class Parser(NamedTuple):
    """A parser of carmask's own.

    Attributes:
        modules: whose branches guide the fuzzer.
        seeds: good inputs.
        parse: called with an input; raises ``CarmaskError`` if it refuses, and checks what it accepts.
    """

    modules: tuple[str, ...]
    seeds: Callable[[], list[bytes]]
    parse: Callable[[bytes], None]


def _mask() -> object:
    import numpy as np

    mask = np.zeros(SIZE, np.bool_)
    mask[3:9, 5:30] = mask[12:20, 7:9] = True
    return mask


def _run_length_seeds() -> list[bytes]:
    return [b"", b"1 3 10 5", b"86 25 126 25", b"1 960"]


def _run_lengths(data: bytes) -> None:
    from carmask.formats.rle import rle_decode, rle_encode

    found = rle_decode(data.decode("utf-8", "replace"), *SIZE)
    assert found.shape == SIZE
    assert (rle_decode(rle_encode(found), *SIZE) == found).all()


def _compressed_seeds() -> list[bytes]:
    from carmask.formats.codecs import columns_counts, compress

    return [compress(columns_counts(_mask())).encode(), b"PN0", b"o\x7f"]  # type: ignore[arg-type]


def _compressed(data: bytes) -> None:
    from carmask.formats.codecs import columns_counts, compress, compressed_mask

    found = compressed_mask(data.decode("utf-8", "replace"), SIZE)
    assert found.shape == SIZE
    assert (compressed_mask(compress(columns_counts(found)), SIZE) == found).all()


def _brush_seeds() -> list[bytes]:
    from carmask.formats.label_studio_rle import encode

    return [encode(_mask())]  # type: ignore[arg-type]


def _brush(data: bytes) -> None:
    from carmask.formats.label_studio_rle import decode, encode

    found = decode(data, SIZE)
    assert found.shape == SIZE
    assert (decode(encode(found), SIZE) == found).all()


def _model_seeds() -> list[bytes]:
    from tests.drawn import write_tiny_model

    return [write_tiny_model(_scratch("seed.onnx")).read_bytes()]


def _model(data: bytes) -> None:
    from carmask.model.metadata import read_metadata

    file = _scratch("model.onnx")
    file.write_bytes(data)
    assert all(isinstance(value, str) for value in read_metadata(file).values())


def _table_seeds() -> list[bytes]:
    return [
        b"img,rle_mask\na.jpg,1 3 10 5\nb.jpg,\n",
        b'"img";"rle_mask"\r\n"a.jpg";"1 2"\r\n',
        b"\xef\xbb\xbfimg,rle_mask\n",
    ]


def _table(data: bytes) -> None:
    from carmask.formats.rle_table import read_rle_table

    file = _scratch("masks.csv")
    file.write_bytes(data)
    assert all(isinstance(row.name, str) for row in read_rle_table(file).rows)


def _jpeg_seeds() -> list[bytes]:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), (200, 10, 10)).save(buffer, "JPEG", progressive=True)
    other = io.BytesIO()
    Image.new("RGB", (16, 8)).save(other, "PNG")
    return [buffer.getvalue(), other.getvalue()]


def _repair(data: bytes) -> None:
    from carmask.images.repair import complete_jpeg, without_text

    for mended in (complete_jpeg(data), without_text(data)):
        assert mended is None or isinstance(mended, bytes)


def _yolo_seeds() -> list[bytes]:
    return [b"0 0.1 0.1 0.9 0.1 0.9 0.9\n1 0.2 0.2 0.3 0.2 0.3 0.3 0.2 0.3\n", b""]


def _yolo(data: bytes) -> None:
    from carmask.formats.reading import ReadOptions
    from carmask.formats.table import read_annotations

    folder = _scratch("yolo")
    (folder / "labels" / "train").mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text("path: .\ntrain: images/train\nnames:\n  0: car\n  1: door\n")
    (folder / "labels" / "train" / "a.txt").write_bytes(data)
    _masks(read_annotations(folder, ReadOptions(size=SIZE), "yolo"))


def _cvat_seeds() -> list[bytes]:
    head = b"<annotations><meta><task><labels><label><name>car</name></label></labels></task></meta>"
    image = (
        b'<image id="0" name="a.jpg" width="40" height="24"><mask label="car" rle="2, 3, 5" left="1" top="1" width="5" '
    )
    return [head + image + b'height="2"/><polygon label="car" points="1,1;9,1;9,9"/></image></annotations>']


def _cvat(data: bytes) -> None:
    from carmask.formats.reading import ReadOptions
    from carmask.formats.table import read_annotations

    folder = _scratch("cvat")
    folder.mkdir(exist_ok=True)
    (folder / "annotations.xml").write_bytes(data)
    _masks(read_annotations(folder, ReadOptions(size=SIZE), "cvat"))


def _masks(found: object) -> None:
    from carmask.errors import CarmaskError

    for picture in found.pictures:  # type: ignore[attr-defined]
        if picture.size[0] * picture.size[1] > 10**6:
            continue  # allowed, and slow
        try:
            mask = picture.mask()
        except CarmaskError:
            continue
        assert mask.shape == picture.size


def _scratch(name: str) -> Path:
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"carmask-guided-{os.getpid()}"  # noqa: S108  # removed at the end
    folder.mkdir(exist_ok=True)
    return folder / name


PARSERS = {
    "run-lengths": Parser(("carmask.formats.rle",), _run_length_seeds, _run_lengths),
    "coco-run-lengths": Parser(("carmask.formats.codecs",), _compressed_seeds, _compressed),
    "label-studio-brushes": Parser(("carmask.formats.label_studio_rle",), _brush_seeds, _brush),
    "model-metadata": Parser(("carmask.model.metadata",), _model_seeds, _model),
    "csv-tables": Parser(("carmask.formats.rle_table",), _table_seeds, _table),
    "jpeg-and-png-repair": Parser(("carmask.images.repair",), _jpeg_seeds, _repair),
    "yolo": Parser(("carmask.formats.yolo", "carmask.formats.polygons"), _yolo_seeds, _yolo),
    "cvat": Parser(("carmask.formats.cvat", "carmask.formats.sources", "carmask.formats.codecs"), _cvat_seeds, _cvat),
}


def soak(work: Path, tally: Tally, goal: int, *, only: str | None = None) -> None:
    """Fuzz all parsers in turn until each has its goal, or time is over."""
    if importlib.util.find_spec("atheris") is None:
        print("  not run: Atheris is not installed (pip install atheris)")
        return
    names = [name for name in PARSERS if only in {None, name}]
    while any(tally.count(name, "inputs") < goal for name in names) and not tally.over():
        for name in names:
            if tally.count(name, "inputs") < goal and not tally.over():
                _run(name, work / "guided" / name, tally)


def _run(name: str, folder: Path, tally: Tally) -> None:
    """Fuzz a parser for a while, from what was found interesting so far."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(PARSERS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    number = tally.next_seed(name)
    options = [f"-atheris_runs={RUNS}", f"-seed={number + 1}", "-timeout=60", "-rss_limit_mb=2048", "-max_len=4096"]
    options += [f"-artifact_prefix={folder}/found-", "-print_final_stats=1"]
    command = [sys.executable, "-m", "benchmarks.soak.guided", name, *options, str(corpus)]
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, errors="replace")
    said = done.stdout + done.stderr
    units = re.search(r"Done (\d+) in", said) or re.search(r"(?s).*\n#(\d+)\s", said)
    covered = re.findall(r"cov: (\d+)", said)
    tally.add(name, {"inputs": int(units[1]) if units else 0, "lost": int(done.returncode != 0)})
    tally.highest(name, "branches reached", int(covered[-1]) if covered else 0)
    if done.returncode != 0:
        tally.find(name, number, said[-3000:])


def main() -> None:
    """Fuzz one parser: libFuzzer ends the process."""
    import atheris

    from carmask.errors import CarmaskError

    name, *options = sys.argv[1:]
    parser = PARSERS[name]
    with atheris.instrument_imports(include=list(parser.modules)):
        for module in parser.modules:
            importlib.import_module(module)
    parser.seeds()

    def one(data: bytes) -> None:
        try:
            parser.parse(data)
        except CarmaskError as error:
            check_one_line(error)

    folder = _scratch("x").parent
    import atexit

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
