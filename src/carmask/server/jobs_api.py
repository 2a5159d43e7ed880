"""Many photos: jobs, their progress as server-sent events, their results one by one or as a ZIP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from carmask.batch.job import Result
from carmask.errors import CarmaskError, PhotoError
from carmask.review.queue import id_of
from carmask.server.cut_api import MEDIA
from carmask.server.job_archive import archive, download_name
from carmask.server.job_records import Progress, StoredPhoto
from carmask.server.jobs import Jobs
from carmask.server.limits import Limits
from carmask.server.profiles import Profiles
from carmask.server.requests import Preview, Thumbnail
from carmask.server.responses import FoundFile, Handler, answering
from carmask.server.security import without_paths
from carmask.server.uploads import background_picture, flag_in, number_in, one_photo, read_form, wait_for
from carmask.server.worker_pool import WorkerPool

#: Seconds from one question for news to the next, from one sign of life to the next, and until a stream ends: a client
#: that is still there asks again.
_POLL, _ALIVE, _END = 0.4, 15.0, 600.0
#: Seconds that a stream waits for the start of a job to which no photo is added: nobody may ever start it.
UNSTARTED = 60.0


class JobsApi:
    """The handlers."""

    def __init__(self, jobs: Jobs, pool: WorkerPool, limits: Limits, profiles: Profiles) -> None:
        """Keep what they need."""
        self._jobs, self._pool, self._limits, self._profiles = jobs, pool, limits, profiles

    def routes(self) -> list[Route]:
        """All of them."""
        job, photo = "/v1/jobs/{job}", "/v1/jobs/{job}/photos/{number:int}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/v1/jobs", self.all),
            ("POST", "/v1/jobs", self.create),
            ("GET", job, self.describe),
            ("DELETE", job, self.delete),
            ("POST", job + "/photos", self.add),
            ("POST", job + "/start", self.start),
            ("POST", job + "/cancel", self.cancel),
            ("GET", job + "/events", self.events),
            ("GET", job + "/zip", self.zip),
            ("GET", photo + "/image", self.image),
            ("GET", photo + "/output/{output:int}", self.output),
        ]
        return [Route(path, answering(handler), methods=[method]) for method, path, handler in table]

    async def all(self, _: Request) -> Response:
        """``GET /v1/jobs``: the latest, and how long they are kept."""
        jobs = await run_in_threadpool(self._jobs.all)
        return JSONResponse({"jobs": jobs, "keep_hours": self._limits.keep_hours})

    async def create(self, request: Request) -> Response:
        """``POST /v1/jobs``: options, and photos or none yet; with photos it starts at once."""
        async with read_form(request, files=self._limits.job_photos + 1) as form:
            form.check_files("photos", "background_file")
            sent = await background_picture(request, form, "background_file", self._pool, self._limits)
            options, picture = self._profiles.parse(dict(request.query_params) | form.fields, sent)
            job = await run_in_threadpool(self._jobs.create, options, picture)
            try:
                problems = await self._add_all(job, form.files.get("photos", []))
                count = len(form.files.get("photos", []))
                if count > len(problems):
                    await run_in_threadpool(self._jobs.start, job)
            except CarmaskError:  # the client does not know of the job
                with contextlib.suppress(CarmaskError):
                    await run_in_threadpool(self._jobs.delete, job)
                raise
        return JSONResponse({"id": job, "photos": count - len(problems), "refused": problems}, 202)

    async def _add_all(self, job: str, files: list[UploadFile]) -> list[dict[str, str]]:
        """Add photos; those that are refused, and why."""
        problems = []
        for file in files:
            try:
                content = await file.read(self._limits.photo_bytes + 1)
                if len(content) > self._limits.photo_bytes:
                    raise PhotoError(f"photo: at most {self._limits.photo_bytes} bytes")
                await run_in_threadpool(self._jobs.add, job, file.filename or "", content)
            except PhotoError as error:
                problems.append({"title": file.filename or "", "error": without_paths(str(error))})
        return problems

    async def add(self, request: Request) -> Response:
        """``POST /v1/jobs/{id}/photos``: one more photo."""
        job: str = request.path_params["job"]
        await run_in_threadpool(self._jobs.state, job)
        async with read_form(request, files=1) as form:
            content = await one_photo(form, "photo")
            title = form.files["photo"][0].filename or ""
        photo = await run_in_threadpool(self._jobs.add, job, title, content)
        return JSONResponse({"number": photo.number, "title": photo.title}, 201)

    async def start(self, request: Request) -> Response:
        """``POST /v1/jobs/{id}/start``: with other options, if any are given."""
        job: str = request.path_params["job"]
        options = picture = None
        if request.headers.get("content-type") or request.query_params:
            async with read_form(request, files=1) as form:
                form.check_files("background_file")
                fields = dict(request.query_params) | form.fields
                keep = flag_in(fields, "keep_background")
                fields.pop("keep_background", None)
                sent = await background_picture(request, form, "background_file", self._pool, self._limits)
                if keep and sent is None:
                    sent = await run_in_threadpool(self._jobs.picture, job)
                options, picture = self._profiles.parse(fields, sent)
        await run_in_threadpool(self._jobs.start, job, options, picture)
        return JSONResponse({"id": job, "state": "running"}, 202)

    async def cancel(self, request: Request) -> Response:
        """``POST /v1/jobs/{id}/cancel``: no further photo is worked on; what is done stays."""
        job: str = request.path_params["job"]
        return JSONResponse({"id": job, "state": await run_in_threadpool(self._jobs.cancel, job)}, 202)

    async def delete(self, request: Request) -> Response:
        """``DELETE /v1/jobs/{id}``."""
        await run_in_threadpool(self._jobs.delete, request.path_params["job"])
        return Response(status_code=204)

    async def describe(self, request: Request) -> Response:
        """``GET /v1/jobs/{id}``: state, options, and what became of each photo."""
        return JSONResponse(await run_in_threadpool(self._describe, request.path_params["job"]))

    def _describe(self, job: str) -> dict[str, Any]:
        state, photos = self._jobs.state(job), self._jobs.photos(job)
        results = dict(self._jobs.progress(job).results)
        names = {photo.number: photo for photo in photos}
        decided = self._jobs.decisions(job)
        found = {number: self._photo(job, names[number], result, decided) for number, result in results.items()}
        waiting = {"status": "waiting"}
        return {
            "id": job,
            "state": state,
            "error": self._jobs.error(job),
            "options": self._jobs.options(job).model_dump(exclude_defaults=True),
            "background_file": self._jobs.picture(job, decode=False) is not None,
            "total": len(photos),
            "done": len(found),
            "failed": sum(one["status"] == "failed" for one in found.values()),
            "review": sum(bool(one["review"]) for one in found.values()),
            "photos": [
                found.get(photo.number, {"number": photo.number, "title": photo.title, **waiting}) for photo in photos
            ],
        }

    async def events(self, request: Request) -> Response:
        """``GET /v1/jobs/{id}/events``: an event for each photo, and ``end`` at the end.

        A client that comes back with ``Last-Event-ID`` gets what it has not seen; after a restart of the server, all,
        and also when the job has been started again. One that opens it before the job starts gets all; it ends in
        state ``new`` if the job is not started and no photo is added for a minute.
        """
        job: str = request.path_params["job"]
        progress, photos = await run_in_threadpool(self._known, job)
        seen = _seen(request.headers.get("last-event-id", ""), progress)

        async def stream() -> AsyncIterator[str]:
            nonlocal progress, photos, seen
            clock = asyncio.get_running_loop().time
            began = said = moved = clock()
            yield f"retry: 1000\n{_event('total', {'total': len(photos)})}"
            while clock() - began < _END:
                results = progress.results[seen:]
                for data in await run_in_threadpool(self._news, job, photos, results):
                    seen += 1
                    yield f"id: {progress.run}-{seen}\n{_event('photo', data)}"
                    said = clock()
                if results:
                    continue
                try:
                    state = await run_in_threadpool(self._jobs.state, job)
                    error = await run_in_threadpool(self._jobs.error, job)
                    before = len(photos)
                    known, photos = await run_in_threadpool(self._known, job)
                except LookupError as gone:
                    yield _event("end", {"state": "failed", "error": str(gone)})
                    return
                if known is not progress:  # it has been started since
                    progress, seen = known, 0
                    yield _event("total", {"total": len(photos)})
                elif state in {"done", "failed", "cancelled"} and seen >= len(progress.results):
                    yield _event("end", {"state": state, "error": error})
                    return
                if state != "new" or len(photos) != before:
                    moved = clock()
                elif clock() - moved > UNSTARTED:
                    yield _event("end", {"state": state, "error": "the job has not been started"})
                    return
                if clock() - said > _ALIVE:
                    yield f": {'waiting for its start' if state == 'new' else 'still at work'}\n\n"
                    said = clock()
                await asyncio.sleep(_POLL)

        return StreamingResponse(stream(), media_type="text/event-stream")

    def _known(self, job: str) -> tuple[Progress, dict[int, StoredPhoto]]:
        """How far a job is, and its photos by number."""
        return self._jobs.progress(job), {photo.number: photo for photo in self._jobs.photos(job)}

    def _news(
        self, job: str, photos: Mapping[int, StoredPhoto], results: list[tuple[int, Result]]
    ) -> list[dict[str, Any]]:
        """What became of some photos."""
        decided = self._jobs.decisions(job) if results else {}
        return [self._photo(job, photos[number], result, decided) for number, result in results]

    async def image(self, request: Request) -> Response:
        """A photo as it was sent, as JPEG of at most ``side`` pixels if that is given."""
        job: str = request.path_params["job"]
        photo = await run_in_threadpool(self._jobs.photo, job, request.path_params["number"])
        side = number_in(request.query_params, "side", 1600, 32, 4000)
        found = await wait_for(request, self._pool.ask(Preview(self._jobs.path(job, photo), side)))
        assert isinstance(found, bytes)
        return Response(found, media_type="image/jpeg", headers={"cache-control": "private, max-age=600"})

    async def output(self, request: Request) -> Response:
        """A file that was made of a photo, or a small WebP of it if ``side`` is given."""
        job: str = request.path_params["job"]
        number: int = request.path_params["output"]

        def find() -> tuple[StoredPhoto, Path]:
            photo = self._jobs.photo(job, request.path_params["number"])
            outputs = self._jobs.outputs(job, photo)
            if number >= len(outputs) or not outputs[number].is_file():
                raise LookupError("there is no such output yet")
            return photo, outputs[number]

        photo, path = await run_in_threadpool(find)
        if "side" in request.query_params:
            side = number_in(request.query_params, "side", 480, 32, 4000)
            found = await wait_for(request, self._pool.ask(Thumbnail(path, side)))
            assert isinstance(found, bytes)
            return Response(found, media_type="image/webp", headers={"cache-control": "private, max-age=600"})
        name = download_name(photo, path.name) if "download" in request.query_params else None
        return FoundFile(path, media_type=MEDIA[path.suffix[1:]], filename=name)

    async def zip(self, request: Request) -> Response:
        """All files that were made, in one archive."""
        job: str = request.path_params["job"]
        files = await run_in_threadpool(self._files, job)
        if not files:
            raise LookupError("nothing is done yet")
        headers = {"content-disposition": f'attachment; filename="carmask-{job[:6]}.zip"'}
        return StreamingResponse(archive(files), media_type="application/zip", headers=headers)

    def _files(self, job: str) -> list[tuple[str, str]]:
        """Names in the archive, and paths: each name once."""
        # Of a job that was cancelled, others are of an earlier run with other options.
        made = {number for number, one in self._jobs.progress(job).results if one.status == "done"}
        every = self._jobs.state(job) != "cancelled"
        files: list[tuple[str, str]] = []
        taken: set[str] = set()
        for photo in self._jobs.photos(job):
            for path in self._jobs.outputs(job, photo):
                if path.is_file() and (every or photo.number in made):
                    name = download_name(photo, path.name)
                    while name.casefold() in taken:  # some systems do not tell small letters from capital ones
                        name = f"{photo.number}_{name}"
                    taken.add(name.casefold())
                    files.append((name, str(path)))
        return files

    def _photo(self, job: str, photo: StoredPhoto, result: Result, decided: Mapping[str, str]) -> dict[str, Any]:
        names = [(result.photo, photo.title)]
        outputs = self._jobs.outputs(job, photo) if result.status == "done" else []
        return {
            "number": photo.number,
            "title": photo.title,
            "status": result.status,
            "reason": without_paths(result.reason, names),
            "confidence": result.confidence,
            "expected_error_px": result.error,
            "area": result.area,
            "review": self._jobs.review(result) and photo.name not in decided,
            "decision": decided.get(photo.name, ""),
            "id": id_of(photo.name),
            "made": _made(outputs),
            "outputs": [download_name(photo, path.name) for path in outputs],
        }


def _event(kind: str, data: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def _seen(event: str, progress: Progress) -> int:
    """How many photos a client knows, by the last event that it got; none if that was of another run."""
    run, _, number = event.partition("-")
    return int(number) if run == progress.run and re.fullmatch("[0-9]{1,9}", number) else 0


def _made(outputs: list[Path]) -> str:
    """Tells a rendering of a photo from the one before it: browsers keep pictures by their address."""
    with contextlib.suppress(OSError, IndexError):
        return str(outputs[-1].stat().st_mtime_ns)
    return ""
