"""``carmask serve`` in processes of its own, started and killed; requests to it in bytes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.drawn import write_tiny_model


class Sample(NamedTuple):
    """What a server holds at a moment.

    Attributes:
        second: of its life.
        megabytes: resident, of all its processes together.
        files: open descriptors, of all its processes together.
    """

    second: float
    megabytes: float
    files: int


class Server:
    """A server, and the one that comes after it."""

    def __init__(self, folder: Path) -> None:
        """Prepare its model, and choose its port."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model, self.state = write_tiny_model(folder / "tiny.onnx"), folder / f"state-{os.getpid()}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        words = ["serve", "--model", str(self.model), "--port", str(self.port), "--state", str(self.state)]
        environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "carmask", *words, "--workers", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not re.match(r"http://", line):
            raise SystemExit(f"the server did not start: {line}")

    def stop(self, how: int = signal.SIGKILL) -> None:
        """End it."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(30)

    def sample(self, second: float) -> Sample:
        """What it holds, workers included (Linux)."""
        assert self._process is not None
        memory = files = 0
        for one in family(self._process.pid):
            with contextlib.suppress(OSError):
                files += sum(1 for _ in Path(f"/proc/{one}/fd").iterdir())
                found = re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{one}/status").read_text())
                memory += int(found[1]) * 1024 if found else 0
        return Sample(second, memory / 2**20, files)

    async def ask(self, request: bytes, seconds: float, *, close: bool = False) -> tuple[int, bytes]:
        """Send bytes.

        Args:
            request: head and body.
            seconds: after which there is no answer.
            close: whether to go away before there is one.

        Returns:
            The status and the body; 0 if the connection is closed without a word, -1 if there is no answer.
        """
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(request)
                    await writer.drain()
                    answer = b"" if close else await _answer(reader)
                finally:
                    writer.close()
        except TimeoutError:
            return -1, b"no answer"
        except OSError as error:
            return 0, str(error).encode()
        head, _, body = answer.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1.1 (\d+)", head)
        return (int(found[1]) if found else 0), body

    async def drip(self, head: bytes, rest: bytes, pause: float, seconds: float) -> tuple[int, bytes]:
        """Send the rest of a request a byte at a time, until the server has enough of it.

        Args:
            head: what is sent at once.
            rest: what is not.
            pause: seconds between two bytes.
            seconds: after which the server should have cut it off.

        Returns:
            The status, or 0, as above; -1 if the server goes on listening.
        """
        answer = b""
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            reading = asyncio.ensure_future(_answer(reader))
            end = asyncio.get_running_loop().time() + seconds
            with contextlib.suppress(OSError):
                writer.write(head)
                for place in range(len(rest)):
                    writer.write(rest[place : place + 1])
                    await writer.drain()
                    await asyncio.wait([reading], timeout=pause)
                    if reading.done() or asyncio.get_running_loop().time() > end:
                        break
                await asyncio.wait([reading], timeout=max(0, end - asyncio.get_running_loop().time()))
            writer.close()
            if not reading.done():
                reading.cancel()
                return -1, b"not cut off"
            answer = reading.result()
        found = re.match(rb"HTTP/1.1 (\d+)", answer)
        return (int(found[1]) if found else 0), answer


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """Read until the other side is done: its length has come, or it closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65536):
            found += part
            head, _, body = found.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length and len(body) >= int(length[1]):
                break
    return found


def family(pid: int) -> Iterator[int]:
    """A process, and all below it (Linux)."""
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from family(int(child))
