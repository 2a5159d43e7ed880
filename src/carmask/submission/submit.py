"""From a folder of photos to a submission, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from carmask.batch.engines.engine import TIMEOUT
from carmask.batch.engines.start import EngineName, start_engine
from carmask.batch.job import Result
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoTask
from carmask.batch.storage import Stores, local_only, location
from carmask.errors import UsageError
from carmask.formats.listing import find_photos
from carmask.formats.rle_csv import refuse_picture, write_rle_csv
from carmask.images import check_writable, real_path
from carmask.model.file import fixed_name
from carmask.model.runtime import DEFAULT_MODEL, Device
from carmask.submission import write
from carmask.submission.table import read_sample


def submit_folder(
    photos: str | Path,
    out: Path,
    *,
    model: str | Path = DEFAULT_MODEL,
    sample: Path | None = None,
    device: Device = "cpu",
    engine: EngineName = "local",
    address: str | None = None,
    timeout: float = TIMEOUT,
    restart: bool = False,
    progress: Callable[[Result, int, int], None] | None = None,
) -> int:
    """Predict all photos of a folder and write a submission.

    The file is complete or absent. If the run was interrupted, the same call continues from ``<out>.partial``. Works in
    processes of its own: call it from a main module that can be imported without running.

    Args:
        photos: a folder; a location with ``://`` is read by ``ray`` only.
        out: the CSV to write, with the columns ``img`` and ``rle_mask``.
        model: a model file, or the name of a shipped model.
        sample: ``sample_submission.csv``: the image names and their order; None for all photos, sorted by name.
        device: ``cpu``, ``cuda`` or ``tensorrt``.
        engine: ``local``, all cores of this machine, or ``ray``, a cluster.
        address: the cluster's, ``HOST:PORT``; None starts Ray on this machine.
        timeout: seconds that a photo may take.
        restart: forget what earlier runs have done.
        progress: called after each photo with its result, the number done and the number of all.

    Returns:
        The number of rows.

    Raises:
        UsageError: if the request cannot be served, or another process is writing the file.
        DataError: if photos of the sample are missing.
        ModelError: if there is no such model, or its file is damaged.
        SubmissionError: if the sample cannot be read.
        IncompleteError: if photos failed; no file is written, what is done is kept.
        OutputError: if nothing more can be written.
    """
    refuse_picture(out)
    check_writable(out)
    if sample is not None and real_path(sample) == real_path(out):
        raise UsageError(f"{out}: this is the sample, which would be overwritten; name another file", argument="out")
    folder = location(photos)
    if engine == "local":
        local_only([folder])
    found: Mapping[str, Path | str]
    found = find_photos(folder) if isinstance(folder, Path) else Stores().by_stem(folder)
    names = read_sample(sample) if sample is not None else [Path(photo).name for photo in found.values()]
    for name in names:
        if not name.isascii() and name.encode(errors="replace").decode() != name:
            raise UsageError(f"{name}: its name is no UTF-8, which a submission must be; rename the photo")
    jobs = write.jobs_for(write.match_photos(names, found))
    task = PhotoTask(fixed_name(model), OutputSpec(runs=True), device, storage=Stores())

    def follow(results: Iterator[Result]) -> None:
        for done, result in enumerate(results, 1):
            if progress is not None:
                progress(result, done, len(jobs))

    with (
        start_engine(task, engine, address=address, timeout=timeout) as worker,
        write.unfinished(out, task, len(jobs), restart=restart) as manifest,
    ):
        return write_rle_csv(out, write.predict_rows(jobs, manifest, worker, follow=follow))
