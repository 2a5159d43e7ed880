"""How fast the editor is, by its page's own marks: opening a photo, a brush stroke, saving and rendering again.

    python benchmarks/editor.py [--data DIR] [--photos 8] [--times 5] [--seconds 2]

``carmask cut`` and ``carmask review`` run on the loopback address, Chromium without a window looks at the page
(1280x800). Photos of 1918x1280 are opened from the list, where they were not loaded ahead and the network has not run,
and by the key of the next one. Then the same at 12 megapixels (4000x3000: the photos enlarged, with noise). A stroke is
drawn for ``--seconds``, with a place every 8 ms; its frames are those that the browser showed. A save is from the key
to the server's answer: mask stored, picture rendered from it and written. Needs the extra ``[serve]``, playwright and
Chromium. Everything ends by itself.
"""

from __future__ import annotations

import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from _bench import arguments, carmask, linked, measure, photos, table

#: What the run makes of each photo.
OUTPUT = ("--background", "showroom", "--shadow", "make")
LARGE = (4000, 3000)
#: Milliseconds between photos.
PAUSE = 1000


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    given = arguments(__doc__, photos=8, times=5, seconds=2)
    found, what = photos(given.data)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    rows: dict[str, list[float | str]] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        small = linked(found, given.photos, Path(name) / "small")
        large = enlarged(found, given.photos, Path(name) / "large")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        columns = []
        for folder, size in ((small, "1918x1280"), (large, "x".join(map(str, LARGE)))):
            columns.append(size)
            for label, values in measured(folder, browser, given.times, given.seconds).items():
                rows.setdefault(label, []).extend(values)
        browser.close()
    title = f"The editor in Chromium, {what} photos, {given.times} times each, median (and slowest)"
    table(title, columns, rows, section="Server")


def enlarged(found: list[Path], count: int, folder: Path) -> Path:
    """A folder with photos of 12 megapixels."""
    folder.mkdir()
    noise = np.random.default_rng(0).normal(0, 4, (LARGE[1], LARGE[0], 1)).astype(np.int16)
    for number in range(count):
        picture = Image.open(found[number % len(found)]).convert("RGB").resize(LARGE, Image.Resampling.BICUBIC)
        pixels = np.clip(np.asarray(picture).astype(np.int16) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"photo_{number:06d}.jpg", quality=90)
    return folder


def measured(photos: Path, browser: Any, times: int, seconds: int) -> dict[str, list[str]]:
    """What the page marks on a folder of photos."""
    out = photos.parent / f"out {photos.name}"
    measure(carmask("cut", photos, "-o", out, *OUTPUT))
    command = carmask("review", out, "--port", "0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = re.match(r"\S+", server.stdout.readline())
            assert address is not None
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            context.add_init_script("localStorage.setItem('carmask-author', 'benchmark')")
            page = context.new_page()
            page.goto(address[0])
            page.wait_for_selector("body[data-shown]")
            page.select_option("#filter", "all")
            page.wait_for_timeout(PAUSE)
            found = {
                "open from the list, never seen before, ms": opened(page, times, ahead=False),
                "open the next, loaded ahead, ms": opened(page, times, ahead=True),
                "frames a second of a stroke": strokes(page, times, seconds),
                "save and render again, ms": saves(page, times),
            }
            context.close()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    return found


def marks(page: Any, name: str) -> list[dict[str, Any]]:
    """What the page measured under a name."""
    script = "name => performance.getEntriesByName(name).map((one) => ({ ms: one.duration, detail: one.detail }))"
    found: list[dict[str, Any]] = page.evaluate(script, name)
    return found


def opened(page: Any, times: int, *, ahead: bool) -> list[str]:
    """Open photos: by the key of the next one, or from the list upwards, where none was loaded ahead."""
    buttons = page.locator("#photos button")
    first = 0 if ahead else buttons.count() - 1
    buttons.nth(first).click()
    page.wait_for_timeout(PAUSE)
    found = []
    for number in range(1, times + 1):
        before = len(marks(page, "carmask-open"))
        if ahead:
            page.keyboard.press("n")
        else:
            buttons.nth(first - number).click()
        wait(page, "carmask-open", before)
        page.wait_for_timeout(PAUSE)  # until the next ones are there
        found.append(marks(page, "carmask-open")[-1]["ms"])
    return [said(found, max)]


def strokes(page: Any, times: int, seconds: int) -> list[str]:
    """Draw round and round for some seconds."""
    box = page.locator("#overlay").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2.4
    page.evaluate("document.getElementById('size').value = 60")
    page.locator("#size").dispatch_event("input")
    rates = []
    for number in range(times):
        before = len(marks(page, "carmask-stroke"))
        page.keyboard.press("be"[number % 2])
        page.mouse.move(middle[0] + 200, middle[1])
        page.mouse.down()
        end, angle = time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            angle += 0.05
            page.mouse.move(middle[0] + 200 * np.cos(angle), middle[1] + 120 * np.sin(angle))
            time.sleep(0.008)
        page.mouse.up()
        wait(page, "carmask-stroke", before)
        steps = marks(page, "carmask-stroke")[-1]["detail"]["steps"]
        rates.append(1000 / statistics.mean(steps))
    return [said(rates, min)]


def saves(page: Any, times: int) -> list[str]:
    """Save a mask that has just been changed."""
    begun = len(marks(page, "carmask-save"))
    for number in range(times):
        page.keyboard.press("be"[number % 2])
        page.mouse.click(700 + 10 * number, 300)
        page.keyboard.press("Control+s")
        wait(page, "carmask-save", begun + number)
    return [said([one["ms"] for one in marks(page, "carmask-save")[begun:]], max)]


def wait(page: Any, name: str, count: int) -> None:
    """Wait until the page has measured more than ``count`` times."""
    page.wait_for_function("([name, count]) => performance.getEntriesByName(name).length > count", arg=[name, count])


def said(values: list[float], worst: Any) -> str:
    """Median and worst."""
    return f"{statistics.median(values):.0f} ({worst(values):.0f})"


if __name__ == "__main__":
    sys.exit(main())
