"""An output folder that people look at: its queue, its store, and what is rendered again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from carmask.arrays import Mask
from carmask.batch.checks import KEPT, SKIPPED
from carmask.batch.corrections import FILE, Correction, Corrections, Decision
from carmask.batch.job import Job, Result
from carmask.batch.manifest import Manifest, describe
from carmask.batch.names import MANIFEST, REPORT, STATE
from carmask.batch.runfile import Run, read_run
from carmask.batch.storage import stamp_of
from carmask.compositing.placement import SERIES_RULES
from carmask.errors import CarmaskError, InUseError, OutputError, PhotoError, UsageError
from carmask.images import encode_mask
from carmask.model.file import SHIPPED
from carmask.review.queue import Entry, Queue, read_queue
from carmask.review.report import write_decisions
from carmask.server.decisions import UnrenderedError
from carmask.server.requests import Predict, PredictedPhoto, Render
from carmask.server.worker_pool import WorkerPool

#: Predictions that are kept in memory, some tens of kilobytes each.
_KEPT = 64
#: Seconds after the last decision until the report is written.
_SETTLED = 2.0


class ReplacedError(CarmaskError):
    """The photo is another one than was cut: a correction of the old one would be wrong."""


class Opened(NamedTuple):
    """A photo with what is known of it.

    Attributes:
        entry: its place in the queue.
        predicted: what the network finds in it.
        current: the decision that holds, with its mask, or None.
        draft: the author's draft and the revision that it began with, or None.
        replaced: the file is not the one that was cut.
    """

    entry: Entry
    predicted: PredictedPhoto
    current: Correction | None
    draft: tuple[bytes, int, str] | None
    replaced: bool


class Folder:
    """One output folder, for all clients of a server."""

    def __init__(
        self,
        out: Path,
        pool: WorkerPool,
        *,
        run: Run | None = None,
        titles: Mapping[str, str] | None = None,
        title: str = "",
    ) -> None:
        """Open it.

        Args:
            out: the output folder.
            pool: decodes, predicts and renders.
            run: what the run was told; None to read it.
            titles: what people call the photos, by name; a name that is not in it is shown itself.
            title: what people call the folder; its name by default.

        Raises:
            UsageError: if ``cut`` has not written there, or is writing now.
            OutputError: if something cannot be read or written.
        """
        self.out, self._pool, self._titles = out, pool, titles or {}
        self.title = title or out.name or "results"
        self._state = out / STATE
        self._read = self._version()
        self._queue = read_queue(out, self._titles)
        self.run = read_run(self._state) if run is None else run
        self.store = Corrections(self._state / FILE)
        self._predictions: OrderedDict[str, PredictedPhoto] = OrderedDict()
        self._lock = threading.RLock()
        self._rendering: dict[str, threading.Lock] = {}
        self._writing = threading.Lock()
        self._report: threading.Timer | None = None

    def close(self) -> None:
        """Write what is due, and close the store."""
        with self._lock:
            timer, self._report = self._report, None
        if timer is not None:
            timer.cancel()
            self._write_report(last=True)
        self.store.close()

    def queue(self) -> Queue:
        """The photos; read again if a run has been here since."""
        with self._lock:
            version = self._version()
            if version != self._read:
                # While a run is going on, the queue stays what it was.
                with contextlib.suppress(UsageError, OutputError):
                    self._queue, self._read = read_queue(self.out, self._titles), version
                    self.run = read_run(self._state)
            return self._queue

    def decided(self) -> Mapping[str, Correction]:
        """The decisions that hold for the photos as they were cut, by name; others may write to the store, too."""
        return self.queue().holding(self.store.decided())

    def find(self, id: str) -> Entry:  # noqa: A002  # what it is called in addresses
        """The photo with this id.

        Raises:
            LookupError: if there is none.
        """
        entry = self.queue().find(id)
        if entry is None:
            raise LookupError("there is no such photo in this folder; it may have been cut again: reload the page")
        return entry

    def photo(self, entry: Entry) -> Path:
        """Where the photo lies."""
        return self.run.base / entry.photo

    def outputs(self, entry: Entry) -> list[Path]:
        """The files that a run writes for a photo."""
        return [self.out / name for name in self.run.task.spec.outputs(entry.name)]

    def names(self, entry: Entry) -> list[tuple[str, str]]:
        """Paths that may stand in messages about a photo, and what to say in their place."""
        return [(str(self.photo(entry)), entry.name), (entry.photo, entry.name), (str(self.out), self.title)]

    def predict(self, entry: Entry, model: str | None = None) -> PredictedPhoto:
        """What a network finds in a photo; kept for the next request.

        Args:
            entry: the photo.
            model: another model's name; None for the run's.

        Raises:
            CarmaskError: if the photo cannot be read, or too many wait.
        """
        path, model = self.photo(entry), model or self.run.task.model
        key = f"{entry.id} {_stamp(path)} {model}"
        with self._lock:
            if key in self._predictions:
                self._predictions.move_to_end(key)
                return self._predictions[key]
        if not path.exists():
            raise PhotoError(f"{entry.name}: the photo is no longer where it was; put it back, or cut its folder again")
        spec = self.run.task.spec
        found = self._pool.ask(Predict(path, model, whole=spec.picture or spec.parts)).result()
        if not isinstance(found, PredictedPhoto):
            raise _error(found)
        with self._lock:
            self._predictions[key] = found
            while len(self._predictions) > _KEPT:
                self._predictions.popitem(last=False)
        return found

    def open(self, entry: Entry, author: str) -> Opened:
        """All that a page needs of a photo.

        Args:
            entry: the photo.
            author: whose draft is meant.

        Raises:
            CarmaskError: if the photo cannot be read, or too many wait.
        """
        predicted = self.predict(entry)
        current = self.store.current(entry.name)
        # What was decided about a photo that was replaced, and cut again, is none about this one.
        if current is not None and entry.digest not in {"", current.photo}:
            current = replace(current, decision="open", mask=None, base=None)
        draft = self.store.draft(entry.name, author)
        kept = None if draft is None or draft[2] != predicted.digest else (draft[0], draft[1], draft[3])
        return Opened(entry, predicted, current, kept, bool(entry.digest) and predicted.digest != entry.digest)

    def decide(
        self,
        entry: Entry,
        decision: Decision,
        mask: Mask | None,
        *,
        author: str,
        reason: str,
        revision: int,
        seen: str = "",
    ) -> tuple[Correction, Result | None]:
        """Store a decision, and render the photo again.

        Args:
            entry: the photo.
            decision: what was decided.
            mask: bool (height, width), if it was corrected.
            author: who decided.
            reason: why it was rejected.
            revision: the one that was looked at.
            seen: SHA-256 of the photo's file that was looked at; '' if it is not known.

        Returns:
            The decision, and what became of the rendering; None where nothing had to be rendered.

        Raises:
            ReplacedError: if the photo is not the one that was cut, or looked at. Nothing is stored.
            ConflictError: if another revision holds now. Nothing is stored.
            PhotoError: if the mask has another size than the photo. Nothing is stored.
            OutputError: if it cannot be stored.
            UnrenderedError: if it is stored, and the photo cannot be rendered, or too many wait.
            CarmaskError: if the photo cannot be read, or too many wait. Nothing is stored.
        """
        predicted = self.predict(entry)
        if entry.digest and predicted.digest != entry.digest:
            raise ReplacedError(
                f"{entry.name}: this photo has been replaced since it was cut; nothing was stored: cut it again"
            )
        _check_seen(entry, predicted, seen)
        png = None
        if decision == "corrected":
            if mask is None or mask.shape != predicted.size:
                raise PhotoError(f"{entry.name}: the mask has another size than the photo; reload the page")
            png = encode_mask(mask)
        before = self.store.current(entry.name)
        model = Path(self.run.task.model.removeprefix(SHIPPED)).stem
        saved = self.store.save(
            Correction(
                entry.name,
                decision,
                predicted.digest,
                png,
                predicted.png if png else None,
                model,
                reason=reason,
                author=author,
            ),
            seen=revision,
        )
        self._settle()
        # A correction that is taken back, or replaced by the network's own mask, is rendered without.
        was = before is not None and before.mask is not None
        try:
            return saved, self._render_current(entry) if png or was else None
        except CarmaskError as error:
            raise UnrenderedError(saved, error) from error

    def _render_current(self, entry: Entry) -> Result:
        """Render the decision that holds; one after the other, or the outputs could be those of an earlier one."""
        with self._lock:
            alone = self._rendering.setdefault(entry.name, threading.Lock())
        with alone:
            return self.render(entry, self.store.current(entry.name))

    def render(self, entry: Entry, correction: Correction | None) -> Result:
        """Write a photo's outputs again.

        Args:
            entry: the photo.
            correction: what to render it from; None for the network's mask.

        Raises:
            CarmaskError: if that failed.
        """
        mask = None if correction is None else correction.mask
        job = Job(
            self.photo(entry),
            entry.name,
            tuple(self.outputs(entry)),
            series=self._series(entry),
            vehicle=entry.vehicle,
            correction=mask,
            corrected_photo="" if correction is None else correction.photo,
        )
        found = self._pool.ask(Render(job, self.run.task.spec, self.run.task.model)).result()
        if not isinstance(found, Result):
            raise _error(found)
        if found.status == "failed":
            raise OutputError(found.reason)
        # A run that is going on has the manifest: it finds the new outputs and does the photo again.
        with (
            contextlib.suppress(UsageError, OutputError),
            self._writing,
            Manifest(self._state / MANIFEST, describe(self.run.task)) as manifest,
        ):
            if (earlier := manifest.result(entry.name)) is not None and KEPT not in found.facts:
                # View and measurements are the photo's, whatever its mask: they are found by runs only.
                facts = {name: fact for name, fact in earlier.facts.items() if name != SKIPPED}
                found = replace(found, facts={**facts, **found.facts})
            manifest.record(entry.name, found, job.outputs)
            manifest.close()
            self._read = self._version()
        return found

    def keep_draft(self, entry: Entry, mask: Mask, *, author: str, revision: int, seen: str = "") -> None:
        """Store what is being worked on.

        Args:
            entry: the photo.
            mask: bool (height, width), at the photo's size.
            author: whose draft it is.
            revision: the one that it began with.
            seen: SHA-256 of the photo's file that it was drawn on; '' if it is not known.

        Raises:
            ReplacedError: if the photo is another one now. Nothing is stored.
            OutputError: if it cannot be stored.
            PhotoError: if the mask has another size than the photo.
        """
        predicted = self.predict(entry)
        _check_seen(entry, predicted, seen)
        if mask.shape != predicted.size:
            raise PhotoError(f"{entry.name}: the mask has another size than the photo; reload the page")
        self.store.keep_draft(entry.name, author, encode_mask(mask), seen=revision, photo=predicted.digest)

    def _series(self, entry: Entry) -> tuple[Path | str, ...]:
        if self.run.task.spec.style.placing.rule not in SERIES_RULES:
            return ()
        views = self.queue().views(entry)
        return tuple(self.photo(view) for view in views) if len(views) > 1 else ()

    def _settle(self) -> None:
        """Write the report soon, once for many decisions."""
        with self._lock:
            if self._report is not None:
                self._report.cancel()
            self._report = threading.Timer(_SETTLED, self._write_report)
            self._report.daemon = True
            self._report.start()

    def _write_report(self, *, last: bool = False) -> None:
        # What fails is written again with the next decision, and by the next run.
        with contextlib.suppress(OutputError, UsageError):
            try:
                queue, decided = self.queue(), self.decided()
                with self._writing:
                    write_decisions(self.out, queue, decided)
            except InUseError:
                if not last:
                    self._settle()

    def _version(self) -> str:
        try:
            files = [self._state / MANIFEST, self.out / REPORT]
            return " ".join(stamp_of(file.stat()) for file in files if file.exists())
        except OSError:
            return ""


def _check_seen(entry: Entry, predicted: PredictedPhoto, seen: str) -> None:
    if seen not in {"", predicted.digest}:
        raise ReplacedError(
            f"{entry.name}: this photo has been replaced since it was opened; nothing was stored: open it again"
        )


def _stamp(path: Path) -> str:
    try:
        return stamp_of(path.stat())
    except OSError:
        return f"missing {time.monotonic()}"


def _error(found: object) -> CarmaskError:
    return found if isinstance(found, CarmaskError) else PhotoError("no response")
