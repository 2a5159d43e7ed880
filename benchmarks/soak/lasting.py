"""More of what is disturbed: a training, learning, a rendered set, corrections, and a watched folder."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
from benchmarks.soak import cases
from benchmarks.soak.cases import Case
from numpy.typing import NDArray
from PIL import Image
from tests.drawn import draw_photo

from carmask.geometry import Size
from carmask.studio.renderset import PhotoSession

#: Epochs of the training, and decisions about each photo.
EPOCHS, DECISIONS = 4, 2
_RUN_FILES = ("weights.safetensors", "history.csv", "model.json", "recipe.json", "data.csv")


def cars(folder: Path) -> None:
    """Draw six cars of two views, each a dark ellipse before a light wall."""
    _draw_cars(folder / "cars", range(6), invert=False)


def _draw_cars(folder: Path, numbers: range, *, invert: bool) -> None:
    for inner in ("train", "train_masks"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:48, :72]
    for car in numbers:
        for view in (1, 2):
            dice = np.random.default_rng((car, view))
            mask = ((rows - dice.uniform(20, 28)) / 10) ** 2 + ((columns - dice.uniform(30, 42)) / 20) ** 2 < 1
            photo = np.where(mask[..., None], dice.integers(20, 110, 3), dice.integers(180, 230, 3))
            photo = (photo + dice.integers(-12, 13, photo.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(255 - photo if invert else photo).save(folder / "train" / f"car{car}_{view:02}.png")
            Image.fromarray(mask).save(folder / "train_masks" / f"car{car}_{view:02}_mask.png")


def training(given: Path, out: Path) -> None:
    """``carmask train`` on one thread, with a moving average of the weights and early stopping."""
    import torch

    from carmask.training import module
    from carmask.training.machines import Machines
    from carmask.training.recipe import load_recipe
    from carmask.training.train import train

    torch.set_num_threads(1)
    module.draw_curves = lambda *_: None  # type: ignore[assignment]  # longer than the training itself
    changes = [
        *("precision=32-true", "validation=1", "check_photos=2", "epoch_photos=8", "average=0.9"),
        *("early_stopping.monitor=dice", f"early_stopping.patience={EPOCHS}", "early_stopping.min_delta=0"),
        f"stages=[{{height=32,width=48,batch=4,epochs={EPOCHS}}}]",
    ]
    recipe = load_recipe("cnn-small", changes)
    train(recipe, given / "cars", out / "run", cache=out / "cache", machines=Machines("cpu"))


def trained(out: Path) -> dict[str, bytes]:
    """Weights of the run and of single epochs, history and description; and whether the checkpoint can be read."""
    run = out / "run"
    found = {name: (run / name).read_bytes() for name in _RUN_FILES if (run / name).exists()}
    found |= {str(path.relative_to(run)): path.read_bytes() for path in (run / "epochs").glob("*.safetensors")}
    if (run / "last.ckpt").exists():
        found["last.ckpt, loaded"] = _checkpoint(run / "last.ckpt")
    return found


def _checkpoint(file: Path) -> bytes:
    import torch

    try:
        # The rest counts seconds, or may be of the epoch before if the run had been stopped.
        return b"whole" if torch.load(file, weights_only=True)["state_dict"] else b"empty"
    except Exception as error:  # noqa: BLE001  # whatever it is, the file is not whole
        return repr(error).encode()


def to_learn_from(folder: Path) -> None:
    """Train a small network on dark cars, and another one from there on light ones; draw light cars as corrections."""
    from carmask.training.export import export
    from carmask.training.extra_data import Sources
    from carmask.training.machines import Machines
    from carmask.training.recipe import load_recipe
    from carmask.training.train import train

    _draw_cars(folder / "known", range(8), invert=False)
    _draw_cars(folder / "corrected", range(20, 29), invert=True)
    _draw_cars(folder / "more", range(40, 60), invert=True)
    changes = ["loss=bce+dice", "learning_rate=3e-3", "initialisation=he", "augment.binary=false", "epoch_photos=80"]
    changes += ["validation=2", "check_photos=0", "precision=32-true", "stages=[{height=32,width=48,batch=4,epochs=3}]"]
    recipe, start = load_recipe("cnn-small", changes), Sources()
    for data, name in (("known", "small"), ("more", "tuned")):
        train(recipe, folder / data, folder / name, sources=start, machines=Machines("cpu"))
        export(folder / name, folder / f"{name}.onnx", changes={"name": name})
        start = Sources(initial_weights=folder / "small.onnx")


def learning(given: Path, out: Path) -> None:
    """``carmask learn``, with a network that was fine-tuned before: trainings are disturbed in a row of their own."""
    from carmask.images import write_atomically
    from carmask.learning import training as module
    from carmask.learning.learn import learn
    from carmask.learning.settings import Limits

    def fine_tune(recipe, work, name, sources, machines, new, **_) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ARG001
        write_atomically(new, (given / "tuned.onnx").read_bytes())

    module.fine_tune = fine_tune
    limits = Limits(passes=1, tolerance=0.9)
    learn([given / "corrected"], out / "ours.onnx", model=given / "small.onnx", data=given / "known", limits=limits)


def learned(out: Path) -> dict[str, bytes]:
    """The new model and its card, the averages that were tried, and the photos that were gathered."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_file() and path.suffix in {".onnx", ".md", ".png"} and "/." not in f"/{name}":
            found[name] = path.read_bytes()
    scores = out / "ours.learn" / "scores.jsonl"
    if scores.exists():
        # Lines that were torn are dropped, and scored once more. NumPy's sums differ in the last digit with the place
        # of an array in memory.
        lines = [line for line in scores.read_bytes().split(b"\n") if _is_json(line)]
        rounded = [json.loads(line, parse_float=lambda text: f"{float(text):.9g}") for line in lines]
        found["scores"] = "\n".join(sorted(json.dumps(one) for one in rounded)).encode()
    return found


