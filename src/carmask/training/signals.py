"""Ctrl-C and SIGTERM in a training: they end it whenever they arrive, and cost no more than the epoch."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from lightning.pytorch.callbacks import Callback
from torch.utils.data import dataloader

from carmask.errors import Terminated

#: What each signal raises, and the handler that has to be in force: whoever has set another one wants it.
_RAISED: dict[int, tuple[type[BaseException], Any]] = {
    signal.SIGINT: (KeyboardInterrupt, signal.default_int_handler),
    signal.SIGTERM: (Terminated, signal.SIG_DFL),
}


def end_quietly(_: int = 0) -> None:
    """Let SIGTERM end a process of the loader without a word; PyTorch calls this in each.

    A signal to the process group reaches it, too. PyTorch lets it die of that, and raises an error about it in the main
    process, which is ending itself.
    """
    signal.signal(signal.SIGTERM, _end)


def _end(*_: Any) -> NoReturn:
    os._exit(0)


class EndingSignals(Callback):
    """Raises what a signal asks for, at once or before the next step.

    Python ignores what is raised in hooks of ``os.fork`` and in ``__del__``. A signal that arrives while the loader's
    processes are started is handled in the first (``logging`` has such a hook), while they are ended in the second: it
    was lost, or left a loader half made. There it waits for the next step.
    """

    def __init__(self) -> None:
        """No signal yet."""
        self._process = os.getpid()
        self._asked: type[BaseException] | None = None

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals meanwhile.

        Raises:
            KeyboardInterrupt: after SIGINT.
            Terminated: after SIGTERM.
        """
        if threading.current_thread() is not threading.main_thread():  # where Python handles no signals
            yield
            return
        before = {number: usual for number, (_, usual) in _RAISED.items() if signal.getsignal(number) == usual}
        for number in before:
            signal.signal(number, self._handle)
        try:
            yield
            self.on_train_batch_start()
        except Exception as error:
            # A signal to the group has ended the loader's processes as well, which is an error of its own.
            if self._asked is not None:
                raise self._asked from error
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_train_batch_start(self, *_: Any) -> None:
        """Raise what waits, or was ignored."""
        if self._asked is not None:
            raise self._asked

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            _end()  # a process of the loader
        self._asked = _RAISED[number][0]
        if not _would_be_ignored(frame):
            raise self._asked


def _would_be_ignored(frame: FrameType | None) -> bool:
    """Whether Python is starting or ending the loader's processes, or is in a ``__del__``."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__":
            return True
        if code.co_filename == dataloader.__file__ and code.co_name in {"__init__", "_shutdown_workers"}:
            return True
        frame = frame.f_back
    return False
