"""Fine-tune a model on corrected masks, and ship it if it is better by more than chance."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from carmask.data.table import Example
from carmask.errors import OutputError, UsageError
from carmask.failures import disk_errors
from carmask.images import make_folder, remove_leftovers, write_atomically
from carmask.learning.decide import Candidate, Verdict, choose, paired_gain
from carmask.learning.gather import Gathered, gather
from carmask.learning.recalibrate import Recalibrated
from carmask.learning.rehearsal import Rehearsal, find_rehearsal
from carmask.learning.scores import ScoreFile, as_scored
from carmask.learning.settings import CORRECTED, Limits, learning_recipe
from carmask.locking import only_run
from carmask.logs import log_file
from carmask.model.card import card_path, check_model_file
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.words import counted

if TYPE_CHECKING:
    from carmask.learning.training import Photos, Trained

LOGGER = logging.getLogger("carmask.learning")
#: Shares of the new weights that are tried in the average with the old ones, in the order in which they are tested. A
#: mixture first: with few photos it is seldom far from the best, where either end may be.
SHARES = (0.7, 1.0, 0.35)
#: Of what a run's folder holds: runs of other versions are not gone on with.
VERSION = 3
STATE_FILE, LOG_FILE = "learn.json", "learn.log"

Report = Callable[[str, int, int], None]
#: Rows of scores: of the corrected photos that are held out, and of the rehearsal's.
_Scores: TypeAlias = tuple[list[dict[str, Any]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Learned:
    """How a run ended.

    Attributes:
        verdict: whether the model is shipped, and why.
        model: its file; None if it is refused.
        old: the description of the model that was there.
        gathered: the corrected photos.
        rehearsal: what was rehearsed.
        candidates: averages of old and new weights that were tried.
        before: scores of the old model, a row for each photo held out: corrected ones, then rehearsal ones.
        after: those of the chosen candidate.
        recalibrated: what was changed in the calibration; None if the model has none, or is refused.
        settings: of the run, for the reader.
        log: lines of what was done.
    """

    verdict: Verdict
    model: Path | None
    old: ModelInfo
    gathered: Gathered
    rehearsal: Rehearsal
    candidates: tuple[Candidate, ...]
    before: tuple[list[dict[str, Any]], list[dict[str, Any]]] = field(repr=False)
    after: tuple[list[dict[str, Any]], list[dict[str, Any]]] = field(repr=False)
    recalibrated: Recalibrated | None
    settings: dict[str, str]
    log: tuple[str, ...] = field(repr=False)


def learn(
    sources: Sequence[Path],
    out: Path,
    *,
    model: str | Path = "default",
    data: Path | None = None,
    work: Path | None = None,
    limits: Limits | None = None,
    report: Report | None = None,
    bar: bool = False,
) -> Learned:
    """Fine-tune a model on corrected masks, and write it if it is better by more than chance.

    The corrected photos are split by vehicle: a third is held out. The segmentation stage, and a localisation network
    if it is what loses, are fine-tuned from the model's own weights on the others, mixed with photos of what it knew
    (rehearsal). Averages of the old and new weights are tried on the photos held out of both. The one of the largest
    gain that keeps the rehearsal's Dice is recalibrated and written, if its gain is larger than chance explains.

    Every step is done once: the same call goes on where a killed one was. Lines about the progress go to the logger
    ``carmask.learning`` and to ``learn.log``.

    Args:
        sources: output folders of ``cut`` that were reviewed, and data sets.
        out: the model file to write, its card beside it; its name is the model's.
        model: a model file or name.
        data: what to rehearse: a data set that the model was trained on, or another one of what it is to keep; None for
            the rendered cars that come with carmask.
        work: folder of the run; beside ``out`` by default.
        limits: how long to train, and what passes for better.
        report: called with what is being done, the number done and the number of all.
        bar: show Lightning's progress bar.

    Returns:
        How it ended.

    Raises:
        UsageError: if nothing was corrected, the model is one of parts, or ``out`` is there and not of this run.
        DataError: if there are too few vehicles, or a data set is incomplete.
        ModelError: if there is no such model, or its file is damaged.
        PhotoError: if a photo or mask cannot be read.
        OutputError: if a file cannot be written, or the folder holds another run.
    """
    from carmask.learning.ship import describe, ship
    from carmask.learning.training import Photos, train_stages
    from carmask.learning.weights import average_into

    limits, report = limits or Limits(), report or (lambda *_: None)
    work = work or out.with_suffix(".learn")
    path = find_model(model)
    info = read_info(path)
    learning_recipe(info, 1, scale=limits.scale)  # refuses what cannot be done
    _check_out(out, path, work)
    rehearsal = find_rehearsal(data, info)
    make_folder(work)
    with only_run(work / "learn.lock", "another run is learning"), log_file(LOGGER, work / LOG_FILE), disk_errors(work):
        remove_leftovers(out.parent, {out.name, card_path(out).name})
        remove_leftovers(work, None)
        gathered = _gather_once(sources, work, path, rehearsal, limits, report)
        trained, held = (gathered.examples(part) for part in gathered.split)
        photos = Photos(trained, rehearsal.trained, _times(len(trained), len(rehearsal.trained)))
        _announce(path, gathered, len(held), rehearsal, photos)
        new = train_stages(info, path, work, photos, limits, report=report, bar=bar)
        described = describe(info, out.stem, gathered, len(trained))

        def average(share: float, file: Path) -> None:
            average_into(path, new.file, share, described, file, localisation=new.localisation)

        tried = _try_averages(path, work, held, rehearsal.tested, average, limits, report)
        verdict = choose(tried.candidates, tolerance=limits.tolerance)
        LOGGER.info("%s: %s", "shipped" if verdict.accepted else "refused", verdict.reason)
        best = verdict.candidate.share
        recalibrated = (
            ship(_average_file(work, best), out, path, verdict, tried.found[best]) if verdict.accepted else None
        )
        if recalibrated is not None:
            LOGGER.info(
                "recalibrated on %s: log of expected 1 - Dice %+.2f, of the expected contour error %+.2f",
                *(counted(recalibrated.photos, "photo"), recalibrated.loss, recalibrated.error),
            )
        return Learned(
            verdict=verdict,
            model=out if verdict.accepted else None,
            old=info,
            gathered=gathered,
            rehearsal=rehearsal,
            candidates=tuple(tried.candidates),
            before=tried.before,
            after=tried.found[best],
            recalibrated=recalibrated,
            settings=_settings(info, path, limits, rehearsal, photos.times, new),
            log=tuple((work / LOG_FILE).read_text(encoding="utf-8").splitlines()),
        )


def _announce(model: Path, gathered: Gathered, held: int, rehearsal: Rehearsal, photos: Photos) -> None:
    LOGGER.info(
        "learning from %s: %s of %s to train on, %d of %d held out",
        model,
        counted(len(photos.corrected), "corrected photo"),
        counted(len(gathered.split.train), "vehicle"),
        held,
        len(gathered.split.validation),
    )
    LOGGER.info(
        "rehearsal: %s: %s to train on (corrected ones %s for each of them), %d to test on",
        rehearsal.about,
        counted(len(rehearsal.trained), "photo"),
        counted(photos.times, "time"),
        len(rehearsal.tested),
    )


def _times(corrected: int, rehearsed: int) -> int:
    """How often each corrected photo is taken for each rehearsed one, so that they have their share of the mixture."""
    return max(1, round(CORRECTED / (1 - CORRECTED) * rehearsed / max(1, corrected)))


def _check_run(work: Path, model: Path, gathered: Gathered, rehearsal: Rehearsal, limits: Limits) -> None:
    """Refuse to go on with a run of other photos, masks, model or settings.

    Raises:
        OutputError: if the folder holds another run.
    """
    content = hashlib.sha256(model.read_bytes())
    for file in sorted((*(gathered.folder / "train").iterdir(), *(gathered.folder / "train_masks").iterdir())):
        content.update(file.name.encode("utf-8", "surrogateescape"))
        content.update(file.read_bytes())
    for one in (*rehearsal.trained, *rehearsal.tested):
        content.update(f"{one.name} {one.photo.resolve()}".encode("utf-8", "surrogateescape"))
    content.update(json.dumps([VERSION, *map(float, (limits.passes, limits.rate, limits.scale))]).encode())
    needs, file = content.hexdigest(), work / STATE_FILE
    if file.exists():
        try:
            known = json.loads(file.read_text(encoding="utf-8"))["needs"]
        except (OSError, ValueError, KeyError) as error:
            raise OutputError(f"{file}: damaged; remove {work} to start anew") from error
        if known != needs:
            raise OutputError(
                f"{work}: holds a run of other corrections, settings or another model; remove it, or choose another "
                "folder with work=…"
            )
        LOGGER.info("going on with the run of %s", work)
        return
    started = datetime.now(UTC).isoformat(timespec="seconds")
    write_atomically(file, json.dumps({"needs": needs, "started": started}, indent=1).encode())


def _settings(
    info: ModelInfo, model: Path, limits: Limits, rehearsal: Rehearsal, times: int, new: Trained
) -> dict[str, str]:
    minutes = "no limit" if limits.minutes is None else f"{limits.minutes:g} minutes"
    if limits.processor_minutes is not None:
        minutes = f"{limits.processor_minutes:g} minutes of processor time"
    count = f"{counted(len(rehearsal.trained), 'photo')} to train on, {len(rehearsal.tested)} to test on"
    how = f"{limits.passes:g} passes at most, learning rate {limits.rate:g}, scale {limits.scale:g}"
    tested = f"one-sided level {limits.level:g}, one average after the other"
    stages = "segmentation alone" if new.losses is None else f"{new.losses}"
    if new.losses is not None and new.localisation:
        stages += f": {100 * new.losses.training:.0f} % of the training is localisation's"
    return {
        "model": f"{info.name}, version {info.version}: {model}",
        "training": f"{minutes}, {how}",
        "stages": stages,
        "rehearsal": f"{rehearsal.about}: {count}",
        "mixture": f"a corrected photo is seen {counted(times, 'time')} as often as a rehearsal photo",
        "better": f"{tested}; rehearsal may lose {limits.tolerance:g}",
    }


def _check_out(out: Path, model: Path, work: Path) -> None:
    check_model_file(out)
    if out.exists() and out.resolve() == model.resolve():
        raise UsageError(f"{out}: this is the model to learn from; give another file", argument="out")
    if out.exists() and not (work / STATE_FILE).exists():
        raise UsageError(f"{out}: this file is there already; give another one", argument="out")


def _gather_once(
    sources: Sequence[Path], work: Path, model: Path, rehearsal: Rehearsal, limits: Limits, report: Report
) -> Gathered:
    """Copy the corrected photos to the run's folder, if it is this run's."""
    # Beside those of an earlier call, until it is known that they are the same.
    fresh = work / "corrections.new"
    shutil.rmtree(fresh, ignore_errors=True)
    gathered = gather(sources, fresh, progress=_named(report, "copying photos"))
    for line in gathered.problems:
        LOGGER.warning("%s", line)
    try:
        _check_run(work, model, gathered, rehearsal, limits)
    except OutputError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    gathered = gathered._replace(folder=work / "corrections")
    shutil.rmtree(gathered.folder, ignore_errors=True)
    fresh.rename(gathered.folder)
    return gathered


class _Tried(NamedTuple):
    """Averages of old and new weights: how they score, on corrected and on rehearsal photos."""

    candidates: list[Candidate]
    before: _Scores
    found: dict[float, _Scores]


def _average_file(work: Path, share: float) -> Path:
    return work / f"share-{share:g}.onnx"


def _try_averages(
    model: Path,
    work: Path,
    held: Sequence[Example],
    rehearsed: Sequence[Example],
    average: Callable[[float, Path], None],
    limits: Limits,
    report: Report,
) -> _Tried:
    """Make each average, as the file that would be shipped, and score it beside the model."""
    scores = ScoreFile(work / "scores.jsonl")
    before = (
        scores.score(model, held, kind="corrected", progress=_named(report, "scoring the old model")),
        # By the network that learns: what a specialist segments tells nothing of what that has forgotten.
        scores.score(
            model, rehearsed, kind="rehearsal", specialist=False, progress=_named(report, "rehearsal, old model")
        ),
    )
    tried = _Tried([], before, {})
    for share in SHARES:
        file, said = _average_file(work, share), f"share {share:g}"
        if not file.exists():
            average(share, file)
        tried.found[share] = (
            scores.score(file, held, kind="corrected", contours=True, progress=_named(report, said)),
            scores.score(
                file,
                rehearsed,
                kind="rehearsal",
                contours=True,
                specialist=False,
                progress=_named(report, f"{said}, rehearsal"),
            ),
        )
        gains = [
            paired_gain(as_scored(old), as_scored(now), level=limits.level)
            for old, now in zip(before, tried.found[share], strict=True)
        ]
        tried.candidates.append(Candidate(share, *gains))
        LOGGER.info("%g of the new weights: corrected %s; rehearsal %s", share, *gains)
    return tried


def _named(report: Report, what: str) -> Callable[[int, int], None]:
    return lambda done, total: report(what, done, total)
