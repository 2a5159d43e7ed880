"""A Ray cluster of this machine: workers are killed, or the object store (S3's protocol, Moto) fails some requests."""

from __future__ import annotations

import importlib.util
import logging
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.soak.served import family
from benchmarks.soak.tally import Tally
from PIL import Image
from tests.drawn import draw_photo, write_tiny_model

from carmask.batch.engines.local import LocalEngine
from carmask.batch.engines.ray import RayEngine
from carmask.batch.job import Job, Result
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.process import PhotoTask
from carmask.batch.run import open_run, run_jobs
from carmask.batch.storage import Stores

WORKERS = 4
#: Seconds between two kills, photos of a run, and how long each takes beside its work, so that a run lasts.
EVERY, PHOTOS, WAIT = 20.0, 1600, 1.0
#: Of the requests to the store; half of them are answered with 503, half are cut off.
FAILING = 1 / 20
KILLED, STORE = "local files, workers killed", "object store, requests fail"
WANTED = OutputSpec(mask=True)
Files = dict[str, bytes]


@dataclass(frozen=True)
class SlowTask(PhotoTask):
    """A task that takes longer, without a processor, and notes who has begun to work.

    Attributes:
        wait: seconds for each photo.
        begun: a folder that gets a file for each worker that has done a photo, by the number of its process.
    """

    wait: float = WAIT
    begun: Path | None = None

    def load(self) -> Callable[[Job], Result]:
        """Load the network."""
        cut, wait, begun = super().load(), self.wait, self.begun

        def slow(job: Job) -> Result:
            time.sleep(wait)
            result = cut(job)
            if begun is not None:
                # This process is a worker's own: the actor, which is killed, is above it.
                (begun / str(os.getppid())).touch()
            return result

        return slow


class Killer(threading.Thread):
    """Kills a worker of this process's Ray now and then; also what counts its kills.

    Only one that has begun to work, while another one works: on a busy machine a worker needs longer to start than
    there is between two kills. One that starts loses nothing when it is killed, and the last one would never get to
    the end of its portion.
    """

    def __init__(self, every: float, begun: Path) -> None:
        """Begin."""
        super().__init__(daemon=True)
        self.killed, self._every, self._begun, self._over = 0, every, begun, threading.Event()
        self.start()

    def run(self) -> None:
        """Kill, until it is over."""
        while not self._over.wait(self._every):
            while len(found := [pid for pid in _workers() if (self._begun / str(pid)).exists()]) < 2:
                if self._over.wait(0.2):
                    return
            os.kill(random.choice(found), signal.SIGKILL)  # noqa: S311  # no secrets here
            self.killed += 1

    def stop(self) -> int:
        """End; how many were killed."""
        self._over.set()
        self.join()
        return self.killed


def _workers() -> list[int]:
    """Actors of Ray below this process."""
    found = []
    for pid in family(os.getpid()):
        try:
            name = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"RayWorker" in name:
            found.append(pid)
    return found


