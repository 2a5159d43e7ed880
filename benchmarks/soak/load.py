"""A server under mixed load on the loopback address: good clients among bad ones, and killed in mid-load."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import random
import shutil
import signal
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.soak.served import Sample, Server
from benchmarks.soak.tally import Tally
from PIL import Image
from tests.drawn import draw_photo

GOOD, JOBS, OVER, SELF = "good requests", "jobs of 12 photos", "jobs over a SIGKILL of the server", "the server"
#: What is counted towards the goal.
LOAD = "minutes of load"
PHOTOS, JOB = 6, 12
#: Clients that send photos, those that send jobs, and the longest pause of theirs between two requests, in seconds.
CLIENTS, SENDERS, PAUSE = 3, 2, 0.6
#: Seconds that a server lives under load; between two samples of what it holds.
LIFE, EVERY = 600.0, 5.0
#: Connections that say nothing, kept open all the time: five times as many as a server takes.
SILENT = 500
_CUT = b"POST /v1/cut HTTP/1.1\r\nHost: localhost\r\n"
#: Requests that must be refused, with the statuses that do so. 0: the connection is closed without a word.
BAD: dict[str, tuple[bytes, set[int]]] = {
    "traversal": (b"GET /static/..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404}),
    "a rebound name": (b"GET /v1/jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n", {400, 421}),
    "another site's page": (_CUT + b"Origin: https://evil.example\r\nContent-Length: 0\r\n\r\n", {403}),
    "too large": (_CUT + b"Content-Length: 999999999999\r\n\r\n", {413}),
    "no photo": (_CUT + b"Content-Type: image/jpeg\r\nContent-Length: 5\r\n\r\nhello", {400, 415, 422}),
    "a wrong type": (_CUT + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", {400, 415, 422}),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, {0, 400}),
    "a header without end": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000, {0, 400, 431}),
}
#: Requests that are sent a byte every half second: cut off, once the time for a header, or for a body, is over.
SLOW = {
    "a header byte by byte": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
    "a body byte by byte": _CUT + b"Content-Type: image/jpeg\r\nContent-Length: 5000\r\n\r\n",
}


def soak(work: Path, tally: Tally, goal: int, *, only: str | None = None) -> None:
    """Load servers for as many minutes as wanted, or until time is over."""
    del only
    while tally.count(SELF, LOAD) < goal and not tally.over():
        server = Server(work / "server")
        life = max(60.0, min(LIFE, 60.0 * (goal - tally.count(SELF, LOAD)) / 2))
        server.start()
        try:
            asyncio.run(_Load(server, tally, life).run())
        finally:
            server.stop(signal.SIGTERM)
            shutil.rmtree(server.state, ignore_errors=True)


class _Load:
    """The clients of one server, which is killed and started again in the middle."""

    def __init__(self, server: Server, tally: Tally, life: float) -> None:
        self._server, self._tally, self._life = server, tally, life
        self._photos = [_photo(seed) for seed in range(PHOTOS)]
        self._known: dict[int, str] = {}
        self._under_way: set[str] = set()  # jobs
        self._over, self._down, self._kills = False, False, 0

    async def run(self) -> None:
        """Load it, kill it while jobs are under way, and load the one that comes after it."""
        for number in range(PHOTOS):
            status, answer = await self._server.ask(self._cut(number), 120)
            assert status == 200, answer
            self._known[number] = _digest(answer)
        clients = [asyncio.ensure_future(self._good()) for _ in range(CLIENTS)]
        clients += [asyncio.ensure_future(self._jobs()) for _ in range(SENDERS)]
        clients += [asyncio.ensure_future(one) for one in (self._bad(), self._slow(), self._silent())]
        try:
            await self._live()
            await self._restart()
            await self._live()
        finally:
            self._over = True
            await asyncio.gather(*clients)

    async def _live(self) -> None:
        """Look at the server for its life, and count what it holds early and late."""
        clock = asyncio.get_running_loop().time
        began = counted = clock()
        found = [self._server.sample(0)]
        while clock() - began < self._life and not self._tally.over():
            await asyncio.sleep(min(EVERY, self._life / 20))
            found.append(self._server.sample(clock() - began))
            if minutes := int((clock() - counted) / 60):
                self._tally.add(SELF, {LOAD: minutes})
                counted += 60 * minutes
        self._tally.add(SELF, {LOAD: round((clock() - counted) / 60)})
        length = found[-1].second
        early = _typical([one for one in found if 0.1 * length <= one.second <= 0.2 * length])
        late = _typical([one for one in found if one.second >= 0.9 * length])
        self._tally.highest(SELF, "MB early", early[0])
        self._tally.highest(SELF, "MB late", late[0])
        self._tally.highest(SELF, "MB grown at most", late[0] - early[0])
        self._tally.highest(SELF, "open files grown at most", late[1] - early[1])

    async def _restart(self) -> None:
        """SIGKILL, while at least one job is under way; the clients go on asking."""
        for _ in range(600):
            if self._under_way:
                break
            await asyncio.sleep(0.1)
        self._down, self._kills = True, self._kills + 1
        await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.start)
        self._down = False
        self._tally.add(SELF, {"killed": 1})

    async def _good(self) -> None:
        """Send photos; each answer is what the same photo got before."""
        dice = random.Random()  # noqa: S311  # no secrets here
        while not self._over:
            number = dice.randrange(PHOTOS)
            status, answer = await self._ask(self._cut(number), 120)
            right = status == 200 and self._known[number] == _digest(answer)
            self._tally.add(GOOD, {"sent": 1, "lost": int(not right)})
            if not right:
                self._tally.find(GOOD, number, f"status {status}: {answer[:200]!r}")
            await asyncio.sleep(dice.uniform(0, PAUSE))

    async def _bad(self) -> None:
        while not self._over:
            for name, (request, wanted) in BAD.items():
                await self._refused(name, wanted, lambda request=request: self._server.ask(request, 60))
            await self._refused(
                "gone in mid-body",
                {0},
                lambda: self._server.ask(_CUT + b"Content-Length: 5000\r\n\r\nabc", 60, close=True),
            )
            await asyncio.sleep(PAUSE)

    async def _slow(self) -> None:
        while not self._over:
            for name, head in SLOW.items():
                await self._refused(name, {0, 408}, lambda head=head: self._server.drip(head, b"a" * 1000, 0.5, 60))

    async def _refused(self, name: str, wanted: set[int], ask: Callable[[], Awaitable[tuple[int, bytes]]]) -> None:
        """Send a request that must be refused."""
        while self._down:
            await asyncio.sleep(0.1)
        kills = self._kills
        status, answer = await ask()
        if kills == self._kills:
            self._tally.add(name, {"sent": 1, "lost": int(status not in wanted)})
            if status not in wanted:
                self._tally.find(name, 0, f"status {status}: {answer[:200]!r}")

    async def _silent(self) -> None:
        """Connections that say nothing, opened again when the server closes them."""
        held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        while not self._over:
            before = len(held)
            with contextlib.suppress(OSError):
                while len(held) < SILENT:
                    held.append(await asyncio.open_connection("127.0.0.1", self._server.port))
                    if len(held) % 50 == 0:
                        await asyncio.sleep(0)
            self._tally.add("silent connections", {"sent": len(held) - before})
            self._tally.highest("silent connections", "at the same time", len(held))
            await asyncio.sleep(1)
            closed = [one for one in held if one[0].at_eof() or one[0].exception() or one[1].is_closing()]
            for _, writer in closed:
                writer.close()
            held = [one for one in held if one not in closed]
        for _, writer in held:
            writer.close()

    async def _jobs(self) -> None:
        """Send jobs; each is done in the end, also by another server, with the pictures that its photos got before."""
        while not self._over:
            job, kills = await self._send(), self._kills
            self._under_way.add(job)
            said = await self._done(job)
            self._under_way.discard(job)
            row = JOBS if kills == self._kills else OVER
            self._tally.add(row, {"sent": 1, "lost": int(bool(said))})
            if said:
                self._tally.find(row, 0, said)
            await self._ask(f"DELETE /v1/jobs/{job} {_TAIL}\r\n".encode(), 60)
            await asyncio.sleep(PAUSE)

    async def _send(self) -> str:
        """Send a job; its id."""
        parts = [
            b'--x\r\nContent-Disposition: form-data; name="photos"; filename="%d.jpg"\r\n\r\n' % number
            + self._photos[number % PHOTOS]
            + b"\r\n"
            for number in range(JOB)
        ]
        body = b"".join(parts) + b"--x--\r\n"
        head = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
        status, answer = await self._ask(f"POST /v1/jobs {_TAIL}{head}".encode() + body, 120)
        if status != 202:
            self._tally.find(JOBS, 0, f"status {status}: {answer[:200]!r}")
            return "none"
        return str(json.loads(answer)["id"])

    async def _done(self, job: str) -> str:
        """Wait until a job is done, and see what is wrong with it."""
        found: dict[str, object] = {}
        for _ in range(600):
            status, answer = await self._ask(f"GET /v1/jobs/{job} {_TAIL}\r\n".encode(), 60)
            if status != 200:
                return f"status {status}: {answer[:200]!r}"
            found = json.loads(answer)
            if found["state"] in {"done", "failed"}:
                break
            await asyncio.sleep(0.2)
        if (found["state"], found["done"], found["failed"]) != ("done", JOB, 0):
            return f"{answer[:300]!r}"
        for number in range(JOB):
            status, answer = await self._ask(
                f"GET /v1/jobs/{job}/photos/{number + 1}/output/0 {_TAIL}\r\n".encode(), 60
            )
            if status != 200 or _digest(answer) != self._known[number % PHOTOS]:
                return f"photo {number + 1}: status {status}, another picture"
        return ""

    async def _ask(self, request: bytes, seconds: float) -> tuple[int, bytes]:
        """Ask until a server that lives through it has answered, and is not busy."""
        while True:
            while self._down:
                await asyncio.sleep(0.1)
            kills = self._kills
            status, answer = await self._server.ask(request, seconds)
            if kills != self._kills:
                self._tally.add(GOOD, {"cut off by a SIGKILL, sent again": 1})
            elif status == 429:
                await asyncio.sleep(0.5)
            else:
                return status, answer

    def _cut(self, number: int) -> bytes:
        body = self._photos[number]
        head = f"POST /v1/cut {_TAIL}Content-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


_TAIL = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _photo(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_photo(seed)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _typical(found: list[Sample]) -> tuple[int, int]:
    """Megabytes and open files, as they mostly are."""
    return round(statistics.median(one.megabytes for one in found)), round(
        statistics.median(one.files for one in found)
    )
