"""A server under mixed load on the loopback address: good clients among bad ones, and killed in mid-load."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.soak.tally import Tally
from PIL import Image
from tests.drawn import draw_photo, write_tiny_model

GOOD, PHOTOS, JOB = "good requests", 6, 12
#: Good clients, and seconds between the restarts of a server.
CLIENTS, RESTART = 3, 40
#: Connections that say nothing, kept open all the time: five times as many as a server takes.
SILENT = 500
#: Requests that must be refused, with the statuses that do so. 0: the connection is closed without a word.
BAD: dict[str, tuple[bytes, set[int]]] = {
    "traversal": (b"GET /static/..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404}),
    "a rebound name": (b"GET /v1/jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n", {400, 421}),
    "another site's page": (
        b"POST /v1/cut HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n",
        {403},
    ),
    "too large": (b"POST /v1/cut HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n", {413}),
    "no photo": (
        b"POST /v1/cut HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\nhello",
        {400, 415, 422},
    ),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, {0, 400}),
    "cut off in its body": (b"POST /v1/cut HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc", {0}),
    "a header without end": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000, {0, 400, 431}),
}


class Server:
    """``carmask serve`` in processes of its own."""

    def __init__(self, folder: Path) -> None:
        """Prepare its model and its photos."""
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
            [sys.executable, "-m", "carmask.cli", *words, "--workers", "1"],
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

    def memory(self) -> int:
        """Bytes resident, workers included."""
        assert self._process is not None
        return _resident(self._process.pid)


def soak(work: Path, tally: Tally, goal: int, *, only: str | None = None) -> None:
    """Load a server until enough good requests were answered, or time is over."""
    del only
    server = Server(work / "server")
    while tally.count(GOOD, "sent") < goal and not tally.over():
        server.start()
        try:
            asyncio.run(_Load(server, tally, goal).run())
        finally:
            server.stop(signal.SIGTERM)


class _Load:
    """The clients of one server, which is killed and started again in the middle."""

    def __init__(self, server: Server, tally: Tally, goal: int) -> None:
        self._server, self._tally, self._goal = server, tally, goal
        self._photos = [_photo(seed) for seed in range(PHOTOS)]
        self._known: dict[int, str] = {}
        self._over = False
        self._restarting = asyncio.Event()

    async def run(self) -> None:
        """Work for a while, then restart in mid-load, and see whether the job was lost."""
        await self._load(RESTART)
        job = await self._job()
        await asyncio.sleep(0.3)
        self._server.stop()
        self._server.start()
        await self._finished(job)
        await self._load(RESTART)

    async def _load(self, seconds: float) -> None:
        self._over = False
        before = self._server.memory()
        clients = [asyncio.create_task(self._good()) for _ in range(CLIENTS)]
        clients += [asyncio.create_task(self._bad()), asyncio.create_task(self._silent())]
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end and self._tally.count(GOOD, "sent") < self._goal:
            await asyncio.sleep(0.5)
            if self._tally.over():
                break
        self._over = True
        await asyncio.gather(*clients)
        self._tally.highest(GOOD, "MB grown at most", (self._server.memory() - before) // 2**20)

    async def _good(self) -> None:
        """Send photos; each answer is what the same photo got before."""
        dice = random.Random()  # noqa: S311  # no secrets here
        while not self._over:
            number = dice.randrange(PHOTOS)
            body = self._photos[number]
            head = (
                f"POST /v1/cut HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}"
            )
            status, answer = await self._ask(f"{head}\r\nConnection: close\r\n\r\n".encode() + body, 120)
            if status == 429:
                await asyncio.sleep(0.5)
                continue
            digest = hashlib.sha256(answer).hexdigest()
            right = status == 200 and self._known.setdefault(number, digest) == digest
            self._tally.add(GOOD, {"sent": 1, "lost": int(not right)})
            if not right:
                self._tally.find(GOOD, number, f"status {status}: {answer[:200]!r}")

    async def _bad(self) -> None:
        while not self._over:
            for name, (request, wanted) in BAD.items():
                status, answer = await self._ask(request, 30, close="cut off" in name)
                self._tally.add(name, {"sent": 1, "lost": int(status not in wanted)})
                if status not in wanted:
                    self._tally.find(name, 0, f"status {status}: {answer[:200]!r}")
                await asyncio.sleep(0.02)

    async def _silent(self) -> None:
        """Connections that say nothing, opened again when the server closes them."""
        held: list[asyncio.StreamWriter] = []
        while not self._over:
            with contextlib.suppress(OSError):
                while len(held) < SILENT:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
                    held.append(writer)
                    if len(held) % 50 == 0:
                        await asyncio.sleep(0)
            self._tally.highest("silent connections", "at the same time", len(held))
            await asyncio.sleep(1)
            closed = [writer for writer in held if writer.is_closing()]
            self._tally.add("silent connections", {"sent": len(closed)})
            held = [writer for writer in held if not writer.is_closing()]
        for writer in held:
            writer.close()

    async def _job(self) -> str:
        parts = [
            b'--x\r\nContent-Disposition: form-data; name="photos"; filename="%d.jpg"\r\n\r\n' % number
            + self._photos[number % PHOTOS]
            + b"\r\n"
            for number in range(JOB)
        ]
        body = b"".join(parts) + b"--x--\r\n"
        head = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\nConnection: close"
        request = f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + body
        status, answer = await self._ask(request, 60)
        found = re.search(rb'"id":\s*"(\w+)"', answer)
        if status != 202 or found is None:
            self._tally.find("jobs", 0, f"status {status}: {answer[:200]!r}")
            return ""
        return found[1].decode()

    async def _finished(self, job: str) -> None:
        """See whether a job is done after the restart, with all its photos."""
        answer = b""
        for _ in range(240):
            request = f"GET /v1/jobs/{job} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            _, answer = await self._ask(request, 30)
            if b'"done"' in answer and b'"running"' not in answer:
                break
            await asyncio.sleep(0.25)
        right = re.search(rb'"state":\s*"done"', answer) and re.search(rb'"done":\s*%d\b' % JOB, answer)
        self._tally.add("jobs over a SIGKILL of the server", {"sent": 1, "lost": int(not right)})
        if not right:
            self._tally.find("jobs over a SIGKILL of the server", 0, f"{answer[:300]!r}")

    async def _ask(self, request: bytes, seconds: float, *, close: bool = False) -> tuple[int, bytes]:
        """Send bytes; the status and the body, or 0 if the connection is closed without a word."""
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
                try:
                    writer.write(request)
                    await writer.drain()
                    if close:
                        return 0, b""
                    answer = await _answer(reader)
                finally:
                    writer.close()
        except TimeoutError:
            return -1, b"no answer"
        except OSError as error:
            return 0, str(error).encode()
        head, _, body = answer.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1.1 (\d+)", head)
        return (int(found[1]) if found else 0), body


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


def _photo(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(seed)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _resident(pid: int) -> int:
    """Bytes resident of a process and its children (Linux)."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
    return total


def family(pid: int) -> Iterator[int]:
    """A process, and all below it (Linux)."""
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from family(int(child))