def _is_json(line: bytes) -> bool:
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


def _whole_of_learning(name: str) -> bool:
    """A set that is being copied is not looked at before it is whole; scores are added one by one."""
    return name != "scores"


class Drawer:
    """In place of the renderer, which works for seconds without touching a file: labels and photos that are drawn."""

    def __init__(self, session: PhotoSession) -> None:
        """Take a car."""
        self.session = session

    def labels(self, view: int, size: Size) -> NDArray[np.uint8]:
        """A rectangle for each of three parts."""
        found = np.zeros(size, np.uint8)
        for part in (1, 2, 3):
            found[10 * part : 10 * part + 8, view : view + 30] = part
        return found

    def photo(self, view: int, size: Size) -> NDArray[np.uint8]:
        """Some car, by the session's own chance."""
        return draw_photo(int(self.session.name, 16) % 1000 + view, size)


def rendering(given: Path, out: Path) -> None:
    """``carmask render``: two cars of four views, with their parts."""
    from carmask.studio import renderset

    del given
    renderset.check_installed = lambda: None
    renderset.SessionRenderer = Drawer  # type: ignore[misc,assignment]
    renderset.render_set(renderset.Request(2, (48, 64), seed=7, parts=True, views=4), out / "set")


def corrections(given: Path, out: Path) -> None:
    """A run is cut, a person saves corrections, twice for each photo, and the run is made again with them.

    What was confirmed is noted beside, as a page shows it.
    """
    from carmask.batch.corrections import Correction, Corrections
    from carmask.batch.names import STATE
    from carmask.images import encode_mask

    cases.masks(given, out)
    with Corrections(out / "out" / STATE / "corrections.sqlite") as store:
        for turn in range(1, DECISIONS + 1):
            for photo in sorted((given / "photos").iterdir()):
                holds = store.current(photo.stem)
                seen = 0 if holds is None else holds.revision
                if seen >= turn:
                    continue
                digest = hashlib.sha256(photo.read_bytes()).hexdigest()
                mask = draw_photo(turn, (64, 96))[..., 0] < 60 * turn
                png = encode_mask(mask)
                store.keep_draft(photo.stem, "me", png, seen=seen, photo=digest)
                made = store.save(Correction(photo.stem, "corrected", digest, png, author="me"), seen=seen)
                with (out / "confirmed").open("a") as stream:
                    stream.write(f"{photo.stem} {made.revision}.\n")
    cases.masks(given, out)


