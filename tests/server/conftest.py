"""Servers on the loopback address, in a thread of the test's process, with a worker that loads in no time."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from PIL import Image

from carmask.batch.job import Job, Result
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.process import PhotoCutter, PhotoTask
from carmask.batch.report import Review, write_report
from carmask.batch.run import open_run, run_jobs
from carmask.batch.storage import LocalStorage
from carmask.model.file import read_info
from carmask.model.runtime import load_model
from carmask.prediction.view import ViewNetwork
from carmask.server.app import review_app, serve_app
from carmask.server.folder import Folder
from carmask.server.jobs import Jobs
from carmask.server.limits import Limits
from carmask.server.listening import listen
from carmask.server.security import LOOPBACK
from carmask.server.work import WorkTask
from carmask.server.worker_pool import WorkerPool
from tests.conftest import draw_photo
from tests.server.review_requests import SIZE


@pytest.fixture(scope="session")
def pool(tiny_model) -> Iterator[WorkerPool]:
    with WorkerPool(WorkTask(str(tiny_model)), workers=1, timeout=30, waiting=8) as pool:
        yield pool


@contextlib.contextmanager
def listening(app: object, limits: Limits) -> Iterator[str]:
    """Serve an application; its address."""
    ready, stop, found = threading.Event(), threading.Event(), []

    def note(port: int) -> None:
        found.append(port)
        ready.set()

    words = {"ready": note, "stop": stop}
    thread = threading.Thread(target=listen, args=(app, ("127.0.0.1", 0), limits), kwargs=words, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield f"http://127.0.0.1:{found[0]}"
    finally:
        stop.set()
        thread.join(20)


@contextlib.contextmanager
def starting(pool: WorkerPool, model: Path, root: Path) -> Iterator[Callable[..., SimpleNamespace]]:
    """A function that starts ``carmask serve`` as it is, with other limits if wanted."""
    with contextlib.ExitStack() as stack:
        usual = pool

        def start(
            *, token=None, limits=None, state="state", label_studio=None, pool=None, profiles=None
        ) -> SimpleNamespace:
            limits, pool = limits or Limits(), pool or usual
            jobs = Jobs(root / state, pool, limits, model=str(model), review_below=0.98)
            stack.callback(jobs.close)
            app = serve_app(
                pool,
                jobs,
                model=read_info(model),
                hosts=LOOPBACK,
                token=token,
                limits=limits,
                label_studio=label_studio,
                profiles=profiles,
            )
            url = stack.enter_context(listening(app, limits))
            client = stack.enter_context(httpx.Client(base_url=url, timeout=60))
            return SimpleNamespace(url=url, client=client, jobs=jobs, port=int(url.rpartition(":")[2]))

        yield start


@pytest.fixture
def serving(pool, tiny_model, tmp_path) -> Iterator[Callable[..., SimpleNamespace]]:
    with starting(pool, tiny_model, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def serving_module(pool, tiny_model, tmp_path_factory) -> Iterator[Callable[..., SimpleNamespace]]:
    with starting(pool, tiny_model, tmp_path_factory.mktemp("servers")) as start:
        yield start


@pytest.fixture
def photo_file(tmp_path) -> Path:
    path = tmp_path / "a car.jpg"
    Image.fromarray(draw_photo(3)).save(path, quality=95)
    return path


@pytest.fixture(scope="session")
def cut_folder(tmp_path_factory) -> Path:
    """Photos for tests to copy and cut: six views of a car, and a file that is no photo."""
    root = tmp_path_factory.mktemp("cut")
    (root / "photos").mkdir()
    for seed in range(6):
        Image.fromarray(draw_photo(seed, (160, 240))).save(root / "photos" / f"car_{seed + 1:02d}.jpg", quality=95)
    (root / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return root


@pytest.fixture
def reviewing(pool, cut_folder, tiny_model, tmp_path) -> Iterator[Callable[..., SimpleNamespace]]:
    """Cut a copy of the photos, and start ``carmask review`` on the results."""
    photos = shutil.copytree(cut_folder / "photos", tmp_path / "photos")
    with contextlib.ExitStack() as stack:

        def start(wanted: OutputSpec | None = None, *, below: float = 0.99, limits=None) -> SimpleNamespace:
            out, limits = tmp_path / "out", limits or Limits()
            cut_photos(photos, out, wanted or OutputSpec(), tiny_model, below)
            folder = Folder(out, pool)
            stack.callback(folder.close)
            app = review_app(folder, pool, hosts=LOOPBACK, token=None, limits=limits)
            url = stack.enter_context(listening(app, limits))
            client = stack.enter_context(httpx.Client(base_url=f"{url}/api/folders/out", timeout=60))
            return SimpleNamespace(url=url, client=client, out=out, photos=photos, folder=folder)

        yield start


class Inline:
    """An engine without a process of its own, which would take a second to start."""

    def __init__(self, model: Path, wanted: OutputSpec) -> None:
        views = None if wanted.others == "cut" else ViewNetwork()
        self._cut = PhotoCutter(load_model(model), wanted, LocalStorage(), views)

    def close(self) -> None:
        pass

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        return ((job, self._cut(job)) for job in jobs)


def cut_photos(photos: Path, out: Path, wanted: OutputSpec, model: Path, below: float = 0.99) -> None:
    plan, task = plan_run([photos], out, wanted), PhotoTask(str(model), wanted)
    with open_run(out, plan.jobs, task) as manifest:
        list(run_jobs(plan.jobs, manifest, Inline(model, wanted)))
        write_report(out, plan, manifest, review=Review(below))


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open pages that may say nothing on the console but what is expected; each a person of their own."""
    said, contexts, expected = [], [], ["status of 409"]

    def go(url, *, author="Anna", size=(1280, 800), wait="body[data-shown]", expect=(), **more):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **more)
        contexts.append(context)
        if author:
            context.add_init_script(f"localStorage.setItem('carmask-author', '{author}')")
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        expected.extend(f"status of {one}" if isinstance(one, int) else one for one in expect)
        page.goto(url)
        page.wait_for_selector(wait)
        return page

    yield go
    for context in contexts:
        context.close()
    unexpected = [text for text in said if not any(one in text for one in expected)]
    assert unexpected == []


@pytest.fixture
def mine():
    """A mask that somebody drew."""
    mask = np.zeros(SIZE, np.bool_)
    mask[20:90, 30:200] = True
    return mask
