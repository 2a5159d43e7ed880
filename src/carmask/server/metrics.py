"""Figures for Prometheus: https://prometheus.io/docs/practices/naming/."""

from __future__ import annotations

import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carmask.server.worker_pool import WorkerPool

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counts requests, and shows the figures. ASGI middleware and handler."""

    def __init__(self, pool: WorkerPool) -> None:
        """Make the figures.

        Args:
            pool: whose queue is shown.
        """
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "carmask_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "carmask_request_seconds", "Seconds that a request took.", ("route",), buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip
        waiting = Gauge(
            "carmask_photos_waiting", "Photos of clients that wait or are worked on.", registry=self._registry
        )
        waiting.set_function(lambda: pool.depth)
        Gauge("carmask_workers", "Worker processes.", registry=self._registry).set(pool.workers)

    async def show(self, _: Request) -> Response:
        """``GET /metrics``."""
        return Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})

    def counting(self, app: ASGIApp, routes: list[BaseRoute]) -> ASGIApp:
        """Count what an application answers.

        Args:
            app: the application.
            routes: its routes, by whose form requests are told apart: an address with an id is none of its own.
        """

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            route = next((one.path for one in routes if one.matches(scope)[0] is not Match.NONE), "none")  # type: ignore[attr-defined]
            started, status = time.perf_counter(), 500

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noted)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"  # a client may call it anything
                self._requests.labels(method, route, status).inc()
                self._seconds.labels(route).observe(time.perf_counter() - started)

        return counted
