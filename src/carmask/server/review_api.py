"""The API of the review page: a folder's queue, its photos, masks, edits and decisions.

Masks travel as little-endian 32-bit pairs of start and length (``carmask.review.runs``), everything else as JSON.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from carmask.arrays import Mask
from carmask.batch.corrections import Correction, Decision
from carmask.errors import PhotoError, UsageError
from carmask.images import encode_picture, read_mask
from carmask.review import edits, runs
from carmask.review.queue import Entry, Filter
from carmask.server.decisions import described
from carmask.server.folder import Folder
from carmask.server.requests import Edit, Preview
from carmask.server.responses import FoundFile, Handler, LossyJSONResponse, answering
from carmask.server.uploads import number_in
from carmask.server.worker_pool import WorkerPool

#: Photos on a page of the queue, at most.
PAGE = 200
#: Pixels of a background's sides, at most: it is shown behind a photo on a screen.
SIDE = 2000
#: Points of a stroke, at most.
POINTS = 20_000
_BINARY = "application/octet-stream"
_MEDIA = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


class ReviewApi:
    """The handlers, for any number of folders."""

    def __init__(self, folders: Callable[[str], Folder], pool: WorkerPool) -> None:
        """Keep what they need.

        Args:
            folders: finds an open folder by its id; raises ``LookupError`` if there is none.
            pool: decodes and edits.
        """
        self._folders, self._pool = folders, pool

    def routes(self) -> list[Route]:
        """All of them."""
        folder = "/api/folders/{folder}"
        photo = folder + "/photos/{id}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", folder, self.describe),
            ("GET", folder + "/queue", self.queue),
            ("GET", folder + "/background", self.background),
            ("GET", photo, self.open),
            ("GET", photo + "/image", self.image),
            ("GET", photo + "/thumb", self.thumb),
            ("GET", photo + "/mask", self.mask),
            ("GET", photo + "/band", self.band),
            ("GET", photo + "/history", self.history),
            ("GET", photo + "/output/{number:int}", self.output),
            ("POST", photo + "/edit", self.edit),
            ("PUT", photo + "/draft", self.keep_draft),
            ("DELETE", photo + "/draft", self.drop_draft),
            ("POST", photo + "/decision", self.decide),
        ]
        return [Route(path, answering(handler), methods=[method]) for method, path, handler in table]

    async def describe(self, request: Request) -> Response:
        """What the folder is, and what its run made of each photo."""
        folder = await self._folder(request)
        spec = folder.run.task.spec
        behind = spec.background
        counts = await run_in_threadpool(lambda: folder.queue().counts(folder.decided()))
        kind = "none" if behind is None else ("own" if behind.own else "picture")
        return LossyJSONResponse({"title": folder.title, "counts": counts, "background": kind, "picture": spec.picture})

    async def queue(self, request: Request) -> Response:
        """A page of the queue."""
        folder = await self._folder(request)
        query = request.query_params
        kind = query.get("filter", "todo")
        if kind not in get_args(Filter):
            raise UsageError(f"filter: one of {', '.join(get_args(Filter))}")
        offset, limit = number_in(query, "offset", 0, 0, 10**9), number_in(query, "limit", 50, 1, PAGE)

        def page() -> dict[str, Any]:
            queue, decided = folder.queue(), folder.decided()
            found = queue.select(kind, decided, query.get("text", "")[:200])  # type: ignore[arg-type]  # checked above
            at = next((n for n, entry in enumerate(found) if entry.id == query.get("around")), None)
            first = offset if at is None else at // limit * limit
            items = [_item(entry, decided.get(entry.name)) for entry in found[first : first + limit]]
            return {"total": len(found), "offset": first, "counts": queue.counts(decided), "items": items}

        return LossyJSONResponse(await run_in_threadpool(page))

    async def background(self, request: Request) -> Response:
        """The run's background, made to fit a photo."""
        folder = await self._folder(request)
        behind = folder.run.task.spec.background
        if behind is None or behind.own:
            raise LookupError("the run has no background of its own")
        query = request.query_params
        size = number_in(query, "height", 0, 16, SIDE), number_in(query, "width", 0, 16, SIDE)
        content = await run_in_threadpool(lambda: encode_picture(behind.fitted(size), format="jpg"))
        return Response(content, media_type="image/jpeg")

    async def open(self, request: Request) -> Response:
        """All that is known of a photo but its pixels and masks."""
        folder, entry = await self._photo(request)
        found = await run_in_threadpool(folder.open, entry, _author(request))
        decided, views = await run_in_threadpool(lambda: (folder.decided(), folder.queue().views(entry)[:32]))
        outputs = [{"number": number, "name": path.name} for number, path in enumerate(folder.outputs(entry))]
        draft = None if found.draft is None else {"revision": found.draft[1], "saved": found.draft[2]}
        return LossyJSONResponse(
            {
                **_item(entry, found.current),
                "height": found.predicted.size[0],
                "width": found.predicted.size[1],
                "confidence": entry.confidence if entry.confidence is not None else found.predicted.confidence,
                "photo": found.predicted.digest,
                "replaced": found.replaced,
                "draft": draft,
                "views": [_item(view, decided.get(view.name)) for view in views] if len(views) > 1 else [],
                "outputs": outputs,
            }
        )

    async def image(self, request: Request) -> Response:
        """The photo as it is if every browser shows it, else as JPEG."""
        folder, entry = await self._photo(request)
        predicted = await run_in_threadpool(folder.predict, entry)
        path = folder.photo(entry)
        if predicted.media_type and request.query_params.get("as") != "jpeg":
            return FoundFile(path, media_type=predicted.media_type)
        return Response(await self._ask(Preview(path)), media_type="image/jpeg")

    async def thumb(self, request: Request) -> Response:
        """The photo, small."""
        folder, entry = await self._photo(request)
        side = number_in(request.query_params, "side", 160, 32, 640)
        content = await self._ask(Preview(folder.photo(entry), side))
        return Response(content, media_type="image/jpeg", headers={"cache-control": "private, max-age=600"})

    async def mask(self, request: Request) -> Response:
        """A mask of the photo: the one that holds, the network's, the draft, or another model's."""
        folder, entry = await self._photo(request)
        kind = request.query_params.get("kind", "current")
        model = request.query_params.get("model", "default")
        if kind == "model" and model not in {"default", "best"}:
            raise UsageError("model: default or best")
        author = _author(request)

        def find() -> bytes:
            if kind == "model":
                return folder.predict(entry, model).mask
            opened = folder.open(entry, author)
            png = None
            if kind == "current" and opened.current is not None and not opened.replaced:
                png = opened.current.mask
            if kind == "draft":
                if opened.draft is None:
                    raise LookupError("there is no draft")
                png = opened.draft[0]
            mask = None if png is None else read_mask(entry.name, content=png)
            # A correction of another photo than this is of no use here.
            return opened.predicted.mask if mask is None or mask.shape != opened.predicted.size else runs.to_bytes(mask)

        return Response(await run_in_threadpool(find), media_type=_BINARY)

    async def band(self, request: Request) -> Response:
        """Where the network is uncertain, as a transparent picture at its resolution."""
        folder, entry = await self._photo(request)
        predicted = await run_in_threadpool(folder.predict, entry)
        return Response(predicted.band, media_type="image/png")

    async def history(self, request: Request) -> Response:
        """All decisions about a photo."""
        folder, entry = await self._photo(request)
        found = await run_in_threadpool(folder.store.history, entry.name)
        return LossyJSONResponse({"decisions": [described(one) for one in found]})

    async def output(self, request: Request) -> Response:
        """One of the files that the run wrote for the photo."""
        folder, entry = await self._photo(request)
        outputs = folder.outputs(entry)
        number: int = request.path_params["number"]
        if number >= len(outputs) or not await run_in_threadpool(outputs[number].is_file):
            raise LookupError("there is no such output; cut the photo again")
        path = outputs[number]
        download = _shown(path.name) if "download" in request.query_params else None
        return FoundFile(path, media_type=_MEDIA[path.suffix[1:]], filename=download)

    async def edit(self, request: Request) -> Response:
        """A mask after an edit: see ``_edit_of`` for the body."""
        folder, entry = await self._photo(request)
        predicted = await run_in_threadpool(folder.predict, entry)
        tool = request.query_params.get("tool", "")
        if tool not in get_args(edits.Tool):
            raise UsageError(f"tool: one of {', '.join(get_args(edits.Tool))}")
        try:
            radius = float(request.query_params.get("radius", "12"))
        except ValueError as error:
            raise UsageError("radius: a number") from error
        if not 1 <= radius <= 400:
            raise UsageError("radius: 1 to 400 pixels")
        stroke, mask = _edit_of(await request.body())
        if tool in {"fill", "remove", "snap"} and not stroke:
            raise UsageError("a stroke of one point at least is needed")
        edit = Edit(folder.photo(entry), tool, stroke, radius, mask, predicted.size)  # type: ignore[arg-type]  # checked
        return Response(await self._ask(edit), media_type=_BINARY)

    async def keep_draft(self, request: Request) -> Response:
        """Keep a mask that is being worked on."""
        folder, entry = await self._photo(request)
        mask = await self._mask_of(request, folder, entry)
        revision = number_in(request.query_params, "revision", 0, 0, 10**9)
        author, seen = _author(request), request.query_params.get("photo", "")
        await run_in_threadpool(lambda: folder.keep_draft(entry, mask, author=author, revision=revision, seen=seen))
        return LossyJSONResponse({"kept": True})

    async def drop_draft(self, request: Request) -> Response:
        """Forget it."""
        folder, entry = await self._photo(request)
        await run_in_threadpool(folder.store.drop_draft, entry.name, _author(request))
        return LossyJSONResponse({"kept": False})

    async def decide(self, request: Request) -> Response:
        """Store a decision, and render the photo again."""
        folder, entry = await self._photo(request)
        query = request.query_params
        decision = query.get("decision", "")
        if decision not in get_args(Decision):
            raise UsageError(f"decision: one of {', '.join(get_args(Decision))}")
        reason = query.get("reason", "").strip()[:500]
        if decision == "rejected" and not reason:
            raise UsageError("reason: say why the photo is rejected")
        mask = await self._mask_of(request, folder, entry) if decision == "corrected" else None
        revision, author = number_in(query, "revision", 0, 0, 10**9), _author(request)
        saved, result = await run_in_threadpool(
            lambda: folder.decide(
                entry,
                decision,  # type: ignore[arg-type]  # checked above
                mask,
                author=author,
                reason=reason,
                revision=revision,
                seen=query.get("photo", ""),
            )
        )
        return LossyJSONResponse({**described(saved), "rendered": result is not None})

    async def _folder(self, request: Request) -> Folder:
        folder = await run_in_threadpool(self._folders, request.path_params["folder"])
        request.state.names = [(str(folder.out), folder.title)]
        return folder

    async def _photo(self, request: Request) -> tuple[Folder, Entry]:
        folder = await self._folder(request)
        entry = await run_in_threadpool(folder.find, request.path_params["id"])
        request.state.names = folder.names(entry)
        return folder, entry

    async def _mask_of(self, request: Request, folder: Folder, entry: Entry) -> Mask:
        predicted = await run_in_threadpool(folder.predict, entry)
        return runs.from_bytes(await request.body(), predicted.size)

    async def _ask(self, what: Preview | Edit) -> bytes:
        found = await run_in_threadpool(lambda: self._pool.ask(what).result())
        if isinstance(found, bytes):
            return found
        raise found if isinstance(found, Exception) else PhotoError("no response")


