"""Damaged files of every kind that carmask reads: each is read or refused in one line; nothing else is raised."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.soak import batches
from benchmarks.soak.batches import Row
from benchmarks.soak.tally import Tally
from tests.drawn import draw_photo, write_tiny_model
from tests.fuzz.mutation import mutated

Attempt = Callable[[int], object]


def _of(whole: list[bytes], file: Path, read: Callable[[Path], object]) -> Attempt:
    """Damage one of some files by the seed, write it, and read it."""

    def attempt(seed: int) -> object:
        file.write_bytes(mutated(whole[seed % len(whole)], seed))
        return read(file)

    return attempt


def pictures(kind: str) -> Callable[[Path], Attempt]:
    """Photos of a format: their size, all their pixels, and reduced."""

    def prepare(folder: Path) -> Attempt:
        from tests.fuzz.test_pictures import good_files, kinds_here

        from carmask.images import FORMATS, open_photo, open_reduced, picture_size

        kinds_here()

        def read(file: Path) -> None:
            content = file.read_bytes()
            height, width = picture_size(file, content)
            photo = open_photo(file, content, keep="all")
            assert photo.pixels.dtype == np.uint8
            assert photo.pixels.shape == (height, width, 3)
            open_reduced(file, lambda size: (size[0] // 2, size[1] // 2), content=content)

        return _of(good_files(kind), folder / f"photo{FORMATS[kind][0]}", read)

    return prepare


def mask_pictures(folder: Path) -> Attempt:
    """Masks as PNG, GIF, TIFF and WebP."""
    from PIL import Image
    from tests.images.pictures import encoded

    from carmask.images import read_mask

    mask = Image.fromarray(draw_photo(1, (48, 64))).convert("L").point(lambda value: 255 * (value < 100))
    whole = [encoded(mask.convert(mode), kind) for kind in ("PNG", "GIF", "TIFF") for mode in ("1", "P", "L")]
    return _of(whole, folder / "mask.png", lambda file: read_mask(file, 128))


def run_lengths(_: Path) -> Attempt:
    """Rows of run lengths: what is accepted comes back from its mask."""
    from carmask.errors import RLEError
    from carmask.formats.rle import rle_decode, rle_encode

    height, width = 24, 40
    rows = 100
    pieces = ("-1 ", "0 ", "1.0 ", "9" * 30, " ", "\t", "٣", "1 1 ", "960 1", "961 1", "5 ", "\x00", "+3 ", "1_0 ", "")

    def attempt(seed: int) -> object:
        source = np.random.default_rng(seed)
        accepted = 0
        for _ in range(rows):
            mask = source.random((height, width)) < source.choice((0.02, 0.3, 0.9))
            text = rle_encode(mask)
            for _ in range(source.integers(0, 3)):
                at = int(source.integers(0, len(text) + 1))
                piece = pieces[source.integers(0, len(pieces))]
                text = text[:at] + piece + text[at + int(source.integers(0, 4)) :]
            try:
                found = rle_decode(text, height, width)
            except RLEError as error:
                batches.check_one_line(error)
                continue
            accepted += 1
            assert found.shape == (height, width)
            assert np.array_equal(rle_decode(rle_encode(found), height, width), found)
        return accepted

    return attempt


def tables(folder: Path) -> Attempt:
    """CSV files of run lengths: read, checked and repaired."""
    from tests.fuzz import test_tables

    def attempt(seed: int) -> object:
        file, out = folder / "masks.csv", folder / "out"
        out.mkdir(exist_ok=True)
        (out / "repaired.csv").unlink(missing_ok=True)
        file.write_bytes(test_tables.mutated(seed))
        return list(test_tables.try_all(file, out))

    return attempt


def models(folder: Path) -> Attempt:
    """Model files: what is said of them, and the network, on a photo if it loads."""
    import onnx

    from carmask.model.file import METADATA_KEY, read_info
    from carmask.model.runtime import load_model

    whole = write_tiny_model(folder / "whole.onnx").read_bytes()
    text = next(one.value for one in onnx.load_from_string(whole).metadata_props if one.key == METADATA_KEY)

    def attempt(seed: int) -> object:
        file = folder / f"{seed % 2}.onnx"
        if seed % 2:
            file.write_bytes(mutated(whole, seed))
        else:
            model = onnx.load_from_string(whole)
            onnx.helper.set_model_props(model, {METADATA_KEY: rewritten(json.loads(text), seed)})
            file.write_bytes(model.SerializeToString())
        info = read_info(file)
        if seed % 40 > 1:
            return info
        found = load_model(file).run(np.zeros((info.height, info.width, 3), np.uint8))
        assert found.shape == (info.height, info.width)
        return found

    return attempt


#: What stands in files where something else was meant.
STRANGE: tuple[Any, ...] = (
    None, "", "car", "0", -1, 0, 1, 1.5, 10**9, 10**30, True, [], {}, [[]], [None], {"a": 1}, "../../x", "a" * 10_000,
    float("nan"), float("inf"), "\ud800", [[1, 2]], -(10**30),
)  # fmt: skip


def rewritten(content: Any, seed: int) -> str:
    """JSON with one to three values replaced, removed or doubled; now and then with damaged bytes."""
    from tests.fuzz.test_coco import places

    source = random.Random(seed)  # noqa: S311  # no secrets here
    content = json.loads(json.dumps(content))
    for _ in range(source.choice((1, 1, 2, 3))):
        found = list(places(content))
        if not found:
            break
        *way, last = source.choice(found)
        holder: Any = content
        for key in way:
            holder = holder[key]
        fault = source.randrange(4)
        if fault == 0:
            del holder[last]
        elif fault == 1 and isinstance(holder, list):
            holder.insert(last, json.loads(json.dumps(holder[last])))
        else:
            # A copy: what is put in is damaged in its turn, and would be in itself otherwise.
            holder[last] = copy.deepcopy(source.choice(STRANGE))
    return json.dumps(content).encode(errors="replace").decode()


def recipes(folder: Path) -> Attempt:
    """Recipes and pipelines: every shipped one, damaged."""
    import carmask
    from carmask.release.pipeline import load_pipeline, pipeline_names
    from carmask.training.recipe import load_recipe, recipe_names

    home = Path(carmask.__file__).parent
    recipes_ = [(home / "training" / "recipes" / f"{name}.toml").read_bytes() for name in recipe_names()]
    pipelines = [(home / "release" / "pipelines" / f"{name}.toml").read_bytes() for name in pipeline_names()]
    one = _of(recipes_, folder / "recipe.toml", load_recipe)
    other = _of(pipelines, folder / "pipeline.toml", load_pipeline)
    return lambda seed: one(seed) if seed % 4 else other(seed)


def manifests(folder: Path) -> Attempt:
    """Manifests of runs, and stores of corrections."""
    from carmask.batch.corrections import Corrections
    from carmask.batch.job import Result
    from carmask.batch.manifest import Manifest, read_records, recorded_outputs

    with Manifest(folder / "whole", "{}") as manifest:
        for number in range(20):
            manifest.record(str(number), Result(f"{number}.jpg", "done", confidence=0.5), [folder / f"{number}.png"])
    Corrections(folder / "corrections").close()
    whole = [(folder / "whole").read_bytes()] * 3 + [(folder / "corrections").read_bytes()]

    def read(file: Path) -> None:
        recorded_outputs(file)
        read_records(file)
        with Manifest(file, "{}") as manifest:
            manifest.done("3")
            manifest.record("new", Result("new.jpg", "done"))

    def corrections(file: Path) -> None:
        with Corrections(file) as store:
            store.decided()
            list(store.corrected())

    def attempt(seed: int) -> object:
        file = folder / "m.sqlite"
        for left in folder.glob("m.sqlite*"):
            left.unlink()
        number = seed % len(whole)
        file.write_bytes(mutated(whole[number], seed))
        return corrections(file) if number == 3 else read(file)

    return attempt


def annotations(name: str) -> Callable[[Path], Attempt]:
    """Folders of an annotation tool: one of its files is damaged, all pictures are read."""

    def prepare(folder: Path) -> Attempt:
        from carmask.errors import CarmaskError
        from carmask.formats.convert import convert
        from carmask.formats.picture import from_masks
        from carmask.formats.reading import ReadOptions
        from carmask.formats.table import read_annotations

        out, random_ = folder / "out", np.random.default_rng(3)
        if not out.exists():
            masks = [random_.random((30, 40)) < 0.1, np.pad(np.ones((10, 20), bool), ((5, 15), (5, 15)))]
            source = from_masks((f"car_{i:02d}.png", mask.shape, mask, None) for i, mask in enumerate(masks))
            convert(source, out, name, photos="none", check=False)
        options = ReadOptions(sizes={f"car_{i:02d}": (30, 40) for i in range(2)})
        files = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}

        def attempt(seed: int) -> object:
            # What the one before has damaged is made whole again.
            path = list(files)[seed % len(files)]
            content = files[path]
            try:
                if path.suffix in {".json", ".jsonl"} and seed % 3:
                    lines = content.decode().splitlines() if path.suffix == ".jsonl" else [content.decode()]
                    place = seed % len(lines)
                    lines[place] = rewritten(json.loads(lines[place]), seed)
                    path.write_text("\n".join(lines))
                else:
                    path.write_bytes(mutated(content, seed))
                found = read_annotations(out, options, name)
                for picture in found.pictures:
                    try:
                        mask = picture.mask()
                    except CarmaskError as error:
                        batches.check_one_line(error)
                    else:
                        assert mask.dtype == bool
                return found
            finally:
                path.write_bytes(content)

        return attempt

    return prepare


def rows() -> list[Row]:
    """All kinds of files."""
    from tests.fuzz.test_pictures import kinds_here

    from carmask.formats.table import WRITABLE

    made = [Row(f"photos, {kind}", 10_000, pictures(kind)) for kind in kinds_here()]
    made += [
        Row("masks as pictures", 10_000, mask_pictures),
        Row("run-length rows", 1_000_000, run_lengths, weight=100, batch=20),
        Row("CSV files of run lengths", 10_000, tables, batch=50),
        Row("model files", 10_000, models, batch=100),
        Row("recipes and pipelines", 10_000, recipes),
        Row("manifests and corrections", 10_000, manifests),
    ]
    return made + [Row(f"annotations, {name}", 10_000, annotations(name), batch=100) for name in WRITABLE]


def soak(work: Path, tally: Tally, goal: int | None, *, only: str | None = None) -> None:
    """Try all kinds in turn until each has its goal, or time is over."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    todo = [row for row in rows() if only in {None, row.name}]
    while todo := [row for row in todo if tally.count(row.name, "inputs") < min(goal or row.goal, row.goal)]:
        for row in todo:
            if tally.over():
                return
            batches.soak(row, work / "files", tally)
