"""How quick the page is at 300 images of 2048 x 2048 with pictures beside it: `make page-bench` (some minutes).

Eight synthetic hands under 300 names; a truth, and a prediction that is the truth moved by a pixel. The page is made by
`report_rle` and opened from disk in chromium, offline. Told are: the first picture from the start of the navigation;
the next image from the key to the second frame after it, at the speed of a reader (a pause of half a second) and of
somebody in a hurry (none); and an image far away, which nothing could load before. Exit code 1 where a median is over
the bound: 2 s for the first picture, 200 ms for the next one.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page

from tests.page_browser import read_record, running_browser
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.page.html import render
from yolo_bones.report_rle import main as report_rle
from yolo_bones.rle import ImageSize, RunLengthMasks, decode, encode
from yolo_bones.rle_table import open_rle_table, write_masks

IMAGES, SIDE, STEPS = 300, 2048, 30
FIRST_MS, NEXT_MS = 2000.0, 200.0
STEP = """async ([key, pause, count]) => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  const root = document.documentElement;
  const times = [];
  for (let number = 0; number < count; number++) {
    const before = root.dataset.shown;
    const start = performance.now();
    if (key) document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    else document.querySelectorAll("#list [role=option]")[(Number(before) + 97) % 300].click();
    while (root.dataset.shown === before) await new Promise((done) => setTimeout(done, 0));
    await frame();
    await frame();
    times.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, pause));
  }
  return times;
}"""
FIRST = """async () => {
  while (document.documentElement.dataset.shown === undefined) await new Promise((done) => setTimeout(done, 0));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now();
}"""


def main(out: Path) -> int:
    """Make the page in a folder, or draw anew what an earlier run left there; measure it, print a table."""
    html = out.resolve() / "page.html"
    if html.exists():
        html.write_text(render(read_record(html)), encoding="utf-8")
    else:
        make_page(out, html)
    size = html.stat().st_size / 1e6
    print(f"{IMAGES} images, page of {size:.1f} MB, load average before {os.getloadavg()[0]:.1f}")
    with running_browser() as browser:
        print(f"chromium {browser.version}, {os.cpu_count()} cores, no GPU")
        slow = [measure(browser, html, width, height) for width, height in ((1280, 800), (1920, 1080))]
    return int(any(slow))


def make_page(out: Path, html: Path) -> None:
    """300 images that are links to eight, so that the disk holds each picture once."""
    raw, images = out / "raw", out / "images"
    assert make_phantoms([str(raw), "--patients", "0", "--test", "4", "--seed", "90701", "--quiet"]) == 0
    pictures = sorted((raw / "test" / "DCM").rglob("*.png"))
    images.mkdir(parents=True, exist_ok=True)
    sources = [pictures[number % len(pictures)] for number in range(IMAGES)]
    for number, source in enumerate(sources):
        os.link(source, images / f"image{number:03}.png")
    truth = {
        rows.image_name: rows.masks(ImageSize(SIDE, SIDE)) for rows in open_rle_table(raw / "test_truth.csv").images()
    }
    moved = {name: encode(np.roll(decode(masks), (1, 2), axis=(1, 2))) for name, masks in truth.items()}

    def table(masks: dict[str, RunLengthMasks]) -> Iterator[tuple[str, RunLengthMasks]]:
        for number, source in enumerate(sources):
            yield f"image{number:03}.png", masks[source.name]

    write_masks(out / "truth.csv", table(truth))
    write_masks(out / "pred.csv", table(moved))
    given = [str(out / "pred.csv"), "--images", str(images), "--truth", str(out / "truth.csv")]
    given.append("--quiet")
    assert report_rle([*given, "--html", str(html), "--embed-mb", "1", "--workers", str(os.cpu_count() or 1)]) == 0


def measure(browser: Browser, html: Path, width: int, height: int) -> bool:
    """Print the times of one size of window; whether one is over its bound."""
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    first = []
    for _ in range(5):
        page = context.new_page()
        page.goto(html.as_uri(), wait_until="commit")
        first.append(float(page.evaluate(FIRST)))
        page.wait_for_timeout(1500)
        if len(first) < 5:
            page.close()
    print(f"window of {width} x {height}")
    slow = told("first picture", first) > FIRST_MS
    slow |= told("next image, half a second a step", timed(page, "ArrowRight", 500)) > NEXT_MS
    slow |= told("next image, as fast as it goes", timed(page, "ArrowRight", 0)) > NEXT_MS
    told("an image far away", timed(page, "", 500))
    context.close()
    return slow


def timed(page: Page, key: str, pause_ms: int) -> list[float]:
    """Milliseconds of some steps, by a key or, without one, by clicks far apart in the list."""
    times: list[float] = page.evaluate(STEP, [key, pause_ms, STEPS])
    return times


def told(what: str, times: list[float]) -> float:
    """Print median, 95th percentile and worst; the median."""
    middle = statistics.median(times)
    print(f"  {what:34} median {middle:6.0f} ms   95 % {np.quantile(times, 0.95):6.0f} ms   worst {max(times):6.0f} ms")
    return middle


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
