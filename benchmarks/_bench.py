"""What the benchmarks share: photos to work on, programs measured from outside, tables."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from carmask.machine import KNOWN, available_cores, this_processor
from carmask.model.file import find_model, read_info
from carmask.model.precision import choose_precision
from carmask.model.runtime import DEFAULT_MODEL

HEIGHT, WIDTH = 1280, 1918
#: Whether tables are recorded, and how many have been.
_RECORDED: dict[str, int] = {}
#: Where the real photos are looked for if nothing is said.
DATA = Path(os.environ.get("CARMASK_DATA", Path(__file__).parents[2] / "shared" / "carvana"))


class Usage(NamedTuple):
    """What a program took, its children included."""

    wall: float
    processor: float
    peak: int  # bytes resident, all its processes together
    output: str


def arguments(description: str | None, **defaults: int) -> argparse.Namespace:
    """Read ``--data`` and some numbers from the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="a folder with original/train/*.jpg, or photos itself")
    parser.add_argument("--record", action="store_true", help="write the tables to benchmarks/results as well")
    parser.add_argument("--rembg", type=Path, default=os.environ.get("CARMASK_REMBG"), help=argparse.SUPPRESS)
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value, help=f"default {value}")
    given = parser.parse_args()
    _RECORDED["on"] = given.record
    return given


def photos(data: Path) -> tuple[list[Path], str]:
    """The JPEG photos of a folder, or drawn ones in a new folder, and what they are, for the table."""
    for folder in (data / "original" / "train", data):
        found = sorted(folder.glob("*.jpg")) if folder.is_dir() else []
        if found:
            return found, "real"
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"carmask-bench-{os.getuid()}"  # noqa: S108  # kept for the next run
    folder.mkdir(exist_ok=True)
    for number in range(16):
        if not (folder / f"drawn_{number:02d}.jpg").exists():
            Image.fromarray(drawn_photo(number)).save(folder / f"drawn_{number:02d}.jpg", quality=90)
    return sorted(folder.glob("drawn_*.jpg")), "drawn"


def drawn_photo(seed: int) -> np.ndarray:
    """A dark, glossy blob in a bright, slightly noisy room: it compresses about as a studio photo does."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    photo = np.stack([235 - 25 * rows / HEIGHT, 232 - 20 * rows / HEIGHT, 230 - 15 * columns / WIDTH], axis=2)
    edge = cv2.resize(random.normal(size=(24, 36)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    inside = ((rows - 700) / 300) ** 2 + ((columns - 950) / 620) ** 2 + 0.08 * edge < 1
    photo[inside] = random.integers(20, 120, 3) + 40 * np.sin(rows[inside] / 30)[:, None]
    return np.clip(photo + random.normal(0, 1.5, photo.shape), 0, 255).astype(np.uint8)


def linked(originals: Sequence[Path], count: int, folder: Path) -> Path:
    """A folder with ``count`` photos: the originals under many names, by links."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        link = folder / f"photo_{number:06d}.jpg"
        if not link.exists():
            link.symlink_to(originals[number % len(originals)].resolve())
    return folder


def carmask(*words: str | Path) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "carmask", *map(str, words)]


def measure(
    command: Sequence[str],
    *,
    watch: Callable[[float, int], None] | None = None,
    expect: int = 0,
    memory: str = "VmRSS",
) -> Usage:
    """Run a program to its end.

    Args:
        command: its words.
        watch: called with seconds and bytes resident, a few times a second.
        expect: the exit code that is no failure.
        memory: what is counted: VmRSS, all resident pages, or RssAnon, without those of mapped files.

    Returns:
        What it took.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        output: list[str] = []
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: output.append(process.stdout.read()))
        reader.start()
        while reader.is_alive():
            now = resident(process.pid, memory)
            peak = max(peak, now)
            if watch is not None:
                watch(time.perf_counter() - started, now)
            reader.join(0.05)  # returns as soon as the program closes its output, which it does when it ends
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != expect:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{output[0]}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(wall, processor, peak, output[0])


def resident(pid: int, memory: str = "VmRSS") -> int:
    """Bytes resident of a process and its children, pages that they share counted once for each (Linux)."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{memory}:"):
                total += int(line.split()[1]) * 1024
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return total
    return total + sum(resident(int(child), memory) for child in children)


def machine() -> str:
    """What all figures of a table depend on: the processor, and how it computes the default model."""
    processor = this_processor()
    precision = choose_precision(read_info(find_model(DEFAULT_MODEL)), processor)
    sets = " ".join(name for name in KNOWN if name in processor.instruction_sets) or "instruction sets unknown"
    today = datetime.now(UTC).date().isoformat()
    return (
        f"{processor.name or 'a processor'}, {available_cores()} cores, {sets}; default model in {precision}; {today}"
    )


def table(
    title: str, columns: Sequence[str], rows: Mapping[str, Sequence[float | str]], *, section: str = "Speed"
) -> None:
    """Print rows under a title; with ``--record`` they are kept for the page of results, too."""
    width = max(len(name) for name in rows) + 2
    cells = [[value if isinstance(value, str) else f"{value:.3g}" for value in row] for row in rows.values()]
    widths = [max(len(column), *(len(row[at]) for row in cells)) + 3 for at, column in enumerate(columns)]
    print(title)
    print(machine())
    print(" " * width + "".join(column.rjust(size) for column, size in zip(columns, widths, strict=True)))
    for name, row in zip(rows, cells, strict=True):
        print(name.ljust(width) + "".join(cell.rjust(size) for cell, size in zip(row, widths, strict=True)))
    if _RECORDED.get("on"):
        record(title, columns, dict(zip(rows, cells, strict=True)), section=section)


def record(
    title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]], *, section: str, part: str = "", **more: str
) -> Path:
    """Keep a table for the page of results (``benchmarks/report.py``): a file for each script, part, processor."""
    script = Path(sys.argv[0])
    data, _, rest = machine().rpartition("; ")
    kind = "avx512-bf16" if this_processor().bf16 else "vnni" if this_processor().vnni else "avx2"
    number = _RECORDED["tables"] = _RECORDED.get("tables", 0) + 1
    file = (
        Path(__file__).parent
        / "results"
        / f"{script.stem}{part and f'-{part}'}-{kind}{f'-{number}' if number > 1 else ''}.json"
    )
    words = [f"benchmarks/{script.name}", *(word for word in sys.argv[1:] if word != "--record")]
    shown = " ".join(Path(word).name if "/" in word and Path(word).is_absolute() else word for word in words)
    content = {
        "section": section,
        "title": title,
        "command": f"python {shown}",
        "machine": data,
        "date": rest,
        "columns": list(columns),
        "rows": {name: list(cells) for name, cells in rows.items()},
        **more,
    }
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def processor_ms(function: Callable[[Path], object], items: Sequence[Path], rounds: int) -> float:
    """Milliseconds of processor time of this thread for each item, in the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        for item in items:
            function(item)
        best = min(best, (time.thread_time() - started) / len(items))
    return best * 1e3
