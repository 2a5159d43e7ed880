"""Train in a process of its own.

PyTorch and OpenVINO each bring threads, signal handlers and an allocator's settings of their own. So nothing predicts
where a run trains, and a training that is ended by a signal goes on from its last epoch.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from carmask.errors import CarmaskError, WeightsError
from carmask.failures import disk_errors
from carmask.training.extra_data import Sources
from carmask.training.machines import Machines
from carmask.training.recipe import Recipe

LOGGER = logging.getLogger("carmask.learning")
#: How often a training is started that a signal ends.
TRIES = 3
#: Seconds that it has to end when it has said all, and when it is asked to; and between two looks whether it lives.
_ENDING, _POLL = 60.0, 1.0

Report = Callable[[str, int, int], None]


class Request(NamedTuple):
    """What ``train`` is called with.

    Attributes:
        recipe: the settings.
        data: the data set.
        out: folder of the run.
        sources: initial weights, and what else there is.
        cache: folder for decoded photos.
        machines: what to train on.
        bar: show Lightning's progress bar.
    """

    recipe: Recipe
    data: Path
    out: Path
    sources: Sources
    cache: Path
    machines: Machines
    bar: bool = False


def train_apart(request: Request, report: Report) -> None:
    """Call ``train`` in another process; its log lines and its progress come from here.

    Args:
        request: what to train.
        report: called with what is being done, the number done and the number of all.

    Raises:
        CarmaskError: whatever ``train`` refuses.
        WeightsError: if signals end it again and again.
    """
    for attempt in range(1, TRIES + 1):
        code = _once(request, report)
        if code == 0:
            return
        LOGGER.warning("the training's process ended with status %d (try %d of %d)", code, attempt, TRIES)
    raise WeightsError(
        f"{request.out}: the training's process ended {TRIES} times before its end; the same call goes on"
    )


def _once(request: Request, report: Report) -> int:
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(request, theirs), name="carmask learning")
    process.start()
    theirs.close()
    try:
        # Its end is not that of the pipe alone: the loader's processes have that, too, and one may hang.
        while ours.poll(_POLL) or process.is_alive() or ours.poll():
            if not ours.poll():
                continue
            try:
                kind, content = ours.recv()
            except EOFError:
                break
            if kind == "report":
                report(*content)
            elif kind == "log":
                logger = logging.getLogger(content.name)
                if logger.isEnabledFor(content.levelno):
                    logger.handle(content)
            elif kind == "error":
                raise content
        process.join(_ENDING)
    finally:
        if process.is_alive():
            process.terminate()
            process.join(_ENDING)
        if process.is_alive():
            process.kill()
            process.join()
        ours.close()
    return process.exitcode or 0


class _Sending(logging.Handler):
    def __init__(self, to: Connection, lock: threading.Lock) -> None:
        super().__init__()
        self._to, self._lock_of_pipe = to, lock

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        with self._lock_of_pipe:
            self._to.send(("log", record))


def _serve(request: Request, to: Connection) -> None:
    """The other process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from carmask.training.train import train

    lock = threading.Lock()
    logger = logging.getLogger("carmask.training")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Sending(to, lock))

    def report(what: str, done: int, total: int) -> None:
        with lock:
            to.send(("report", (what, done, total)))

    try:
        with disk_errors(request.out):
            train(
                request.recipe,
                request.data,
                request.out,
                sources=request.sources,
                cache=request.cache,
                machines=request.machines,
                report=report,
                bar=request.bar,
            )
    except CarmaskError as error:
        to.send(("error", error))
    except KeyboardInterrupt:
        sys.exit(130)  # Ctrl-C reaches both processes, and the other one says it
    except Exception:  # noqa: BLE001  # a bug keeps its traceback
        to.send(("error", RuntimeError("in the training's process:\n" + traceback.format_exc())))
    to.close()


def _end_with_parent() -> None:
    """Nobody waits for a training whose run was killed, and the next one may be writing to its folder."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
