"""The application: pages, the review API, and, for ``serve``, the API for other programs."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from carmask import __version__
from carmask.batch.report import REVIEW_BELOW
from carmask.errors import CarmaskError
from carmask.model.info import ModelInfo
from carmask.server.cut_api import CutApi
from carmask.server.folder import Folder
from carmask.server.jobs import Jobs
from carmask.server.jobs_api import JobsApi
from carmask.server.label_studio import LabelStudioApi
from carmask.server.limits import Limits
from carmask.server.metrics import Metrics
from carmask.server.openapi import document
from carmask.server.profiles import Profiles
from carmask.server.refusals import refusal
from carmask.server.removebg_api import RemovebgApi
from carmask.server.review_api import ReviewApi
from carmask.server.security import Guard
from carmask.server.site import Site
from carmask.server.worker_pool import WorkerPool

#: Seconds from one look for jobs that are older than they may be to the next.
TIDY_EVERY = 600.0

_log = logging.getLogger("carmask.server")


def review_app(folder: Folder, pool: WorkerPool, *, hosts: Sequence[str], token: str | None, limits: Limits) -> ASGIApp:
    """The application of ``carmask review``: one folder.

    Args:
        folder: what is reviewed.
        pool: the workers.
        hosts: names that it answers to.
        token: what clients must show, or None.
        limits: what they may ask.

    Returns:
        An ASGI application.
    """

    def find(name: str) -> Folder:
        if name != "out":
            raise LookupError("there is no such folder")
        return folder

    async def start(_: Request) -> Response:
        return RedirectResponse("/review/out")

    routes = [*pages(pool), Route("/", start), *ReviewApi(find, pool).routes()]
    return guarded(routes, hosts=hosts, token=token, limits=limits, stop=folder.close)


def pages(pool: WorkerPool) -> list[Route]:
    """What both commands serve: the editor's page, the page of keys, files, and whether the server runs."""
    site = Site()

    async def review(_: Request) -> Response:
        return site.page("review.html")

    async def keys(_: Request) -> Response:
        return site.page("keys.html")

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__, "workers": pool.workers})

    async def about(_: Request) -> Response:
        return JSONResponse({"version": __version__, "author": _user()})

    return [
        Route("/review/{folder}", review),
        Route("/keys", keys),
        Route("/static/{name}", site.file),
        Route("/healthz", health),
        Route("/api/about", about),
    ]


def guarded(
    routes: Sequence[BaseRoute],
    *,
    hosts: Sequence[str],
    token: str | None,
    limits: Limits,
    stop: Callable[[], None],
    tidy: Callable[[], None] | None = None,
    metrics: Metrics | None = None,
) -> ASGIApp:
    """An application with its outer layer.

    Args:
        routes: what it answers.
        hosts: names that it answers to.
        token: what clients must show, or None.
        limits: what they may ask.
        stop: called when it ends.
        tidy: called every ``TIDY_EVERY`` seconds.
        metrics: counts what is answered; None counts nothing.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tidying = None if tidy is None else asyncio.create_task(_repeat(tidy))
        try:
            yield
        finally:
            if tidying is not None:
                tidying.cancel()
            stop()

    async def missing(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        text = {404: "there is nothing at this address", 405: "this address does not take that method"}
        return refusal(request.scope, status, text.get(status, "the request cannot be read"))

    async def passed_on(_: Request, error: Exception) -> Response:
        raise error  # to the outer layer, which answers for all faults alike

    handlers: dict[Any, Any] = {400: missing, 404: missing, 405: missing, Exception: passed_on}
    app: ASGIApp = Starlette(routes=list(routes), lifespan=lifespan, exception_handlers=handlers)
    if metrics is not None:
        app = metrics.counting(app, list(routes))
    return Guard(app, hosts=hosts, token=token, limits=limits)


async def _repeat(work: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(TIDY_EVERY)
        try:
            await run_in_threadpool(work)
        except CarmaskError as error:  # such as a disk that cannot be read: it may be back the next time
            _log.warning("%s", error)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def serve_app(
    pool: WorkerPool,
    jobs: Jobs,
    *,
    model: ModelInfo,
    hosts: Sequence[str],
    token: str | None,
    limits: Limits,
    label_studio: Path | None = None,
    profiles: Profiles | None = None,
) -> ASGIApp:
    """The application of ``carmask serve``.

    Args:
        pool: the workers.
        jobs: jobs of many photos; closed with the application.
        model: the workers' model.
        hosts: names that it answers to.
        token: what clients must show, or None.
        limits: what they may ask.
        label_studio: Label Studio's folder of files, or None.
        profiles: that clients may name; by default the shipped ones.

    Returns:
        An ASGI application.
    """
    site, metrics, profiles = Site(), Metrics(pool), profiles or Profiles()

    async def start(_: Request) -> Response:
        return site.page("start.html")

    async def docs(_: Request) -> Response:
        return site.page("api.html")

    async def openapi(_: Request) -> Response:
        return JSONResponse(document(limits, token=token is not None))

    studio = LabelStudioApi(pool, limits, model_version=f"{model.name}-{model.version}", files=label_studio)
    cut = CutApi(pool, limits, profiles, review_below=review_threshold(model))
    routes: list[BaseRoute] = [
        *pages(pool),
        Route("/", start),
        Route("/docs", docs),
        Route("/openapi.json", openapi),
        Route("/metrics", metrics.show),
        *ReviewApi(jobs.folder, pool).routes(),
        *cut.routes(),
        *RemovebgApi(cut, pool, limits).routes(),
        *JobsApi(jobs, pool, limits, profiles).routes(),
        *studio.routes(),
    ]
    return guarded(routes, hosts=hosts, token=token, limits=limits, stop=jobs.close, tidy=jobs.tidy, metrics=metrics)


def review_threshold(model: ModelInfo) -> float:
    """Confidence below which a person should look: the model's own."""
    return REVIEW_BELOW if model.calibration is None else model.calibration.review_below
