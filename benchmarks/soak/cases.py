"""What is disturbed: runs that write, each with what must be the same in the end as if nothing had happened."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tests.drawn import draw_photo, write_tiny_model

from carmask.batch.job import Job, Result
from carmask.batch.process import PhotoCutter, PhotoTask
from carmask.batch.storage import LocalStorage
from carmask.errors import OutputError, PhotoError
from carmask.model.file import read_info

#: Photos of a batch: some are done before most kills, and some are not.
PHOTOS = 10
THREADS = 2


class Case(NamedTuple):
    """A run.

    Attributes:
        name: what it is called in tables.
        prepare: writes its input into a folder.
        run: does the work, from the input folder to the output folder; called again, it goes on.
        look: what it wrote and must be the same: contents by name.
        whole: of a name, whether the file is complete whenever it is there.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path, Path], None]
    look: Callable[[Path], dict[str, bytes]]
    whole: Callable[[str], bool]


class InlineEngine:
    """An engine in this process, which a kill ends with it: no process to start, no network to load twice."""

    def __init__(self, task: PhotoTask, *, timeout: float = 0) -> None:
        """Load the network."""
        del timeout
        self._cut = task.load()

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to end."""

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Work on photos, two at a time."""
        with ThreadPoolExecutor(THREADS) as pool:
            todo = list(jobs)
            yield from zip(todo, pool.map(self._cut, todo), strict=True)


def photos(folder: Path) -> None:
    """Draw the photos of a batch, and write the model."""
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    for seed in range(PHOTOS):
        Image.fromarray(draw_photo(seed, (64, 96))).save(folder / "photos" / f"car_{seed:02d}.jpg")
    write_tiny_model(folder / "tiny.onnx")


class Dark:
    """A network that calls dark pixels car, without a runtime, whose threads do not survive a fork."""

    def __init__(self, model: Path | str, **_: object) -> None:
        """Read what the model file says of itself."""
        self.info = read_info(Path(model))

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities of a photo."""
        return np.clip((110 - pixels.mean(axis=2, dtype=np.float32)) / 60 + 0.5, 0, 1).astype(np.float32)


def inline() -> None:
    """Cut in this process, with a network that takes no time."""
    from carmask.batch import process
    from carmask.batch.engines import local

    local.LocalEngine = InlineEngine  # type: ignore[misc,assignment]
    process.load_model = Dark  # type: ignore[assignment]


def masks(given: Path, out: Path) -> None:
    """``carmask cut --mask``."""
    from carmask.batch.outputs import OutputSpec
    from carmask.batch.run import cut_folder

    inline()
    cut_folder(given / "photos", out / "out", OutputSpec(mask=True), model=given / "tiny.onnx")


def composites(given: Path, out: Path) -> None:
    """``carmask cut --background white --format jpg``, with the layers."""
    from carmask.batch.outputs import OutputSpec
    from carmask.batch.run import cut_folder
    from carmask.compositing.background import Background

    inline()
    spec = OutputSpec(mask=True, background=Background.parse("white"), format="jpg")
    cut_folder(given / "photos", out / "out", spec, model=given / "tiny.onnx")


def submission(given: Path, out: Path) -> None:
    """``carmask submit``."""
    from carmask.submission.submit import submit_folder

    inline()
    submit_folder(given / "photos", out / "rows.csv", model=given / "tiny.onnx")


def pictures_and_report(out: Path) -> dict[str, bytes]:
    """All files that are results, and the report without its seconds."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if not path.is_file() or "/." in f"/{name}":
            continue
        found[name] = _without_seconds(path.read_bytes()) if path.name == "report.csv" else path.read_bytes()
    return found


def _without_seconds(content: bytes) -> bytes:
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    return json.dumps([{key: value for key, value in row.items() if key != "seconds"} for row in rows]).encode()


def result_file(name: str) -> bool:
    """Files that are renamed into place, once. A report is written at the end of each run, of what it knows."""
    return not name.endswith("report.csv")


class InlinePool:
    """The server's workers, in this process."""

    workers, waiting = THREADS, 8

    def __init__(self, model: Path) -> None:
        """Begin."""
        self._network, self._pool = Dark(model), ThreadPoolExecutor(THREADS)

    def work(self, request: object) -> Future[Result]:
        """Work on a photo of a job."""
        return self._pool.submit(self._render, request)

    def _render(self, request: object) -> Result:
        from carmask.server.requests import Render

        assert isinstance(request, Render)
        return PhotoCutter(self._network, request.spec, LocalStorage())(request.job)