class Store:
    """An object store of this process, which fails some requests."""

    def __init__(self) -> None:
        """Start it, with an empty bucket, and name it to all that look for S3."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self.failing, self.failed, self.requests = 0.0, 0, 0
        self._app = DomainDispatcherApplication(create_backend_app)
        self._dice = random.Random(1)  # noqa: S311  # no secrets here
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._server.log = lambda *_: None  # type: ignore[method-assign,assignment]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.port}",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        from pyarrow.fs import S3FileSystem

        self.files = S3FileSystem(
            endpoint_override=os.environ["AWS_ENDPOINT_URL"], region="us-east-1", allow_bucket_creation=True
        )
        self.files.create_dir("bucket")

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        del os.environ["AWS_ENDPOINT_URL"]

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        self.requests += 1
        drawn = self._dice.random()
        if drawn < self.failing:
            self.failed += 1
            if drawn < self.failing / 2:
                start("503 Slow Down", [("Content-Type", "application/xml")])
                return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
            environ["werkzeug.socket"].shutdown(2)
            return []
        return self._app(environ, start)

    def read(self, folder: str) -> Files:
        """All objects below a folder, by name."""
        from pyarrow.fs import FileSelector

        found = {}
        for entry in self.files.get_file_info(FileSelector(folder, recursive=True)):
            if entry.is_file:
                with self.files.open_input_stream(entry.path, compression=None) as stream:
                    found[entry.base_name] = stream.read()
        return found


@contextmanager
def ray_here() -> Iterator[None]:
    """Ray on this machine, with a core for each worker whatever there is."""
    # Ray's workers are the nicest processes of a machine otherwise, and get nothing of a busy one.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    import ray

    ray.init(
        "local", num_cpus=WORKERS, object_store_memory=100_000_000, log_to_driver=False, logging_level=logging.ERROR,
        include_dashboard=False,
    )  # fmt: skip
    try:
        yield
    finally:
        ray.shutdown()


def prepare(folder: Path, count: int) -> Path:
    """Write the model, and photos: a few that are drawn, and links to them."""
    photos = folder / "photos"
    shutil.rmtree(folder, ignore_errors=True)
    photos.mkdir(parents=True)
    write_tiny_model(folder / "tiny.onnx")
    for seed in range(10):
        Image.fromarray(draw_photo(seed, (64, 96))).save(folder / f"{seed}.jpg")
    for number in range(count):
        (photos / f"car_{number:05d}.jpg").symlink_to(folder / f"{number % 10}.jpg")
    return photos


def local_run(folder: Path, photos: Path) -> Files:
    """What this machine makes of the photos without a cluster."""
    task, out = PhotoTask(str(folder / "tiny.onnx"), WANTED), folder / "local"
    jobs = plan_run([photos], out, WANTED).jobs
    with LocalEngine(task) as engine, open_run(out, jobs, task) as manifest:
        assert all(result.status == "done" for result in run_jobs(jobs, manifest, engine))
    return {path.name: path.read_bytes() for path in out.glob("*.png")}


def on_ray(task: PhotoTask, jobs: list[Job], state: Path) -> list[Result]:
    """Do jobs on the cluster."""
    with RayEngine(task) as engine, open_run(state, jobs, task) as manifest:
        return list(run_jobs(jobs, manifest, engine))


def with_kills(folder: Path, photos: Path, *, every: float, wait: float) -> tuple[int, list[Result], Files]:
    """A run over local files whose workers are killed: how many, the results and the files."""
    out, begun = folder / "ray", folder / "begun"
    for one in (out, begun):
        shutil.rmtree(one, ignore_errors=True)
    begun.mkdir()
    task = SlowTask(str(folder / "tiny.onnx"), WANTED, wait=wait, begun=begun)
    jobs = list(plan_run([photos], out, WANTED).jobs)
    killer = Killer(every, begun)
    results = on_ray(task, jobs, out)
    return killer.stop(), results, {path.name: path.read_bytes() for path in out.glob("*.png")}


def with_store(folder: Path, photos: Path, store: Store) -> tuple[list[Result], Files]:
    """A run from the object store to it, while it fails requests: the results and the objects."""
    stores, state = Stores(), folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    if "photos" not in {entry.base_name for entry in _listed(store)}:
        for photo in sorted(photos.iterdir()):
            with store.files.open_output_stream(f"bucket/photos/{photo.name}") as stream:
                stream.write(photo.read_bytes())
    with suppress(OSError):
        store.files.delete_dir("bucket/masks")
    task = SlowTask(str(folder / "tiny.onnx"), WANTED, storage=stores, wait=0.0)
    store.failing, store.failed = FAILING, 0
    try:
        jobs = list(plan_run(["s3://bucket/photos"], "s3://bucket/masks", WANTED, state=state).jobs)
        results = on_ray(task, jobs, state)
    finally:
        store.failing = 0.0
    return results, store.read("bucket/masks")


def _listed(store: Store) -> Any:
    from pyarrow.fs import FileSelector

    return store.files.get_file_info(FileSelector("bucket"))


def lost(results: list[Result], files: Files, wanted: Files) -> list[str]:
    """Photos that failed, were given twice or not at all, or whose files differ; files that nobody wanted."""
    names = [Path(str(result.photo)).stem for result in results]
    found = {name for name, times in Counter(names).items() if times > 1}
    found |= {Path(str(result.photo)).stem for result in results if result.status != "done"}
    found |= {_photo_of(name) for name in wanted.keys() | files.keys() if wanted.get(name) != files.get(name)}
    return sorted(found | {_photo_of(name) for name in wanted} - set(names))


def _photo_of(file: str) -> str:
    return Path(file).stem.removesuffix("_mask")


def soak(work: Path, tally: Tally, goal: int, *, only: str | None = None) -> None:
    """Make runs until workers were killed, and requests failed, as often as wanted, or time is over."""
    if any(importlib.util.find_spec(name) is None for name in ("ray", "moto", "flask_cors")):
        print("  not run: it needs Ray and Moto (pip install ray 'moto[s3]' flask flask-cors)")
        return
    folder = (work / "cluster").resolve()
    photos = prepare(folder, PHOTOS)
    wanted = local_run(folder, photos)
    with_killed, with_failed = only in {None, KILLED}, only in {None, STORE}
    store = Store()
    try:
        with ray_here():
            while with_killed and tally.count(KILLED, "workers killed") < goal and not tally.over():
                killed, results, files = with_kills(folder, photos, every=EVERY, wait=WAIT)
                _count(tally, KILLED, {"workers killed": killed}, lost(results, files, wanted), results)
            while with_failed and tally.count(STORE, "requests failed") < goal * 10 and not tally.over():
                results, files = with_store(folder, photos, store)
                _count(tally, STORE, {"requests failed": store.failed}, lost(results, files, wanted), results)
    finally:
        store.close()


def _count(tally: Tally, row: str, counts: dict[str, int], names: list[str], results: list[Result]) -> None:
    tally.add(row, {"photos": len(results), **counts, "lost": len(names)})
    if names:
        reasons = {result.reason for result in results if result.status != "done"}
        tally.find(row, 0, f"{', '.join(names[:5])}: {'; '.join(sorted(reasons))[:500]}")