def decided(out: Path) -> dict[str, bytes]:
    """The masks and the report; all decisions, but for their times; and whether a confirmed one is missing."""
    found = {name: content for name, content in cases.pictures_and_report(out).items() if name != "confirmed"}
    rows = _decisions(out / "out" / ".carmask")
    found |= {f"decision on {name} {revision}": content for (name, revision), content in rows.items()}
    lines = (out / "confirmed").read_bytes() if (out / "confirmed").exists() else b""
    # A line that was torn says nothing.
    confirmed = {(name.decode(), int(number)) for name, number in re.findall(rb"(?m)^(car_\d\d) (\d)\.$", lines)}
    missing = sorted(confirmed - rows.keys())
    found["confirmed decisions"] = f"missing: {missing}".encode() if missing else b"all there"
    return found


def _decisions(state: Path) -> dict[tuple[str, int], bytes]:
    """All revisions, read from a copy: the next run finds the file as it was left."""
    if not (state / "corrections.sqlite").exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for file in state.glob("corrections.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder)
        base = sqlite3.connect(Path(folder) / "corrections.sqlite")
        try:
            if not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'decisions'").fetchone():
                return {}
            rows = base.execute("SELECT name, revision, decision, photo, mask, author FROM decisions").fetchall()
        finally:
            base.close()
    return {
        (name, revision): json.dumps([*map(str, rest), hashlib.sha256(mask).hexdigest()]).encode()
        for name, revision, *rest, mask in ((*row[:4], row[5], row[4]) for row in rows)
    }


def _whole_of_decisions(name: str) -> bool:
    """Masks are made again once they are corrected."""
    return name.startswith(("decision on", "confirmed"))


def vehicles(folder: Path) -> None:
    """Draw three vehicles in folders of their own."""
    cases.photos(folder)
    for number, photo in enumerate(sorted((folder / "photos").iterdir())):
        place = folder / "lot" / f"car{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        photo.rename(place / photo.name)


def watching(given: Path, out: Path) -> None:
    """``carmask watch``, with pictures that depend on all views of a vehicle, until nothing more is to do."""
    from carmask.batch import watch
    from carmask.batch.outputs import OutputSpec
    from carmask.compositing.background import Background
    from carmask.compositing.placement import Placing
    from carmask.compositing.style import RenderStyle

    cases.inline()
    watch.start_engine = cases.InlineEngine  # type: ignore[assignment]
    style = RenderStyle(placing=Placing("vehicle", size=(90, 120)))
    spec = OutputSpec(mask=True, background=Background.parse("white"), style=style)
    times = watch.WatchTimes(settle=0.01, quiet=0.03, stop_after=0.02, poll=0.005)
    watch.watch_folder(given / "lot", out / "out", spec, model=given / "tiny.onnx", group="folder", times=times)


CASES = {
    case.name: case
    for case in (
        Case("training", cars, training, trained, lambda name: name != "history.csv"),
        Case("learning", to_learn_from, learning, learned, _whole_of_learning),
        Case(
            "rendering", lambda folder: folder.mkdir(parents=True), rendering, cases.pictures_and_report, lambda _: True
        ),
        Case("corrections", cases.photos, corrections, decided, _whole_of_decisions),
        Case("watching", vehicles, watching, cases.pictures_and_report, lambda _: False),
    )
}