def server_jobs(given: Path, out: Path) -> None:
    """A client sends photos to ``/v1/jobs`` and waits; both are started again until the job is done."""
    import time

    from carmask.server.jobs import Jobs
    from carmask.server.limits import Limits
    from carmask.server.options import CutOptions

    state = out / "state"
    state.mkdir(parents=True, exist_ok=True)
    pool = InlinePool(given / "tiny.onnx")
    jobs = Jobs(state, pool, Limits(), model=str(given / "tiny.onnx"), review_below=0.98)  # type: ignore[arg-type]
    known = jobs.all()
    job = known[-1]["id"] if known else jobs.create(CutOptions(background="white"), None)
    lost = any(result.status == "failed" for _, result in jobs.progress(job).results)
    if jobs.state(job) == "failed" or (jobs.state(job) == "done" and lost):
        jobs.start(job)  # the disk was full, or a photo could not be read: the client asks again
    if jobs.state(job) == "new":
        titles = {photo.title for photo in jobs.photos(job)}
        for photo in sorted((given / "photos").iterdir()):
            if photo.name not in titles:
                jobs.add(job, photo.name, _sent(photo))
        jobs.start(job)
    while jobs.state(job) == "running":
        time.sleep(0.002)
    ended, error = jobs.state(job), jobs.error(job)
    jobs.close()
    if ended != "done":
        raise OutputError(error)


def _sent(photo: Path) -> bytes:
    """A photo, read by the client."""
    try:
        return photo.read_bytes()
    except OSError as error:
        raise PhotoError(f"{photo}: {error.strerror}") from error


def job_files(out: Path) -> dict[str, bytes]:
    """The files of the one job, whose number is by chance."""
    found = {}
    for name, content in pictures_and_report(out).items():
        parts = Path(name).parts
        if parts[:2] == ("state", "jobs") and len(parts) > 3:
            text = content.replace(parts[2].encode(), b"JOB") if name.endswith("report.csv") else content
            found["/".join(parts[3:])] = text
    return found


def pipeline(folder: Path) -> None:
    """A pipeline of four steps, and its inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cars").mkdir(exist_ok=True)
    (folder / "cars" / "photo.txt").write_text("cars")
    steps = [
        '[[steps]]\nid = "run"\nkind = "train"\nrecipe = "cnn-small"\ndata = "@data"',
        '[[steps]]\nid = "first"\nkind = "export"\nrun = "run"',
        '[[steps]]\nid = "both"\nkind = "average"\nfirst = "first"\nsecond = "first"\nshare = 0.25',
        '[[steps]]\nid = "final"\nkind = "calibrate"\nmodel = "both"\ndata = "@data"',
    ]
    (folder / "some.toml").write_text("\n".join(['[inputs]\ndata = { about = "cars" }', *steps]))


def build(given: Path, out: Path) -> None:
    """``carmask build``, with steps that write texts: what is tested is what is kept of a build, and what is redone."""
    from carmask.images import make_folder, write_atomically
    from carmask.release import step_functions
    from carmask.release.build import build as build_pipeline
    from carmask.release.pipeline import load_pipeline

    def step(one, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        needed = sorted(context.paths[name].name for name in one.references().values() if name in context.paths)
        for path in one.outputs(context.out):
            make_folder(path.parent)
            text = json.dumps([path.name, one.settings(context.changes), needed], sort_keys=True)
            write_atomically(path, text.encode())
        return "done"

    step_functions.FUNCTIONS = dict.fromkeys(step_functions.FUNCTIONS, step)
    build_pipeline(load_pipeline(given / "some.toml"), out / "out", {"data": given / "cars"})


def built(out: Path) -> dict[str, bytes]:
    """The results of a build; its log says how often it was begun."""
    return {name: content for name, content in pictures_and_report(out).items() if Path(name).name not in _OWN}


_OWN = {"state.json", "build.log", "hashes.json", "lock"}

CASES = {
    case.name: case
    for case in (
        Case("masks", photos, masks, pictures_and_report, result_file),
        Case("composites", photos, composites, pictures_and_report, result_file),
        Case("submission", photos, submission, pictures_and_report, lambda _: True),
        Case("server jobs", photos, server_jobs, job_files, result_file),
        Case("build", pipeline, build, built, lambda _: True),
    )
}
