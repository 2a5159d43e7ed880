"""Throughput, times and memory of ``carmask serve`` under load, beside ``carmask cut`` on the same photos.

    python benchmarks/server.py [--data DIR] [--requests 2000] [--clients 4] [--photos 100]

The server listens on the loopback address, in a process of its own, for as long as the benchmark runs. Clients send
the photos in turn, each the next one as soon as it has its answer. ``carmask cut`` is run on the same photos before
and after the load; its rate is that of whole runs less their start (the time of a run of one photo is taken off).
Memory is that of the server and its workers together, after 200 requests and at the end. Everything ends by itself:
after the last request, or after ``--limit`` seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from _bench import arguments, carmask, linked, measure, photos, resident, table

#: Requests before memory is looked at for the first time.
WARM = 200


def cut_rate(files: list[Path], count: int, folder: Path) -> float:
    """Photos a second of ``carmask cut``."""
    walls = []
    for number in (1, count):
        source = linked(files, number, folder / f"photos {number}")
        walls.append(measure(carmask("cut", source, "-o", folder / f"out {number} {time.monotonic_ns()}")).wall)
    return (count - 1) / max(1e-9, walls[1] - walls[0])


async def load(
    url: str, contents: list[bytes], requests: int, clients: int, limit: float, pid: int
) -> dict[str, object]:
    """Send requests; their times in seconds, and memory in bytes."""
    numbers = itertools.count()
    times: list[float] = []
    memory: dict[str, int] = {}
    refused = 0
    began = time.perf_counter()

    async def client(http: httpx.AsyncClient) -> None:
        nonlocal refused
        for number in numbers:
            if number >= requests or time.perf_counter() - began > limit:
                return
            started = time.perf_counter()
            files = {"image": ("photo.jpg", contents[number % len(contents)], "image/jpeg")}
            answer = await http.post(f"{url}v1/cut", files=files)
            if answer.status_code == 429:
                refused += 1
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            if answer.status_code != 200:
                raise SystemExit(f"{answer.status_code}: {answer.text[:200]}")
            times.append(time.perf_counter() - started)
            if len(times) == min(WARM, requests // 2):
                memory["warm"] = resident(pid)

    async with httpx.AsyncClient(timeout=120) as http:
        await asyncio.gather(*(client(http) for _ in range(clients)))
    memory["end"] = resident(pid)
    return {"times": times, "wall": time.perf_counter() - began, "memory": memory, "refused": refused}


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, requests=2000, clients=4, photos=100, limit=1800)
    found, what = photos(given.data)
    contents = [path.read_bytes() for path in found]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = cut_rate(found, given.photos, folder)
        command = carmask("serve", "--port", "0", "--state", folder / "state")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = re.match(r"\S+", server.stdout.readline())
                assert address is not None
                made = asyncio.run(load(address[0], contents, given.requests, given.clients, given.limit, server.pid))
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(30)
        after = cut_rate(found, given.photos, folder)
    times: list[float] = sorted(made["times"])  # type: ignore[call-overload]
    memory: dict[str, int] = made["memory"]  # type: ignore[assignment]
    rate, cut = len(times) / float(made["wall"]), (before + after) / 2  # type: ignore[arg-type]
    middle = statistics.median(times)
    last = times[min(len(times) - 1, int(0.99 * len(times)))]
    table(
        f"{len(times)} requests by {given.clients} clients, {what} photos, {len(os.sched_getaffinity(0))} cores",
        ["value"],
        {
            "/v1/cut, photos/s": [rate],
            "carmask cut before, photos/s": [before],
            "carmask cut after, photos/s": [after],
            "/v1/cut over cut": [rate / cut],
            "median, ms": [1e3 * middle],
            "99th percentile, ms": [1e3 * last],
            "99th percentile over median": [last / middle],
            f"memory after {min(WARM, given.requests // 2)} requests, MB": [memory["warm"] / 1e6],
            "memory at the end, MB": [memory["end"] / 1e6],
            "grown": [f"{memory['end'] / memory['warm'] - 1:+.1%}"],
            "refused for now (429)": [f"{made['refused']}"],
        },
        section="Server",
    )


if __name__ == "__main__":
    sys.exit(main())
