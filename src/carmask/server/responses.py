"""From errors to answers: the right status, one line that says what to do, and no path of this machine."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from carmask.batch.corrections import ConflictError
from carmask.errors import ArrayError, CarmaskError, OutputError, PhotoError, RLEError, UsageError
from carmask.server.decisions import UnrenderedError, described
from carmask.server.folder import ReplacedError
from carmask.server.security import without_paths
from carmask.server.worker_pool import BusyError, LostError

_log = logging.getLogger("carmask.server")

Handler = Callable[[Request], Awaitable[Response]]
#: The first that fits.
_STATUS: tuple[tuple[type[CarmaskError], int], ...] = (
    (BusyError, 429),
    (LostError, 422),
    (ConflictError, 409),
    (ReplacedError, 409),
    (PhotoError, 422),
    (RLEError, 400),
    (ArrayError, 400),
    (UsageError, 400),
    (OutputError, 507),
)


class LossyJSONResponse(JSONResponse):
    """JSON with names of files, which may be no UTF-8: such letters are question marks."""

    def render(self, content: object) -> bytes:
        """Encode it."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="replace")


class FoundFile(FileResponse):
    """A file that was there a moment ago: if it has gone since, as of a job that is deleted, it is not found."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            found = await run_in_threadpool(os.stat, self.path)
        except FileNotFoundError:
            await error_response(LookupError("this file has been deleted"))(scope, receive, send)
            return
        self.stat_result = found
        self.set_stat_headers(found)
        await super().__call__(scope, receive, send)


def error_response(error: Exception, names: Iterable[tuple[str, str]] = ()) -> JSONResponse:
    """The answer to a request that failed.

    Args:
        error: why.
        names: paths that may stand in the message, and what to say in their place.

    Returns:
        ``{"error": ...}``; of a conflict also the decision that holds, and of one that was not rendered the one that
        was stored.
    """
    if isinstance(error, LookupError):
        return LossyJSONResponse({"error": str(error.args[0]) if error.args else "not found"}, 404)
    why = _cause(error)
    status = next((status for kind, status in _STATUS if isinstance(why, kind)), 500)
    body: dict[str, object] = {"error": without_paths(str(error), names)}
    headers = {}
    if isinstance(why, BusyError):
        headers["retry-after"] = str(why.after)
    if isinstance(error, ConflictError) and error.current is not None:
        body["current"] = described(error.current)
    if isinstance(error, UnrenderedError):
        body["stored"] = described(error.stored)
    return LossyJSONResponse(body, status, headers)


def _cause(error: Exception) -> Exception:
    return error.why if isinstance(error, UnrenderedError) else error


def answering(handler: Handler) -> Handler:
    """Turn the errors that a handler raises into answers; what is a bug goes on."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=499)
        except (CarmaskError, LookupError) as error:
            if isinstance(error, LookupError) and type(error) is not LookupError:
                raise  # a KeyError or IndexError is a bug
            names = getattr(request.state, "names", ())
            if (
                isinstance(_cause(error), OutputError) or type(error) is CarmaskError
            ):  # a process that cannot be started
                _log.error("%s", error)
            return error_response(error, names)

    handle.__name__ = handler.__name__
    return handle
