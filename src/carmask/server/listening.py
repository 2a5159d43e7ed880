"""Listen for connections, and cut off clients that send their header or take their response too slowly.

Requests under way are limited, and connections. Whoever connects when there are as many as may be takes the place of
the one that has said nothing for the longest time: a client that opens hundreds and says nothing keeps nobody out.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from carmask.errors import UsageError
from carmask.server.limits import Limits

#: Connections that are kept open at least. asyncio accepts a hundred at once, before it reads from any of them.
_CONNECTIONS = 400

_log = logging.getLogger("carmask.server")


class LimitedProtocol(H11Protocol):
    """uvicorn's protocol, that cuts off slow clients.

    uvicorn waits without limit for the rest of a request's header, and for a client to take its response.
    """

    def __init__(self, *args: Any, limits: Limits, **words: Any) -> None:
        """Take the limits, and what uvicorn gives."""
        super().__init__(*args, **words)
        self._limits = limits
        self._header: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        #: When it was last heard of, by the loop's clock.
        self.since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: its header must come in time; if there are too many, who says nothing makes room."""
        if len(self.connections) >= max(_CONNECTIONS, 4 * self._limits.connections):
            quiet = [one for one in self.connections if isinstance(one, LimitedProtocol) and one.quiet]
            if quiet:
                min(quiet, key=lambda one: one.since).make_room()
        super().connection_made(transport)
        self.since = self.loop.time()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Some of a request came."""
        if self._in_crumbs(data):
            self._cut_off("a client sent its body in chunks of a few bytes and was cut off")
            return
        self.since = self.loop.time()
        super().data_received(data)
        self._watch()

    def _in_crumbs(self, data: bytes) -> bool:
        """Whether a body comes in chunks of a few bytes: each takes as long to read as a large one."""
        if self.quiet or (b"transfer-encoding", b"chunked") not in self.headers:
            return False
        return data.count(b"\r\n") > 200 + len(data) // 16

    @property
    def quiet(self) -> bool:
        """Whether no request of it is under way."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def make_room(self) -> None:
        """End it, as others wait."""
        self.connections.discard(self)
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_header()
        self._stop_stuck()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what is sent as fast as it is sent."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(self._limits.grace_seconds, self._cut_off)

    def resume_writing(self) -> None:
        """The client has taken it."""
        self._stop_stuck()
        super().resume_writing()

    def _watch(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            if self._header is None:
                self._header = self.loop.call_later(self._limits.header_seconds, self._cut_off)
        else:
            self._stop_header()

    def on_response_complete(self) -> None:
        """A response is complete: uvicorn's own timer waits for the next request to begin."""
        self._stop_header()
        super().on_response_complete()

    def _stop_header(self) -> None:
        if self._header is not None:
            self._header.cancel()
            self._header = None

    def _stop_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _cut_off(self, why: str = "a client was too slow and was cut off") -> None:
        if self.transport is not None and not self.transport.is_closing():
            _log.warning("%s", why)
            self.transport.abort()


def listen(
    app: ASGIApp,
    address: tuple[str, int],
    limits: Limits,
    *,
    ready: Callable[[int], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve until the process is asked to stop (Ctrl-C, SIGTERM).

    Args:
        app: what is served.
        address: host and port; port 0 takes a free one.
        limits: what clients may ask.
        ready: called with the port once connections are accepted.
        stop: ends it, too.

    Raises:
        UsageError: if the address cannot be listened on.
    """
    sock = bind(address)
    config = uvicorn.Config(
        _bounded(app, limits.connections),
        http=functools.partial(LimitedProtocol, limits=limits),  # type: ignore[arg-type]  # anything that makes one
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        serving = asyncio.ensure_future(server.serve(sockets=[sock]))
        while not server.started and not serving.done():  # uvicorn has no event for it
            await asyncio.sleep(0.02)
        if server.started:
            ready(sock.getsockname()[1])
        while stop is not None and not stop.is_set() and not serving.done():  # set by another thread
            await asyncio.sleep(0.05)
        server.should_exit = server.should_exit or stop is not None
        await serving

    asyncio.run(run())


def _bounded(app: ASGIApp, most: int) -> ASGIApp:
    """Refuse requests while too many are under way."""
    under_way = 0

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal under_way
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if under_way >= most:
            answer = PlainTextResponse("too many requests at the same time; try again", 503, {"retry-after": "1"})
            await answer(scope, receive, send)
            return
        under_way += 1
        try:
            await app(scope, receive, send)
        finally:
            under_way -= 1

    return bounded


def bind(address: tuple[str, int]) -> socket.socket:
    """Take an address.

    Raises:
        UsageError: if it is taken, or none of this machine's.
    """
    host, port = address
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
        except OSError:
            sock.close()
            raise
    except socket.gaierror as error:
        raise UsageError(f"{host}: no address of this machine: {error.strerror or error}; name another one") from error
    except OSError as error:
        another = "address" if error.errno == errno.EADDRNOTAVAIL else "port"
        raise UsageError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}; name another {another}"
        ) from error
    return sock
