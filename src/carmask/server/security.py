"""The outer layer of the server: who may ask, how much may be sent, how slowly, and what every answer carries.

Everything here is decided before the application sees the request. https://owasp.org/www-project-secure-headers/ and
https://www.w3.org/TR/CSP3/ are what the headers follow.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
import re
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carmask.server.limits import Limits
from carmask.server.refusals import refusal

_log = logging.getLogger("carmask.server")

#: Names of this machine, under which a server on the loopback address answers.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
COOKIE = "carmask-token"
#: Parts that a response is sent in, so that a slow reader is noticed.
_PIECE = 65536
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
#: Answered without a token: it says nothing but that the server runs.
_OPEN = frozenset({"/healthz"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_ROOTED = re.compile(r"(?:[A-Za-z]:)?[/\\](?:[^\s:;,'\"<>]+[/\\])+[^\s:;,'\"<>]*")


class _TooMuchError(Exception):
    """A client that broke a limit while it was sending."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def without_paths(text: str, names: Iterable[tuple[str, str]] = ()) -> str:
    """Take paths of this machine out of a message.

    Args:
        text: the message.
        names: paths that stand in it, and what to say in their place.

    Returns:
        The message.
    """
    for path, name in names:
        if path:
            text = text.replace(path, name)
    return _ROOTED.sub("(a file of the server)", text)


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], token: str | None, limits: Limits) -> None:
        """Wrap an application.

        Args:
            app: what is protected.
            hosts: names that the server answers to, in lower case, without port.
            token: what clients must show; None lets everybody in that reaches the address.
            limits: what they may ask.
        """
        self._app, self._hosts, self._token, self._limits = app, frozenset(hosts), token, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and hand it on; see ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": _with_headers(message["headers"], scope["path"])}
            await self._send(message, send)

        refused = self._refuse(scope)
        if refused is not None:
            await refused(scope, receive, guarded_send)
            return
        try:
            await self._app(scope, self._metered(scope, receive), guarded_send)
        except _TooMuchError as error:
            if started:
                raise
            body = {"error": str(error)}
            await JSONResponse(body, error.status, {"connection": "close"})(scope, receive, guarded_send)
        except Exception:
            _log.exception("bug")
            if started:
                raise
            body = {"error": "a fault in the server; its log says more"}
            await JSONResponse(body, 500)(scope, receive, guarded_send)

    def _refuse(self, scope: Scope) -> Response | None:
        """The answer to a request that is not to be served, or None."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        # A page of another name that resolves to this machine must not read what is here (DNS rebinding).
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            return refusal(scope, 421, "this server does not answer to that name; whoever started it can allow it")
        # A page of another site must not make a browser act here.
        if scope["method"] not in _SAFE:
            origin = headers.get("origin")
            if origin is not None and (origin == "null" or urlsplit(origin).netloc.lower() != host.lower()):
                return refusal(scope, 403, "requests of other sites' pages are not accepted")
            if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
                return refusal(scope, 403, "requests of other sites' pages are not accepted")
        length = headers.get("content-length")
        most = self._limits.body(scope["path"], scope["method"])
        if length is not None and (not length.isdigit() or int(length) > most):
            return refusal(scope, 413, f"at most {most} bytes are accepted here", {"connection": "close"})
        return self._check_token(scope, headers)

    def _check_token(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        if self._token is None or scope["path"] in _OPEN:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = dict(query).get("token")
        if shown is not None and scope["method"] == "GET" and _same(shown, self._token):
            # From the address, where it would stay in the browser's history, into a cookie.
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # One slash: two would be the name of another site.
            response = RedirectResponse("/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else ""), 303)
            response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict", max_age=30 * 86400)
            return response
        if any(_same(token, self._token) for token in _tokens(headers)):
            return None
        text = "a token is needed: Authorization: Bearer TOKEN, or open the page with ?token=TOKEN"
        return refusal(scope, 401, text, {"www-authenticate": "Bearer"})

    def _metered(self, scope: Scope, receive: Receive) -> Receive:
        """Receive a body no longer and no slower than it may be."""
        most, grace, rate = self._limits.body(scope["path"], scope["method"]), self._limits.grace_seconds, 0
        clock = asyncio.get_running_loop().time
        began, ended = clock(), False

        async def metered() -> Message:
            nonlocal rate, ended
            if ended:  # only the end of the connection is waited for
                return await receive()
            left = began + grace + rate / self._limits.rate - clock()
            try:
                message = await asyncio.wait_for(receive(), max(0.01, left))
            except TimeoutError:
                raise _TooMuchError(408, "the request came too slowly") from None
            if message["type"] == "http.request":
                rate += len(message.get("body", b""))
                ended = not message.get("more_body", False)
                if rate > most:
                    raise _TooMuchError(413, f"at most {most} bytes are accepted here")
            return message

        return metered

    async def _send(self, message: Message, send: Send) -> None:
        """Send a body in pieces: uvicorn waits between them until the client has taken some."""
        body: bytes = message.get("body", b"")
        if message["type"] != "http.response.body":
            await send(message)
            return
        whole = memoryview(body)
        for start in range(0, max(1, len(body)), _PIECE):
            last = start + _PIECE >= len(body)
            piece = {
                "type": "http.response.body",
                "body": bytes(whole[start : start + _PIECE]),
                "more_body": message.get("more_body", False) or not last,
            }
            await send(piece)


def _with_headers(headers: Iterable[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    kept = list(headers)
    present = {name.lower() for name, _ in kept}
    added = dict(_HEADERS)
    if not path.startswith("/static/"):
        added["cache-control"] = "no-store"
    return kept + [(name.encode(), value.encode()) for name, value in added.items() if name.encode() not in present]


def _name(host: str) -> str:
    """A Host header without its port, in lower case."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _same(shown: str, token: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode())


def _tokens(headers: dict[str, str]) -> list[str]:
    """What a client shows: a bearer's token, the password of Basic (Label Studio), X-Api-Key (remove.bg), a cookie."""
    found = [headers["x-api-key"]] if "x-api-key" in headers else []
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() in {"bearer", "token"}:
        found.append(value.strip())
    if kind.lower() == "basic":
        with contextlib.suppress(binascii.Error):
            found.append(base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2])
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    return found if cookie is None else [*found, cookie.value]
