"""Answers that refuse a request: JSON for programs, a plain page for people."""

from __future__ import annotations

import html
from collections.abc import Mapping

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

#: The address that programs written for remove.bg send photos to.
REMOVEBG = "/v1.0/removebg"
_CODES = {401: "auth_failed", 413: "file_too_large", 429: "rate_limit_exceeded", 503: "rate_limit_exceeded"}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>carmask</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/style.css">
<link rel="stylesheet" href="/static/page.css">
</head>
<body class="page">
<header class="top"><h1><a href="/">carmask</a></h1></header>
<main><h2>{text}</h2>{more}</main>
</body>
</html>
"""
_ASK = """
<form><p class="ask"><label for="token">Token</label>
<input type="password" id="token" name="token" autocomplete="current-password" autofocus required>
<button class="primary">Go on</button></p></form>"""
_BACK = '\n<p><a href="/">To the first page</a></p>'


def refusal(scope: Scope, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that refuses a request.

    Args:
        scope: the request: a browser that opens an address gets a page.
        status: the answer's status; 401 asks for the token.
        text: one line that says why.
        headers: further headers.

    Returns:
        JSON with the text, or the page.
    """
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    if scope["method"] != "GET" or b"text/html" not in accepted:
        return said_in_json(scope, status, text, headers)
    said = html.escape((text[:1].upper() + text[1:]).partition(":")[0])
    more = {401: _ASK, 421: ""}.get(status, _BACK)
    return HTMLResponse(_PAGE.format(text=said, more=more), status, headers)


def said_in_json(scope: Scope, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the form that the request's client reads.

    Returns:
        ``{"error": text}``; at remove.bg's address ``{"errors": [{"title": text, "code": …}]}``, as remove.bg answers
        (https://www.remove.bg/api#errors).
    """
    if scope["path"] != REMOVEBG:
        return JSONResponse({"error": text}, status, headers)
    return JSONResponse({"errors": [{"title": text, "code": _CODES.get(status, "invalid_request")}]}, status, headers)
