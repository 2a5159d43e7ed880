"""The outer layer of the server: who may ask, how much may be sent, how slowly, and what every answer carries.

Everything here is decided before the application sees the request. https://owasp.org/www-project-secure-headers/ and
https://www.w3.org/TR/CSP3/ are what the headers follow.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import logging
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carmask.server.limits import Limits
from carmask.server.refusals import refusal, said_in_json

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
#: Answered without a token: whether the server runs, and how the page looks that asks for the token.
_OPEN = frozenset({"/healthz", "/static/style.css", "/static/page.css", "/static/icon.svg"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: Characters of an address without its query, at most; those of this server are shorter.
_PATH = 300
_ROOTED = re.compile(r"(?:[A-Za-z]:)?[/\\](?:[^\s:;,'\"<>]+[/\\])+[^\s:;,'\"<>]*")


class _Body:
    """How much of a request's body has come."""

    received = 0


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
        self._incoming = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and hand it on; see ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        started = False
        body = _Body()

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": _with_headers(message["headers"], scope["path"])}
            await self._send(message, send)

        try:
            refused = self._refuse(scope)
            if refused is not None:
                await refused(scope, receive, guarded_send)
                return
            await self._app(scope, self._metered(scope, receive, body), guarded_send)
        except _TooMuchError as error:
            if started:
                raise
            headers = {"connection": "close"} | ({"retry-after": "5"} if error.status == 503 else {})
            await said_in_json(scope, error.status, str(error), headers)(scope, receive, guarded_send)
        except Exception:
            _log.exception("bug")
            if started:
                raise
            text = "a fault in the server; its log says more"
            await said_in_json(scope, 500, text)(scope, receive, guarded_send)
        finally:
            self._incoming -= body.received

    def _refuse(self, scope: Scope) -> Response | None:
        """The answer to a request that is not to be served, or None."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        # A page of another name that resolves to this machine must not read what is here (DNS rebinding).
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            return refusal(scope, 421, "this server does not answer to that name; whoever started it can allow it")
        if len(scope["path"]) > _PATH:
            return refusal(scope, 414, "the address is too long")
        if _of_another_site(scope["method"], headers, host):
            return refusal(scope, 403, "requests of other sites' pages are not accepted")
        length = headers.get("content-length")
        most = self._limits.body(scope["path"], scope["method"])
        if length is not None and (not re.fullmatch("[0-9]{1,18}", length) or int(length) > most):
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
            response.set_cookie(
                COOKIE, quote(self._token, safe=""), httponly=True, samesite="strict", max_age=30 * 86400
            )
            return response
        if any(_same(token, self._token) for token in _tokens(headers)):
            return None
        text = "a token is needed: Authorization: Bearer TOKEN, or open the page with ?token=TOKEN"
        if shown is not None:
            text = "this is not the server's token"
        return refusal(scope, 401, text, {"www-authenticate": "Bearer"})

    def _metered(self, scope: Scope, receive: Receive, body: _Body) -> Receive:
        """Receive a body no longer and no slower than it may be, and not too many large ones at the same time."""
        most, grace = self._limits.body(scope["path"], scope["method"]), self._limits.grace_seconds
        clock = asyncio.get_running_loop().time
        began, ended = clock(), False

        async def metered() -> Message:
            nonlocal ended
            if ended:  # only the end of the connection is waited for
                return await receive()
            left = began + grace + body.received / self._limits.rate - clock()
            try:
                message = await asyncio.wait_for(receive(), max(0.01, left))
            except TimeoutError:
                raise _TooMuchError(408, "the request came too slowly") from None
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                body.received += size
                self._incoming += size
                ended = not message.get("more_body", False)
                if body.received > most:
                    raise _TooMuchError(413, f"at most {most} bytes are accepted here")
                if self._incoming > self._limits.incoming_bytes:
                    raise _TooMuchError(503, "too much is being sent at the same time; try again")
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


def _of_another_site(method: str, headers: Mapping[str, str], host: str) -> bool:
    """Whether another site's page sends a request: it must not make a browser act here, nor work for it.

    Following a link to here is no such request.
    """
    site = headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
    if method in _SAFE:
        link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return site and not link
    origin = headers.get("origin")
    return site or (origin is not None and origin.partition("://")[2].lower() != host.lower())


def _name(host: str) -> str:
    """A Host header without its port, in lower case."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _same(shown: str, token: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode())


def _tokens(headers: dict[str, str]) -> list[str]:
    """What a client shows: a bearer's token, the password of Basic (Label Studio), X-Api-Key (remove.bg), a cookie."""
    found = _spellings(headers["x-api-key"]) if "x-api-key" in headers else []
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() in {"bearer", "token"}:
        found += _spellings(value.strip(" \t"))
    if kind.lower() == "basic":
        with contextlib.suppress(ValueError):  # no base64, or letters outside of ASCII
            found.append(base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2])
    # Not by http.cookies: a header of backslashes takes it seconds, and nobody has shown a token yet.
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            found.append(unquote(value))
    return found


def _spellings(value: str) -> list[str]:
    """What a header may mean that was read as Latin-1: so some clients write what is not ASCII, and most as UTF-8."""
    return [value, value.encode("latin-1").decode("utf-8", "replace")]
