"""Run a function in a process of its own, so that an item which crashes or hangs it costs only itself.

Decoders are written in C and are fed with whatever lies in a folder. One that crashes takes its process with it, one
that hangs cannot be stopped from inside. So the work is done in a second process, and the first one, which holds the
records, outlives it: it starts another, tries the items that were under way one by one, and knows the culprit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import BinaryIO, Generic, NamedTuple, TypeVar

from carmask.batch.turns import tell_turns
from carmask.errors import CarmaskError

T = TypeVar("T")
R = TypeVar("R")

#: Seconds in which a process must have loaded the function: most take a few, TensorRT minutes.
LOADING = 900.0
#: How often a process is started that does not load it in time.
_TRIES = 2
_ENDED = "the process of its own has been ended"
_logger = logging.getLogger(__name__)


class Lost(NamedTuple):
    """What comes in place of a result if the process did not live to give it."""

    reason: str


class _Message(NamedTuple):
    """What the process says: about its start (number -1) or about an item."""

    number: int
    value: object = None
    error: CarmaskError | None = None
    bug: str = ""
    #: The item is worked on, or waits for its turn; else this is its end.
    working: bool | None = None


class _Flight(Generic[T]):
    """An item that was handed over, and the time at which it is given up."""

    def __init__(self, item: T, deadline: float) -> None:
        self.item, self.deadline, self.working = item, deadline, False


class Isolated(Generic[T, R]):
    """A process that has loaded a function and calls it on items, several at a time.

    Used as a context manager: the process ends with the block. It ends by itself if this process is killed.
    """

    def __init__(self, load: Callable[[], Callable[[T], R]], *, threads: int, timeout: float, waiting: int = 2) -> None:
        """Start the process and wait until the function is loaded.

        Args:
            load: called there once; returns the function. Must be picklable, as items and results must.
            threads: items worked on at the same time.
            timeout: seconds that an item may take; it is given up then. Those in which it waits for its turn
                (``carmask.batch.turns``) do not count, as long as other items come to their end.
            waiting: items handed over beyond those worked on, so that no thread waits for the next.

        Raises:
            CarmaskError: what ``load`` raised, or if the process died, hung or could not be started.
            RuntimeError: if ``load`` raised anything else.
        """
        self._load, self._threads, self._timeout = load, threads, timeout
        self._ahead = threads + waiting
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._messages: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._letters: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._start()

    def __enter__(self) -> Isolated[T, R]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        """End the process, for good; what it is working on is dropped."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._letters.put(None)
        process.kill()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            # It hangs in the kernel, as on a file server that is gone, and cannot be killed before that comes back.
            return
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):  # what was still to be written to it is of no interest
                stream.close()

    def map(self, items: Iterable[T]) -> Iterator[tuple[T, R | Lost]]:
        """Call the function on each item.

        Args:
            items: drawn as needed, few at a time.

        Yields:
            Each item with its result, or why there is none, in the order in which they finish.

        Raises:
            CarmaskError: as at the start, when the process had to be started again; the next call tries anew.
            RuntimeError: if the function raised, with its traceback: it is meant to return its errors.
        """
        if self._process is None and not self._closed:  # it could not be started again
            self._start()
        fresh = enumerate(items)
        suspects: deque[tuple[int, T]] = deque()  # the process died with several under way, one of them is to blame
        flying: dict[int, _Flight[T]] = {}
        while True:
            if not flying and suspects:
                room, waiting = 1, iter([suspects.popleft()])
            elif not flying or room > 1:
                room, waiting = self._ahead, fresh
            for number, item in islice(waiting, room - len(flying)):
                flying[number] = _Flight(item, time.monotonic() + self._timeout)
                self._send((number, item))
            if not flying:
                return
            reason, message = self._receive(min(one.deadline for one in flying.values()))
            if message is not None:
                if message.bug:
                    raise RuntimeError(f"in the process of its own:\n{message.bug}")
                now = time.monotonic()
                for number, one in flying.items():
                    if number == message.number and message.working is not None:
                        one.working = message.working
                    elif one.working:
                        continue
                    one.deadline = now + self._timeout
                if message.working is None:
                    yield flying.pop(message.number).item, message.value  # type: ignore[misc]  # as was returned
                continue
            self._end()
            if self._closed:
                raise RuntimeError(_ENDED)
            self._start()
            if len(flying) == 1:
                (one,) = flying.values()
                yield one.item, Lost(reason)
            else:
                suspects.extend((number, one.item) for number, one in sorted(flying.items()))
            flying.clear()

    def _start(self) -> None:
        for _ in range(_TRIES):
            self._launch()
            self._send((self._load, self._threads))
            try:
                message = self._messages.get(timeout=LOADING)
            except queue.Empty:  # a library that waits for itself as it starts, once in thousands: the next one goes on
                _logger.warning("the process that loads the network has not answered for %g s and is ended", LOADING)
                self._end()
                continue
            if message is not None and not message.error and not message.bug:
                return
            reason = self._death()
            self._end()
            if message is None:
                raise CarmaskError(f"the process that loads the network {reason}; is there too little memory?")
            raise message.error or RuntimeError(f"the network could not be loaded:\n{message.bug}")
        raise CarmaskError(
            f"the process that loads the network hung {_TRIES} times for {LOADING:g} s; is the model on a drive that "
            "does not answer?"
        )

    def _launch(self) -> None:
        # sys.path is handed on: whatever could be imported here can be unpickled there.
        code = f"import sys; sys.path[:] = {sys.path!r}; from carmask.batch.engines.isolated import serve; serve()"
        # In a group of its own: Ctrl-C reaches this process only, which ends the other.
        try:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter and our own code
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
            )
        except OSError as error:
            raise CarmaskError(f"no process can be started for the network: {error.strerror or error}") from error
        self._messages, self._letters = queue.SimpleQueue(), queue.SimpleQueue()
        self._process = process
        for target, ends in ((_listen, (process.stdout, self._messages)), (_post, (process.stdin, self._letters))):
            threading.Thread(target=target, args=ends, daemon=True).start()
        if self._closed:  # by another thread, which had no process to end yet
            self._end()
            raise RuntimeError(_ENDED)

    def _send(self, content: object) -> None:
        # Not written here: a process that hangs reads nothing, and this one would wait for it beyond all limits.
        self._letters.put(pickle.dumps(content))

    def _receive(self, deadline: float) -> tuple[str, _Message | None]:
        """The next message, or the reason why there is none."""
        try:
            message = self._messages.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return f"given up after {self._timeout:g} s", None
        return ("", message) if message is not None else (f"its process {self._death()}", None)

    def _death(self) -> str:
        process = self._process
        if process is None:  # another thread has closed it
            raise RuntimeError(_ENDED)
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "stopped answering"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def serve() -> None:
    """The other process: reads items from standard input, writes messages to what was standard output."""
    incoming = sys.stdin.buffer
    # Whatever a library prints must not come between the messages.
    outgoing = os.fdopen(os.dup(1), "wb")
    try:
        os.dup2(2, 1)
    except OSError:  # whoever started this one has closed standard error
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    lock = threading.Lock()

    def say(message: _Message) -> None:
        try:
            with lock:
                pickle.dump(message, outgoing)
                outgoing.flush()
        except BrokenPipeError:
            os._exit(1)  # nobody is left to say it to

    def work(function: Callable[[object], object], number: int, item: object) -> None:
        tell_turns(lambda working: say(_Message(number, working=working)))
        try:
            say(_Message(number, working=True))
            say(_Message(number, function(item)))
        except BaseException:  # noqa: BLE001  # the other side raises it
            say(_Message(number, bug=traceback.format_exc()))

    try:
        load, threads = pickle.load(incoming)  # noqa: S301  # from the process that started this one
        function = load()
    except CarmaskError as error:
        say(_Message(-1, error=error))
        return
    except Exception:  # noqa: BLE001  # the other side raises it
        say(_Message(-1, bug=traceback.format_exc()))
        return
    say(_Message(-1))
    with ThreadPoolExecutor(threads) as pool:
        while True:
            try:
                number, item = pickle.load(incoming)  # noqa: S301
            except (EOFError, pickle.UnpicklingError, KeyboardInterrupt):
                # The other side is gone, perhaps killed. Files are put in place whole: nothing is lost by stopping now.
                os._exit(0)
            pool.submit(work, function, number, item)


def _listen(stream: BinaryIO, messages: queue.SimpleQueue[_Message | None]) -> None:
    """Hand on messages as they come, and None at the end: unlike a pipe, a queue can be waited for with a limit."""
    try:
        with contextlib.suppress(EOFError, pickle.UnpicklingError, OSError, ValueError):
            while True:
                messages.put(pickle.load(stream))  # noqa: S301  # from the process that we started
    finally:
        messages.put(None)


def _post(stream: BinaryIO, letters: queue.SimpleQueue[bytes | None]) -> None:
    """Write what is sent, until None: a pipe that nobody reads holds up this thread alone."""
    # If the process has died meanwhile, the end of its messages tells.
    with contextlib.suppress(OSError, ValueError):
        while (letter := letters.get()) is not None:
            stream.write(letter)
            stream.flush()