def _edit_of(body: bytes) -> tuple[tuple[tuple[float, float], ...], bytes]:
    """A stroke and a mask: the number of points (uint32), x and y of each (float32), then the mask's runs."""
    if len(body) < 4:
        raise UsageError("the body holds the number of points, the points, and the mask's runs")
    (count,) = struct.unpack_from("<I", body)
    if count > POINTS or len(body) < 4 + 8 * count:
        raise UsageError(f"a stroke of at most {POINTS} points, all of them in the body")
    values = struct.unpack_from(f"<{2 * count}f", body, 4)
    if not all(-1e6 < value < 1e6 for value in values):
        raise UsageError("a point lies far outside of the photo")
    return tuple(zip(values[::2], values[1::2], strict=True)), body[4 + 8 * count :]


def _shown(name: str) -> str:
    """A file's name for a header, which holds no bytes that are no UTF-8."""
    return name.encode(errors="replace").decode()


def _item(entry: Entry, current: Correction | None) -> dict[str, Any]:
    item = {
        "id": entry.id,
        "name": entry.title,
        "status": entry.status,
        "reason": "" if entry.status == "failed" else entry.reason,
        "confidence": entry.confidence,
        "error": entry.error,
        "review": entry.review,
        "checks": entry.checks,
        "cut": entry.digest[:12],  # another photo has another address for its thumbnail, which browsers keep
    }
    return item | (described(current) if current else {"decision": "open", "revision": 0})


def _author(request: Request) -> str:
    return " ".join(request.query_params.get("author", "").split())[:60] or "someone"
